//! The rules as a table: each reason × count × window × success between × stream; the engine and its guard as laws.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "days and minutes of tests are small"
)]

use super::*;
use crate::model::suppression::Action;
use crate::model::{EventId, Timestamp};
use proptest::prelude::*;

/// A failure, delivery or feedback at a number of days.
#[derive(Debug, Clone, Copy)]
struct At(f64, EventType, Option<BounceReason>, BounceType);

fn hard(day: f64, reason: BounceReason) -> At {
    At(day, EventType::Bounced, Some(reason), BounceType::Hard)
}

fn soft(day: f64, reason: BounceReason) -> At {
    At(day, EventType::Expired, Some(reason), BounceType::Soft)
}

fn delivered(day: f64) -> At {
    At(day, EventType::Delivered, None, BounceType::None)
}

fn event(number: u128, at: At) -> Event {
    let At(day, event_type, bounce_reason, bounce_type) = at;
    let micros = (day * DAY as f64) as i64;
    Event {
        event_id: EventId(number),
        event_type,
        event_time: Timestamp::from_seconds(1_790_000_000).plus(micros),
        message_id: format!("m{number}@a.example").into(),
        recipient: "r@b.example".into(),
        mailbox_provider: "example".into(),
        bounce_reason,
        bounce_type,
        stream: "news".into(),
        tenant: "t".into(),
        ..Event::default()
    }
}

trait Plus {
    fn plus(self, micros: i64) -> Self;
}

impl Plus for Timestamp {
    fn plus(self, micros: i64) -> Self {
        Self(self.0 + micros)
    }
}

fn run(engine: &mut Engine, events: &[Event]) -> Vec<Finding> {
    events.iter().flat_map(|event| engine.observe(event)).collect()
}

fn rules_hit(rules: &Rules, events: &[Event]) -> Vec<String> {
    let findings = run(&mut Engine::new(rules.clone()), events);
    let name = |finding| match finding {
        Finding::Suppress(proposal) => proposal.rule.to_string(),
        Finding::Burst { .. } => "burst".into(),
    };
    findings.into_iter().map(name).collect()
}

/// Which shipped rules the events of one recipient complete, in order.
#[track_caller]
fn check(ats: &[At], expect: &[&str]) {
    let events: Vec<Event> = (1..).zip(ats).map(|(number, at)| event(number, *at)).collect();
    assert_eq!(rules_hit(&Rules::shipped(), &events), expect);
}

#[test]
fn one_proof_that_an_address_is_gone_suffices() {
    for reason in [BounceReason::UserUnknown, BounceReason::HostUnknown, BounceReason::Filtered] {
        check(&[hard(0.0, reason)], &["invalid-address"]);
    }
    for reason in [BounceReason::Suspend, BounceReason::HasMoved] {
        check(&[hard(0.0, reason)], &["inactive-mailbox"]);
    }
}

/// Whatever the rules: said of the sender, not of the recipient.
#[test]
fn block_policy_content_auth_rate_and_expiry_never_suppress() {
    for reason in BounceReason::ALL {
        let is_never = NEVER_GROUPS.contains(&reason.group()) || NEVER_REASONS.contains(reason);
        if !is_never {
            continue;
        }
        for kind in [BounceType::Hard, BounceType::Soft, BounceType::Undetermined, BounceType::Block] {
            for on in [EventType::Bounced, EventType::Expired] {
                let ats: Vec<At> = (0..40).map(|day| At(f64::from(day), on, Some(*reason), kind)).collect();
                check(&ats, &[]);
            }
        }
    }
}

#[test]
fn a_hard_reason_that_the_relay_or_classifier_calls_a_block_never_suppresses() {
    check(&[At(0.0, EventType::Bounced, Some(BounceReason::UserUnknown), BounceType::Block)], &[]);
    check(&[At(0.0, EventType::Bounced, Some(BounceReason::UserUnknown), BounceType::Admin)], &[]);
    check(&[At(0.0, EventType::Deferred, Some(BounceReason::UserUnknown), BounceType::Soft)], &[]);
    check(&[At(0.0, EventType::Suppressed, Some(BounceReason::UserUnknown), BounceType::Hard)], &[]);
}

#[test]
fn soft_failures_need_their_count_and_their_time() {
    let full = BounceReason::MailboxFull;
    // Count reached, time not.
    check(&[soft(0.0, full), soft(1.0, full), soft(2.0, full)], &[]);
    // Time reached, count not.
    check(&[soft(0.0, full), soft(16.0, full)], &[]);
    check(&[soft(0.0, full), soft(7.0, full), soft(15.0, full)], &["mailbox-full"]);
    check(&[soft(0.0, full), soft(7.0, full), soft(14.9, full)], &[]);
    // The first has left the window of 90 days.
    check(&[soft(0.0, full), soft(80.0, full), soft(91.0, full)], &[]);
    let daily: Vec<At> = (0..60).map(|quarter| soft(f64::from(quarter) / 4.0, full)).collect();
    check(&daily, &[]);
    let longer: Vec<At> = (0..=60).map(|quarter| soft(f64::from(quarter) / 4.0, full)).collect();
    check(&longer, &["mailbox-full"]);
}

#[test]
fn each_soft_reason_has_its_own_count_and_time() {
    let days = |reason, days: &[f64]| days.iter().map(|day| soft(*day, reason)).collect::<Vec<_>>();
    for reason in [BounceReason::NetworkError, BounceReason::HostUnknown, BounceReason::NotAccept] {
        check(&days(reason, &[0.0, 1.0, 3.0]), &["unreachable"]);
        check(&days(reason, &[0.0, 1.0, 2.9]), &[]);
    }
    for reason in [
        BounceReason::UserUnknown,
        BounceReason::SystemError,
        BounceReason::SystemFull,
        BounceReason::Undefined,
    ] {
        check(&days(reason, &[0.0, 4.0, 8.0, 12.0, 15.0]), &["soft-bounces"]);
        check(&days(reason, &[0.0, 8.0, 12.0, 15.0]), &[]);
    }
}

#[test]
fn a_success_between_resets() {
    let full = BounceReason::MailboxFull;
    let ats = [soft(0.0, full), soft(7.0, full), delivered(8.0), soft(16.0, full)];
    check(&ats, &[]);
    let again = [&ats[..], &[soft(20.0, full), soft(31.5, full)]].concat();
    check(&again, &["mailbox-full"]);
    // A hard bounce asks no history.
    check(&[delivered(0.0), hard(0.1, BounceReason::UserUnknown)], &["invalid-address"]);
}

/// The receiver takes the message and then sends a notice that the mailbox is full: that is no success.
#[test]
fn a_delivery_that_a_notice_takes_back_is_no_success() {
    let full = BounceReason::MailboxFull;
    let mut events = Vec::new();
    for (number, day) in [(1, 0.0), (2, 7.0), (3, 16.0)] {
        let taken = event(number * 10, delivered(day));
        let mut notice =
            event(number * 10 + 1, At(day + 0.01, EventType::Bounced, Some(full), BounceType::Soft));
        notice.message_id = taken.message_id.clone();
        notice.trust = Trust::Matched;
        events.extend([taken, notice]);
    }
    assert_eq!(rules_hit(&Rules::shipped(), &events), ["mailbox-full"]);
    // A fourth message without a notice is a success, for what comes after it.
    let mut events = events[..4].to_vec();
    events.push(event(90, delivered(8.0)));
    events.push(event(91, delivered(9.0)));
    events.push(event(92, soft(16.0, full)));
    assert_eq!(rules_hit(&Rules::shipped(), &events), [""; 0]);
}

#[test]
fn one_message_counts_once() {
    let full = BounceReason::MailboxFull;
    let mut events: Vec<Event> =
        (1..).zip([0.0, 8.0, 16.0]).map(|(number, day)| event(number, soft(day, full))).collect();
    events[1].message_id = events[0].message_id.clone();
    assert_eq!(rules_hit(&Rules::shipped(), &events), [""; 0]);
}

#[test]
fn only_feedback_that_is_believed_counts() {
    for (trust, counts) in
        [(Trust::None, true), (Trust::Verified, true), (Trust::Matched, true), (Trust::Unverified, false)]
    {
        for (event_type, rule) in [
            (EventType::Bounced, "invalid-address"),
            (EventType::Complained, "complaint"),
            (EventType::Unsubscribed, "unsubscribe"),
        ] {
            let mut event = event(1, hard(0.0, BounceReason::UserUnknown));
            (event.event_type, event.trust) = (event_type, trust);
            let expect: &[&str] = if counts { &[rule] } else { &[] };
            assert_eq!(rules_hit(&Rules::shipped(), &[event]), expect, "{trust:?} {event_type:?}");
        }
    }
}

#[test]
fn what_is_known_already_or_nobodys_counts_not() {
    let event = event(1, hard(0.0, BounceReason::UserUnknown));
    let repeat = Event { is_repeat: true, ..event.clone() };
    let notice = Event { is_notification: true, ..event.clone() };
    let nobody = Event { recipient: Text::default(), ..event };
    assert_eq!(rules_hit(&Rules::shipped(), &[repeat, notice, nobody]), [""; 0]);
}

#[test]
fn a_report_that_is_no_complaint_suppresses_nobody() {
    for (feedback, expect) in
        [("abuse", &["complaint"][..]), ("", &["complaint"]), ("not-spam", &[]), ("auth-failure", &[])]
    {
        let mut event = event(1, At(0.0, EventType::Complained, None, BounceType::None));
        event.feedback_type = feedback.into();
        assert_eq!(rules_hit(&Rules::shipped(), &[event]), expect, "{feedback}");
    }
}

#[test]
fn entries_reach_as_far_as_the_rule_says() {
    let scope = |event: &Event| match run(&mut Engine::new(Rules::shipped()), std::slice::from_ref(event))
        .remove(0)
    {
        Finding::Suppress(proposal) => (proposal.key.scope, proposal.key.mail_type, proposal.expires),
        Finding::Burst { .. } => unreachable!(),
    };
    let bounce = event(1, hard(0.0, BounceReason::UserUnknown));
    assert_eq!(scope(&bounce), (Scope::Global, MailType::All, None));
    let complaint = event(1, At(0.0, EventType::Complained, None, BounceType::None));
    assert_eq!(scope(&complaint), (Scope::Tenant { tenant: "t".into() }, MailType::Marketing, None));
    let mut left = event(1, At(0.0, EventType::Unsubscribed, None, BounceType::None));
    assert_eq!(scope(&left).0, Scope::Stream { tenant: "t".into(), stream: "news".into() });
    left.tags.push((LIST_TAG.into(), "weekly".into()));
    assert_eq!(scope(&left).0, Scope::List { tenant: "t".into(), list: "weekly".into() });
    (left.tags, left.stream) = (Vec::new(), Text::default());
    assert_eq!(scope(&left).0, Scope::Tenant { tenant: "t".into() });
}

#[test]
fn a_scope_of_streams_counts_each_stream_by_itself() {
    let rules = Rules::with_overlay(
        "[[rule]]\nname = \"mailbox-full\"\non = [\"expired\"]\nreasons = [\"mailboxfull\"]\ncount = 2\n\
         streams = [\"news\", \"offers\"]\nscope = \"stream\"\ntype = \"all\"\nexpires_days = 10\n",
    )
    .unwrap();
    let at = |number, stream: &str| {
        let mut event = event(number, soft(number as f64 / 100.0, BounceReason::MailboxFull));
        event.stream = stream.into();
        event
    };
    assert_eq!(rules_hit(&rules, &[at(1, "news"), at(2, "offers")]), [""; 0]);
    assert_eq!(rules_hit(&rules, &[at(1, "news"), at(2, "offers"), at(3, "news")]), ["mailbox-full"]);
    assert_eq!(rules_hit(&rules, &[at(1, "bills"), at(2, "bills")]), [""; 0]);
}

#[test]
fn the_evidence_is_the_failures_that_completed_the_rule() {
    let full = BounceReason::MailboxFull;
    let events: Vec<Event> =
        (1..).zip([0.0, 8.0, 16.0]).map(|(number, day)| event(number, soft(day, full))).collect();
    let [Finding::Suppress(proposal)] = &run(&mut Engine::new(Rules::shipped()), &events)[..] else {
        panic!("one proposal");
    };
    assert_eq!(proposal.evidence, [EventId(1), EventId(2), EventId(3)]);
    assert_eq!(proposal.expires, Some(events[2].event_time.plus(60 * DAY)));
    let change = proposal.clone().into_change(None);
    assert_eq!((change.action, change.origin.name().as_str()), (Action::Add, "mailbox-full"));
    assert!(proposal.is_told_by(&change));
}

#[track_caller]
fn refused(rule: &str, expect: &str) {
    let error = Rules::with_overlay(&format!("\n[[rule]]\nname = \"mine\"\n{rule}")).unwrap_err();
    assert!(error.to_string().contains(expect), "{error}");
    assert_eq!(error.line, 2, "{error}");
}

#[test]
fn a_rule_that_could_never_or_must_never_suppress_is_refused() {
    let rule =
        |more: &str| format!("on = [\"bounced\"]\ncount = 1\nscope = \"global\"\ntype = \"all\"\n{more}");
    refused(&rule("groups = [\"block\"]"), "group `block` says nothing of the recipient");
    refused(&rule("reasons = [\"expired\"]"), "reason `expired` says nothing of the recipient");
    refused(&rule("reasons = [\"badreputation\"]"), "never suppresses");
    refused(&rule("groups = [\"quota\"]\ntypes = [\"block\"]"), "`types` may list");
    refused(&rule(""), "bounces need `groups` or `reasons`");
    refused(&rule("groups = [\"quota\"]\nelapsed_days = 3"), "`elapsed_days` needs a `count`");
    refused("on = [\"delivered\"]\ncount = 1", "`on` must list");
    refused("on = [\"complained\", \"bounced\"]\ncount = 1\ngroups = [\"quota\"]", "`on` mixes");
    refused(
        "on = [\"complained\"]\ncount = 0\nscope = \"global\"\ntype = \"all\"",
        "`count` must be 1 to 31",
    );
    refused("on = [\"complained\"]\ncount = 1\ntype = \"all\"", "`scope` is missing");
    refused("enabled = false", "there is none of that name");
    let error =
        Rules::with_overlay("[guard]\nwindow_minutes = 0\nfailing_min = 10\nshare_percent = 5").unwrap_err();
    assert!(error.to_string().contains("`window_minutes`"), "{error}");
    assert!(Rules::with_overlay("[[rule]]\nname = 3").is_err());
}

#[test]
fn an_overlay_replaces_turns_off_and_adds() {
    let shipped = Rules::shipped();
    let rules = Rules::with_overlay(
        "[[rule]]\nname = \"soft-bounces\"\nenabled = false\n\
         [[rule]]\nname = \"complaint\"\non = [\"complained\"]\ncount = 1\nscope = \"global\"\ntype = \"all\"\n",
    )
    .unwrap();
    assert_eq!(rules.rules.len(), shipped.rules.len() - 1);
    let complaint = rules.rules.iter().find(|rule| rule.name == "complaint").unwrap();
    assert_eq!((complaint.reach, complaint.mail_type), (Reach::Global, MailType::All));
    assert_eq!(rules.guard, shipped.guard);
    assert_eq!(shipped.horizon_days(), 91);
}

/// `failing` and `fine` recipients of one receiver in one minute.
fn minute(at: f64, receiver: &str, failing: u32, fine: u32) -> Vec<Event> {
    let day = at / (24.0 * 60.0);
    let one = |number: u32, at: At| {
        let mut event = event(u128::from(number) + (at.0 * 1e12) as u128, at);
        event.mailbox_provider = receiver.into();
        event.recipient = format!("{number}-{}@b.example", (day * 1e6) as u64).into();
        event
    };
    let failing = (0..failing).map(|number| one(number, hard(day, BounceReason::UserUnknown)));
    failing.chain((1_000_000..1_000_000 + fine).map(|number| one(number, delivered(day)))).collect()
}

/// Who is suppressed in the end.
fn suppressed(engine: &mut Engine, events: &[Event]) -> Vec<Text> {
    let mut addresses = Vec::new();
    for finding in run(engine, events) {
        match finding {
            Finding::Suppress(proposal) => addresses.push(proposal.key.address),
            Finding::Burst { recalled, .. } => {
                addresses.retain(|known| !recalled.iter().any(|proposal| proposal.key.address == *known));
            }
        }
    }
    addresses
}

#[test]
fn a_receivers_outage_suppresses_nobody_until_it_is_released() {
    let mut engine = Engine::new(Rules::shipped());
    // An hour of good traffic, then ten minutes in which everyone is unknown, then good again.
    let before: Vec<Event> = (0..60).flat_map(|at| minute(f64::from(at), "big", 0, 200)).collect();
    assert_eq!(suppressed(&mut engine, &before), [""; 0]);
    let outage: Vec<Event> = (60..70).flat_map(|at| minute(f64::from(at), "big", 200, 0)).collect();
    assert_eq!(suppressed(&mut engine, &outage), [""; 0]);
    let reviews: Vec<Review> = engine.reviews().cloned().collect();
    let [review] = reviews.as_slice() else { panic!("{} reviews", reviews.len()) };
    assert_eq!((review.held.len(), review.id.receiver.as_str(), review.is_open), (2_000, "big", true));
    // After a window without fault, new failures count again; the held ones stay held.
    let after: Vec<Event> = (70..110).flat_map(|at| minute(f64::from(at), "big", 0, 200)).collect();
    assert_eq!(suppressed(&mut engine, &after), [""; 0]);
    assert!(!engine.reviews().next().unwrap().is_open);
    assert_eq!(suppressed(&mut engine, &minute(111.0, "big", 1, 200)).len(), 1);
    assert_eq!(engine.settle(&review.id).unwrap().held.len(), 2_000);
    assert_eq!(engine.reviews().count(), 0);
}

#[test]
fn a_small_receivers_outage_is_seen_over_its_window() {
    let mut engine = Engine::new(Rules::shipped());
    let outage: Vec<Event> = (0..20).flat_map(|at| minute(f64::from(at), "small", 1, 0)).collect();
    assert_eq!(suppressed(&mut engine, &outage), [""; 0]);
    assert_eq!(engine.reviews().next().unwrap().held.len(), 20);
}

#[test]
fn a_usual_share_of_failures_is_no_burst() {
    let mut engine = Engine::new(Rules::shipped());
    let list: Vec<Event> = (0..60).flat_map(|at| minute(f64::from(at), "big", 10, 190)).collect();
    // Within a minute failures come first here, so that the share is worst at its beginning.
    let mixed: Vec<Event> = list
        .chunks(200)
        .flat_map(|minute| {
            let (failing, fine) = minute.split_at(10);
            fine.iter().chain(failing).cloned()
        })
        .collect();
    assert_eq!(suppressed(&mut engine, &mixed).len(), 600);
    assert_eq!(engine.reviews().count(), 0);
}

#[test]
fn another_receivers_failures_go_on_being_suppressed() {
    let mut engine = Engine::new(Rules::shipped());
    suppressed(&mut engine, &minute(0.0, "broken", 50, 0));
    assert_eq!(engine.reviews().count(), 1);
    assert_eq!(suppressed(&mut engine, &minute(1.0, "fine", 1, 30)).len(), 1);
    let mut complaint = event(1, At(0.001, EventType::Complained, None, BounceType::None));
    complaint.mailbox_provider = "broken".into();
    assert_eq!(suppressed(&mut engine, &[complaint]).len(), 1, "complaints are not guarded");
}

#[test]
fn one_recipient_that_fails_often_is_no_burst() {
    let mut engine = Engine::new(Rules::shipped());
    let events: Vec<Event> = (0..50_u32)
        .map(|number| event(number.into(), hard(f64::from(number) / 5_000.0, BounceReason::UserUnknown)))
        .collect();
    run(&mut engine, &events);
    assert_eq!(engine.reviews().count(), 0);
}

#[test]
fn the_difference_of_rules_names_the_added_and_the_freed() {
    let full = BounceReason::MailboxFull;
    let events: Vec<Event> =
        (1..).zip([0.0, 8.0]).map(|(number, day)| event(number, soft(day, full))).collect();
    let stricter = Rules::with_overlay(
        "[[rule]]\nname = \"mailbox-full\"\non = [\"expired\"]\nreasons = [\"mailboxfull\"]\ncount = 2\n\
         scope = \"global\"\ntype = \"marketing\"\nexpires_days = 60\n",
    )
    .unwrap();
    let now = events[1].event_time;
    let would_suppress = |rules: &Rules, now| {
        let mut simulation = Simulation::new(rules.clone());
        for event in &events {
            simulation.observe(event);
        }
        simulation.suppressed(now)
    };
    let (before, after) = (would_suppress(&Rules::shipped(), now), would_suppress(&stricter, now));
    let change = difference(&before, &after);
    assert_eq!((change.added.len(), change.freed.len()), (1, 0));
    assert_eq!(difference(&after, &before).freed.len(), 1);
    assert!(would_suppress(&stricter, now.plus(61 * DAY)).is_empty());
}

fn any_history() -> impl Strategy<Value = Vec<Event>> {
    let kind = prop::sample::select(vec![
        delivered(0.0),
        hard(0.0, BounceReason::UserUnknown),
        soft(0.0, BounceReason::MailboxFull),
        soft(0.0, BounceReason::NetworkError),
        soft(0.0, BounceReason::SystemError),
    ]);
    let step = (0.0..1.5_f64, kind, 0..12_u8, prop::bool::ANY);
    prop::collection::vec(step, 0..250).prop_map(|steps| {
        let mut day = 0.0;
        let steps = (1..).zip(steps);
        let events = steps.map(|(number, (pause, At(_, on, reason, kind), recipient, is_quick))| {
            day += if is_quick { pause / 1_000.0 } else { pause };
            let mut event = event(number, At(day, on, reason, kind));
            event.recipient = format!("r{recipient}@b.example").into();
            event
        });
        events.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A restart at any place: a new engine sees the history again, says nothing, and goes on as the old one would.
    #[test]
    fn an_engine_that_saw_the_history_again_is_the_same(
        events in any_history(), cuts in prop::collection::vec(0..250_usize, 0..4)
    ) {
        let whole = run(&mut Engine::new(Rules::shipped()), &events);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(events.len())).collect();
        cuts.extend([0, events.len()]);
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        for pair in cuts.windows(2) {
            let mut engine = Engine::new(Rules::shipped());
            run(&mut engine, &events[..pair[0]]);
            pieces.extend(run(&mut engine, &events[pair[0]..pair[1]]));
        }
        prop_assert_eq!(whole, pieces);
    }

    /// Nothing that a review holds is suppressed, and nothing is lost: every completed rule ends in one of both.
    #[test]
    fn what_is_held_is_not_suppressed(events in any_history()) {
        let mut engine = Engine::new(Rules::shipped());
        let mut passed: Vec<Proposal> = Vec::new();
        for finding in run(&mut engine, &events) {
            match finding {
                Finding::Suppress(proposal) => passed.push(proposal),
                Finding::Burst { recalled, .. } => passed.retain(|proposal| !recalled.contains(proposal)),
            }
        }
        for review in engine.reviews() {
            for held in &review.held {
                prop_assert!(!passed.contains(held));
            }
        }
        let mut unguarded = Rules::shipped();
        unguarded.guard.failing_min = u32::MAX;
        let all = run(&mut Engine::new(unguarded), &events).len();
        prop_assert_eq!(all, passed.len() + engine.reviews().map(|review| review.held.len()).sum::<usize>());
    }
}
