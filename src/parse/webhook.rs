//! What smarthosts post of the mail that they send for us: one reader a provider.
//!
//! Way: `POST /v1/in/{provider}` checks who sent a body and spools it as it came (`ingest::webhook`), [`batch`] finds
//! the items in it, the reader of its provider makes events of each, `classify` goes on.
//! Source: the providers' own pages, named in each file; field names and event words are theirs.
//! Not here: signatures (`ingest::webhook`); what a reply means (`classify`).
//!
//! What all have in common:
//! * The id of an event is made from what the provider itself calls it, or else from its content: a provider tries for
//!   hours until it is answered 200, and the same event must not count twice.
//! * `relay` is the provider's name, `relay_class` its own word for a failure.
//! * A variable that the sender put on the message and called `tenant`, `campaign` or `stream` becomes that label; the
//!   first tag is the campaign if nothing else is. All others are kept in `meta` and `tags`.
//! * An event of a type that is not known is a reject. One that is known and is about no message (a domain's DNS, a
//!   contact list) makes no event.
//! * Where a message has several recipients and the provider does not say whose event it is, the event has none.

pub mod batch;
mod brevo;
pub(in crate::parse) mod draft;
mod mailgun;
mod mailjet;
mod postal;
mod postmark;
mod resend;
mod sendgrid;
mod ses;
mod sparkpost;
mod stalwart;
#[cfg(test)]
mod tests;

use crate::model::{Event, SourceKind};
use crate::parse::ndjson::value::record_text;
use crate::parse::{EventReader, Item, Reject};

/// Longest item, in bytes: four times what SNS carries, the most that any of them takes for one event.
pub const ITEM_BYTES_MAX: usize = 1024 * 1024;

/// Most recipients of one item: twice what a message of SES may have.
pub const RECIPIENTS_MAX: usize = 100;

/// A smarthost whose webhooks are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provider {
    Ses,
    Sendgrid,
    Mailgun,
    Postmark,
    Sparkpost,
    Brevo,
    Mailjet,
    Resend,
    Postal,
    Stalwart,
}

impl Provider {
    pub const ALL: [Self; 10] = [
        Self::Ses,
        Self::Sendgrid,
        Self::Mailgun,
        Self::Postmark,
        Self::Sparkpost,
        Self::Brevo,
        Self::Mailjet,
        Self::Resend,
        Self::Postal,
        Self::Stalwart,
    ];

    /// The kind of its sources, and by that its name in URLs and settings.
    pub const fn kind(self) -> SourceKind {
        match self {
            Self::Ses => SourceKind::Ses,
            Self::Sendgrid => SourceKind::Sendgrid,
            Self::Mailgun => SourceKind::Mailgun,
            Self::Postmark => SourceKind::Postmark,
            Self::Sparkpost => SourceKind::Sparkpost,
            Self::Brevo => SourceKind::Brevo,
            Self::Mailjet => SourceKind::Mailjet,
            Self::Resend => SourceKind::Resend,
            Self::Postal => SourceKind::Postal,
            Self::Stalwart => SourceKind::Stalwart,
        }
    }

    /// The provider whose sources are of that kind, if there is one.
    pub fn of(kind: SourceKind) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.kind() == kind)
    }

    pub const fn name(self) -> &'static str {
        self.kind().name()
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.name() == name)
    }
}

/// The reader of one provider. It keeps no state: each item says all of its event.
#[derive(Debug, Clone, Copy)]
pub struct WebhookReader(pub Provider);

impl EventReader for WebhookReader {
    fn read(&mut self, item: &Item<'_>, events: &mut Vec<Event>) -> Result<(), Reject> {
        let text = record_text(item.bytes, ITEM_BYTES_MAX)?;
        let before = events.len();
        let read = match self.0 {
            Provider::Ses => ses::read,
            Provider::Sendgrid => sendgrid::read,
            Provider::Mailgun => mailgun::read,
            Provider::Postmark => postmark::read,
            Provider::Sparkpost => sparkpost::read,
            Provider::Brevo => brevo::read,
            Provider::Mailjet => mailjet::read,
            Provider::Resend => resend::read,
            Provider::Postal => postal::read,
            Provider::Stalwart => stalwart::read,
        };
        let outcome = read(text, item, events);
        if outcome.is_err() {
            events.truncate(before);
        }
        outcome
    }
}
