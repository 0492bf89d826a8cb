//! The rules as a whole, the table of kinds, overlays, and events from end to end.

use crate::classify::{
    BounceRules, CACHE_ENTRIES, Classifier, LOCAL, Outcome, Permanence, ProviderTable, ReplyView,
};
use crate::model::{
    BounceOrigin, BounceReason, BounceType, EnhancedCode, Event, EventType, SmtpReply, SmtpStage,
};
use proptest::prelude::*;
use std::cell::RefCell;
use std::sync::LazyLock;

/// Compiled once: in a debug build that takes seconds.
static RULES: LazyLock<BounceRules> = LazyLock::new(BounceRules::shipped);

fn status(text: &str) -> Option<EnhancedCode> {
    EnhancedCode::parse_prefix(text).map(|(code, _)| code)
}

#[test]
fn every_example_is_classified_by_its_own_rule() {
    let rules = &*RULES;
    let misled: Vec<String> = rules
        .misled_examples()
        .map(|(rule, example, winner)| format!("{}: `{example}` is taken by {winner}", rule.name))
        .collect();
    assert!(misled.is_empty(), "{}", misled.join("\n"));
}

#[test]
fn every_rule_has_a_source_and_an_example_and_names_known_providers() {
    let rules = &*RULES;
    for rule in rules.all() {
        assert!(!rule.source.is_empty() && !rule.examples.is_empty(), "{}", rule.name);
    }
    let table = ProviderTable::shipped();
    for name in rules.provider_names() {
        assert!(table.all().iter().any(|provider| provider.name == name), "{name}");
    }
}

#[test]
fn replies_get_their_reason_and_kind() {
    use BounceReason as R;
    use BounceType::{Admin, Block, Hard, Soft, Undetermined};
    let rules = &*RULES;
    for (text, reason, kind) in [
        (
            "550 5.7.1 messages from [192.0.2.25] weren't sent. part of their network is on our block list (S3150)",
            R::Blocked,
            Block,
        ),
        ("550 5.4.1 Recipient address rejected: Access denied. [mx.example.org]", R::UserUnknown, Hard),
        ("554 5.7.1", R::PolicyViolation, Block),
        ("554 5.7.1 <nobody@example.org>: Relay access denied", R::NoRelaying, Admin),
        ("552 5.2.2 The recipient's inbox is out of storage space and inactive.", R::Suspend, Hard),
        ("452 4.2.2 The recipient's inbox is out of storage space and inactive.", R::MailboxFull, Soft),
        ("552 5.2.2 Mailbox full", R::MailboxFull, Soft),
        ("450 4.7.1 Greylisted, see http://postgrey.example.org", R::RateLimited, Soft),
        ("421 4.7.28 Gmail has detected an unusual rate of unsolicited mail.", R::RateLimited, Soft),
        ("550 5.7.28 There is an unusual rate of unsolicited mail.", R::RateLimited, Block),
        ("556 5.1.10 Recipient address has null MX", R::NotAccept, Hard),
        ("550 5.1.2 Host unknown", R::HostUnknown, Hard),
        ("450 4.1.1 Recipient address rejected: User unknown in virtual alias table", R::UserUnknown, Soft),
        (
            "550-5.1.1 The email account that you tried 550-5.1.1 to reach does not exist. 550 5.1.1 gsmtp",
            R::UserUnknown,
            Hard,
        ),
        ("550 5.1.1 <spam.quota.full@example.org>: User unknown", R::UserUnknown, Hard),
        ("501 5.5.4 Syntax error in parameters", R::SyntaxError, Undetermined),
        ("User unknown", R::Filtered, Undetermined),
        ("554 5.1.1 Recipient suppressed", R::Suppressed, Admin),
        ("599 what is this", R::OnHold, Undetermined),
        ("", R::Undefined, Undetermined),
    ] {
        let verdict = rules.classify(&ReplyView::of(text));
        let rule = &rules.rule(verdict.rule).name;
        assert_eq!((verdict.reason, verdict.bounce_type), (reason, kind), "{text} ({rule})");
    }
}

#[test]
fn the_stage_tells_an_unknown_user_from_a_filter() {
    let rules = &*RULES;
    let reason = |stage, relay_dsn, provider| {
        let text = "550 Unknown user nobody@example.org";
        rules
            .classify(&ReplyView { stage, relay_dsn: status(relay_dsn), provider, ..ReplyView::of(text) })
            .reason
    };
    assert_eq!(reason(SmtpStage::Rcpt, "5.0.0", ""), BounceReason::UserUnknown);
    assert_eq!(reason(SmtpStage::Dot, "5.0.0", ""), BounceReason::Filtered);
    assert_eq!(reason(SmtpStage::Dot, "5.1.1", ""), BounceReason::UserUnknown);
    assert_eq!(reason(SmtpStage::Dot, "5.0.0", "docomo"), BounceReason::Filtered);
}

#[test]
fn name_service_that_failed_is_not_name_service_that_denied() {
    let rules = &*RULES;
    let check = |text, relay_dsn, want| {
        let view =
            ReplyView { relay_dsn: status(relay_dsn), outcome: Outcome::Failed, ..ReplyView::of(text) };
        let verdict = rules.classify(&view);
        assert_eq!((verdict.reason, verdict.bounce_type), want, "{text}");
    };
    let error =
        "Host or domain name not found. Name service error for name=gone.example type=A: Host not found";
    check(error, "5.4.4", (BounceReason::HostUnknown, BounceType::Hard));
    let error = "Host or domain name not found. Name service error for name=example.org type=MX: Host not found, try again";
    check(error, "4.4.3", (BounceReason::NetworkError, BounceType::Soft));
}

#[test]
fn expiry_keeps_the_reason_of_the_last_reply() {
    let rules = &*RULES;
    let check = |text, outcome, reason, kind| {
        let verdict = rules.classify(&ReplyView { outcome, ..ReplyView::of(text) });
        assert_eq!((verdict.reason, verdict.bounce_type), (reason, kind), "{text}");
        assert_eq!(verdict.permanence, Permanence::Temporary);
    };
    let full = "452 4.2.2 Mailbox full";
    check(full, Outcome::Expired, BounceReason::MailboxFull, BounceType::Soft);
    check(full, Outcome::Failed, BounceReason::MailboxFull, BounceType::Soft);
    check("450 4.2.0 what", Outcome::Expired, BounceReason::Filtered, BounceType::Block);
    check("499 what is this", Outcome::Expired, BounceReason::Expired, BounceType::Soft);
    check("", Outcome::Expired, BounceReason::Expired, BounceType::Soft);
    check("550 5.1.1 User unknown", Outcome::Expired, BounceReason::UserUnknown, BounceType::Soft);
    check(
        "554 5.7.1 [CS01] Message rejected",
        Outcome::Expired,
        BounceReason::PolicyViolation,
        BounceType::Block,
    );
    let refused = "connect to mx.example.org[192.0.2.1]:25: Connection timed out";
    check(refused, Outcome::Deferred, BounceReason::NetworkError, BounceType::Soft);
    check(refused, Outcome::Expired, BounceReason::Expired, BounceType::Soft);
}

#[test]
fn no_temporary_failure_is_hard() {
    let rules = &*RULES;
    for rule in rules.all() {
        for example in &rule.examples {
            for outcome in [Outcome::Deferred, Outcome::Expired] {
                let verdict = rules.classify(&ReplyView { outcome, ..ReplyView::of(example) });
                assert_ne!(verdict.bounce_type, BounceType::Hard, "{example}");
            }
            if example.starts_with('4') {
                let verdict = rules.classify(&ReplyView::of(example));
                assert_ne!(verdict.bounce_type, BounceType::Hard, "{example}");
            }
        }
    }
}

#[test]
fn only_a_missing_address_is_gone() {
    let rules = &*RULES;
    let gone = |text| rules.classify(&ReplyView::of(text)).says_address_is_gone();
    assert!(gone("550 5.1.1 User unknown") && gone("556 5.1.10 null MX") && gone("551 5.1.6 User has moved"));
    assert!(!gone("550 5.2.1 Mailbox disabled") && !gone("550 User unknown") && !gone("451 4.1.10 null MX"));
}

#[test]
fn an_overlay_comes_first() {
    let overlay = r#"
        [[rule]]
        name = "house-rule"
        providers = ["google"]
        code = ["5xx"]
        enhanced = ["5.1.1-3"]
        stage = ["rcpt"]
        text = 'user (unknown|gone)'
        reason = "hasmoved"
        type = "soft"
        example = ["550 5.1.2 user gone"]
    "#;
    let rules = BounceRules::with_overlay(overlay).unwrap();
    let text = "550 5.1.1 User unknown";
    let view = ReplyView { provider: "google", stage: SmtpStage::Rcpt, ..ReplyView::of(text) };
    let verdict = rules.classify(&view);
    assert_eq!(rules.rule(verdict.rule).name, "house-rule");
    assert_eq!((verdict.reason, verdict.bounce_type), (BounceReason::HasMoved, BounceType::Soft));
    for other in [ReplyView { provider: "yahoo", ..view }, ReplyView { stage: SmtpStage::Dot, ..view }] {
        assert_eq!(rules.classify(&other).reason, BounceReason::UserUnknown);
    }
}

#[test]
fn a_bad_overlay_is_refused_with_its_place_and_a_remedy() {
    let check = |overlay: &str, want: &str| {
        let error = BounceRules::with_overlay(overlay).unwrap_err().to_string();
        assert!(error.starts_with(want), "{error}");
    };
    check("\nrule = 1", "bounce rules, overlay line 2: invalid type");
    check("[[rule]]\nname = \"a\"\nreason = \"no\"", "bounce rules, overlay line 3: unknown variant `no`");
    check(
        "[[rule]]\nname = \"a\"\nreason = \"expired\"\nwords = 1",
        "bounce rules, overlay line 4: unknown field `words`",
    );
    let rule =
        |more: &str| format!("# house rules\n\n[[rule]]\nname = \"a\"\nreason = \"expired\"\n{more}\n");
    check(&rule("text = '(x'"), "bounce rules, overlay line 3, rule `a`: `text` is no regular expression");
    check(&rule("code = [\"6xx\"]"), "bounce rules, overlay line 3, rule `a`: `code` has `6xx`; write `550`");
    check(
        &rule("enhanced = [\"5.1\"]"),
        "bounce rules, overlay line 3, rule `a`: `enhanced` has `5.1`; write `5.1.1`",
    );
    check(
        &rule("wording = \"x\""),
        "bounce rules, overlay line 3, rule `a`: there is no `[[wording]]` named `x`",
    );
    check(
        &rule("text = 'x'\nwording = \"x\""),
        "bounce rules, overlay line 3, rule `a`: has `text` and `wording`",
    );
    check(
        &rule(&format!("text = '{}'", "x".repeat(5_000))),
        "bounce rules, overlay line 3, rule `a`: `text` has 5000 bytes, limit is 4000",
    );
    check(
        &rule("text = 'x{999}{999}{99}'"),
        "bounce rules, overlay line 3, rule `a`: `text` is no regular expression",
    );
    check(
        &rule("text = 'x'\nexample = [\"550 5.1.1 y\"]"),
        "bounce rules, overlay line 3, rule `a`: its example `550 5.1.1 y` is classified by rule `status-bad-mailbox`",
    );
    check("[[rule]]\nname = \"virus\"\nreason = \"expired\"", "bounce rules, wording.toml line ");
    check(&"#".repeat(2_000_000), "bounce rules, overlay line 1: 2000000 bytes, limit is 1048576");
}

fn event(event_type: EventType, code: u16, dsn: &str, text: &str) -> Event {
    let reply = SmtpReply { code, enhanced: status(dsn), text: text.into(), stage: SmtpStage::Rcpt };
    Event {
        event_type,
        reply,
        relay_dsn: status(dsn),
        recipient_domain: "example.org".into(),
        mx_host: "mx.example.org".into(),
        ..Event::default()
    }
}

#[test]
fn an_event_gets_provider_template_reason_and_kind() {
    let mut classifier = Classifier::new(RULES.clone(), CACHE_ENTRIES);
    let mut check = |mut event: Event, want: (&str, Option<BounceReason>, BounceType)| {
        // The second time the answer comes from memory.
        for _ in 0..2 {
            classifier.apply(&mut event);
            let got = (event.mailbox_provider.as_str(), event.bounce_reason, event.bounce_type);
            assert_eq!(got, want, "{}", event.reply.text);
            assert_eq!(event.response_tmpl == 0, event.reply.text.is_empty());
        }
    };
    let unknown = Some(BounceReason::UserUnknown);
    check(event(EventType::Bounced, 550, "5.1.1", "User unknown"), ("other", unknown, BounceType::Hard));
    check(event(EventType::Deferred, 550, "5.1.1", "User unknown"), ("other", unknown, BounceType::Soft));
    let blocked = event(EventType::Deferred, 554, "4.7.1", "[CS01] Message rejected due to local policy.");
    check(blocked, ("other", Some(BounceReason::PolicyViolation), BounceType::Block));
    let own_door =
        event(EventType::Rejected, 550, "5.1.2", "Recipient address rejected: domain on local block list");
    check(own_door, ("other", Some(BounceReason::Blocked), BounceType::Admin));
    check(event(EventType::Expired, 0, "", ""), ("other", Some(BounceReason::Expired), BounceType::Soft));
    check(
        event(EventType::Delivered, 250, "2.0.0", "Ok: queued as 4F2A31C0B"),
        ("other", None, BounceType::None),
    );
    check(event(EventType::DeliveredLocal, 0, "2.0.0", ""), (LOCAL, None, BounceType::None));
    let mut notice = event(EventType::Bounced, 0, "", "Ce groupe n'autorise pas l'envoi de message.");
    (notice.bounce_origin, notice.feedback_type) = (BounceOrigin::Async, "google_groups".into());
    check(notice, ("other", Some(BounceReason::Rejected), BounceType::Block));
    check(Event::default(), ("", None, BounceType::None));
}

#[test]
fn delivered_replies_that_differ_in_their_ids_share_a_template() {
    let mut classifier = Classifier::new(RULES.clone(), CACHE_ENTRIES);
    let mut hash = |text| {
        let mut event = event(EventType::Delivered, 250, "2.0.0", text);
        classifier.apply(&mut event);
        event.response_tmpl
    };
    assert_eq!(hash("Ok: queued as 4jWXqq4G67z1TBw6"), hash("Ok: queued as 4jWXqq4HVwz1TBw7"));
}

proptest! {
    #[test]
    fn any_reply_gets_the_same_verdict_with_and_without_memory(code in 0_u16..700, text in ".{0,200}|[0-9. -]{0,20}[ -~]{0,80}") {
        thread_local! {
            static CLASSIFIER: RefCell<Classifier> = RefCell::new(Classifier::new(RULES.clone(), CACHE_ENTRIES));
        }
        let view = ReplyView { code, ..ReplyView::of(&text) };
        let direct = RULES.classify(&view);
        CLASSIFIER.with_borrow_mut(|classifier| {
            prop_assert_eq!(classifier.classify(&view), direct);
            prop_assert_eq!(classifier.classify(&view), direct);
            Ok(())
        })?;
    }
}
