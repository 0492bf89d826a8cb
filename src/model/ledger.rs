//! The ledger: every accepted item ends in exactly one of these counts.

use serde::{Deserialize, Serialize};

/// What became of the items of one source. An item is what the source counts itself: a JSON record, a log line.
///
/// At every moment `accepted = stored + duplicate + no_event + rejected + in the spool`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ItemCounts {
    /// Read, and at least one event of it was new.
    pub stored: u64,
    /// Read, and all its events were known already.
    pub duplicate: u64,
    /// Read and understood, but no event by itself (a `connect from` line, a KumoMTA `Delayed` record).
    pub no_event: u64,
    /// Not read: kept with its reason, see [`RejectReason`].
    pub rejected: u64,
}

impl ItemCounts {
    pub const fn total(&self) -> u64 {
        self.stored + self.duplicate + self.no_event + self.rejected
    }

    pub fn add(&mut self, other: &Self) {
        self.stored += other.stored;
        self.duplicate += other.duplicate;
        self.no_event += other.no_event;
        self.rejected += other.rejected;
    }
}

/// Why an item could not be read. The reject page groups by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectReason {
    /// Not the syntax of its format: broken JSON, a log line without its header.
    Syntax,
    /// Not UTF-8 where the format asks for it.
    Encoding,
    /// A required field is missing.
    MissingField,
    /// A field is there, but its value cannot be that.
    BadValue,
    /// A record or event type that this version does not know.
    UnknownType,
    /// The time is missing, unreadable, or too far from the time of arrival.
    BadTime,
    /// Larger than the limit that its message names.
    TooLarge,
    /// The mailbox that has it does not hand it out.
    Unfetched,
}

impl RejectReason {
    pub const ALL: [Self; 8] = [
        Self::Syntax,
        Self::Encoding,
        Self::MissingField,
        Self::BadValue,
        Self::UnknownType,
        Self::BadTime,
        Self::TooLarge,
        Self::Unfetched,
    ];

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::Encoding => "encoding",
            Self::MissingField => "missing_field",
            Self::BadValue => "bad_value",
            Self::UnknownType => "unknown_type",
            Self::BadTime => "bad_time",
            Self::TooLarge => "too_large",
            Self::Unfetched => "unfetched",
        }
    }
}

impl std::fmt::Display for RejectReason {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}
