//! Why a recipient of a notice failed.
//!
//! Way: `pipeline` and `cli` ask it for each recipient of a notice that `parse::dsn` has read.
//! Source: which fields of RFC 3464 say what: `Status` is the reporting server's own guess, `Diagnostic-Code` the reply
//! it is made from, and where the two differ, the reply knows better.
//! Not here: the rules (`rules`).

use crate::classify::bounce::{Outcome, ReplyView, Verdict};
use crate::classify::classifier::Classifier;
use crate::model::{NoticeAction, NoticeRecipient, Text, domain_of};

impl Classifier {
    /// Says why the message did not reach this recipient, or has not yet; `None` when it did. `format` is the notice's.
    pub fn classify_recipient(&mut self, format: &str, recipient: &NoticeRecipient) -> Option<Verdict> {
        let outcome = match recipient.action {
            NoticeAction::Failed => Outcome::Failed,
            NoticeAction::Delayed => Outcome::Delayed,
            NoticeAction::Delivered | NoticeAction::Relayed | NoticeAction::Expanded => return None,
        };
        let provider: Text =
            self.providers().find(&recipient.remote_mta, domain_of(&recipient.final_recipient)).into();
        let view = ReplyView {
            code: recipient.reply.code,
            enhanced: recipient.reply.enhanced,
            relay_dsn: recipient.status_field,
            text: &recipient.reply.text,
            provider: &provider,
            stage: recipient.reply.stage,
            outcome,
            format,
        };
        Some(self.classify(&view))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::{BounceRules, CACHE_ENTRIES, Permanence};
    use crate::model::{BounceReason, BounceType, EnhancedCode, SmtpStage};
    use std::cell::RefCell;

    fn status(text: &str) -> Option<EnhancedCode> {
        EnhancedCode::parse_prefix(text).map(|(code, _)| code)
    }

    fn recipient(action: NoticeAction, field: &str, text: &str) -> NoticeRecipient {
        let mut recipient = NoticeRecipient::new("nobody@example.org".into(), action);
        recipient.status_field = status(field);
        recipient.reply.text = text.into();
        recipient
    }

    fn verdict(format: &str, recipient: &NoticeRecipient) -> Option<Verdict> {
        thread_local! {
            static CLASSIFIER: RefCell<Classifier> =
                RefCell::new(Classifier::new(BounceRules::shipped(), CACHE_ENTRIES));
        }
        CLASSIFIER.with_borrow_mut(|classifier| classifier.classify_recipient(format, recipient))
    }

    /// Reason, kind, status to show.
    #[track_caller]
    fn check(recipient: &NoticeRecipient, reason: BounceReason, kind: BounceType, shown: &str) {
        let verdict = verdict("rfc3464", recipient).unwrap();
        assert_eq!((verdict.reason, verdict.bounce_type), (reason, kind), "{recipient:?}");
        assert_eq!(verdict.status, status(shown), "{recipient:?}");
    }

    use BounceReason as R;
    use BounceType::{Block, Hard, Soft};
    use NoticeAction::{Delayed, Failed};

    #[test]
    fn the_status_in_the_reply_is_believed_before_the_field() {
        check(&recipient(Failed, "5.0.0", "550 5.1.1 User unknown"), R::UserUnknown, Hard, "5.1.1");
        check(
            &recipient(Failed, "5.1.1", "550 5.7.1 IP address blocked by recipient"),
            R::Blocked,
            Block,
            "5.7.1",
        );
        check(&recipient(Failed, "4.4.7", "452 4.4.5 Insufficient disk space"), R::SystemFull, Soft, "4.4.5");
        check(&recipient(Failed, "5.2.2", "550 5.0.0 no"), R::MailboxFull, Soft, "5.2.2");
        check(&recipient(Failed, "5.1.1", ""), R::UserUnknown, Hard, "5.1.1");
        check(&recipient(Failed, "5.0.0", ""), R::Undefined, BounceType::Undetermined, "5.0.0");
    }

    /// Exim writes 5.0.0 and `failed` when the time for retries of a 4xx has run out.
    #[test]
    fn retries_of_a_temporary_reply_that_ran_out_are_an_expiry() {
        let exim = recipient(Failed, "5.0.0", "421 Too much going on here");
        check(&exim, R::SystemError, Soft, "5.0.0");
        assert_eq!(verdict("exim", &exim).unwrap().permanence, Permanence::Temporary);
        check(&recipient(Failed, "5.0.0", "450 what is this"), R::Expired, Soft, "5.0.0");
        check(&recipient(Failed, "5.0.0", "retry timeout exceeded"), R::Expired, Soft, "5.0.0");
    }

    #[test]
    fn a_delay_is_soft_and_told_as_time_running_out_when_nothing_else_is_known() {
        check(&recipient(Delayed, "4.0.0", ""), R::Expired, Soft, "4.0.0");
        check(&recipient(Delayed, "", "The message will be retried"), R::Expired, Soft, "");
        check(&recipient(Delayed, "4.2.2", "452 4.2.2 Mailbox full"), R::MailboxFull, Soft, "4.2.2");
        check(&recipient(Delayed, "5.1.1", "550 5.1.1 User unknown"), R::UserUnknown, Soft, "5.1.1");
    }

    #[test]
    fn the_same_words_mean_another_thing_at_another_stage() {
        let mut refused = recipient(Failed, "5.0.0", "550 <nobody@example.org> does not exist");
        for (stage, reason) in
            [(SmtpStage::Mail, R::Rejected), (SmtpStage::Rcpt, R::UserUnknown), (SmtpStage::Dot, R::Filtered)]
        {
            refused.reply.stage = stage;
            assert_eq!(verdict("", &refused).unwrap().reason, reason);
        }
        let mut denied = recipient(Failed, "5.0.0", "550 Access denied");
        assert_eq!(verdict("", &denied).unwrap().reason, R::Rejected);
        denied.reply.stage = SmtpStage::Banner;
        assert_eq!(verdict("", &denied).unwrap().reason, R::Blocked);
    }

    #[test]
    fn a_rule_may_ask_for_the_form_of_the_notice() {
        let closed = recipient(Failed, "", "Ce groupe n'autorise pas l'envoi de message.");
        assert_eq!(verdict("google_groups", &closed).unwrap().reason, R::Rejected);
        assert_eq!(verdict("prose", &closed).unwrap().reason, R::OnHold);
    }

    #[test]
    fn who_was_reached_has_no_verdict() {
        for action in [NoticeAction::Delivered, NoticeAction::Relayed, NoticeAction::Expanded] {
            assert_eq!(verdict("rfc3464", &recipient(action, "2.0.0", "250 Ok")), None);
        }
    }
}
