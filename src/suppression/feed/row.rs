//! The columns of an import, by name, whatever their case and order; others are passed over.
//!
//! | column | also called | what |
//! | --- | --- | --- |
//! | `address` | `email`, `email address`, `emailaddress`, `e-mail`, `recipient` | the address, or the SHA-256 or MD5 of the normalised one |
//! | `reason` | `type of suppression`, `suppressionreason` | ours, or the usual words of others; an unknown word goes into the note |
//! | `scope`, `tenant`, `name` | `stream`, `list` | as in a snapshot; else the scope of the import |
//! | `type` | | all, marketing, transactional; else the type of the import |
//! | `since` | `observed`, `created`, `created_at`, `createdat`, `date` | RFC 3339, a date, or seconds since 1970; without it a tombstone holds against the row |
//! | `expires` | `expires_at` | the same |
//! | `note` | `comment` | |

use crate::model::suppression::{
    Action, Change, Key, MailType, NAME_BYTES_MAX, NOTE_BYTES_MAX, Origin, Reason, Scope,
};
use crate::model::{ADDRESS_BYTES_MAX, BounceGroup, Text, Timestamp, normalize_address};
use crate::suppression::feed::import::{ImportPlan, RowFault};
use crate::suppression::index::{MD5_PREFIX, SHA256_PREFIX};

/// A column that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Address,
    Reason,
    Scope,
    Tenant,
    Name,
    Type,
    Since,
    Expires,
    Note,
}

/// Number of columns.
const COLUMNS: usize = 9;

/// The values of a row, by column.
#[derive(Default)]
pub(super) struct Values([String; COLUMNS]);

impl Values {
    pub(super) fn set(&mut self, column: Column, value: String) {
        self.0[column as usize] = value;
    }

    fn of(&self, column: Column) -> &str {
        self.0[column as usize].trim()
    }
}

impl Column {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name.trim().to_ascii_lowercase().as_str() {
            "address" | "email" | "email address" | "email_address" | "emailaddress" | "e-mail"
            | "recipient" => Self::Address,
            "reason" | "type of suppression" | "suppressionreason" => Self::Reason,
            "scope" => Self::Scope,
            "tenant" => Self::Tenant,
            "name" | "stream" | "list" => Self::Name,
            "type" => Self::Type,
            "since" | "observed" | "created" | "created_at" | "createdat" | "date" => Self::Since,
            "expires" | "expires_at" => Self::Expires,
            "note" | "comment" => Self::Note,
            _ => return None,
        })
    }
}

/// Whether a field of a first row shows that the row is no head.
pub(super) fn is_address_like(field: &str) -> bool {
    field.contains('@') || hash_of(field).is_some()
}

pub(super) fn change_of(values: &Values, plan: &ImportPlan) -> Result<Change, RowFault> {
    let (reason, word) = reason_of(values.of(Column::Reason));
    if reason == Reason::Compliance && !plan.is_admin {
        return Err(RowFault::NeedsAdmin);
    }
    let note = match values.of(Column::Note) {
        "" => word,
        note => note.into(),
    };
    let mail_type = match values.of(Column::Type) {
        "" => plan.mail_type,
        name => MailType::from_name(&name.to_ascii_lowercase()).ok_or_else(|| RowFault::BadValue {
            column: "type",
            value: shortened(name),
            wanted: "write `all`, `marketing` or `transactional`",
        })?,
    };
    let address = address_of(values.of(Column::Address))?;
    let key = Key { address, scope: scope_of(values, plan)?, mail_type, reason };
    Ok(Change {
        action: Action::Import,
        key,
        observed: time_of("since", values.of(Column::Since))?.unwrap_or_default(),
        expires: time_of("expires", values.of(Column::Expires))?.or(plan.expires),
        origin: Origin::Actor(plan.actor.clone()),
        run: Some(plan.run),
        evidence: Vec::new(),
        note: Text::from(&note[..note.floor_char_boundary(NOTE_BYTES_MAX)]),
    })
}

fn address_of(text: &str) -> Result<Text, RowFault> {
    if text.is_empty() {
        return Err(RowFault::NoAddress);
    }
    if let Some(hash) = hash_of(text) {
        return Ok(hash);
    }
    let bad = || RowFault::BadAddress(shortened(text));
    if text.len() > ADDRESS_BYTES_MAX || text.contains(char::is_control) {
        return Err(bad());
    }
    let address = normalize_address(text);
    let (local, domain) = address.rsplit_once('@').ok_or_else(bad)?;
    let is_quoted = local.len() > 1 && local.starts_with('"') && local.ends_with('"');
    let is_plain = !local.is_empty() && !local.contains(['@', ' ', '"', ',', ';', '<', '>']);
    let is_domain = !domain.is_empty() && !domain.contains([' ', ',', ';', '"', '<', '>', '/']);
    if (is_plain || is_quoted) && is_domain { Ok(address) } else { Err(bad()) }
}

/// The name of an address that is told by its hash, with or without the prefix that says which.
fn hash_of(text: &str) -> Option<Text> {
    let lower = text.trim().to_ascii_lowercase();
    [(SHA256_PREFIX, 64), (MD5_PREFIX, 32)].into_iter().find_map(|(prefix, digits)| {
        let hash = lower.strip_prefix(prefix).unwrap_or(&lower);
        let is_hash = hash.len() == digits && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hash.then(|| compact_str::format_compact!("{prefix}{hash}"))
    })
}

/// The reason that a word of ours or of others means, and a note where it is none that we know.
fn reason_of(word: &str) -> (Reason, Text) {
    let lower = word.to_ascii_lowercase();
    let reason = match lower.as_str() {
        "" => Reason::Import,
        "bounce" | "bounced" | "bounces" | "bounce rule" | "hard" | "hard bounce" | "hardbounce"
        | "hard_bounce" | "invalid" | "cleaned" => Reason::Bounce(BounceGroup::Recipient),
        "complained" | "complaints" | "spam" | "spam complaint" | "spamcomplaint" | "spam report"
        | "spamreport" | "abuse" => Reason::Complaint,
        "unsubscribed" | "unsubscribes" | "opt-out" | "optout" | "opted out" | "list unsubscribe"
        | "unsubscribe link" => Reason::Unsubscribe,
        "manually added" | "manualsuppression" => Reason::Manual,
        ours => match Reason::from_name(ours) {
            Some(reason) => reason,
            None => return (Reason::Import, compact_str::format_compact!("reason in the file: {word}")),
        },
    };
    (reason, Text::default())
}

fn scope_of(values: &Values, plan: &ImportPlan) -> Result<Scope, RowFault> {
    let (scope, tenant, name) =
        (values.of(Column::Scope), values.of(Column::Tenant), values.of(Column::Name));
    if scope.is_empty() {
        return Ok(plan.scope.clone());
    }
    let wanted = "write `global`, `tenant`, or `stream` or `list` with its name, at most 128 bytes";
    let bad = || RowFault::BadValue { column: "scope", value: shortened(scope), wanted };
    if tenant.len() > NAME_BYTES_MAX || name.len() > NAME_BYTES_MAX {
        return Err(bad());
    }
    Scope::from_parts(&scope.to_ascii_lowercase(), tenant, name).ok_or_else(bad)
}

fn time_of(column: &'static str, text: &str) -> Result<Option<Timestamp>, RowFault> {
    if text.is_empty() {
        return Ok(None);
    }
    let by_date = || {
        let date: jiff::civil::Date = text.parse().ok()?;
        Some(Timestamp::from(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp()))
    };
    let seconds = || text.parse::<u32>().ok().map(|seconds| Timestamp::from_seconds(seconds.into()));
    let time = Timestamp::parse_rfc3339(text).ok().or_else(seconds).or_else(by_date);
    time.map(Some).ok_or_else(|| RowFault::BadValue {
        column,
        value: shortened(text),
        wanted: "write `2026-01-31T12:00:00Z`, `2026-01-31` or seconds since 1970",
    })
}

/// What a person needs to see of a value that may be of any length.
fn shortened(text: &str) -> Text {
    const SHOWN_CHARS_MAX: usize = 60;
    text.chars().take(SHOWN_CHARS_MAX).collect()
}
