//! Delivery status: the fields of RFC 3464, from a part of their own or from a text that repeats them.
//!
//! Way: `dsn` hands over each status text; `fields` has split it.
//! Source: RFC 3464 sections 2.2 and 2.3, RFC 6533 section 3 (`utf-8;` addresses), RFC 3461 (`ENVID`, `ORCPT`).
//! Read beyond it, since servers write it: `Final-Recipient` without a type, with a source route or with an address in
//! brackets; recipients without `Action` or `Status`; a blank line between a recipient and its `Action`; several
//! recipients without a blank line between them; per-message and per-recipient fields in one group;
//! `Original-Recipient` alone (`McAfee`, Mimecast); words behind the status (`5.0.0 (permanent failure)`).

use crate::model::{EnhancedCode, Notice, NoticeAction, NoticeRecipient, Text};
use crate::parse::dsn::address;
use crate::parse::dsn::fields::{self, Field};
use crate::parse::dsn::reply;
use crate::parse::dsn::returned::read_date;

/// Recipients read of one notice. Postfix and Sendmail put at most some thousand into one message.
pub(super) const RECIPIENTS_MAX: usize = 5_000;

/// A group of fields under construction.
#[derive(Debug, Default)]
struct Group {
    final_recipient: Text,
    original_recipient: Text,
    action: Option<NoticeAction>,
    status: Option<EnhancedCode>,
    diagnostic: String,
    remote_mta: Text,
    last_attempt: Option<crate::model::Timestamp>,
    will_retry_until: Option<crate::model::Timestamp>,
}

/// Reads one status text into the notice.
pub(super) fn read(text: &str, notice: &mut Notice) {
    let mut open = Group::default();
    let mut open_group = 0;
    for field in fields::read(text) {
        if field.group != open_group {
            // A group that names no recipient goes on with the one before it.
            if open.has_recipient() && starts_recipient(&field) {
                close(std::mem::take(&mut open), notice);
            }
            open_group = field.group;
        }
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is("Final-Recipient") || is("X-Actual-Recipient") && open.final_recipient.is_empty() {
            if is("Final-Recipient") && !open.final_recipient.is_empty() {
                close(std::mem::take(&mut open), notice);
            }
            open.final_recipient = recipient(&field.value);
        } else if is("Original-Recipient") {
            if !open.original_recipient.is_empty() {
                close(std::mem::take(&mut open), notice);
            }
            open.original_recipient = recipient(&field.value);
        } else if !open.take(&field) {
            per_message(&field, notice);
        }
    }
    close(open, notice);
}

/// Whether the first field of a group says that a new recipient begins: anything but the rest of one that a stray
/// blank line cut off.
fn starts_recipient(field: &Field<'_>) -> bool {
    let rest = ["Status", "Diagnostic-Code", "Remote-MTA", "Last-Attempt-Date", "Will-Retry-Until"];
    !rest.iter().any(|name| field.name.eq_ignore_ascii_case(name))
}

impl Group {
    fn has_recipient(&self) -> bool {
        !self.final_recipient.is_empty() || !self.original_recipient.is_empty()
    }

    /// Takes a per-recipient field; `false` for a field of another kind.
    fn take(&mut self, field: &Field<'_>) -> bool {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is("Action") {
            self.action = self.action.or_else(|| action(&field.value));
        } else if is("Status") {
            self.status = self.status.or_else(|| status(&field.value));
        } else if is("Diagnostic-Code") {
            if self.diagnostic.is_empty() {
                self.diagnostic = reply::unfold(untyped(&field.value));
            }
        } else if is("Remote-MTA") {
            if self.remote_mta.is_empty() {
                self.remote_mta = host(&field.value);
            }
        } else if is("Last-Attempt-Date") {
            self.last_attempt = self.last_attempt.or_else(|| read_date(&field.value));
        } else if is("Will-Retry-Until") {
            self.will_retry_until = self.will_retry_until.or_else(|| read_date(&field.value));
        } else {
            return false;
        }
        true
    }
}

fn close(group: Group, notice: &mut Notice) {
    if !group.has_recipient() || notice.recipients.len() >= RECIPIENTS_MAX {
        return;
    }
    // A success is told by its status where the action is missing.
    let by_status = match group.status.map(|status| status.class) {
        Some(2) => NoticeAction::Delivered,
        _ => NoticeAction::Failed,
    };
    let (address, original) = if group.final_recipient.is_empty() {
        (group.original_recipient, Text::default())
    } else {
        (group.final_recipient, group.original_recipient)
    };
    let mut recipient = NoticeRecipient::new(address, group.action.unwrap_or(by_status));
    recipient.original_recipient = original;
    recipient.status_field = group.status;
    recipient.reply = reply::read(&group.diagnostic);
    recipient.remote_mta = group.remote_mta;
    recipient.last_attempt = group.last_attempt;
    recipient.will_retry_until = group.will_retry_until;
    notice.recipients.push(recipient);
}

fn per_message(field: &Field<'_>, notice: &mut Notice) {
    let is = |name: &str| field.name.eq_ignore_ascii_case(name);
    if is("Reporting-MTA") && notice.reporting_mta.is_empty() {
        notice.reporting_mta = host(&field.value);
    } else if is("Received-From-MTA") && notice.received_from_mta.is_empty() {
        notice.received_from_mta = host(&field.value);
    } else if is("Arrival-Date") && notice.arrival.is_none() {
        notice.arrival = read_date(&field.value);
    } else if is("Original-Envelope-Id") && notice.envid.is_empty() {
        notice.envid = Text::from(&*field.value);
    } else if is("X-Postfix-Queue-ID") || is("X-Exim-Id") {
        let id = Text::from(&*field.value);
        if notice.returned.queue_ids.len() < crate::model::QUEUE_IDS_MAX
            && !notice.returned.queue_ids.contains(&id)
        {
            notice.returned.queue_ids.push(id);
        }
    } else if is("X-Postfix-Sender") && notice.returned.return_path.is_empty() {
        notice.returned.return_path = recipient(&field.value);
    }
}

/// `rfc822; bob@example.com` without its type. A value that holds no address is kept as it stands: a pipe, a user.
fn recipient(value: &str) -> Text {
    let bare = address::unescape_unitext(untyped(value));
    let bare = bare.trim();
    // An address may stand behind a route or in brackets, and before a comment.
    match address::first(bare) {
        Some(found) => found.normal(),
        None => address::normal(bare.split(" (").next().unwrap_or(bare)),
    }
}

/// `dns; mx.example.com` without its type, and without the address in brackets that some put behind it.
fn host(value: &str) -> Text {
    let bare = untyped(value);
    let name = bare.split_ascii_whitespace().next().unwrap_or_default();
    Text::from(name.trim_matches(['(', ')', ','])).to_lowercase()
}

/// The value behind its type. A type is a short word; a semicolon deeper in a text is the text's own.
fn untyped(value: &str) -> &str {
    const TYPE_BYTES_MAX: usize = 24;
    match value.split_once(';') {
        Some((kind, rest)) if kind.len() <= TYPE_BYTES_MAX && !kind.trim().contains([' ', '@', '<', '"']) => {
            rest.trim()
        }
        _ => value.trim(),
    }
}

/// The action's word, by its beginning: `failed`, `Failure`, `delayed (temporary)`.
fn action(value: &str) -> Option<NoticeAction> {
    const WORDS: [(&str, NoticeAction); 8] = [
        ("fail", NoticeAction::Failed),
        ("delay", NoticeAction::Delayed),
        ("deliver", NoticeAction::Delivered),
        ("relay", NoticeAction::Relayed),
        ("expand", NoticeAction::Expanded),
        ("expired", NoticeAction::Failed),
        ("error", NoticeAction::Failed),
        ("bounce", NoticeAction::Failed),
    ];
    let starts = |word: &str| value.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    WORDS.iter().find(|(word, _)| starts(word)).map(|(_, action)| *action)
}

/// The status, whatever stands around it.
fn status(value: &str) -> Option<EnhancedCode> {
    let from = value.find(['2', '4', '5'])?;
    EnhancedCode::parse_prefix(&value[from..]).map(|(status, _)| status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(text: &str) -> Notice {
        let mut notice = Notice::default();
        read(text, &mut notice);
        notice
    }

    #[track_caller]
    fn check(text: &str, want: &[(&str, &str, NoticeAction, &str)]) {
        let notice = notice(text);
        let got: Vec<_> = notice
            .recipients
            .iter()
            .map(|one| {
                let status = one.status_field.map(|status| status.to_string()).unwrap_or_default();
                (one.final_recipient.to_string(), one.original_recipient.to_string(), one.action, status)
            })
            .collect();
        let want: Vec<_> = want
            .iter()
            .map(|(address, original, action, status)| {
                ((*address).to_owned(), (*original).to_owned(), *action, (*status).to_owned())
            })
            .collect();
        assert_eq!(got, want, "text was {text}");
    }

    #[test]
    fn a_report_is_read_by_the_book() {
        let text = "Reporting-MTA: dns; mx.example.org\nArrival-Date: Thu, 29 Apr 2010 23:34:45 +0900\n\
                    Original-Envelope-Id: QQ1\n\nFinal-Recipient: rfc822; bob@example.com\n\
                    Original-Recipient: rfc822;Alias@example.com\nAction: failed\nStatus: 5.1.1\n\
                    Remote-MTA: dns; mx.example.com\nDiagnostic-Code: smtp; 550 5.1.1 no\n such user\n";
        check(text, &[("bob@example.com", "alias@example.com", NoticeAction::Failed, "5.1.1")]);
        let notice = notice(text);
        assert_eq!(notice.reporting_mta, "mx.example.org");
        assert_eq!(notice.envid, "QQ1");
        assert!(notice.arrival.is_some());
        assert_eq!(notice.recipients[0].remote_mta, "mx.example.com");
        assert_eq!(notice.recipients[0].reply.text, "550 5.1.1 no such user");
        assert_eq!(notice.recipients[0].reply.code, 550);
    }

    #[test]
    fn addresses_are_read_without_type_with_route_and_in_utf_8() {
        check("Final-Recipient: <bob@example.com>\n", &[("bob@example.com", "", NoticeAction::Failed, "")]);
        check(
            "Final-Recipient: rfc822;@hub.example:bob@example.com\nAction: delayed\n",
            &[("bob@example.com", "", NoticeAction::Delayed, "")],
        );
        check(
            "Final-Recipient: utf-8; j\\x{F6}rg@example.com\nAction: relayed\n",
            &[("jörg@example.com", "", NoticeAction::Relayed, "")],
        );
        check(
            "Final-Recipient: X-Unix; |/usr/bin/prog\n",
            &[("|/usr/bin/prog", "", NoticeAction::Failed, "")],
        );
    }

    #[test]
    fn misplaced_blank_lines_do_no_harm() {
        check(
            "Final-Recipient: rfc822; a@example.com\nAction: failed\n\nStatus: 5.2.2 (full)\n\n\
             Final-Recipient: rfc822; b@example.com\nAction: failed\nStatus: 4.2.2\n\
             Final-Recipient: rfc822; c@example.com\nStatus: 2.0.0\n",
            &[
                ("a@example.com", "", NoticeAction::Failed, "5.2.2"),
                ("b@example.com", "", NoticeAction::Failed, "4.2.2"),
                ("c@example.com", "", NoticeAction::Delivered, "2.0.0"),
            ],
        );
        check(
            "Reporting-MTA: dns; a\nAction: failed\nFinal-Recipient: rfc822; a@example.com\nStatus: 5.1.1\n",
            &[("a@example.com", "", NoticeAction::Failed, "5.1.1")],
        );
    }

    #[test]
    fn the_original_recipient_alone_is_enough() {
        check(
            "Action : failed\nStatus : 5.0.0\nOriginal-Recipient : rfc/822;bob@example.com\n",
            &[("bob@example.com", "", NoticeAction::Failed, "5.0.0")],
        );
    }

    #[test]
    fn a_report_of_nobody_has_no_recipient() {
        check("Reporting-MTA: dns; mx.example.org\n", &[]);
        check("", &[]);
    }
}
