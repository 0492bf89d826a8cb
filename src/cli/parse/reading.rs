//! Reads one input, and puts what was read into the form in which it is printed.
//!
//! Way: `parse` hands an [`Input`] to [`Readers::read`], and prints the [`Reading`].
//! Not here: the reading itself (`crate::parse`), the verdict (`crate::classify`).

use super::told::{
    ComplaintTold, DmarcTold, Head, NoticeTold, REJECTED, Reading, RecipientTold, ReportTold, Returned,
    RuleTold, TlsPolicyTold, TlsTold, Told,
};
use crate::classify::{BounceRules, CACHE_ENTRIES, Classifier, Permanence};
use crate::cli::input::{Bytes, Input};
use crate::model::{
    Clarity, Complaint, DmarcReport, MailHead, MailKind, Notice, NoticeRecipient, Parsed, ReturnedMessage,
    SmtpStage, Text, Timestamp, TlsReport, Warning,
};
use crate::parse::Reject;
use crate::parse::archive::Limits;
use crate::parse::mail::{self, Content, Mail};
use crate::parse::report::{self, ReportEnd};

/// Rules and limits, and what is kept between two inputs.
#[derive(Debug)]
pub(super) struct Readers {
    classifier: Classifier,
    limits: Limits,
}

impl Readers {
    pub(super) fn new(rules: BounceRules, limits: Limits) -> Self {
        Self { classifier: Classifier::new(rules, CACHE_ENTRIES), limits }
    }

    pub(super) fn read(&mut self, input: Input) -> Reading {
        let mut reading = Reading {
            file: input.file,
            place: input.place,
            kind: REJECTED,
            mail_kind: None,
            error: None,
            head: None,
            content: None,
            warnings: Vec::new(),
        };
        match input.bytes {
            Err(why) => reading.error = Some(why),
            Ok(Bytes::Report(bytes)) => reading.set_reports(report::visit(&bytes, &self.limits, &mut ())),
            Ok(Bytes::Mail(bytes)) => match mail::read(&bytes) {
                Err(reject) => reading.error = Some(reject.to_string()),
                Ok(mail) => self.set_mail(&mut reading, mail),
            },
        }
        reading
    }

    fn set_mail(&mut self, reading: &mut Reading, mail: Mail) {
        let kind = mail.kind();
        reading.kind = match kind {
            MailKind::DelayNotice => MailKind::Bounce.name(),
            MailKind::Other => "unrecognized",
            kind => kind.name(),
        };
        reading.mail_kind = Some(kind.name());
        reading.head = Some(Head::of(mail.head));
        reading.warnings = texts(mail.warnings);
        match mail.content {
            Content::Notice(notice) => reading.content = Some(Told::Notice(self.notice(notice))),
            Content::Complaint(complaint) | Content::DmarcFailure(complaint) => {
                reading.content = Some(Told::Complaint(ComplaintTold::of(complaint)));
            }
            Content::Reports(parts) => {
                let ends = parts.iter().flat_map(|part| report::visit(&part.bytes, &self.limits, &mut ()));
                reading.set_reports(ends.collect());
            }
            Content::Broken(_, reject) => {
                reading.kind = REJECTED;
                reading.error = Some(reject.to_string());
            }
            Content::AutoReply | Content::Challenge | Content::Unsubscribe | Content::Other => {}
        }
    }

    fn notice(&mut self, notice: Notice) -> NoticeTold {
        let recipients =
            notice.recipients.into_iter().map(|recipient| self.recipient(notice.format, recipient)).collect();
        NoticeTold {
            format: notice.format,
            reporting_mta: notice.reporting_mta,
            received_from_mta: notice.received_from_mta,
            arrival: time(notice.arrival),
            envelope_id: notice.envid,
            recipients,
            returned: Returned::of(notice.returned),
        }
    }

    fn recipient(&mut self, format: &str, recipient: NoticeRecipient) -> RecipientTold {
        let verdict = self.classifier.classify_recipient(format, &recipient);
        let rule = verdict.map(|verdict| self.classifier.rules().rule(verdict.rule));
        let status = verdict.map_or(recipient.status_field.or(recipient.reply.enhanced), |it| it.status);
        let code = verdict.map_or(recipient.reply.code, |verdict| verdict.code);
        RecipientTold {
            recipient: recipient.final_recipient,
            original_recipient: Some(recipient.original_recipient).filter(|address| !address.is_empty()),
            action: recipient.action.name(),
            status: status.map(|status| status.to_string()),
            reply_code: Some(code).filter(|code| *code != 0),
            reason: verdict.map(|verdict| verdict.reason.name()),
            group: verdict.map(|verdict| verdict.reason.group().name()),
            bounce_type: verdict.map(|verdict| verdict.bounce_type.name()),
            hard: verdict.map(|verdict| verdict.says_address_is_gone()),
            permanent: verdict.map(|verdict| verdict.permanence == Permanence::Permanent),
            rule: rule.map(|rule| RuleTold {
                name: rule.name.clone(),
                file: rule.file.clone(),
                line: rule.line,
            }),
            diagnostic: recipient.reply.text,
            stage: Some(recipient.reply.stage).filter(|stage| *stage != SmtpStage::Unknown),
            remote_mta: recipient.remote_mta,
            last_attempt: time(recipient.last_attempt),
            will_retry_until: time(recipient.will_retry_until),
        }
    }
}

impl Reading {
    /// Takes what the readers of reports gave. One report that could be read is enough; the others are warnings.
    fn set_reports(&mut self, ends: Vec<Result<ReportEnd, Reject>>) {
        let mut reports = Vec::new();
        for end in ends {
            match end {
                Ok(ReportEnd::Dmarc(report)) => reports.push(ReportTold::Dmarc(DmarcTold::of(report))),
                Ok(ReportEnd::Tls(report)) => reports.push(ReportTold::Tls(TlsTold::of(report))),
                Err(reject) => self.warnings.push(reject.to_string().into()),
            }
        }
        self.kind = match reports.first() {
            Some(ReportTold::Dmarc(_)) => MailKind::DmarcAggregate.name(),
            Some(ReportTold::Tls(_)) => MailKind::TlsReport.name(),
            None => {
                let why = (!self.warnings.is_empty()).then(|| self.warnings.remove(0));
                self.error = Some(why.map_or_else(|| "no report in it".to_owned(), Text::into_string));
                REJECTED
            }
        };
        if !reports.is_empty() {
            self.mail_kind = Some(self.kind);
            self.content = Some(Told::Reports { reports });
        }
    }
}

impl Head {
    fn of(head: MailHead) -> Self {
        Self {
            from: head.from,
            to: head.to,
            delivered_to: head.delivered_to,
            return_path: head.return_path,
            is_null_sender: head.is_null_sender,
            subject: head.subject,
            message_id: head.message_id,
            date: time(head.date),
            auto_submitted: head.auto_submitted,
        }
    }
}

impl Returned {
    /// `None` when nothing was brought back.
    fn of(returned: ReturnedMessage) -> Option<Self> {
        (!returned.is_empty()).then(|| Self {
            message_id: returned.message_id,
            from: returned.from,
            return_path: returned.return_path,
            to: returned.to,
            subject: returned.subject,
            date: time(returned.date),
            queue_ids: returned.queue_ids,
            list_id: returned.list_id,
            feedback_id: returned.feedback_id,
            cfbl_feedback_id: returned.cfbl_feedback_id,
            relaylens_ref: returned.relaylens_ref,
        })
    }
}

impl ComplaintTold {
    fn of(complaint: Complaint) -> Self {
        let clarity = complaint.clarity().map(Clarity::name);
        let feedback_type = complaint.feedback_type.name();
        Self {
            format: complaint.format.name(),
            feedback_type,
            feedback_word: Some(complaint.feedback_word)
                .filter(|word| word != feedback_type)
                .unwrap_or_default(),
            source_ip: complaint.source_ip,
            recipients: complaint.recipients.into_iter().map(|recipient| recipient.address).collect(),
            clarity,
            original_mail_from: Some(complaint.original_mail_from).filter(|sender| !sender.is_empty()),
            original_envelope_id: complaint.original_envelope_id,
            incidents: complaint.incidents,
            arrival: time(complaint.arrival),
            reporting_mta: complaint.reporting_mta,
            user_agent: complaint.user_agent,
            reported_domains: complaint.reported_domains,
            auth_failure: complaint.failure.kind,
            delivery_result: complaint.failure.delivery_result,
            returned: Returned::of(complaint.returned),
        }
    }
}

impl TlsTold {
    fn of(report: Parsed<TlsReport>) -> Self {
        let policies = report.record.policies.into_iter().map(|policy| TlsPolicyTold {
            policy_type: policy.policy_type,
            domain: policy.domain,
            successful: policy.successful,
            failed: policy.failed,
        });
        Self {
            org_name: report.record.org_name,
            report_id: report.record.report_id,
            begin: time(report.record.begin),
            end: time(report.record.end),
            policies: policies.collect(),
            warnings: texts(report.warnings),
        }
    }
}

impl DmarcTold {
    fn of(report: Parsed<DmarcReport>) -> Self {
        let DmarcReport { totals, .. } = report.record;
        Self {
            org_name: report.record.reporter,
            report_id: report.record.report_id,
            policy_domain: report.record.policy.domain,
            begin: time(report.record.begin),
            end: time(report.record.end),
            message_count: totals.messages,
            record_count: totals.records,
            dkim_aligned: totals.dkim_aligned,
            spf_aligned: totals.spf_aligned,
            dmarc_aligned: totals.dmarc_aligned,
            dispositions: totals.dispositions().map(|(name, messages)| (name.name(), messages)).collect(),
            is_complete: report.record.is_complete,
            warnings: texts(report.warnings),
        }
    }
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

fn texts(warnings: Vec<Warning>) -> Vec<Text> {
    warnings.into_iter().map(|warning| warning.0).collect()
}
