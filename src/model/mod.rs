//! The records that every floor speaks of. No I/O and no clock here: a record is what a source said, and the
//! time of day is always an argument.

mod address;
pub mod alert;
mod caller;
mod cause;
mod complaint;
mod dmarc;
mod event;
mod keyring;
mod ledger;
mod mail;
mod named;
mod notice;
mod parsed;
mod reason;
mod reply;
mod reputation;
mod return_path;
mod source;
pub mod suppression;
mod time;
mod tls_report;
mod trust;

pub use address::{ADDRESS_BYTES_MAX, domain_of, is_under, normalize_address};
pub use caller::{Caller, Role};
pub use cause::with_causes;
pub use complaint::{
    AuthFailure, Clarity, Complaint, ComplaintFormat, ComplaintRecipient, FeedbackType, NamedBy,
};
pub use dmarc::*;
pub use event::{BounceOrigin, BounceType, Event, EventId, EventType, Text};
pub use keyring::{Keyring, KeyringError, TAG_BYTES};
pub use ledger::{ItemCounts, RejectReason};
pub use mail::{MailHead, MailKind};
pub use notice::{Notice, NoticeAction, NoticeRecipient, QUEUE_IDS_MAX, RETURNED_TO_MAX, ReturnedMessage};
pub use parsed::{Parsed, Warning};
pub use reason::{BounceGroup, BounceReason};
pub use reply::{EnhancedCode, REPLY_BYTES_MAX, SmtpReply, SmtpStage};
pub use reputation::{ListKind, ListState, ListTest, PostureCheck, PostureState, list_kind, subject_name};
pub use return_path::{DAYS_DEFAULT as MARK_DAYS_DEFAULT, Mark, MarkCheck, ReturnPathError};
pub use source::{FilePosition, Framing, SourceKind, SourceRef};
pub use time::Timestamp;
pub use tls_report::{TlsFailure, TlsPolicy, TlsReport};
pub use trust::Trust;
