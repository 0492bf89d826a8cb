//! How far a feedback item is believed.

use serde::{Deserialize, Serialize};

/// Whether a bounce, complaint or unsubscribe that came by itself is genuine: anyone can mail a forged one. The numbers
/// are those of the `Enum8` column and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(i8)]
pub enum Trust {
    /// No feedback: the relay or smarthost said it itself, in the delivery.
    #[default]
    None = 0,
    /// A signature proves it: of our own return path or header, or of a known feedback-loop sender.
    Verified = 1,
    /// It names a message and a recipient that we sent to, within the time in which such feedback comes.
    Matched = 2,
    /// Neither. Stored and shown, but no rate counts it and nothing is suppressed for it.
    Unverified = 3,
}

impl Trust {
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Verified => "verified",
            Self::Matched => "matched",
            Self::Unverified => "unverified",
        }
    }
}
