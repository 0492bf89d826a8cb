//! What the words of a suppression mean, and that records survive being written down.

use super::*;

#[test]
fn a_place_in_the_log_tells_time_and_writer() {
    let seq = Seq::new(Timestamp(1_790_000_000_000_001), 1023);
    assert_eq!((seq.time(), seq.writer()), (Timestamp(1_790_000_000_000_001), 1023));
    assert!(seq < Seq::new(Timestamp(1_790_000_000_000_002), 0));
}

#[test]
fn every_reason_has_one_name_and_stands_in_the_list() {
    for reason in Reason::ALL {
        assert_eq!(Reason::from_name(reason.name()), Some(reason));
    }
    for group in BounceGroup::ALL {
        assert!(Reason::ALL.contains(&Reason::Bounce(*group)), "{group}");
    }
}

#[test]
fn mail_of_an_untold_type_meets_every_entry() {
    assert!(MailType::Transactional.covers(MailType::All));
    assert!(MailType::All.covers(MailType::Marketing));
    assert!(!MailType::Marketing.covers(MailType::Transactional));
}

#[test]
fn records_survive_json() {
    let record = LogRecord {
        seq: Seq(7 << 10),
        change: Change {
            action: Action::Add,
            key: Key {
                address: "a@b.example".into(),
                scope: Scope::List { tenant: "t".into(), list: "weekly".into() },
                mail_type: MailType::Marketing,
                reason: Reason::Bounce(BounceGroup::Quota),
            },
            observed: Timestamp(5),
            expires: None,
            origin: Origin::Rule("mailbox-full".into()),
            run: None,
            evidence: vec![EventId(1)],
            note: Text::default(),
        },
    };
    let json = serde_json::to_string(&record).unwrap();
    assert!(json.contains(r#""reason":"bounce:quota""#), "{json}");
    assert_eq!(serde_json::from_str::<LogRecord>(&json).unwrap(), record);
}
