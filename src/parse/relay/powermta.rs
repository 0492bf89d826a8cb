//! PowerMTA accounting files: comma-separated values, whose first line names the columns.
//!
//! Way: `pipeline` hands the lines of one source in order; a header is remembered, `record` finds the columns of each
//! line behind it, this module makes events of them.
//! Source: PowerMTA 5.0 and 5.5 User's Guide, chapter "Accounting" (record types, fields, times, encoding after RFC
//! 4180). Which columns there are and in what order is the site's choice (`record-fields`).
//! Not here: what a reply means and who the mailbox provider is (`classify`); following files (`ingest`).
//!
//! | record | event |
//! | --- | --- |
//! | `d` | `delivered`; `delivered_local` into a file or pipe; `dropped` by `discard` |
//! | `b` | `bounced`; `expired` in the category `message-expired` |
//! | `t` | `deferred` |
//! | `r` | `accepted`: PowerMTA has a record for each recipient and no id of the message, so one for each |
//! | `rb`, `rs` | `bounced` with origin `async`, `delayed_notice`, `delivered_notice` by the action of the notice |
//! | `f` | `complained`; `unsubscribed` for an opt-out; none for `not-spam` and `auth-failure` |
//! | `tq` | none: it tells of a queue, and names no recipient |
//!
//! The header stands at the begin of every file and of every run of a pipe, so one that comes replaces the last. It
//! is part of the state: a file that is followed keeps its columns over a restart. A source must have one file at a
//! time: lines of two files with other columns cannot be told apart. Values hold no line ends; PowerMTA writes a reply
//! on one line.

mod record;
#[cfg(test)]
mod tests;

use crate::model::{
    BounceOrigin, EnhancedCode, Event, EventId, EventType, RejectReason, SmtpReply, Text, domain_of,
};
use crate::parse::labels;
use crate::parse::ndjson::value::{bare_message_id, host, record_text};
use crate::parse::relay::log::{self, RestoreError};
use crate::parse::relay::reply::{one_line, unfold};
use crate::parse::{EventReader, Item, Reject};
use record::{Column, Columns, Record};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Longest line, in bytes: replies and headers of the message that the site chose to log.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// Form of the snapshots that this version writes and reads.
const SNAPSHOT_VERSION: u32 = 1;

/// Reads the accounting files of one source.
#[derive(Debug, Default)]
pub struct PowermtaReader {
    columns: Option<Columns>,
}

/// What survives a restart.
#[derive(Serialize)]
struct SnapshotRef<'a> {
    version: u32,
    header: &'a str,
}

#[derive(Deserialize)]
struct Snapshot {
    header: String,
}

impl PowermtaReader {
    /// Takes the state back that [`EventReader::snapshot`] gave.
    ///
    /// # Errors
    ///
    /// When the bytes are no snapshot of this version.
    pub fn restore(snapshot: &[u8]) -> Result<Self, RestoreError> {
        log::check_version(snapshot, SNAPSHOT_VERSION)?;
        let Snapshot { header } = serde_json::from_slice(snapshot).map_err(RestoreError::Damaged)?;
        Ok(Self { columns: Columns::read(&header).ok() })
    }
}

impl EventReader for PowermtaReader {
    fn read(&mut self, item: &Item<'_>, events: &mut Vec<Event>) -> Result<(), Reject> {
        let line = record_text(item.bytes, LINE_BYTES_MAX)?;
        if record::is_header(line) {
            self.columns = Some(Columns::read(line)?);
            return Ok(());
        }
        let columns = self.columns.as_ref().ok_or_else(|| {
            Reject::new(
                RejectReason::MissingField,
                "no header came before this record, so its columns are not known; read the file from its begin, or put \
                 its first line (`type,timeLogged,…`) in front",
            )
        })?;
        let record = columns.record(line)?;
        let Some(kind) = Kind::of(&record)? else { return Ok(()) };
        let Some(event_type) = kind.event_type(&record) else { return Ok(()) };
        let mut event = common(item, &record, event_type)?;
        match kind {
            Kind::Delivery | Kind::Bounce | Kind::Transient => attempted(item, &record, &mut event)?,
            Kind::Receipt => received(&record, &mut event)?,
            Kind::Notice => notified(&record, &mut event),
            Kind::Feedback => complained(&record, &mut event)?,
        }
        if event.recipient.is_empty() && !event_type.may_lack_recipient() {
            return Err(Reject::new(
                RejectReason::MissingField,
                "the record has no `rcpt`; add it to `record-fields`",
            ));
        }
        events.push(event);
        Ok(())
    }

    fn snapshot(&self) -> Option<Vec<u8>> {
        let header = self.columns.as_ref()?.header();
        let snapshot = SnapshotRef { version: SNAPSHOT_VERSION, header };
        Some(serde_json::to_vec(&snapshot).expect("a number and a text"))
    }
}

/// The families of records: those of one family have the same fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Delivery,
    Bounce,
    Transient,
    Receipt,
    /// A notice that came back (`rb`, `rs`).
    Notice,
    Feedback,
}

impl Kind {
    /// The family of a record; `None` for one that tells of no recipient.
    fn of(record: &Record<'_>) -> Result<Option<Self>, Reject> {
        Ok(Some(match record.get(Column::Type) {
            "d" | "delivery" => Self::Delivery,
            "b" | "bounce" => Self::Bounce,
            "t" | "transient" => Self::Transient,
            "r" | "receipt" => Self::Receipt,
            "rb" | "remote-bounce" | "rs" | "remote-status" => Self::Notice,
            "f" | "feedback-loop" => Self::Feedback,
            "tq" | "transient-queue" => return Ok(None),
            _ => {
                return Err(Reject::new(
                    RejectReason::UnknownType,
                    "`type` is none of d, b, t, tq, r, rb, rs and f; is this an accounting file of PowerMTA?",
                ));
            }
        }))
    }

    /// The type of the record's event; `None` when it has none.
    fn event_type(self, record: &Record<'_>) -> Option<EventType> {
        Some(match self {
            Self::Delivery => match record.get(Column::DlvType) {
                "" | "smtp" => EventType::Delivered,
                "discard" => EventType::Dropped,
                _ => EventType::DeliveredLocal,
            },
            Self::Bounce if record.get(Column::BounceCat) == "message-expired" => EventType::Expired,
            Self::Bounce => EventType::Bounced,
            Self::Transient => EventType::Deferred,
            Self::Receipt => EventType::Accepted,
            Self::Notice => match record.get(Column::DsnAction) {
                "delayed" => EventType::DelayedNotice,
                "delivered" | "relayed" | "expanded" => EventType::DeliveredNotice,
                _ => EventType::Bounced,
            },
            Self::Feedback => match record.get(Column::FeedbackType) {
                "not-spam" | "auth-failure" => return None,
                "opt-out" | "opt-out-list" => EventType::Unsubscribed,
                _ => EventType::Complained,
            },
        })
    }
}

/// What all records say alike.
fn common(item: &Item<'_>, record: &Record<'_>, event_type: EventType) -> Result<Event, Reject> {
    let event_time = record.time(Column::TimeLogged, item.received)?.ok_or_else(|| {
        Reject::new(RejectReason::MissingField, "the record has no `timeLogged`; add it to `record-fields`")
    })?;
    // a receipt is counted as the message: its recipient comes with what became of it
    let recipient =
        if event_type == EventType::Accepted { Text::default() } else { record.address(Column::Rcpt)? };
    let env_from = record.address(Column::Orig)?;
    let mut event = Event {
        event_id: EventId::of([
            item.source.name.as_bytes(),
            record.line().as_bytes(),
            // equal lines are two events: two messages to one recipient in one second
            &item.offset.to_be_bytes(),
        ]),
        event_type,
        event_time,
        received_time: item.received,
        source_kind: item.source.kind,
        source: item.source.name.clone(),
        // a record names no host of the relay
        relay: item.source.name.clone(),
        campaign: record.text(Column::JobId),
        envid: record.text(Column::EnvId),
        recipient_domain: domain_of(&recipient).into(),
        recipient,
        orig_recipient: original(record)?,
        env_from_domain: domain_of(&env_from).into(),
        env_from,
        pool: record.text(Column::VmtaPool),
        egress_source: record.text(Column::Vmta),
        ..Event::default()
    };
    for (name, value) in record.headers() {
        take_header(&mut event, name, value);
    }
    labels::push(&mut event, "sasl_username", record.get(Column::RcvSmtpUser));
    labels::push(&mut event, "user_string", record.get(Column::UserString));
    labels::push(&mut event, "queue", record.get(Column::Queue));
    Ok(event)
}

/// An attempt to deliver, and what came of it.
fn attempted(item: &Item<'_>, record: &Record<'_>, event: &mut Event) -> Result<(), Reject> {
    event.injected_time = record.time(Column::TimeQueued, item.received)?;
    event.latency_ms = record
        .seconds(Column::TotalSecondsQueued)
        .or_else(|| event.injected_time.and_then(|injected| event.event_time.millis_since(injected)));
    event.sending_ip = record.ip(Column::DlvSourceIp)?;
    event.size_bytes = record.size(Column::DlvSize)?;
    event.delivery_agent = record.text(Column::DlvType);
    event.tls_version = record.text(Column::DlvTlsProtocol);
    event.tls_cipher = record.text(Column::DlvTlsCipher);
    let (mx_host, mx_ip) = host_and_ip(record.get(Column::DsnMta));
    event.mx_host = host(mx_host);
    event.mx_ip = record.ip(Column::DlvDestinationIp)?.or(mx_ip);
    let is_remote = take_status(record, event);
    if event.event_type.has_bounce_class() {
        let is_sync = is_remote && event.event_type != EventType::Expired;
        event.bounce_origin = if is_sync { BounceOrigin::Sync } else { BounceOrigin::Local };
        event.relay_class = record.text(Column::BounceCat);
    }
    Ok(())
}

/// A recipient of a message that came in.
fn received(record: &Record<'_>, event: &mut Event) -> Result<(), Reject> {
    event.nrcpt = 1;
    event.client_ip = record.ip(Column::RcvSourceIp)?.or(host_and_ip(record.get(Column::SrcMta)).1);
    event.injected_time = Some(event.event_time);
    Ok(())
}

/// A delivery status notification that came back.
fn notified(record: &Record<'_>, event: &mut Event) {
    take_status(record, event);
    event.reporting_mta = host(host_and_ip(record.get(Column::DsnReportingMta)).0);
    event.mx_host = host(host_and_ip(record.get(Column::DsnMta)).0);
    if event.event_type == EventType::Bounced {
        event.bounce_origin = BounceOrigin::Async;
        event.relay_class = record.text(Column::BounceCat);
    }
}

/// A complaint that came in.
fn complained(record: &Record<'_>, event: &mut Event) -> Result<(), Reject> {
    event.feedback_type = record.text(Column::FeedbackType);
    event.user_agent = record.text(Column::UserAgent);
    event.reporting_mta = host(host_and_ip(record.get(Column::ReportingMta)).0);
    event.client_ip = record.ip(Column::RepSourceIp)?;
    // the address of ours that sent what was complained about
    event.reported_ip = record.ip(Column::DlvSourceIp)?;
    labels::push(event, "reported_domain", record.get(Column::ReportedDomain));
    Ok(())
}

/// Takes status and diagnostic; returns whether another server said them.
///
/// `dsnStatus` is `5.7.1 (delivery not authorized)`, `dsnDiag` is `smtp;554 5.7.1 no`; what PowerMTA found out itself
/// has another type before the semicolon.
fn take_status(record: &Record<'_>, event: &mut Event) -> bool {
    event.relay_dsn = EnhancedCode::parse_prefix(record.get(Column::DsnStatus)).map(|(code, _)| code);
    let diagnostic = record.get(Column::DsnDiag);
    let (kind, words) = diagnostic
        .split_once(';')
        .filter(|(kind, _)| kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
        .unwrap_or(("smtp", diagnostic));
    let words = words.trim_ascii_start();
    if !kind.eq_ignore_ascii_case("smtp") {
        event.reply = SmtpReply { text: one_line(words), ..SmtpReply::default() };
        return false;
    }
    event.reply = unfold(words);
    event.reply.code != 0
}

/// The recipient as the sender gave it (`rfc822;r@b.example`, RFC 3461 section 4.2), when it is another.
fn original(record: &Record<'_>) -> Result<Text, Reject> {
    let address = record.address(Column::Orcpt)?;
    let address = address.strip_prefix("rfc822;").unwrap_or(&address);
    let is_same = record.get(Column::Rcpt).eq_ignore_ascii_case(address);
    Ok(if is_same { Text::default() } else { address.into() })
}

/// Takes a header that the site logs (`header_Message-Id`), its name without the prefix.
fn take_header(event: &mut Event, name: &str, value: &str) {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "message-id" => event.message_id = bare_message_id(value),
        "from" => event.header_from_domain = labels::from_domain(value),
        "x-tenant" | "x-tenant-id" => labels::fill(&mut event.tenant, value),
        "x-campaign" | "x-campaign-id" => labels::fill(&mut event.campaign, value),
        "x-stream" | "x-message-stream" => labels::fill(&mut event.stream, value),
        _ => labels::push(event, &name, value),
    }
}

/// Splits `mx1.b.example (192.0.2.1)`.
fn host_and_ip(mta: &str) -> (&str, Option<IpAddr>) {
    let (name, rest) = mta.split_once(" (").unwrap_or((mta, ""));
    let name = name.strip_prefix("dns;").unwrap_or(name).trim_ascii();
    (name, rest.strip_suffix(')').and_then(|ip| ip.parse().ok()))
}
