//! The traps of Exim logs, each as a test; and what is rarer than the captures.

use super::tests::{Feed, events_of};
use crate::model::{BounceOrigin, Event, EventType, SmtpStage};
use crate::parse::relay::log::LogOptions;
use jiff::tz::TimeZone;

const ID: &str = "1xUcxr-0003cf-25";

/// Gives a line of the message [`ID`] its head.
fn line(text: &str) -> String {
    format!("2026-11-21 04:44:40 {ID} {text}\n")
}

fn begin() -> String {
    line(
        "<= s@a.example H=(app) [192.0.2.9] P=esmtp S=1000 id=m1@a.example T=\"for <x>: => y\" for r@b.example",
    )
}

/// Returns the only event behind the arrival.
#[track_caller]
fn after_arrival(text: &str) -> Event {
    let mut events = events_of(&(begin() + &line(text)));
    assert_eq!(events.len(), 2, "{events:#?}");
    events.remove(1)
}

fn types(events: &[Event]) -> Vec<EventType> {
    events.iter().map(|event| event.event_type).collect()
}

#[test]
fn a_time_that_has_not_come_is_no_attempt_whatever_its_number() {
    for text in [
        "== r@b.example R=out T=smtp defer (-54) DT=0.000s: retry time not reached for any host for 'b.example'",
        "== r@b.example R=out T=smtp defer (-61): retry time not reached for any host",
        "== r@b.example routing defer (-52): retry time not reached",
        "== r@b.example R=full T=tiny defer (-53): Retry time not yet reached",
        "== r@b.example R=out T=smtp defer (-41): retry time not reached",
        "== r@b.example routing defer (-63): domain is in queue_domains",
    ] {
        assert_eq!(events_of(&(begin() + &line(text))).len(), 1, "{text}");
    }
    // the same number is another fault in another version
    assert_eq!(after_arrival("== r@b.example R=out defer (-53): try later").event_type, EventType::Deferred);
}

#[test]
fn an_expiry_tells_what_the_last_attempt_met() {
    let defer = "== r@b.example R=out T=smtp defer (-44) H=mx1.b.example [192.0.2.1]:25 DT=0s: SMTP error from \
                 remote mail server after RCPT TO:<r@b.example>: 452 4.2.2 full";
    let log = begin()
        + &line(defer)
        + &line(defer)
        + &line("** r@b.example: retry timeout exceeded")
        + &line("Completed");
    let events = events_of(&log);
    assert_eq!(
        types(&events),
        [EventType::Accepted, EventType::Deferred, EventType::Deferred, EventType::Expired]
    );
    let [_, first, second, expired] = &events[..] else { panic!() };
    assert_eq!((first.attempt, second.attempt, expired.attempt), (1, 2, 2));
    assert_eq!((expired.reply.code, expired.reply.text.as_str(), expired.mx_port), (452, "full", 25));
    assert_eq!((first.bounce_origin, expired.bounce_origin), (BounceOrigin::Sync, BounceOrigin::Local));
    // without the attempts nothing is known but the words
    let expired = after_arrival("** r@b.example: retry timeout exceeded");
    assert_eq!((expired.attempt, expired.reply.text.as_str()), (0, "retry timeout exceeded"));
    for text in [
        "** r@b.example R=out T=smtp: all hosts for 'b.example' have been failing for a long time (and retry time not reached)",
        "** r@b.example: delivery cancelled; message timed out",
    ] {
        assert_eq!(after_arrival(text).event_type, EventType::Expired, "{text}");
    }
}

#[test]
fn the_failure_of_one_host_is_no_attempt_by_itself() {
    let text = "H=mx1.b.example [192.0.2.1]:25: SMTP error from remote mail server after end of data: 421 no";
    assert_eq!(events_of(&(begin() + &line(text))).len(), 1);
}

#[test]
fn what_is_thrown_away_was_not_delivered() {
    assert_eq!(after_arrival("=> :blackhole: <r@b.example> R=hole").event_type, EventType::Dropped);
    assert_eq!(after_arrival("=> :blackhole: <r@b.example> R=suppressed").event_type, EventType::Suppressed);
    assert_eq!(
        after_arrival("=> /dev/null <r@b.example> R=hole T=**bypassed**").event_type,
        EventType::Dropped
    );
    let suppressed_run = "*> r@b.example R=out T=smtp H=mx1.b.example [192.0.2.1]";
    assert_eq!(after_arrival(suppressed_run).event_type, EventType::Dropped);
    let own_words = "** r@b.example R=list: 5.7.1 Recipient suppressed";
    assert_eq!(after_arrival(own_words).event_type, EventType::Suppressed);
    // the receiver's words are another matter
    let theirs = "** r@b.example R=out T=smtp H=mx [192.0.2.1]: SMTP error from remote mail server after RCPT \
                  TO:<r@b.example>: 550 5.7.1 suppressed";
    assert_eq!(after_arrival(theirs).event_type, EventType::Bounced);
}

#[test]
fn further_addresses_cutthrough_and_aliases_are_deliveries() {
    for flag in ["=>", "->", ">>"] {
        let event =
            after_arrival(&format!("{flag} R@b.example <Team@a.example> R=out T=smtp H=mx [192.0.2.1]"));
        assert_eq!((event.event_type, event.recipient.as_str()), (EventType::Delivered, "r@b.example"));
        assert_eq!((event.orig_recipient.as_str(), event.mx_port), ("team@a.example", 0));
    }
    // only its case was changed
    assert_eq!(
        after_arrival("=> r@b.example <R@b.example> R=out T=smtp H=mx [192.0.2.1]").orig_recipient,
        ""
    );
}

#[test]
fn a_notice_says_what_it_is_about_and_mail_from_outside_does_not() {
    let events = events_of(
        &(line(&format!("<= <> R={ID} U=exim P=local S=9 T=\"Mail delivery failed\" for s@a.example"))
            + &line("=> s <s@a.example> F=<> R=mbox T=maildir S=9")),
    );
    assert_eq!(types(&events), [EventType::Notification, EventType::DeliveredLocal]);
    assert!(
        events
            .iter()
            .all(|event| event.is_notification && event.ref_queue_id == ID && event.env_from.is_empty())
    );
    let events =
        events_of(&line("<= <> H=mx1.b.example [192.0.2.1] P=esmtp S=9 id=x@b.example for s@a.example"));
    assert_eq!((types(&events), events[0].is_notification), (vec![EventType::Accepted], false));
}

#[test]
fn an_administrator_ends_those_that_wait() {
    let defer = "== r@b.example R=out T=smtp defer (111): Connection refused";
    let events = events_of(&(begin() + &line(defer) + &line("removed by root") + &line("Completed")));
    let last = events.last().unwrap();
    assert_eq!((last.event_type, last.recipient.as_str()), (EventType::AdminCancelled, "r@b.example"));
    assert_eq!((last.attempt, last.reply.stage), (1, SmtpStage::Connect));
    assert_eq!(after_arrival("removed by root").recipient, "");
    let events = events_of(
        &(begin()
            + &line("cancelled by root")
            + &line("** r@b.example: delivery cancelled by administrator")),
    );
    assert_eq!(types(&events), [EventType::Accepted, EventType::AdminCancelled]);
}

#[test]
fn a_log_that_begins_in_the_middle_still_tells_the_time_of_arrival() {
    let events = events_of(&line("=> r@b.example F=<s@a.example> R=out T=smtp S=9 H=mx [192.0.2.1] QT=1s"));
    let event = &events[0];
    assert_eq!(event.injected_time.unwrap().to_string(), "2026-11-21T04:44:39Z");
    assert_eq!((event.attempt, event.env_from.as_str(), event.latency_ms), (0, "s@a.example", Some(1000)));
}

#[test]
fn ids_of_both_forms_and_every_way_of_a_line_give_the_same() {
    let rest = "<= s@a.example H=(app) [192.0.2.9] P=esmtp S=1000 for r@b.example";
    for id in [ID, "1xUcxr-0000000003c-0025"] {
        for head in [
            "2026-11-21 04:44:40 ",
            "2026-11-21 04:44:40.000 +0000 [17] ",
            "Nov 21 04:44:40 out1 exim[17]: ",
            "Nov 21 04:44:40 out1 exim[17]: [1/2] 2026-11-21 04:44:40 ",
        ] {
            let events = events_of(&format!("{head}{id} {rest}\n"));
            assert_eq!((events[0].queue_id.as_str(), events[0].relay.as_str()), (id, "out1"), "{head}");
            assert_eq!(events[0].event_time.to_string(), "2026-11-21T04:44:40Z");
        }
        let entry = format!(
            r#"{{"__CURSOR":"c","__REALTIME_TIMESTAMP":"1795236280000000","_HOSTNAME":"out1","SYSLOG_IDENTIFIER":"exim","MESSAGE":"{id} {rest}"}}"#
        );
        assert_eq!(events_of(&entry)[0].event_time.to_string(), "2026-11-21T04:44:40Z");
    }
}

#[test]
fn a_time_without_zone_is_in_the_one_that_was_set() {
    let time_zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let events = Feed::new(&LogOptions { time_zone, ..LogOptions::default() }).read_all(&begin());
    assert_eq!(events[0].event_time.to_string(), "2026-11-21T03:44:40Z");
}

#[test]
fn a_subject_may_look_like_anything() {
    let events = events_of(&line(
        r#"<= s@a.example H=(app) [192.0.2.9] P=esmtp S=1000 id=m1@a.example T="a \"=> b\" S=5 for x y: Completed" for r@b.example"#,
    ));
    assert_eq!((events.len(), events[0].size_bytes, events[0].nrcpt), (1, 1000, 1));
}

#[test]
fn a_refusal_for_the_list_is_a_suppression() {
    let line = "2026-11-21 04:44:40 H=(app) [192.0.2.9] F=<s@a.example> rejected RCPT <R@b.example>: 5.7.1 Recipient Suppressed\n";
    let events = events_of(line);
    assert_eq!((events[0].event_type, events[0].recipient.as_str()), (EventType::Suppressed, "r@b.example"));
    assert_eq!(events[0].reply.enhanced.unwrap().to_string(), "5.7.1");
    let for_now = line.replace("rejected RCPT", "temporarily rejected RCPT");
    assert_eq!(events_of(&for_now)[0].event_type, EventType::Rejected);
}
