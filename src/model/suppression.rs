//! Suppression: who is not to be mailed, why, since when, and who said so.
//!
//! Way: `suppression` writes [`LogRecord`]s and folds them, `store` keeps them, `web` and the relays ask for a
//! [`Decision`]. The list is nothing but the fold of its log.
//! Source of the words: scopes and types as at Amazon SES and SparkPost, reasons as at SparkPost (`source`).
//! Not here: when a bounce suppresses (`suppression::rules`); how records become a state (`suppression::fold`).

use crate::model::named::named;
use crate::model::{BounceGroup, EventId, Text, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

mod run;

pub use run::{ReviewState, RunKind, RunState};

/// Most events kept as evidence of one record: the first and the newest tell the story.
pub const EVIDENCE_MAX: usize = 16;
/// Longest note, in bytes: a few sentences.
pub const NOTE_BYTES_MAX: usize = 1024;
/// Longest name of a tenant, stream, list, rule or actor, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// Bits of a [`Seq`] that name its writer.
const WRITER_BITS: u32 = 10;

/// Place of a record in the log: the time of writing in microseconds, then the writer. Unique, and larger for
/// whatever is written later by the same writer or after having read the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// Number of writers that can share a log; a writer's number is below it.
    pub const WRITERS: u16 = 1 << WRITER_BITS;

    /// Times before 1970 count as 1970.
    pub fn new(time: Timestamp, writer: u16) -> Self {
        let micros = u64::try_from(time.0).unwrap_or(0);
        Self(micros << WRITER_BITS | u64::from(writer % Self::WRITERS))
    }

    pub const fn time(self) -> Timestamp {
        // 54 bits remain.
        Timestamp((self.0 >> WRITER_BITS).cast_signed())
    }

    pub const fn writer(self) -> u16 {
        let bytes = self.0.to_le_bytes();
        u16::from_le_bytes([bytes[0], bytes[1]]) % Self::WRITERS
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", self.0)
    }
}

/// One run of a rule over history, one import, one bulk request: what can be undone as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub uuid::Uuid);

named! {
    /// What a record does to its key. The numbers are those of the `Enum8` column and never change.
    Action: i8 {
        /// Suppresses, by a rule, a person or an unsubscribe.
        Add = 1, "add";
        /// Suppresses still, with a new end.
        Extend = 2, "extend";
        /// Lifts, and leaves a tombstone: what was observed before does not suppress again.
        Remove = 3, "remove";
        /// The end has come. Written for those who follow the log; a check looks at the end itself.
        Expire = 4, "expire";
        /// Suppresses, because a file says so.
        Import = 5, "import";
        /// Takes back, as if nothing had ever been said of the key: the undo of a run.
        Withdraw = 6, "withdraw";
    }
}

impl Action {
    /// Whether the record suppresses.
    pub const fn adds(self) -> bool {
        matches!(self, Self::Add | Self::Extend | Self::Import)
    }
}

named! {
    /// Which mail an entry holds back. The numbers are those of the `Enum8` column and never change.
    #[derive(Default)]
    MailType: i8 {
        #[default]
        All = 0, "all";
        Marketing = 1, "marketing";
        Transactional = 2, "transactional";
    }
}

impl MailType {
    /// Whether an entry of this type speaks of mail of the type `asked`. Mail whose type is not told
    /// ([`MailType::All`]) meets every entry: to deny wins.
    pub const fn covers(self, asked: Self) -> bool {
        matches!(self, Self::All) || matches!(asked, Self::All) || self as i8 == asked as i8
    }
}

/// How far an entry reaches. An empty tenant is that of an installation that has no tenants.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(tag = "scope", rename_all = "snake_case")]
pub enum Scope {
    /// Every tenant.
    #[default]
    Global,
    Tenant {
        tenant: Text,
    },
    Stream {
        tenant: Text,
        stream: Text,
    },
    /// One mailing list.
    List {
        tenant: Text,
        list: Text,
    },
}

impl Scope {
    /// The name in the `scope` column.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Tenant { .. } => "tenant",
            Self::Stream { .. } => "stream",
            Self::List { .. } => "list",
        }
    }

    /// From the columns `scope`, `tenant`, `scope_name`.
    pub fn from_parts(scope: &str, tenant: &str, name: &str) -> Option<Self> {
        let tenant = Text::from(tenant);
        match scope {
            "global" => Some(Self::Global),
            "tenant" => Some(Self::Tenant { tenant }),
            "stream" if !name.is_empty() => Some(Self::Stream { tenant, stream: name.into() }),
            "list" if !name.is_empty() => Some(Self::List { tenant, list: name.into() }),
            _ => None,
        }
    }

    /// The columns `tenant` and `scope_name`.
    pub fn parts(&self) -> (&str, &str) {
        match self {
            Self::Global => ("", ""),
            Self::Tenant { tenant } => (tenant, ""),
            Self::Stream { tenant, stream } => (tenant, stream),
            Self::List { tenant, list } => (tenant, list),
        }
    }

    /// Whether mail as asked about lies in the scope.
    pub fn covers(&self, question: &Question) -> bool {
        match self {
            Self::Global => true,
            Self::Tenant { tenant } => *tenant == question.tenant,
            Self::Stream { tenant, stream } => *tenant == question.tenant && *stream == question.stream,
            Self::List { tenant, list } => *tenant == question.tenant && *list == question.list,
        }
    }

    /// 0 for the widest.
    pub const fn narrowness(&self) -> u8 {
        match self {
            Self::Global => 0,
            Self::Tenant { .. } => 1,
            Self::Stream { .. } => 2,
            Self::List { .. } => 3,
        }
    }
}

/// Why an address is suppressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Law or contract. Only an administrator lifts it.
    Compliance,
    Complaint,
    Unsubscribe,
    /// A person's decision.
    Manual,
    /// Bounces of this group.
    Bounce(BounceGroup),
    /// A file said so, without a reason that we know.
    Import,
}

/// What lifting an entry asks of whoever does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RemovalNeeds {
    Nothing,
    /// A note that says why: the recipient had objected himself.
    Note,
    /// A note, and the admin scope.
    Admin,
}

impl Reason {
    /// All reasons, the hardest to lift first.
    pub const ALL: [Self; 17] = [
        Self::Compliance,
        Self::Complaint,
        Self::Unsubscribe,
        Self::Manual,
        Self::Bounce(BounceGroup::Recipient),
        Self::Bounce(BounceGroup::Inactive),
        Self::Bounce(BounceGroup::Domain),
        Self::Bounce(BounceGroup::Quota),
        Self::Bounce(BounceGroup::Content),
        Self::Bounce(BounceGroup::Block),
        Self::Bounce(BounceGroup::Rate),
        Self::Bounce(BounceGroup::Policy),
        Self::Bounce(BounceGroup::Auth),
        Self::Bounce(BounceGroup::Transient),
        Self::Bounce(BounceGroup::Protocol),
        Self::Bounce(BounceGroup::Unknown),
        Self::Import,
    ];

    /// The name in columns, files and the interface.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Compliance => "compliance",
            Self::Complaint => "complaint",
            Self::Unsubscribe => "unsubscribe",
            Self::Manual => "manual",
            Self::Import => "import",
            Self::Bounce(group) => match group {
                BounceGroup::Recipient => "bounce:recipient",
                BounceGroup::Inactive => "bounce:inactive",
                BounceGroup::Domain => "bounce:domain",
                BounceGroup::Quota => "bounce:quota",
                BounceGroup::Content => "bounce:content",
                BounceGroup::Block => "bounce:block",
                BounceGroup::Rate => "bounce:rate",
                BounceGroup::Policy => "bounce:policy",
                BounceGroup::Auth => "bounce:auth",
                BounceGroup::Transient => "bounce:transient",
                BounceGroup::Protocol => "bounce:protocol",
                BounceGroup::Unknown => "bounce:unknown",
            },
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// 0 for the reason that is hardest to lift; its place in [`Reason::ALL`].
    pub fn rank(self) -> u8 {
        let place = Self::ALL.iter().position(|reason| *reason == self);
        place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX)
    }

    pub const fn removal_needs(self) -> RemovalNeeds {
        match self {
            Self::Compliance => RemovalNeeds::Admin,
            Self::Complaint | Self::Unsubscribe => RemovalNeeds::Note,
            Self::Manual | Self::Bounce(_) | Self::Import => RemovalNeeds::Nothing,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = Text::deserialize(from)?;
        Self::from_name(&name)
            .ok_or_else(|| serde::de::Error::custom(format!("`{name}` is no suppression reason")))
    }
}

/// What one entry of the list is about: the log knows at most one living entry for each key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// As [`crate::model::normalize_address`] gives it, or the hash of that: `sha256:` or `md5:` and hexadecimal
    /// digits.
    pub address: Text,
    #[serde(flatten)]
    pub scope: Scope,
    #[serde(rename = "type")]
    pub mail_type: MailType,
    pub reason: Reason,
}

/// Who wrote a record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A rule, by its name.
    Rule(Text),
    /// A person or an API token, by name.
    Actor(Text),
}

impl Origin {
    /// The name alone.
    pub const fn name(&self) -> &Text {
        match self {
            Self::Rule(name) | Self::Actor(name) => name,
        }
    }
}

/// What a record says; it becomes a [`LogRecord`] when the log gives it a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub action: Action,
    #[serde(flatten)]
    pub key: Key,
    /// When the newest thing happened on which the change rests. 1970 when nobody knows, as in an import without
    /// dates: a tombstone then holds against it. For a removal and a withdrawal: up to when the tombstone holds.
    pub observed: Timestamp,
    /// `None` for never.
    pub expires: Option<Timestamp>,
    pub origin: Origin,
    pub run: Option<RunId>,
    /// At most [`EVIDENCE_MAX`].
    #[serde(with = "event_ids")]
    pub evidence: Vec<EventId>,
    /// At most [`NOTE_BYTES_MAX`] bytes.
    pub note: Text,
}

/// One line of the append-only log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRecord {
    pub seq: Seq,
    #[serde(flatten)]
    pub change: Change,
}

/// One entry of the list, as the log makes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    #[serde(flatten)]
    pub key: Key,
    /// When it came onto the list this time.
    pub since: Timestamp,
    pub observed: Timestamp,
    pub expires: Option<Timestamp>,
    /// The newest record, whose origin, run, evidence and note these are.
    pub seq: Seq,
    pub origin: Origin,
    pub run: Option<RunId>,
    #[serde(with = "event_ids")]
    pub evidence: Vec<EventId>,
    pub note: Text,
}

/// Mail that somebody wants to send. What is not told is empty, and a type that is not told is [`MailType::All`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Question {
    pub address: Text,
    pub tenant: Text,
    pub stream: Text,
    pub list: Text,
    #[serde(rename = "type")]
    pub mail_type: MailType,
}

/// Why an entry is shown as the deciding one. Any that matches would suffice: to deny always wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Precedence {
    /// It is the only one.
    Alone,
    /// Its reason is the hardest to lift.
    Reason,
    /// Among equal reasons it reaches furthest.
    Scope,
    /// Among equal scopes it ends last.
    Expiry,
    /// All else equal, it is the oldest.
    Age,
}

/// The answer, with its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    pub suppressed: bool,
    /// All entries that match; the deciding one first.
    pub matching: Vec<Entry>,
    /// Why the first one stands there; `None` when nothing matches.
    pub decided_by: Option<Precedence>,
    /// Living entries of the address for other mail than asked about, so that nobody wonders.
    pub other: Vec<Entry>,
}

/// Event ids in JSON, in the form in which they stand in URLs.
mod event_ids {
    use crate::model::EventId;
    use serde::{Deserialize, Deserializer, Serializer};
    use uuid::Uuid;

    pub(super) fn serialize<S: Serializer>(ids: &[EventId], out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(ids.iter().map(|id| Uuid::from_u128(id.0)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<EventId>, D::Error> {
        let ids = Vec::<Uuid>::deserialize(from)?;
        Ok(ids.into_iter().map(|id| EventId(id.as_u128())).collect())
    }
}

#[cfg(test)]
mod tests;
