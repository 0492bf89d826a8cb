//! A reading as people read it: what it is, whom it is about and why, what it brings back.
//!
//! Way: `parse` prints each [`Reading`] by this on a terminal.
//! Not here: what is read (`reading`), its form (`told`).

use super::told::{
    ComplaintTold, DmarcTold, NoticeTold, Reading, RecipientTold, ReportTold, Returned, TlsTold, Told,
};
use crate::model::Text;
use std::fmt::{Display, Formatter, Result, Write as _};

/// Writes a reading, some lines long.
pub(super) struct ForPeople<'a>(pub(super) &'a Reading);

impl Display for ForPeople<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        let reading = self.0;
        write!(out, "{}", Printable(&reading.file))?;
        if let Some(place) = reading.place {
            write!(out, ", message {} at byte {}", place.message, place.offset)?;
        }
        writeln!(out)?;
        title(out, reading)?;
        if let Some(head) = &reading.head {
            line(out, "from", &head.from)?;
            line(out, "subject", &head.subject)?;
            line(out, "date", head.date.as_deref().unwrap_or_default())?;
        }
        match &reading.content {
            Some(Told::Notice(notice)) => told_notice(out, notice)?,
            Some(Told::Complaint(complaint)) => told_complaint(out, complaint)?,
            Some(Told::Reports { reports }) => reports.iter().try_for_each(|report| match report {
                ReportTold::Dmarc(report) => told_dmarc(out, report),
                ReportTold::Tls(report) => told_tls(out, report),
            })?,
            None => {}
        }
        line(out, "error", reading.error.as_deref().unwrap_or_default())?;
        warnings(out, &reading.warnings)
    }
}

/// What it is, in words.
fn title(out: &mut Formatter<'_>, reading: &Reading) -> Result {
    let kind = reading.mail_kind.unwrap_or(reading.kind);
    let format = match &reading.content {
        Some(Told::Notice(notice)) => format!(", read as {}", notice.format),
        _ => String::new(),
    };
    let rejected = if reading.error.is_some() && reading.mail_kind.is_some() { ", rejected" } else { "" };
    writeln!(out, "  {}{format}{rejected}", kind.replace('_', " "))
}

fn told_notice(out: &mut Formatter<'_>, notice: &NoticeTold) -> Result {
    line(out, "reported by", &notice.reporting_mta)?;
    line(out, "envelope id", &notice.envelope_id)?;
    for recipient in &notice.recipients {
        told_recipient(out, recipient)?;
    }
    notice.returned.as_ref().map_or(Ok(()), |returned| told_returned(out, returned))
}

fn told_recipient(out: &mut Formatter<'_>, recipient: &RecipientTold) -> Result {
    let sent_to = match &recipient.original_recipient {
        Some(address) => format!(" (sent to {address})"),
        None => String::new(),
    };
    line(out, "recipient", &format!("{}{sent_to}", recipient.recipient))?;
    let verdict = match (recipient.reason, recipient.bounce_type) {
        (Some(reason), Some(kind)) => format!(", {reason}, {kind}"),
        _ => String::new(),
    };
    let gone = if recipient.hard == Some(true) { "; the address is gone" } else { "" };
    let outcome = format!("{}{verdict}{gone}", recipient.action);
    detail(out, "outcome", &outcome)?;
    if let Some(rule) = &recipient.rule {
        detail(out, "rule", &format!("{} ({}:{})", rule.name, rule.file, rule.line))?;
    }
    detail(out, "status", recipient.status.as_deref().unwrap_or_default())?;
    detail(out, "said", &recipient.diagnostic)?;
    detail(out, "by", &recipient.remote_mta)?;
    detail(
        out,
        "at stage",
        &recipient.stage.map_or(String::new(), |stage| format!("{stage:?}").to_lowercase()),
    )?;
    detail(out, "last tried", recipient.last_attempt.as_deref().unwrap_or_default())?;
    detail(out, "tried until", recipient.will_retry_until.as_deref().unwrap_or_default())
}

/// The message that it is about.
fn told_returned(out: &mut Formatter<'_>, returned: &Returned) -> Result {
    line(out, "message", &returned.message_id)?;
    detail(out, "from", &returned.from)?;
    detail(out, "return path", &returned.return_path)?;
    detail(out, "to", &returned.to.join(", "))?;
    detail(out, "subject", &returned.subject)?;
    detail(out, "queue ids", &returned.queue_ids.join(", "))?;
    detail(out, "list id", &returned.list_id)?;
    detail(out, "feedback id", &returned.feedback_id)?;
    detail(out, "cfbl id", &returned.cfbl_feedback_id)?;
    detail(out, "relaylens", &returned.relaylens_ref)
}

fn told_complaint(out: &mut Formatter<'_>, complaint: &ComplaintTold) -> Result {
    let word = if complaint.feedback_word.is_empty() {
        String::new()
    } else {
        format!(" ({})", complaint.feedback_word)
    };
    line(out, "type", &format!("{}{word}", complaint.feedback_type))?;
    line(out, "failed", &complaint.auth_failure)?;
    line(out, "result", &complaint.delivery_result)?;
    line(out, "reported by", &complaint.reporting_mta)?;
    line(out, "software", &complaint.user_agent)?;
    line(out, "envelope id", &complaint.original_envelope_id)?;
    for recipient in &complaint.recipients {
        let clarity = complaint.clarity.filter(|clarity| *clarity != "clear");
        line(
            out,
            "recipient",
            &clarity.map_or(recipient.to_string(), |clarity| format!("{recipient} ({clarity})")),
        )?;
    }
    line(out, "mail from", complaint.original_mail_from.as_deref().unwrap_or_default())?;
    line(out, "sent by", &complaint.source_ip.map_or(String::new(), |ip| ip.to_string()))?;
    line(out, "domains", &complaint.reported_domains.join(", "))?;
    complaint.returned.as_ref().map_or(Ok(()), |returned| told_returned(out, returned))
}

fn told_dmarc(out: &mut Formatter<'_>, report: &DmarcTold) -> Result {
    line(out, "report", &format!("{} by {}", report.report_id, report.org_name))?;
    detail(out, "domain", &report.policy_domain)?;
    period(out, report.begin.as_deref(), report.end.as_deref())?;
    let cut = if report.is_complete { "" } else { "; cut off" };
    detail(out, "messages", &format!("{} in {} records{cut}", report.message_count, report.record_count))?;
    let aligned =
        format!("{} (DKIM {}, SPF {})", report.dmarc_aligned, report.dkim_aligned, report.spf_aligned);
    detail(out, "aligned", &aligned)?;
    let dispositions: Vec<String> =
        report.dispositions.iter().map(|(name, messages)| format!("{name} {messages}")).collect();
    detail(out, "disposition", &dispositions.join(", "))?;
    warnings(out, &report.warnings)
}

fn told_tls(out: &mut Formatter<'_>, report: &TlsTold) -> Result {
    line(out, "report", &format!("{} by {}", report.report_id, report.org_name))?;
    period(out, report.begin.as_deref(), report.end.as_deref())?;
    for policy in &report.policies {
        let number = |count: Option<u64>| count.map_or("?".to_owned(), |count| count.to_string());
        let sessions =
            format!("{} sessions succeeded, {} failed", number(policy.successful), number(policy.failed));
        detail(out, "policy", &format!("{} ({}): {sessions}", policy.domain, policy.policy_type))?;
    }
    warnings(out, &report.warnings)
}

fn period(out: &mut Formatter<'_>, begin: Option<&str>, end: Option<&str>) -> Result {
    detail(out, "period", &format!("{} to {}", begin.unwrap_or("?"), end.unwrap_or("?")))
}

fn warnings(out: &mut Formatter<'_>, warnings: &[Text]) -> Result {
    warnings.iter().try_for_each(|warning| line(out, "warning", warning))
}

/// A line about the whole; none for an empty value.
fn line(out: &mut Formatter<'_>, name: &str, value: &str) -> Result {
    if value.is_empty() { Ok(()) } else { writeln!(out, "  {name:<13} {}", Printable(value)) }
}

/// A line about what the last [`line()`] named.
fn detail(out: &mut Formatter<'_>, name: &str, value: &str) -> Result {
    if value.is_empty() { Ok(()) } else { writeln!(out, "    {name:<11} {}", Printable(value)) }
}

/// A text that cannot move a terminal's cursor or change its colours: anyone can send a mail with such signs.
struct Printable<'a>(&'a str);

impl Display for Printable<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        self.0.chars().try_for_each(|sign| {
            out.write_char(if sign.is_control() { char::REPLACEMENT_CHARACTER } else { sign })
        })
    }
}
