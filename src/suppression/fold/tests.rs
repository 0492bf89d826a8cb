//! The fold as cases, the undo as a law.

use super::*;
use crate::model::suppression::{MailType, RunId};
use proptest::prelude::*;
use uuid::Uuid;

const NOW: Timestamp = Timestamp(1_000_000_000);

fn key(name: &str) -> Key {
    Key {
        address: format!("{name}@b.example").into(),
        scope: Scope::Global,
        mail_type: MailType::All,
        reason: Reason::Manual,
    }
}

fn record(second: i64, action: Action, key: Key, observed: i64, expires: Option<i64>) -> LogRecord {
    LogRecord {
        seq: Seq::new(Timestamp::from_seconds(second), 1),
        change: Change {
            action,
            key,
            observed: Timestamp::from_seconds(observed),
            expires: expires.map(Timestamp::from_seconds),
            origin: Origin::Actor("ann".into()),
            run: None,
            evidence: Vec::new(),
            note: Text::default(),
        },
    }
}

/// `None` when the key does not live, else its end.
type Expected = Option<Option<i64>>;

/// Folds `(second, action, observed, expires)` of one key; returns whether it lives at second 100, and until when.
#[track_caller]
fn check(steps: &[(i64, Action, i64, Option<i64>)], expect: Expected) {
    let records: Vec<LogRecord> = steps
        .iter()
        .map(|(second, action, observed, expires)| record(*second, *action, key("a"), *observed, *expires))
        .collect();
    let got = entries(&records, Timestamp::from_seconds(100));
    let got = got.first().map(|entry| entry.expires.map(Timestamp::seconds));
    assert_eq!(got, expect, "{steps:?}");
}

#[test]
fn each_action_does_what_the_table_says() {
    use Action::{Add, Expire, Extend, Import, Remove, Withdraw};
    check(&[(1, Add, 1, None)], Some(None));
    check(&[(1, Add, 1, Some(99))], None);
    check(&[(1, Add, 1, Some(200)), (2, Add, 2, Some(150))], Some(Some(200)));
    check(&[(1, Add, 1, Some(200)), (2, Extend, 2, Some(150))], Some(Some(150)));
    check(&[(1, Add, 1, Some(200)), (2, Import, 0, None)], Some(None));
    check(&[(1, Add, 1, None), (2, Remove, 2, None)], None);
    check(&[(1, Add, 1, Some(50)), (60, Expire, 1, None), (70, Import, 0, None)], Some(None));
    check(&[(1, Add, 1, None), (2, Expire, 1, None)], Some(None));
    check(&[(1, Add, 1, None), (2, Withdraw, 0, None), (3, Import, 0, None)], Some(None));
    check(&[(1, Add, 1, None), (5, Withdraw, 3, None), (6, Add, 2, None)], None);
    // What has ended begins anew, with the end of the new record.
    check(&[(1, Add, 9, Some(50)), (60, Import, 0, Some(150))], Some(Some(150)));
}

#[test]
fn a_tombstone_holds_against_what_was_observed_before_it() {
    use Action::{Add, Import, Remove};
    let removed = [(1, Import, 0, None), (10, Remove, 10, None)];
    check(&[&removed[..], &[(20, Import, 0, None)]].concat(), None);
    check(&[&removed[..], &[(20, Add, 9, None)]].concat(), None);
    check(&[&removed[..], &[(20, Add, 15, None)]].concat(), Some(None));
    // A source whose clock is ahead cannot outlive its removal.
    check(&[(1, Add, 5_000, None), (10, Remove, 10, None)], None);
}

#[test]
fn an_entry_tells_since_when_and_who_decided_its_end() {
    let mut records = vec![
        record(1, Action::Add, key("a"), 1, Some(20)),
        record(30, Action::Add, key("a"), 29, Some(200)),
        record(40, Action::Add, key("a"), 39, Some(150)),
    ];
    records[1].change.note = "decides".into();
    let entries = entries(&records, Timestamp::from_seconds(100));
    let [entry] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!(entry.since.seconds(), 30);
    assert_eq!(entry.observed.seconds(), 39);
    assert_eq!((entry.note.as_str(), entry.expires), ("decides", Some(Timestamp::from_seconds(200))));
}

#[test]
fn the_decision_names_what_decided() {
    let with = |second, reason, scope, expires| LogRecord {
        change: Change {
            key: Key { scope, reason, ..key("a") },
            ..record(second, Action::Add, key("a"), second, expires).change
        },
        ..record(second, Action::Add, key("a"), second, expires)
    };
    let tenant = Scope::Tenant { tenant: "t".into() };
    let other = Scope::Tenant { tenant: "u".into() };
    let question = Question { address: "a@b.example".into(), tenant: "t".into(), ..Question::default() };
    let cases = [
        (vec![with(1, Reason::Manual, Scope::Global, None)], Some(Precedence::Alone)),
        (
            vec![
                with(1, Reason::Import, Scope::Global, None),
                with(2, Reason::Complaint, tenant.clone(), None),
            ],
            Some(Precedence::Reason),
        ),
        (
            vec![with(1, Reason::Manual, tenant.clone(), None), with(2, Reason::Manual, Scope::Global, None)],
            Some(Precedence::Scope),
        ),
        (vec![with(1, Reason::Manual, other.clone(), None)], None),
    ];
    for (records, expect) in cases {
        let decision = decide(&question, entries(&records, NOW));
        assert_eq!(decision.decided_by, expect);
        assert_eq!(decision.suppressed, expect.is_some());
        if let Some(Precedence::Reason | Precedence::Scope) = expect {
            assert_eq!(decision.matching[0].key, records[1].change.key);
        }
    }
}

#[test]
fn what_a_change_would_do_is_foretold() {
    let now = Timestamp::from_seconds(50);
    let state = |steps: &[LogRecord]| {
        let mut state = KeyState::default();
        for step in steps {
            state.apply(Step::of(step));
        }
        state
    };
    let change = |action, observed, expires| record(50, action, key("a"), observed, expires).change;
    let none = state(&[]);
    let living = state(&[record(1, Action::Add, key("a"), 1, Some(90))]);
    let removed = state(&[record(1, Action::Remove, key("a"), 1, None)]);
    assert_eq!(effect(&none, &change(Action::Import, 0, None), now), Effect::Adds);
    assert_eq!(effect(&none, &change(Action::Remove, 50, None), now), Effect::Absent);
    assert_eq!(effect(&living, &change(Action::Add, 40, Some(80)), now), Effect::Known);
    assert_eq!(effect(&living, &change(Action::Add, 40, None), now), Effect::Extends);
    assert_eq!(effect(&living, &change(Action::Remove, 50, None), now), Effect::Lifts);
    assert_eq!(effect(&removed, &change(Action::Import, 0, None), now), Effect::Tombstone);
    assert_eq!(effect(&removed, &change(Action::Add, 2, None), now), Effect::Adds);
}

fn any_action() -> impl Strategy<Value = Action> {
    prop::sample::select(Action::ALL)
}

/// Up to 40 records of three keys and three runs (0: none).
fn any_log() -> impl Strategy<Value = Vec<LogRecord>> {
    let step = (any_action(), 0_u8..3, -20_i64..5, prop::option::of(-5_i64..60), 0_u128..3);
    prop::collection::vec(step, 0..40).prop_map(|steps| {
        let steps = (1_i64..).zip(steps);
        let records = steps.map(|(second, (action, name, ago, lasts, run))| {
            let observed = if ago < -15 { 0 } else { (second + ago).max(0) };
            let key = key(["a", "b", "c"][usize::from(name)]);
            let mut record = record(second, action, key, observed, lasts.map(|lasts| second + lasts));
            record.change.run = (run > 0).then(|| RunId(Uuid::from_u128(run)));
            record
        });
        records.collect()
    })
}

fn standings(records: &[LogRecord], now: Timestamp) -> Vec<impl PartialEq + std::fmt::Debug + use<>> {
    let states = states(records).into_iter();
    states
        .map(|(key, state)| (key.clone(), state.standing(now)))
        .filter(|(_, standing)| *standing != KeyState::default().standing(now))
        .collect()
}

proptest! {
    #[test]
    fn undo_restores_exactly(mut log in any_log(), run in 1_u128..3) {
        let run = RunId(Uuid::from_u128(run));
        let is_undone = |record: &LogRecord| record.change.run == Some(run);
        let undoing = Undoing {
            origin: Origin::Actor("ann".into()),
            run: RunId(Uuid::from_u128(9)),
            note: Text::default(),
        };
        let without: Vec<LogRecord> = log.iter().filter(|record| !is_undone(record)).cloned().collect();
        let now = Timestamp::from_seconds(50);
        let changes = undo(&log, is_undone, &undoing, now);
        for (second, change) in (51..).zip(changes) {
            log.push(LogRecord { seq: Seq::new(Timestamp::from_seconds(second), 1), change });
        }
        let later = Timestamp::from_seconds(100);
        prop_assert_eq!(standings(&log, later), standings(&without, later));
        prop_assert_eq!(undo(&log, is_undone, &undoing, later), vec![], "a second undo changes something");
    }

    #[test]
    fn an_entry_stands_in_the_list_when_its_key_lives(log in any_log(), second in 0_i64..100) {
        let now = Timestamp::from_seconds(second.max(40));
        let living: Vec<Key> = states(&log)
            .into_iter()
            .filter(|(_, state)| state.is_living(now))
            .map(|(key, _)| key.clone())
            .collect();
        let listed: Vec<Key> = entries(&log, now).into_iter().map(|entry| entry.key).collect();
        prop_assert_eq!(living, listed);
    }

    #[test]
    fn a_foretold_effect_comes_true(log in any_log(), action in any_action(), observed in 0_i64..60) {
        let now = Timestamp::from_seconds(60);
        let state = states(&log).get(&key("a")).copied().unwrap_or_default();
        let change = record(61, action, key("a"), observed, None).change;
        let foretold = effect(&state, &change, now);
        let mut after = state;
        after.apply(Step::of(&LogRecord { seq: Seq::new(Timestamp::from_seconds(61), 1), change }));
        let later = Timestamp::from_seconds(62);
        match foretold {
            Effect::Adds => prop_assert!(!state.is_living(now) && after.is_living(later)),
            Effect::Lifts => prop_assert!(state.is_living(now) && !after.is_living(later)),
            Effect::Extends | Effect::Known => prop_assert!(state.is_living(now)),
            Effect::Tombstone | Effect::Absent => prop_assert!(!after.is_living(later)),
        }
    }
}
