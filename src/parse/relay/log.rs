//! What the readers of log lines share: how much they remember, how a line becomes text, how their state is kept.
//!
//! Way: `postfix`, `exim` and `haraka` use it.

use super::header::Header;
use super::in_flight::Limits;
use crate::model::RejectReason;
use crate::parse::text::lossy;
use crate::parse::{Item, Reject};
use jiff::tz::TimeZone;
use serde::Deserialize;
use std::borrow::Cow;

/// Longest line read, in bytes. Postfix cuts at 2000 characters, Exim at 8192 bytes (`LOG_BUFFER_SIZE`); a journal
/// entry adds some kilobytes of fields.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// Longest name of a host, a program or a process, in bytes: that of a domain name (RFC 1035 section 2.3.4).
const NAME_BYTES_MAX: usize = 255;

/// How a mail log is read.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// Zone of time stamps without one, that of the relay's clock. Default UTC.
    pub time_zone: TimeZone,
    /// Messages in the queue of the relays and recipients that wait for another attempt, together. Default
    /// 200 000: at some 450 bytes each (measured) that is 90 MB. When over, the oldest message is forgotten,
    /// and its later events lack sender, message id and attempt.
    pub in_flight_max: usize,
    /// Recipients of one message that wait for another attempt. Default 20 000, as many as Postfix itself
    /// holds in memory (`qmgr_message_recipient_limit`). The events of those beyond lack the attempt, and
    /// they do not expire.
    pub waiting_max: usize,
    /// Days after which a message that did not leave the queue is forgotten. Default 10: twice the time after
    /// which Postfix gives up (`maximal_queue_lifetime`, 5 days), more than twice that of Exim (4 days).
    pub age_max_days: u16,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { time_zone: TimeZone::UTC, in_flight_max: 200_000, waiting_max: 20_000, age_max_days: 10 }
    }
}

impl LogOptions {
    pub(crate) fn limits(&self) -> Limits {
        const DAY_MICROS: i64 = 86_400 * 1_000_000;
        let age_max_micros = i64::from(self.age_max_days) * DAY_MICROS;
        Limits { in_flight_max: self.in_flight_max, waiting_max: self.waiting_max, age_max_micros }
    }
}

/// Why a snapshot could not be taken back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("the state of the log reader is damaged; delete it to read on with an empty one")]
    Damaged(#[source] serde_json::Error),
    #[error(
        "the state of the log reader has version {found}, this program reads {expected}; \
         delete it to read on with an empty one"
    )]
    Version { found: u32, expected: u32 },
}

/// Checks the version of a snapshot, before it is read: another version may have another form.
///
/// # Errors
///
/// When it is another one, or cannot be found.
pub(crate) fn check_version(snapshot: &[u8], expected: u32) -> Result<(), RestoreError> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let Version { version } = serde_json::from_slice(snapshot).map_err(RestoreError::Damaged)?;
    if version == expected { Ok(()) } else { Err(RestoreError::Version { found: version, expected }) }
}

/// Returns the line as text. A receiver's reply may hold any bytes, so what is no UTF-8 is replaced.
///
/// # Errors
///
/// [`RejectReason::TooLarge`] above [`LINE_BYTES_MAX`].
pub(crate) fn line_text<'a>(item: &Item<'a>) -> Result<Cow<'a, str>, Reject> {
    if item.bytes.len() > LINE_BYTES_MAX {
        return Err(Reject::new(
            RejectReason::TooLarge,
            format!("line of {} bytes, the limit is {LINE_BYTES_MAX}", item.bytes.len()),
        ));
    }
    Ok(lossy(item.bytes))
}

/// Refuses a head whose names are none: they are part of what is remembered.
///
/// # Errors
///
/// [`RejectReason::BadValue`]
pub(crate) fn check_names(header: &Header<'_>) -> Result<(), Reject> {
    if [header.host, header.syslog_name, header.pid].iter().any(|name| name.len() > NAME_BYTES_MAX) {
        return Err(Reject::new(
            RejectReason::BadValue,
            format!("host, program or process name over {NAME_BYTES_MAX} bytes at the head of the line"),
        ));
    }
    Ok(())
}
