//! The index against the plain fold, and what only the index does.

use super::*;
use crate::model::suppression::{Action, Change, Origin};
use crate::suppression::fold;
use crate::suppression::sequence::Cursor;
use proptest::prelude::*;
use std::sync::Arc;

fn key(address: &str, scope: Scope, mail_type: MailType, reason: Reason) -> Key {
    Key { address: address.into(), scope, mail_type, reason }
}

fn plain(address: &str) -> Key {
    key(address, Scope::Global, MailType::All, Reason::Manual)
}

fn record(second: i64, action: Action, key: Key, expires: Option<i64>) -> LogRecord {
    LogRecord {
        seq: Seq::new(Timestamp::from_seconds(second), 1),
        change: Change {
            action,
            key,
            observed: Timestamp::from_seconds(second),
            expires: expires.map(Timestamp::from_seconds),
            origin: Origin::Actor("ann".into()),
            run: None,
            evidence: Vec::new(),
            note: Text::default(),
        },
    }
}

fn ask(address: &str) -> Question {
    Question { address: address.into(), ..Question::default() }
}

const NOW: Timestamp = Timestamp::from_seconds(1_000);

#[test]
fn an_address_is_found_however_it_is_written() {
    let index = Index::default();
    index.apply(&record(1, Action::Add, plain("bob@b.example"), None)).unwrap();
    assert!(index.check(&ask("<Bob@B.Example>"), NOW).is_some());
    assert!(index.check(&ask("rob@b.example"), NOW).is_none());
    index.apply(&record(2, Action::Remove, plain("bob@b.example"), None)).unwrap();
    assert!(index.check(&ask("bob@b.example"), NOW).is_none());
    assert_eq!(index.len(), 1, "the tombstone");
}

#[test]
fn scope_type_and_end_decide_whom_an_entry_meets() {
    let stream = Scope::Stream { tenant: "t".into(), stream: "news".into() };
    let index = Index::default();
    let marketing = key("a@b.example", stream, MailType::Marketing, Reason::Unsubscribe);
    index.apply(&record(1, Action::Add, marketing, Some(2_000))).unwrap();
    let fits = Question { tenant: "t".into(), stream: "news".into(), ..ask("a@b.example") };
    assert!(index.check(&fits, NOW).is_some());
    assert!(index.check(&Question { mail_type: MailType::Transactional, ..fits.clone() }, NOW).is_none());
    assert!(index.check(&Question { tenant: "u".into(), ..fits.clone() }, NOW).is_none());
    assert!(index.check(&Question { stream: "bills".into(), ..fits.clone() }, NOW).is_none());
    assert!(index.check(&ask("a@b.example"), NOW).is_none());
    assert!(index.check(&fits, Timestamp::from_seconds(2_000)).is_none());
    assert_eq!(index.sweep(Timestamp::from_seconds(2_000)), 1);
    assert!(index.is_empty());
}

#[test]
fn the_entry_that_is_hardest_to_lift_decides() {
    let index = Index::default();
    let reasons = [Reason::Import, Reason::Complaint, Reason::Manual, Reason::Compliance];
    for (second, reason) in (1..).zip(reasons) {
        let key = key("a@b.example", Scope::Global, MailType::All, reason);
        index.apply(&record(second, Action::Add, key, None)).unwrap();
    }
    let hit = index.check(&ask("a@b.example"), NOW).unwrap();
    assert_eq!(hit.reason, Reason::Compliance);
    assert_eq!(hit.seq, Seq::new(Timestamp::from_seconds(4), 1));
}

#[test]
fn an_address_that_is_known_by_its_hash_alone_is_found() {
    let index = Index::default();
    index.apply(&record(1, Action::Import, plain(&sha256_of(" Ann@B.example")), None)).unwrap();
    index.apply(&record(2, Action::Import, plain(&md5_of("bob@b.example")), None)).unwrap();
    assert!(index.check(&ask("ann@b.example"), NOW).is_some());
    assert!(index.check(&ask("Bob@b.example"), NOW).is_some());
    assert!(index.check(&ask("eve@b.example"), NOW).is_none());
    // RFC 1321's own example shows that the digits are the usual ones.
    assert_eq!(md5_of("abc"), "md5:900150983cd24fb0d6963f7d28e17f72");
}

#[test]
fn entries_stay_within_their_size_at_any_number() {
    let index = Index::default();
    for number in 0..200_000_i64 {
        index.apply(&record(number + 1, Action::Add, plain(&format!("u{number}@b.example")), None)).unwrap();
        if number > 100_000 && number % 7_919 == 0 {
            let bytes = index.size_bytes() / index.len();
            assert!((40..64).contains(&bytes), "{bytes} bytes an entry at {number}");
        }
    }
}

#[test]
fn readers_see_every_entry_while_others_are_added() {
    let index = Arc::new(Index::default());
    for number in 0..2_000 {
        index.apply(&record(1, Action::Add, plain(&format!("old{number}@b.example")), None)).unwrap();
    }
    let writer = {
        let index = Arc::clone(&index);
        std::thread::spawn(move || {
            for number in 0..50_000 {
                index.apply(&record(2, Action::Add, plain(&format!("new{number}@b.example")), None)).unwrap();
            }
        })
    };
    while !writer.is_finished() {
        for number in (0..2_000).step_by(97) {
            assert!(index.check(&ask(&format!("old{number}@b.example")), NOW).is_some());
        }
    }
    writer.join().unwrap();
    assert_eq!(index.len(), 52_000);
}

fn any_log() -> impl Strategy<Value = Vec<LogRecord>> {
    let scope = prop::sample::select(vec![
        Scope::Global,
        Scope::Tenant { tenant: "t".into() },
        Scope::List { tenant: "t".into(), list: "l".into() },
    ]);
    let reason = prop::sample::select(&Reason::ALL[..5]);
    let step =
        (prop::sample::select(Action::ALL), 0..20_u8, scope, reason, 0..30_i64, prop::option::of(0..90_i64));
    prop::collection::vec(step, 0..300).prop_map(|steps| {
        let mut log = Vec::new();
        for (second, (action, name, scope, reason, ago, lasts)) in (1_i64..).zip(steps) {
            let key = key(&format!("u{name}@b.example"), scope, MailType::All, reason);
            let mut record = record(second, action, key, lasts.map(|lasts| second + lasts));
            record.change.observed = Timestamp::from_seconds((second - ago).max(0));
            log.push(record);
        }
        log
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_index_is_the_fold_in_any_batches(log in any_log(), cuts in prop::collection::vec(0..300_usize, 0..6)) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(log.len())).collect();
        cuts.extend([0, log.len()]);
        cuts.sort_unstable();
        let (index, mut cursor) = (Index::default(), Cursor::default());
        for pair in cuts.windows(2) {
            let batch = &log[pair[0]..pair[1]];
            // A follower may read a batch again; its cursor tells what is new.
            for record in batch.iter().chain(batch) {
                if cursor.pass(record.seq) {
                    index.apply(record).unwrap();
                }
            }
        }
        for (key, state) in fold::states(&log) {
            prop_assert_eq!(index.state(key), state);
        }
    }

    #[test]
    fn a_check_says_what_the_story_says(log in any_log(), name in 0..20_u8, tenant in "[tu]", second in 300..400_i64) {
        let index = Index::default();
        for record in &log {
            index.apply(record).unwrap();
        }
        let now = Timestamp::from_seconds(second);
        let address = format!("u{name}@b.example");
        let question = Question { tenant: tenant.as_str().into(), list: "l".into(), ..ask(&address) };
        let of_address = log.iter().filter(|record| record.change.key.address == address);
        let decision = fold::decide(&question, fold::entries(of_address, now));
        let hit = index.check(&question, now);
        prop_assert_eq!(hit.as_ref().map(|hit| hit.seq), decision.matching.first().map(|entry| entry.seq));
    }
}
