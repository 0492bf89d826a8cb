//! One thing that happened to one recipient of one message: the row of the `events` table.
//!
//! Way: a reader in `parse` fills what its source says, `classify` adds provider and bounce reason, `store` writes it.
//! Source of names: the columns are SparkPost's and Amazon SES' words where those agree, KumoMTA's else.

use crate::model::named::named;
use crate::model::{BounceReason, EnhancedCode, SmtpReply, SourceKind, Timestamp, Trust};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Short text: up to 24 bytes stand in the record itself, which most names and domains do.
pub type Text = compact_str::CompactString;

/// 128 bits made from what the source itself says, so that the same thing seen twice has the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EventId(pub u128);

impl EventId {
    /// Hashes the parts (SHA-256, cut to 128 bits). Each part is ended by a byte that no UTF-8 text holds, so
    /// that `("ab", "c")` and `("a", "bc")` differ.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        use sha2::Digest;
        let mut hash = sha2::Sha256::new();
        for part in parts {
            hash.update(part);
            hash.update([0xff]);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(u128::from_be_bytes(id))
    }
}

impl std::fmt::Display for EventId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        uuid::Uuid::from_u128(self.0).fmt(out)
    }
}

named! {
    /// What happened. The numbers are those of the `Enum8` column and never change.
    EventType: i8 {
        /// The relay took the message in. One per message; every later event is per recipient.
        Accepted = 1, "accepted";
        /// The relay refused the message or recipient at its own door.
        Rejected = 2, "rejected";
        /// Not sent, because a suppression list says so.
        Suppressed = 3, "suppressed";
        /// Not sent, by a policy of the relay other than a suppression list.
        Dropped = 4, "dropped";
        /// A smarthost took the message and will try.
        Queued = 5, "queued";
        /// One attempt failed for now; the relay will try again.
        Deferred = 6, "deferred";
        /// The receiver's server took the message. That says nothing of inbox or spam folder.
        Delivered = 7, "delivered";
        /// Failed for good, at once or after the fact.
        Bounced = 8, "bounced";
        /// Failed for good because retries ran out.
        Expired = 9, "expired";
        /// The recipient called it spam.
        Complained = 10, "complained";
        Opened = 11, "opened";
        Clicked = 12, "clicked";
        Unsubscribed = 13, "unsubscribed";
        Resubscribed = 14, "resubscribed";
        Autoreply = 15, "autoreply";
        /// A delivery status notification with action `delayed`.
        DelayedNotice = 16, "delayed_notice";
        /// A delivery status notification with action `delivered`, `relayed` or `expanded`.
        DeliveredNotice = 17, "delivered_notice";
        /// Removed from the queue by an administrator.
        AdminCancelled = 18, "admin_cancelled";
        /// Handed to another queue or node of the relay.
        Moved = 19, "moved";
        /// Could not be made into a message (a template fault at a smarthost).
        Failed = 20, "failed";
        /// Put into a mailbox of the relay host itself: no mailbox provider was asked, so no rate counts it.
        DeliveredLocal = 21, "delivered_local";
        /// The relay wrote a bounce or delay notice of its own about another message (`ref_queue_id`).
        Notification = 22, "notification";
        /// The recipient's side asks the sender to prove that he is a person. Says nothing of delivery.
        Challenge = 23, "challenge";
        /// The recipient took the message out of the spam folder.
        NotSpam = 24, "not_spam";
    }
}

impl EventType {
    /// Whether the event ends the way of its recipient.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Delivered
                | Self::DeliveredLocal
                | Self::Bounced
                | Self::Expired
                | Self::Suppressed
                | Self::Dropped
                | Self::AdminCancelled
                | Self::Failed
        )
    }

    /// Whether the event may be about the message as a whole, or about a recipient that nobody names.
    pub const fn may_lack_recipient(self) -> bool {
        matches!(
            self,
            Self::Accepted
                | Self::Rejected
                | Self::Notification
                | Self::AdminCancelled
                | Self::Complained
                | Self::Autoreply
                | Self::Challenge
                | Self::NotSpam
        )
    }

    /// Whether the event tells of a failure or delay whose reply is worth a class.
    pub const fn has_bounce_class(self) -> bool {
        matches!(self, Self::Deferred | Self::Bounced | Self::Expired | Self::Rejected)
    }
}

/// What kind of failure a bounce is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(i8)]
pub enum BounceType {
    /// No failure.
    #[default]
    None = 0,
    /// The address or domain does not exist (any more): do not send there again.
    Hard = 1,
    /// May work another time: full, slow, broken for now, expired.
    Soft = 2,
    /// The receiver refuses the sender, not the recipient: reputation, policy, content, authentication.
    Block = 3,
    /// Nothing in the reply tells.
    Undetermined = 4,
    /// The sender's own side: administrator, relaying, suppression.
    Admin = 5,
}

impl BounceType {
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Hard => "hard",
            Self::Soft => "soft",
            Self::Block => "block",
            Self::Undetermined => "undetermined",
            Self::Admin => "admin",
        }
    }
}

/// Who said that the message failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(i8)]
pub enum BounceOrigin {
    #[default]
    None = 0,
    /// The receiver's server, in the SMTP conversation.
    Sync = 1,
    /// A notice that came back after the receiver had taken the message.
    Async = 2,
    /// Our own relay: no answer, no DNS entry, retries over.
    Local = 3,
}

/// One event. Empty text, zero and `None` mean that the source does not say.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Event {
    pub event_id: EventId,
    pub event_type: EventType,
    pub event_time: Timestamp,
    /// When the message came into the relay.
    pub injected_time: Option<Timestamp>,
    /// When it came into relaylens.
    pub received_time: Timestamp,

    pub source_kind: SourceKind,
    /// Name of the configured source.
    pub source: Text,
    /// Host name of the relay, or the smarthost's name.
    pub relay: Text,
    pub node_id: Text,

    pub tenant: Text,
    /// Message stream, such as `transactional` or `marketing`.
    pub stream: Text,
    pub campaign: Text,

    /// Without angle brackets.
    pub message_id: Text,
    pub provider_message_id: Text,
    pub queue_id: Text,
    pub session_id: Text,
    pub envid: Text,

    /// As [`crate::model::normalize_address`] gives it; empty for `accepted`.
    pub recipient: Text,
    pub recipient_domain: Text,
    /// As the sender gave it, when the relay rewrote it.
    pub orig_recipient: Text,
    /// Set by `classify`.
    pub mailbox_provider: Text,

    pub env_from: Text,
    pub env_from_domain: Text,
    pub header_from_domain: Text,

    pub sending_ip: Option<IpAddr>,
    pub pool: Text,
    pub egress_source: Text,

    pub mx_host: Text,
    pub mx_ip: Option<IpAddr>,
    pub mx_port: u16,

    pub reply: SmtpReply,
    /// The status that the relay itself gives; may differ from the one in the reply text.
    pub relay_dsn: Option<EnhancedCode>,
    /// The class that the relay or smarthost gives, in its own words.
    pub relay_class: Text,
    /// Hash of the normalised reply text. Set by `classify`, 0 without a reply.
    pub response_tmpl: u64,

    /// Set by `classify`.
    pub bounce_type: BounceType,
    pub bounce_origin: BounceOrigin,
    /// Set by `classify`.
    pub bounce_reason: Option<BounceReason>,

    /// 1 for the first attempt; 0 when the source does not say.
    pub attempt: u16,
    /// From injection to the event, in milliseconds.
    pub latency_ms: Option<u32>,
    /// DNS, TCP, EHLO and TLS, in milliseconds.
    pub conn_ms: Option<u32>,
    /// From MAIL to the last reply, in milliseconds.
    pub xfer_ms: Option<u32>,

    pub tls_version: Text,
    pub tls_cipher: Text,
    pub tls_policy: Text,

    pub size_bytes: u32,
    /// Recipients of the message; on `accepted` alone.
    pub nrcpt: u16,
    /// The agent that delivered: `smtp`, `lmtp`, `virtual`, `discard` …
    pub delivery_agent: Text,

    pub user_agent: Text,
    pub click_url: Text,
    pub client_ip: Option<IpAddr>,

    pub feedback_type: Text,
    pub reporting_mta: Text,
    pub reported_ip: Option<IpAddr>,
    /// How far the feedback is believed. Set by `pipeline`.
    pub trust: Trust,
    /// What `trust` rests on, in words. Set by `pipeline`.
    pub evidence: Text,
    /// The same failure is known already, from the delivery or an earlier notice: no rate counts it again. Set by
    /// `pipeline`.
    pub is_repeat: bool,
    /// The kept mail that brought the event, 0 without one. Set by `pipeline`.
    pub mail_id: u128,

    /// The message is a notice that the relay wrote itself: never counted as sent mail.
    pub is_notification: bool,
    /// Queue id of the message that a notice is about.
    pub ref_queue_id: Text,

    pub tags: Vec<(Text, Text)>,
    pub meta: Vec<(Text, Text)>,
    /// The source's own bytes, where they are worth keeping.
    pub raw: Text,

    /// Which spool brought the event. Set by `pipeline`.
    pub ingest_node: Text,
    /// Number of the spool record that brought it. Set by `pipeline`.
    pub ingest_seq: u64,
}

impl Default for EventType {
    /// A record under construction; every reader sets its own.
    fn default() -> Self {
        Self::Accepted
    }
}
