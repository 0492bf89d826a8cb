//! Who failed, when the words of a text and the signs of a head are put together.
//!
//! Way: `dsn` has read status and prose; here prose becomes recipients, or fills in what the status leaves out.
//! Not here: reading the text (`prose`), the head (`mail::signs`).

use crate::model::{
    EnhancedCode, NoticeAction, NoticeRecipient, REPLY_BYTES_MAX, ReturnedMessage, SmtpStage, Text, domain_of,
};
use crate::parse::dsn::lines::Line;
use crate::parse::dsn::phrases::Marks;
use crate::parse::dsn::prose::{Heard, Prose, Weight, said};
use crate::parse::dsn::status::RECIPIENTS_MAX;
use crate::parse::dsn::{reply, step};
use crate::parse::mail::signs::Signs;

/// The recipients that a notice without delivery status names, if it is a notice at all.
pub(super) fn named(prose: &Prose<'_>, signs: &Signs) -> Vec<NoticeRecipient> {
    let action = action(prose.marks.with(signs.subject));
    if !signs.failed.is_empty() {
        return failed_field(prose, signs, action);
    }
    // The less the text tells, the more the head must.
    let enough = match prose.weight {
        Some(Weight::Listed | Weight::Told) => 1,
        Some(Weight::Alone) => 2,
        None => return Vec::new(),
    };
    let speaks = prose.marks.has(Marks::FAIL.with(Marks::DELAY).with(Marks::SUCCESS).with(Marks::REASON));
    let is_listed = prose.weight == Some(Weight::Listed);
    if signs.count() < enough || !speaks && !is_listed || answers_itself(signs, is_listed) {
        return Vec::new();
    }
    prose.recipients.iter().map(|heard| from_heard(heard, action, prose)).collect()
}

/// The recipients of a notice that names none by address: users of the reporting server, or whom the returned message
/// was for, when that was one.
pub(super) fn unnamed(prose: &Prose<'_>, signs: &Signs, returned: &ReturnedMessage) -> Vec<NoticeRecipient> {
    let said = page_reply(prose);
    let is_sure = signs.count() >= 2 && prose.marks.has(Marks::FAIL);
    let heard: Vec<Heard> = if is_sure && !prose.bare_users.is_empty() {
        let complete =
            |user: &Heard| Heard { address: complete_user(&user.address, signs, returned), ..user.clone() };
        prose.bare_users.iter().map(complete).collect()
    } else if signs.is_delivery_report
        || signs.count() >= 2 && reply::has_code(&said)
        || is_sure && signs.count() > 2
    {
        let sole = returned.to.first().filter(|_| returned.to.len() == 1);
        sole.map(|to| Heard { address: to.clone(), original: Text::default(), said: String::new() })
            .into_iter()
            .collect()
    } else {
        Vec::new()
    };
    let action = action(prose.marks.with(signs.subject));
    let fill = |mut heard: Heard| {
        if heard.said.is_empty() {
            heard.said.clone_from(&said);
        }
        from_heard(&heard, action, prose)
    };
    heard.into_iter().map(fill).collect()
}

/// An answer by a person's mailbox, not by a server: it may quote a failure.
fn answers_itself(signs: &Signs, is_listed: bool) -> bool {
    signs.is_auto_reply && !signs.is_daemon || signs.count() == 1 && signs.is_auto_replied && !is_listed
}

/// `X-Failed-Recipients` names them all; the prose says what of each.
fn failed_field(prose: &Prose<'_>, signs: &Signs, action: NoticeAction) -> Vec<NoticeRecipient> {
    let sole = signs.failed.len() == 1;
    let mut found = Vec::with_capacity(signs.failed.len());
    for address in signs.failed.iter().take(RECIPIENTS_MAX) {
        let heard =
            prose.recipients.iter().find(|heard| heard.address == *address || heard.original == *address);
        let heard = heard.or_else(|| prose.recipients.first().filter(|_| sole)).cloned();
        let mut heard = heard.unwrap_or_else(|| Heard {
            address: address.clone(),
            original: Text::default(),
            said: page_reply(prose),
        });
        if heard.address != *address && heard.original.is_empty() {
            heard.original = std::mem::take(&mut heard.address);
        }
        heard.address.clone_from(address);
        if !found.iter().any(|one: &NoticeRecipient| one.final_recipient == *address) {
            found.push(from_heard(&heard, action, prose));
        }
    }
    found
}

fn from_heard(heard: &Heard, action: NoticeAction, prose: &Prose<'_>) -> NoticeRecipient {
    let mut recipient = NoticeRecipient::new(heard.address.clone(), action);
    recipient.original_recipient.clone_from(&heard.original);
    recipient.reply = reply::read(&heard.said);
    if prose.recipients.len() <= 1 {
        complete_reply(&mut recipient, prose);
    }
    if recipient.reply.text.is_empty() {
        recipient.reply.text = reply::without_stage(&page_words(prose)).text;
    }
    recipient
}

/// What the text says of the only recipient stands anywhere in it.
fn complete_reply(recipient: &mut NoticeRecipient, prose: &Prose<'_>) {
    let reply = &mut recipient.reply;
    if reply.code == 0 && reply.enhanced.is_none() {
        let other = reply::read(&page_reply(prose));
        if other.code != 0 || other.enhanced.is_some() || reply.text.is_empty() {
            *reply = other;
        }
    }
    if reply.stage == SmtpStage::Unknown {
        reply.stage = step::read(&prose.flat);
    }
}

/// Whether a delivery status tells all by itself but the step: one recipient, with a reply that has a code.
pub(super) fn is_told(recipients: &[NoticeRecipient]) -> bool {
    let [sole] = recipients else { return false };
    let is_address = sole.final_recipient.contains('@');
    is_address && (sole.reply.code != 0 || sole.reply.enhanced.is_some())
}

/// Fills in the step, and whom the message was sent to, from a text whose blanks are single.
pub(super) fn complete_step(recipients: &mut [NoticeRecipient], flat: &str) {
    for recipient in recipients {
        if recipient.reply.stage == SmtpStage::Unknown {
            recipient.reply.stage = step::read(flat);
        }
        if recipient.original_recipient.is_empty() {
            recipient.original_recipient = said::original(flat);
        }
    }
}

/// Fills in what a delivery status leaves to the text beside it: the step, and the reply where it has none.
pub(super) fn complete(recipients: &mut [NoticeRecipient], prose: &Prose<'_>) {
    let sole = recipients.len() == 1;
    for recipient in recipients {
        complete_address(recipient, prose, sole);
        let is = |heard: &&Heard| {
            heard.address == recipient.final_recipient || heard.address == recipient.original_recipient
        };
        let heard = prose.recipients.iter().find(is).or_else(|| prose.recipients.first().filter(|_| sole));
        if let Some(heard) = heard {
            let said = reply::read(&heard.said);
            if recipient.reply.text.is_empty() {
                recipient.reply = said;
            } else if recipient.reply.stage == SmtpStage::Unknown {
                recipient.reply.stage = said.stage;
            }
            if recipient.original_recipient.is_empty() && heard.original != recipient.final_recipient {
                recipient.original_recipient.clone_from(&heard.original);
            }
        }
        if sole && recipient.reply.stage == SmtpStage::Unknown {
            recipient.reply.stage = step::read(&prose.flat);
        }
        let says_little = recipient.reply.code == 0 && recipient.reply.enhanced.is_none();
        if sole && (recipient.reply.text.is_empty() || says_little && is_rough(recipient.status_field)) {
            complete_reply(recipient, prose);
        }
        if sole && recipient.reply.text.is_empty() && prose.marks.has(Marks::FAIL) {
            recipient.reply.text = reply::without_stage(&page_words(prose)).text;
        }
    }
}

fn is_rough(status: Option<EnhancedCode>) -> bool {
    status.is_none_or(|status| status.subject == 0)
}

/// A broken `Final-Recipient` that holds no address (`RFC822; @mx.example.com`) is read from the text.
fn complete_address(recipient: &mut NoticeRecipient, prose: &Prose<'_>, sole: bool) {
    let is_broken = !recipient.final_recipient.contains('@') && recipient.final_recipient.contains('.');
    if let Some(heard) = prose.recipients.first().filter(|_| sole && is_broken && prose.recipients.len() == 1)
    {
        recipient.final_recipient.clone_from(&heard.address);
    }
}

/// The paragraph of the text that holds the reply, or all that tells a reason.
fn page_reply(prose: &Prose<'_>) -> String {
    let (mut best, mut best_has_status) = (String::new(), false);
    let mut reasons = String::new();
    for paragraph in prose.lines.split(Line::is_blank) {
        let text = paragraph.iter().map(|line| line.text.trim()).collect::<Vec<_>>().join(" ");
        let reply = reply::without_stage(&text);
        let has_status = reply.enhanced.is_some();
        if reply.code != 0 && (best.is_empty() || has_status && !best_has_status) {
            (best, best_has_status) = (text, has_status);
        } else if paragraph.iter().any(|line| line.marks.has(Marks::REASON))
            && reasons.len() < REPLY_BYTES_MAX
        {
            reasons.push_str(&text);
            reasons.push(' ');
        }
    }
    if best.is_empty() { reasons } else { best }
}

/// The text's first words, where nothing in it speaks of a reason in words that are known.
fn page_words(prose: &Prose<'_>) -> String {
    let words = prose.lines.iter().flat_map(|line| line.text.split_ascii_whitespace());
    words.take(WORDS_MAX).collect::<Vec<_>>().join(" ")
}

/// Words of a text kept as its reply, when none of it is known to be one.
const WORDS_MAX: usize = 120;

/// What the words of a notice without delivery status say of its outcome.
fn action(marks: Marks) -> NoticeAction {
    if marks.has(Marks::DELAY) && !marks.has(Marks::FINAL) {
        NoticeAction::Delayed
    } else if marks.has(Marks::SUCCESS) && !marks.has(Marks::FAIL.with(Marks::REASON)) {
        NoticeAction::Delivered
    } else {
        NoticeAction::Failed
    }
}

/// A user without a domain belongs to the reporting server, unless the returned message was for somebody so named.
fn complete_user(user: &Text, signs: &Signs, returned: &ReturnedMessage) -> Text {
    let known =
        returned.to.iter().find(|to| to.rsplit_once('@').is_some_and(|(local, _)| local == user.as_str()));
    match (known, domain_of(&signs.from)) {
        (Some(known), _) => known.clone(),
        (None, "") => user.clone(),
        (None, domain) => Text::from(format!("{user}@{domain}")),
    }
}
