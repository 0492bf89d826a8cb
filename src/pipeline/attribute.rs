//! Whose message feedback is about, and whether it is to be believed.
//!
//! Way: `feedback` makes an event with [`Clues`] of a notice or complaint; when the batch is cut, the store and the batch
//! itself are asked once for all messages that the clues name, and [`attribute`] decides for each event. What matches
//! takes over what is known of the message; what does not is stored as unverified, and no rate counts it.
//! Not here: reading the mail (`parse`), finding the sent events (`store::sent`).

use crate::model::{Event, EventType, MarkCheck, Text, Timestamp, Trust};
use crate::store::{SentEvent, SentKeys};
use compact_str::format_compact;
use std::collections::HashMap;

/// How long after its message feedback is believed: 30 days. Bounces come within the five days that relays retry;
/// complaints are made when a mailbox is tidied up. `events` are kept longer by default.
pub(super) const FEEDBACK_WINDOW_S: i64 = 30 * 86_400;

/// What a feedback item says of the message that it is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Clues {
    pub(super) message_ids: Vec<Text>,
    pub(super) queue_ids: Vec<Text>,
    pub(super) envids: Vec<Text>,
    /// Signed ones of ours, which stand for one message each.
    pub(super) return_paths: Vec<Text>,
    /// Normalised, the likeliest first; none when the feedback hides them.
    pub(super) recipients: Vec<Text>,
    /// The check of our mark that the mail bears, `None` without one.
    pub(super) mark: Option<MarkCheck>,
    pub(super) mark_place: MarkPlace,
    /// The known feedback loop that signed the complaint.
    pub(super) feedback_loop: Option<Text>,
    /// The mail bears the token of an unsubscribe link of ours for this recipient.
    pub(super) has_signed_link: bool,
}

impl Clues {
    pub(super) fn add_to(&self, keys: &mut SentKeys) {
        keys.message_ids.extend(self.message_ids.iter().cloned());
        keys.provider_message_ids.extend(self.message_ids.iter().cloned());
        keys.queue_ids.extend(self.queue_ids.iter().cloned());
        keys.envids.extend(self.envids.iter().cloned());
        keys.env_froms.extend(self.return_paths.iter().cloned());
    }

    /// Whether it would matter if the message were found: it is named, and nothing speaks against the feedback.
    pub(super) fn may_be_found(&self) -> bool {
        let is_refuted = matches!(self.mark, Some(MarkCheck::Wrong | MarkCheck::Expired));
        let ids = [&self.message_ids, &self.queue_ids, &self.envids, &self.return_paths];
        !is_refuted && !self.has_signed_link && ids.iter().any(|ids| !ids.is_empty())
    }
}

/// Where a mark of ours came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum MarkPlace {
    #[default]
    ReturnPath,
    /// `X-Relaylens-Ref` or `CFBL-Feedback-ID` in what the mail returns.
    Header,
}

impl MarkPlace {
    const fn words(self) -> &'static str {
        match self {
            Self::ReturnPath => "return path",
            Self::Header => "reference in the header",
        }
    }
}

/// Sent events by what they are known by.
pub(super) struct SentIndex<'a> {
    by_kind: [HashMap<&'a str, Vec<&'a SentEvent>>; 4],
}

/// In the order in which they are believed: a message id is unique in the world, a queue id at its relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    MessageId,
    ReturnPath,
    EnvelopeId,
    QueueId,
}

impl Kind {
    const fn words(self) -> &'static str {
        match self {
            Self::MessageId => "message id",
            Self::ReturnPath => "return path",
            Self::EnvelopeId => "envelope id",
            Self::QueueId => "queue id",
        }
    }
}

impl<'a> SentIndex<'a> {
    pub(super) fn new(events: &'a [SentEvent]) -> Self {
        let mut by_kind: [HashMap<_, Vec<_>>; 4] = Default::default();
        for event in events {
            let ids = [
                (Kind::MessageId, &event.message_id),
                (Kind::MessageId, &event.provider_message_id),
                (Kind::ReturnPath, &event.env_from),
                (Kind::EnvelopeId, &event.envid),
                (Kind::QueueId, &event.queue_id),
            ];
            for (kind, id) in ids.into_iter().filter(|(_, id)| !id.is_empty()) {
                by_kind[kind as usize].entry(id.as_str()).or_default().push(event);
            }
        }
        Self { by_kind }
    }

    fn of(&self, kind: Kind, id: &str) -> &[&'a SentEvent] {
        self.by_kind[kind as usize].get(id).map_or(&[], Vec::as_slice)
    }
}

/// Where a clue led.
struct Match<'a> {
    kind: Kind,
    /// All events of this message for this recipient.
    events: Vec<&'a SentEvent>,
    /// The feedback names another recipient, or none, but the message had this one alone.
    is_sole_recipient: bool,
}

/// Decides whether the event is genuine and fills in what is known of its message. Returns whether that was found.
pub(super) fn attribute(event: &mut Event, clues: &Clues, sent: &SentIndex<'_>) -> bool {
    let found = find(clues, event.event_time, sent);
    (event.trust, event.evidence) = judge(clues, found.as_ref());
    let Some((found, message)) = found.as_ref().and_then(|found| Some((found, found.events.first()?))) else {
        return false;
    };
    if event.trust != Trust::Unverified {
        event.is_repeat = found.events.iter().any(|sent| says_the_same(event.event_type, sent));
        take_over(event, message);
    }
    true
}

/// Whether the message that the clues name is among the events.
pub(super) fn is_about(clues: &Clues, feedback_time: Timestamp, sent: &SentIndex<'_>) -> bool {
    find(clues, feedback_time, sent).is_some()
}

/// How far feedback is believed, and why. A mark of ours that does not verify is worse than none: whoever sent it knows
/// the form and not the key, or keeps old marks.
fn judge(clues: &Clues, found: Option<&Match<'_>>) -> (Trust, Text) {
    if clues.has_signed_link {
        return (Trust::Verified, Text::const_new("unsubscribe link signed for this recipient"));
    }
    let place = clues.mark_place.words();
    match (clues.mark, found) {
        (Some(MarkCheck::Wrong), _) => {
            (Trust::Unverified, format_compact!("its {place} is not signed for this recipient"))
        }
        (Some(MarkCheck::Expired), _) => {
            (Trust::Unverified, format_compact!("the signature of its {place} has expired"))
        }
        (Some(MarkCheck::Recipient), _) => {
            (Trust::Verified, format_compact!("{place} signed for this recipient"))
        }
        (Some(MarkCheck::Message), Some(_)) => {
            (Trust::Verified, format_compact!("signed {place}, and recipient of its message"))
        }
        (Some(MarkCheck::Message), None) => (
            Trust::Unverified,
            format_compact!("its {place} is signed, but we know of no message to this recipient"),
        ),
        (None, _) if let Some(sender) = &clues.feedback_loop => {
            (Trust::Verified, format_compact!("truly from {sender}, which runs a feedback loop"))
        }
        (None, Some(found)) => {
            let words = found.kind.words();
            let evidence = if found.is_sole_recipient {
                format_compact!("{words} of a message to this recipient alone")
            } else {
                format_compact!("{words} and recipient of a sent message")
            };
            (Trust::Matched, evidence)
        }
        (None, None) => (Trust::Unverified, Text::const_new(why_not(clues))),
    }
}

/// Whether the sent event already told what the feedback tells: a relay's own notice repeats the failure in its log.
fn says_the_same(event_type: EventType, sent: &SentEvent) -> bool {
    match event_type {
        EventType::Bounced | EventType::Expired => sent.is_failure() || sent.is_suppressed(),
        EventType::Complained => sent.is_complaint(),
        _ => false,
    }
}

fn find<'a>(clues: &Clues, feedback_time: Timestamp, sent: &SentIndex<'a>) -> Option<Match<'a>> {
    let kinds = [
        (Kind::MessageId, &clues.message_ids),
        (Kind::ReturnPath, &clues.return_paths),
        (Kind::EnvelopeId, &clues.envids),
        (Kind::QueueId, &clues.queue_ids),
    ];
    kinds.into_iter().find_map(|(kind, ids)| {
        ids.iter().find_map(|id| {
            let events: Vec<&SentEvent> = sent
                .of(kind, id)
                .iter()
                .filter(|event| is_within_window(event.event_time, feedback_time))
                .copied()
                .collect();
            to_recipient(kind, &events, &clues.recipients)
        })
    })
}

/// A day's grace before the message: clocks differ, and some reporters write dates in their own zone.
const fn is_within_window(sent: Timestamp, feedback: Timestamp) -> bool {
    let age_s = (feedback.0 - sent.0) / 1_000_000;
    age_s >= -86_400 && age_s <= FEEDBACK_WINDOW_S
}

fn to_recipient<'a>(kind: Kind, events: &[&'a SentEvent], recipients: &[Text]) -> Option<Match<'a>> {
    for recipient in recipients {
        let named: Vec<&SentEvent> = events
            .iter()
            .filter(|event| event.recipient == *recipient || event.orig_recipient == *recipient)
            .copied()
            .collect();
        if !named.is_empty() {
            return Some(Match { kind, events: named, is_sole_recipient: false });
        }
    }
    // A queue id is short and used again: without the recipient it proves nothing.
    if kind == Kind::QueueId {
        return None;
    }
    let with_recipient: Vec<&SentEvent> =
        events.iter().filter(|event| !event.recipient.is_empty()).copied().collect();
    let first = with_recipient.first()?;
    with_recipient.iter().all(|event| event.recipient == first.recipient).then_some(Match {
        kind,
        events: with_recipient,
        is_sole_recipient: true,
    })
}

/// The recipient becomes the one that we sent to, which is what a suppression list needs; the one that the feedback
/// names stays beside it.
fn take_over(event: &mut Event, sent: &SentEvent) {
    if !sent.recipient.is_empty() && event.recipient != sent.recipient {
        let named = std::mem::replace(&mut event.recipient, sent.recipient.clone());
        if !named.is_empty() {
            event.meta.push((Text::const_new("reported_recipient"), named));
        }
        event.recipient_domain = crate::model::domain_of(&event.recipient).into();
    }
    let fields = [
        (&mut event.message_id, &sent.message_id),
        (&mut event.provider_message_id, &sent.provider_message_id),
        (&mut event.queue_id, &sent.queue_id),
        (&mut event.envid, &sent.envid),
        (&mut event.orig_recipient, &sent.orig_recipient),
        (&mut event.relay, &sent.relay),
        (&mut event.tenant, &sent.tenant),
        (&mut event.stream, &sent.stream),
        (&mut event.campaign, &sent.campaign),
        (&mut event.env_from, &sent.env_from),
        (&mut event.env_from_domain, &sent.env_from_domain),
        (&mut event.header_from_domain, &sent.header_from_domain),
        (&mut event.pool, &sent.pool),
        (&mut event.egress_source, &sent.egress_source),
    ];
    for (field, known) in fields {
        if !known.is_empty() {
            field.clone_from(known);
        }
    }
    event.sending_ip = sent.sending_ip.or(event.sending_ip);
}

fn why_not(clues: &Clues) -> &'static str {
    let has_ids = !(clues.message_ids.is_empty() && clues.envids.is_empty() && clues.queue_ids.is_empty());
    if has_ids {
        "no message that we sent within 30 days has such an id and recipient"
    } else {
        "it names no id of a message"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_S: i64 = 86_400;

    fn sent(message_id: &str, queue_id: &str, recipient: &str, event_type: EventType) -> SentEvent {
        SentEvent {
            event_type: event_type as i8,
            event_time: Timestamp::from_seconds(100 * DAY_S),
            message_id: message_id.into(),
            queue_id: queue_id.into(),
            recipient: recipient.into(),
            stream: "news".into(),
            ..SentEvent::default()
        }
    }

    fn clues(message_id: &str, queue_id: &str, recipient: &str) -> Clues {
        let some = |text: &str| if text.is_empty() { Vec::new() } else { vec![Text::from(text)] };
        Clues {
            message_ids: some(message_id),
            queue_ids: some(queue_id),
            recipients: some(recipient),
            ..Clues::default()
        }
    }

    #[track_caller]
    fn check(clues: &Clues, days_later: i64, expect: (Trust, &str, bool)) {
        let events = [
            sent("one@news.example", "Q1", "ann@example.net", EventType::Delivered),
            sent("two@news.example", "Q2", "ann@example.net", EventType::Delivered),
            sent("two@news.example", "Q2", "bob@example.net", EventType::Bounced),
        ];
        let mut event = Event {
            event_type: EventType::Bounced,
            event_time: Timestamp::from_seconds((100 + days_later) * DAY_S),
            recipient: clues.recipients.first().cloned().unwrap_or_default(),
            ..Event::default()
        };
        attribute(&mut event, clues, &SentIndex::new(&events));
        assert_eq!(
            (event.trust, event.recipient.as_str(), event.is_repeat),
            expect,
            "{clues:?}: {}",
            event.evidence
        );
        assert_eq!(event.stream == "news", expect.0 != Trust::Unverified);
    }

    #[test]
    fn an_id_and_the_recipient_match() {
        check(
            &clues("one@news.example", "", "ann@example.net"),
            1,
            (Trust::Matched, "ann@example.net", false),
        );
        check(&clues("", "Q1", "ann@example.net"), 1, (Trust::Matched, "ann@example.net", false));
    }

    #[test]
    fn a_sole_recipient_needs_no_name() {
        check(&clues("one@news.example", "", ""), 1, (Trust::Matched, "ann@example.net", false));
        check(
            &clues("one@news.example", "", "final@other.example"),
            1,
            (Trust::Matched, "ann@example.net", false),
        );
    }

    #[test]
    fn of_several_recipients_none_is_guessed() {
        check(&clues("two@news.example", "", ""), 1, (Trust::Unverified, "", false));
        check(
            &clues("two@news.example", "", "eve@example.net"),
            1,
            (Trust::Unverified, "eve@example.net", false),
        );
    }

    #[test]
    fn a_queue_id_alone_proves_nothing() {
        check(&clues("", "Q1", ""), 1, (Trust::Unverified, "", false));
    }

    #[test]
    fn what_the_log_has_told_is_a_repeat() {
        check(
            &clues("two@news.example", "", "bob@example.net"),
            1,
            (Trust::Matched, "bob@example.net", true),
        );
    }

    #[test]
    fn feedback_comes_after_its_message_and_not_too_late() {
        check(
            &clues("one@news.example", "", "ann@example.net"),
            31,
            (Trust::Unverified, "ann@example.net", false),
        );
        check(
            &clues("one@news.example", "", "ann@example.net"),
            -2,
            (Trust::Unverified, "ann@example.net", false),
        );
    }

    #[test]
    fn a_proof_for_the_recipient_needs_no_match() {
        let mut event = Event::default();
        let clues = Clues { mark: Some(MarkCheck::Recipient), ..Clues::default() };
        attribute(&mut event, &clues, &SentIndex::new(&[]));
        assert_eq!(event.trust, Trust::Verified);
    }

    #[test]
    fn a_proof_for_the_message_needs_its_recipient() {
        let marked =
            |recipient| Clues { mark: Some(MarkCheck::Message), ..clues("two@news.example", "", recipient) };
        check(&marked("ann@example.net"), 1, (Trust::Verified, "ann@example.net", false));
        check(&marked("eve@example.net"), 1, (Trust::Unverified, "eve@example.net", false));
    }

    #[test]
    fn a_mark_that_does_not_verify_outweighs_a_match() {
        for mark in [MarkCheck::Wrong, MarkCheck::Expired] {
            let marked = Clues { mark: Some(mark), ..clues("one@news.example", "", "ann@example.net") };
            check(&marked, 1, (Trust::Unverified, "ann@example.net", false));
        }
    }
}
