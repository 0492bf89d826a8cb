//! The records that every floor speaks of. No I/O and no clock here: a record is what a source said, and the
//! time of day is always an argument.

mod address;
mod event;
mod ledger;
mod parsed;
mod reason;
mod reply;
mod source;
mod time;

pub use address::{ADDRESS_BYTES_MAX, domain_of, normalize_address};
pub use event::{BounceOrigin, BounceType, Event, EventId, EventType, Text};
pub use ledger::{ItemCounts, RejectReason};
pub use parsed::{Parsed, Warning};
pub use reason::{BounceGroup, BounceReason};
pub use reply::{EnhancedCode, REPLY_BYTES_MAX, SmtpReply, SmtpStage};
pub use source::{FilePosition, SourceKind, SourceRef};
pub use time::Timestamp;
