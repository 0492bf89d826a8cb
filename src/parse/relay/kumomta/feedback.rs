//! Feedback records: KumoMTA received a complaint report (ARF) and took it apart.
//!
//! Way: the record is that of the report, so sender, queue, headers and times of the message are looked for inside of it.
//! Source: RFC 5965; the feedback types are those of IANA's MARF registry, with the two opt-out types of older drafts.
//! Not here: reading reports that arrive as mail (`parse::mail`).

use crate::model::{Event, EventType, SmtpReply, Text, domain_of};
use crate::parse::Reject;
use crate::parse::json::OneOrMany;
use crate::parse::labels::{from_domain, push};
use crate::parse::ndjson::value::{Value, bare_message_id, host};
use crate::parse::relay::kumomta::record::{FeedbackReport, Record};
use crate::parse::relay::kumomta::{labels, missing};

/// The type of a report's events. `not-spam` takes a complaint back and `auth-failure` is about forgery, not about
/// somebody's wish: neither is a complaint, and no event type fits them.
pub(super) fn event_type(record: &Record<'_>) -> Result<Option<EventType>, Reject> {
    Ok(match report(record)?.feedback_type.text("feedback_report.feedback_type")? {
        "not-spam" | "auth-failure" => None,
        "opt-out" | "opt-out-list" => Some(EventType::Unsubscribed),
        _ => Some(EventType::Complained),
    })
}

/// Fills the event of a report. Returns its recipients; none are known when the provider hides them.
pub(super) fn complained(record: &Record<'_>, event: &mut Event) -> Result<Vec<Text>, Reject> {
    let report = report(record)?;
    labels::take_meta(&report.supplemental_trace, event);
    event.meta.retain(|(name, _)| name != "recipient" && name != "_@_");
    labels::take_report_meta(record, event);
    push(event, "report_id", record.id.text("id")?);
    push(event, "arrival_date", report.arrival_date.as_json_or_text());
    push(event, "incidents", report.incidents.as_json_or_text());
    event.feedback_type = report.feedback_type.text("feedback_report.feedback_type")?.into();
    event.user_agent = report.user_agent.text("feedback_report.user_agent")?.into();
    event.envid = report.original_envelope_id.text("feedback_report.original_envelope_id")?.into();
    event.env_from = report.original_mail_from.address("feedback_report.original_mail_from")?;
    event.env_from_domain = domain_of(&event.env_from).into();
    event.reported_ip = report.source_ip.ip("feedback_report.source_ip").unwrap_or_default();
    event.size_bytes = 0;
    event.reply = SmtpReply::default();
    if let Some(mta) = &report.reporting_mta {
        event.reporting_mta = host(mta.name.text("feedback_report.reporting_mta.name")?);
    }
    let original = &*report.original_message.0;
    if event.message_id.is_empty() {
        event.message_id = header(original, "message-id").map(|id| bare_message_id(&id)).unwrap_or_default();
    }
    event.header_from_domain = header(original, "from").map(|from| from_domain(&from)).unwrap_or_default();
    recipients(report)
}

fn report<'r, 'a>(record: &'r Record<'a>) -> Result<&'r FeedbackReport<'a>, Reject> {
    record.feedback_report.as_deref().ok_or_else(|| missing("feedback_report"))
}

/// Who complained. The trace header comes first: it is what we wrote ourselves, while `Original-Rcpt-To` may be
/// redacted to an address that looks real (RFC 6590).
fn recipients(report: &FeedbackReport<'_>) -> Result<Vec<Text>, Reject> {
    let traced =
        report.supplemental_trace.0.iter().find(|(name, _)| name == "recipient").map(|(_, value)| value);
    let traced = traced.filter(|value| is_address(value)).map(|value| value.address("recipient"));
    if let Some(traced) = traced {
        return Ok(vec![traced?]);
    }
    let removal = report.extensions.as_ref().map(|extensions| &extensions.removal_recipient);
    for OneOrMany(said) in [&report.original_rcpto_to].into_iter().chain(removal) {
        let said: Vec<_> = said.iter().filter(|value| is_address(value)).collect();
        if !said.is_empty() {
            return said.into_iter().map(|value| value.address("original_rcpto_to")).collect();
        }
    }
    Ok(vec![Text::default()])
}

fn is_address(value: &Value<'_>) -> bool {
    value.as_text().is_some_and(|text| text.contains('@'))
}

/// The first field of that name (lower case) in the head of a message, unfolded.
fn header(message: &str, name: &str) -> Option<String> {
    let mut lines = message.lines().take_while(|line| !line.is_empty());
    let first = lines.by_ref().find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.trim_end().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })?;
    Some(
        lines
            .take_while(|line| line.starts_with([' ', '\t']))
            .fold(first, |value, line| format!("{value} {}", line.trim())),
    )
}
