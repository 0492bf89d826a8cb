//! The traps of Postfix logs that were met with real ones, each as a test; and what is rarer than the
//! captures.

use super::tests::{Feed, events_of};
use super::{PostfixOptions, PostfixReader};
use crate::model::{BounceOrigin, Event, EventType, RejectReason, SmtpStage, Timestamp};
use crate::parse::EventReader;

const ID: &str = "3F1A22C0E5";

/// Gives a line of the message [`ID`] its head.
fn line(daemon: &str, text: &str) -> String {
    format!("Nov 20 23:23:11 mx1 postfix/{daemon}[17]: {ID}: {text}\n")
}

/// The lines of a message up to its first attempt.
fn begin() -> String {
    line("smtpd", "client=app[192.0.2.9], sasl_method=PLAIN, sasl_username=shop")
        + &line("cleanup", "message-id=<m1@a.example>")
        + &line("qmgr", "from=<s@a.example>, size=1000, nrcpt=1 (queue active)")
}

fn attempt(agent: &str, relay: &str, dsn: &str, status: &str) -> String {
    line(
        agent,
        &format!(
            "to=<R@b.example>, relay={relay}, delay=2, delays=1/0.5/0.3/0.2, dsn={dsn}, status={status}"
        ),
    )
}

/// Returns the only event of a message's attempt.
#[track_caller]
fn delivery(agent: &str, relay: &str, dsn: &str, status: &str) -> Event {
    let mut events = events_of(&(begin() + &attempt(agent, relay, dsn, status)));
    assert_eq!(events.len(), 2, "{events:#?}");
    events.remove(1)
}

fn types(events: &[Event]) -> Vec<EventType> {
    events.iter().map(|event| event.event_type).collect()
}

const MX: &str = "mx.b.example[192.0.2.1]:25";

#[test]
fn trap_1_a_5xx_banner_keeps_both_the_relays_dsn_and_its_own_code() {
    let text = "(host mx.b.example[192.0.2.1] refused to talk to me: 554 5.7.1 [CS01] no)";
    for (dsn, status, expect) in
        [("4.7.1", "deferred", EventType::Deferred), ("5.7.1", "bounced", EventType::Bounced)]
    {
        let event = delivery("smtp", MX, dsn, &format!("{status} {text}"));
        assert_eq!((event.event_type, event.reply.code, event.reply.stage), (expect, 554, SmtpStage::Banner));
        assert_eq!(event.relay_dsn.unwrap().to_string(), dsn);
        assert_eq!(event.reply.enhanced.unwrap().to_string(), "5.7.1");
        assert_eq!(event.bounce_origin, BounceOrigin::Sync);
    }
}

#[test]
fn trap_2_an_expiry_ends_every_recipient_that_still_waits() {
    let try_of = |recipient: &str, status: &str| {
        line(
            "smtp",
            &format!("to=<{recipient}>, relay={MX}, delay=1, delays=0/0/0/1, dsn=4.2.2, status={status}"),
        )
    };
    let log = begin()
        + &try_of("a@b.example", "deferred (host mx.b.example[192.0.2.1] said: 452 4.2.2 full)")
        + &try_of("c@b.example", "deferred (host mx.b.example[192.0.2.1] said: 452 4.2.2 full)")
        + &try_of("d@b.example", "sent (250 2.0.0 ok)")
        + &try_of("a@b.example", "deferred (host mx.b.example[192.0.2.1] said: 421 4.3.2 busy)")
        + &try_of("c@b.example", "sent (250 2.0.0 ok)")
        + &line("qmgr", "from=<s@a.example>, status=expired, returned to sender")
        + &line("qmgr", "removed");
    let events = events_of(&log);
    let ends: Vec<_> = events.iter().filter(|event| event.event_type.is_final()).collect();
    assert_eq!(ends.len(), 3);
    let expired = ends[2];
    assert_eq!((expired.event_type, expired.recipient.as_str()), (EventType::Expired, "a@b.example"));
    assert_eq!((expired.attempt, expired.reply.code, expired.mx_port), (2, 421, 25));
    assert_eq!((expired.reply.text.as_str(), expired.bounce_origin), ("busy", BounceOrigin::Local));
}

#[test]
fn trap_3_the_discard_agent_delivers_nothing() {
    assert_eq!(delivery("discard", "none", "2.0.0", "sent (suppressed)").event_type, EventType::Suppressed);
    assert_eq!(delivery("discard", "none", "2.0.0", "sent (b.example)").event_type, EventType::Dropped);
}

#[test]
fn trap_4_the_lines_of_a_reply_are_joined_without_their_codes() {
    let event = delivery(
        "smtp",
        MX,
        "5.1.1",
        "bounced (host mx.b.example[192.0.2.1] said: 550-5.1.1 aaa 550-5.1.1 bbb 550 5.1.1 ccc \
         (in reply to RCPT TO command))",
    );
    assert_eq!((event.reply.code, event.reply.text.as_str()), (550, "aaa bbb ccc"));
    assert_eq!(event.reply.stage, SmtpStage::Rcpt);
}

#[test]
fn trap_5_a_line_cut_at_2000_characters_keeps_its_outcome() {
    let status =
        format!("bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 {}", "no such user ".repeat(150));
    let event = delivery("smtp", MX, "5.1.1", &status);
    assert_eq!(
        (event.event_type, event.reply.code, event.reply.stage),
        (EventType::Bounced, 550, SmtpStage::Unknown)
    );
    assert!(event.reply.text.starts_with("no such user no such"));
}

#[test]
fn trap_6_a_reply_without_enhanced_code_leaves_the_relays() {
    for (text, words) in
        [("552 1 Requested action aborted", "1 Requested action aborted"), ("550 sorry, no", "sorry, no")]
    {
        let event =
            delivery("smtp", MX, "5.0.0", &format!("bounced (host mx.b.example[192.0.2.1] said: {text})"));
        assert_eq!((event.reply.enhanced, event.reply.text.as_str()), (None, words));
        assert_eq!(event.relay_dsn.unwrap().to_string(), "5.0.0");
    }
}

#[test]
fn trap_7_quoted_local_parts_may_hold_separators() {
    let log =
        begin() + &attempt("smtp", MX, "2.0.0", "sent (250 ok)").replace("R@b", r#""odd name, x=1>"@b"#);
    assert_eq!(events_of(&log)[1].recipient, r#""odd name, x=1>"@b.example"#);
}

#[test]
fn trap_8_reply_text_may_hold_any_bytes() {
    let status = "bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 boîte désactivée)";
    assert_eq!(delivery("smtp", MX, "5.1.1", status).reply.text, "boîte désactivée");
    let latin1 = attempt("smtp", MX, "5.1.1", "bounced (550 5.1.1 bo~te)").replace('\n', "").into_bytes();
    let latin1: Vec<u8> = latin1.into_iter().map(|byte| if byte == b'~' { 0xee } else { byte }).collect();
    let events = Feed::new(&PostfixOptions::default()).read(&latin1).unwrap();
    assert_eq!(events[0].reply.text, "bo\u{fffd}te");
}

#[test]
fn trap_9_a_notice_is_known_whether_its_link_comes_before_or_after() {
    let notice = "4jWWbg2stZz1T1CS";
    let of_notice =
        |daemon: &str, text: &str| format!("Nov 20 23:23:11 mx1 postfix/{daemon}[18]: {notice}: {text}\n");
    let link = line("bounce", &format!("sender non-delivery notification: {notice}"));
    let first = of_notice("cleanup", &format!("message-id=<{notice}@mx1.example>"));
    let active = of_notice("qmgr", "from=<>, size=4066, nrcpt=1 (queue active)");
    let delivered = of_notice(
        "virtual",
        "to=<s@a.example>, relay=virtual, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (delivered to maildir)",
    );
    let removed = of_notice("qmgr", "removed");
    for (order, expect, linked) in [
        // Postfix 3.11
        ([&link, &first, &active, &delivered, &removed], EventType::Notification, 2),
        ([&first, &link, &active, &delivered, &removed], EventType::Notification, 2),
        ([&first, &active, &link, &delivered, &removed], EventType::Accepted, 1),
        ([&first, &active, &delivered, &link, &removed], EventType::Accepted, 0),
        ([&first, &active, &delivered, &removed, &link], EventType::Accepted, 0),
    ] {
        let mut feed = Feed::new(&PostfixOptions::default());
        let events = feed.read_all(&order.map(String::as_str).concat());
        assert_eq!(types(&events), [expect, EventType::DeliveredLocal]);
        assert!(events.iter().all(|event| event.is_notification), "{expect:?}");
        assert_eq!(events.iter().filter(|event| event.ref_queue_id == ID).count(), linked);
        assert_eq!(feed.reader.memory.in_flight.messages().count(), 0);
    }
}

#[test]
fn trap_10_failures_without_an_answer_have_no_code() {
    for (dsn, status, stage) in [
        ("5.1.0", "bounced (Domain b.example does not accept mail (nullMX))", SmtpStage::Unknown),
        (
            "5.4.4",
            "bounced (Host or domain name not found. Name service error for name=b.example type=A: Host not found)",
            SmtpStage::Unknown,
        ),
        (
            "4.4.3",
            "deferred (Host or domain name not found. Name service error for name=b.example type=MX: try again)",
            SmtpStage::Unknown,
        ),
        ("4.4.1", "deferred (connect to mx.b.example[192.0.2.1]:25: Connection refused)", SmtpStage::Connect),
        (
            "4.4.2",
            "deferred (lost connection with mx.b.example[192.0.2.1] while sending end of data -- message may be \
             sent more than once)",
            SmtpStage::Dot,
        ),
    ] {
        let event = delivery("smtp", "none", dsn, status);
        assert_eq!((event.reply.code, event.reply.enhanced, event.reply.stage), (0, None, stage), "{status}");
        assert_eq!(event.bounce_origin, BounceOrigin::Local, "{status}");
        assert_eq!((event.mx_host.as_str(), event.mx_ip), ("", None), "{status}");
        assert!(!event.reply.text.ends_with("))"), "{status}");
    }
}

#[test]
fn a_short_id_is_free_again_after_its_message() {
    let again = begin().replace("m1@", "m2@").replace("sasl_username=shop", "sasl_username=news");
    let sent = attempt("smtp", MX, "2.0.0", "sent (250 ok)");
    for end in [line("qmgr", "removed"), String::new()] {
        let events = events_of(&(begin() + &sent + &end + &again + &sent));
        assert_eq!(types(&events), [EventType::Accepted, EventType::Delivered].repeat(2));
        assert_eq!((events[3].message_id.as_str(), events[3].attempt), ("m2@a.example", 1));
        assert_eq!(events[3].meta, [("sasl_username".into(), "news".into())]);
    }
}

#[test]
fn a_short_id_takes_the_arrival_from_the_first_line_or_from_the_delay() {
    let sent = attempt("smtp", MX, "2.0.0", "sent (250 ok)");
    let injected = |log: &str| events_of(log).pop().unwrap().injected_time.unwrap().to_string();
    assert_eq!(injected(&(begin() + &sent)), "2026-11-20T23:23:11Z");
    assert_eq!(injected(&sent), "2026-11-20T23:23:09Z");
}

#[test]
fn accepted_is_told_once_and_not_for_a_later_round() {
    let active = line("qmgr", "from=<s@a.example>, size=1000, nrcpt=1 (queue active)");
    let later = attempt("smtp", MX, "4.0.0", "deferred (x)");
    let events = events_of(&(begin() + &later + &active + &later));
    assert_eq!(types(&events), [EventType::Accepted, EventType::Deferred, EventType::Deferred]);
    assert_eq!(events[2].attempt, 2);
    // the log begins in the middle: six minutes after the arrival that the id tells
    let middle = (active + &later).replace(ID, "4jWWbg1x0Bz1T1C5").replace("23:23:11", "23:29:12");
    let events = events_of(&middle);
    assert_eq!(types(&events), [EventType::Deferred]);
    assert_eq!((events[0].attempt, events[0].env_from.as_str()), (0, "s@a.example"));
}

#[test]
fn local_mailboxes_are_told_from_receivers() {
    for (agent, relay, text, expect) in [
        ("virtual", "virtual", "delivered to maildir", EventType::DeliveredLocal),
        ("local", "local", "delivered to mailbox", EventType::DeliveredLocal),
        ("local", "local", "forwarded as 3F1A22C0E6", EventType::Moved),
        ("pipe", "maildrop", "delivered via maildrop service", EventType::DeliveredLocal),
        ("lmtp", "mx1[private/dovecot-lmtp]", "250 2.0.0 <r@b.example> Saved", EventType::DeliveredLocal),
        ("lmtp", MX, "250 2.0.0 <r@b.example> Saved", EventType::Delivered),
        ("smtp", MX, "250 2.0.0 ok", EventType::Delivered),
    ] {
        let event = delivery(agent, relay, "2.0.0", &format!("sent ({text})"));
        assert_eq!(event.event_type, expect, "{agent} {text}");
    }
}

#[test]
fn probes_of_addresses_are_no_deliveries() {
    for status in ["deliverable (250 ok)", "undeliverable (550 no)", "expanded (x)"] {
        let events = events_of(&(begin() + &attempt("smtp", MX, "2.0.0", status)));
        assert_eq!(types(&events), [EventType::Accepted], "{status}");
    }
    let probe = line("cleanup", &format!("message-id=<20261120232311.{ID}@mx1.example>"))
        + &line("qmgr", "from=<double-bounce@mx1.example>, size=300, nrcpt=1 (queue active)");
    assert!(events_of(&probe)[0].is_notification, "the message of a probe is no sent mail");
}

#[test]
fn soft_bounce_defers() {
    assert_eq!(delivery("smtp", MX, "5.1.1", "SOFTBOUNCE (550 no)").event_type, EventType::Deferred);
}

#[test]
fn suppression_is_told_at_the_door_and_in_the_queue() {
    let refuse = |to: &str, text: &str| {
        events_of(&format!(
            "Nov 20 23:23:11 mx1 postfix/smtpd[1]: NOQUEUE: reject: RCPT from app[192.0.2.9]: {text}; \
             from=<s@a.example> to=<{to}> proto=ESMTP helo=<app>"
        ))
        .remove(0)
    };
    let listed =
        refuse("r@b.example", "550 5.7.1 <r@b.example>: Recipient address rejected: Recipient suppressed");
    assert_eq!((listed.event_type, listed.recipient.as_str()), (EventType::Suppressed, "r@b.example"));
    assert_eq!((listed.env_from.as_str(), listed.queue_id.as_str()), ("s@a.example", ""));
    let named = refuse("suppressed@b.example", "550 5.7.1 <suppressed@b.example>: Relay access denied");
    assert_eq!((named.event_type, named.bounce_origin), (EventType::Rejected, BounceOrigin::Local));
    let queued = delivery("error", "none", "5.7.1", "bounced (Recipient suppressed)");
    assert_eq!(queued.event_type, EventType::Suppressed);
}

#[test]
fn a_refusal_with_an_id_knows_its_message() {
    let refuse = line(
        "smtpd",
        "reject: RCPT from app[192.0.2.9]: 450 4.1.1 <x@b.example>: no; from=<s@a.example> to=<x@b.example> proto=ESMTP",
    );
    let event = events_of(&(line("smtpd", "client=app[192.0.2.9], sasl_username=shop") + &refuse)).remove(0);
    assert_eq!((event.event_type, event.queue_id.as_str()), (EventType::Rejected, ID));
    assert_eq!(event.meta, [("sasl_username".into(), "shop".into())]);
    let whole =
        line("cleanup", "milter-reject: END-OF-MESSAGE from app[192.0.2.9]: 5.7.1 no; from=<s@a.example>");
    let mut feed = Feed::new(&PostfixOptions::default());
    feed.read_all(&(line("smtpd", "client=app[192.0.2.9]") + &whole));
    assert_eq!(feed.reader.memory.in_flight.messages().count(), 0, "the message is over");
}

#[test]
fn an_administrator_cancels_what_waits() {
    let deferred = begin() + &attempt("smtp", MX, "4.0.0", "deferred (x)");
    for end in [
        line("qmgr", "from=<s@a.example>, status=force-expired, returned to sender"),
        line("postsuper", "removed"),
        line("cleanup", "canceled"),
    ] {
        let events = events_of(&(deferred.clone() + &end));
        assert_eq!(events[2].event_type, EventType::AdminCancelled, "{end}");
        assert_eq!((events[2].recipient.as_str(), events[2].attempt), ("r@b.example", 1));
    }
    let left = line("smtpd", "client=app[192.0.2.9]") + &line("cleanup", "removed (canceled)");
    assert_eq!(events_of(&left), []);
}

#[test]
fn tls_policy_and_service_names_are_read() {
    let sent = attempt("out-3/smtp", MX, "2.0.0", "sent (250 ok)").replace(", dsn", ", tls=dane, dsn");
    let event = events_of(&sent).remove(0);
    assert_eq!(
        (&*event.tls_policy, &*event.egress_source, &*event.delivery_agent),
        ("dane", "out-3", "smtp")
    );
}

#[test]
fn journal_entries_give_the_same_events_with_an_id_of_their_own() {
    let entry = |cursor: u8, text: &str| {
        format!(
            r#"{{"__CURSOR":"s={cursor}","__REALTIME_TIMESTAMP":"1795216991273114","_HOSTNAME":"mx1","SYSLOG_IDENTIFIER":"postfix/smtp","SYSLOG_PID":"17","MESSAGE":"{ID}: {text}"}}"#
        )
    };
    let text = format!(
        "to=<R@b.example>, relay={MX}, delay=2, delays=1/0.5/0.3/0.2, dsn=2.0.0, status=sent (250 ok)"
    );
    let first = events_of(&entry(1, &text)).remove(0);
    assert_eq!((first.event_type, first.event_time.0), (EventType::Delivered, 1_795_216_991_273_114));
    assert_eq!((first.relay.as_str(), first.recipient.as_str()), ("mx1", "r@b.example"));
    let mut feed = Feed::new(&PostfixOptions::default());
    let rest = feed.read_all(&[entry(1, &text), entry(1, &text), entry(2, &text)].join("\n"));
    // the place of an entry is its cursor, wherever it was exported to
    assert_eq!((rest[0].event_id, rest[1].event_id), (first.event_id, first.event_id));
    assert_ne!(rest[2].event_id, first.event_id);
}

#[test]
fn equal_lines_of_one_second_are_two_events() {
    let refuse = "Nov 20 23:23:11 mx1 postfix/smtpd[1]: NOQUEUE: reject: RCPT from app[192.0.2.9]: 550 5.7.1 no; \
                  from=<s@a.example> to=<r@b.example> proto=ESMTP helo=<app>\n";
    let events = events_of(&refuse.repeat(2));
    assert_ne!(events[0].event_id, events[1].event_id);
}

#[test]
fn lines_of_other_programs_and_of_other_matters_give_nothing() {
    for text in [
        "opendkim[9]: 3F1A22C0E5: DKIM-Signature field added (s=a, d=a.example)",
        "dovecot: lmtp(r@b.example)<1>: msgid=<m1@a.example>: saved mail to INBOX",
        "postfix/smtpd[1]: warning: hostname app does not resolve",
        "postfix/smtp[1]: 3F1A22C0E5: host mx.b.example[192.0.2.1] said: 421 later (in reply to MAIL FROM command)",
        "last message repeated 2 times",
    ] {
        assert_eq!(events_of(&format!("Nov 20 23:23:11 mx1 {text}")), [], "{text}");
    }
}

#[test]
fn text_that_is_no_log_line_is_rejected() {
    let mut feed = Feed::new(&PostfixOptions::default());
    let mut reason = |line: &str| feed.read(line.as_bytes()).unwrap_err().reason;
    assert_eq!(reason("hello"), RejectReason::Syntax);
    let long_host = begin().replace("mx1", &"m".repeat(256));
    assert_eq!(reason(long_host.lines().next().unwrap()), RejectReason::BadValue);
    assert_eq!(reason("Feb 30 23:23:11 mx1 postfix/qmgr[1]: x"), RejectReason::BadTime);
    assert_eq!(reason(attempt("smtp", MX, "2.0.0", "sen").trim()), RejectReason::UnknownType);
    assert_eq!(reason(line("smtp", "to=<r@b.example>, relay=none, del").trim()), RejectReason::MissingField);
}

#[test]
fn december_lines_read_in_january_are_of_last_year() {
    let mut feed = Feed::new(&PostfixOptions::default());
    feed.received = Timestamp::parse_rfc3339("2027-01-01T00:00:05Z").unwrap();
    let log = begin().replace("Nov 20 23:23:11", "Dec 31 23:59:59")
        + &attempt("smtp", MX, "2.0.0", "sent (250 ok)").replace("Nov 20 23:23:11", "Jan  1 00:00:01");
    let events = feed.read_all(&log);
    assert_eq!(events[0].event_time.to_string(), "2026-12-31T23:59:59Z");
    assert_eq!(events[1].event_time.to_string(), "2027-01-01T00:00:01Z");
}

#[test]
fn the_oldest_message_is_forgotten_when_there_are_too_many() {
    let options = PostfixOptions { in_flight_max: 3, ..PostfixOptions::default() };
    let mut feed = Feed::new(&options);
    let deferred = begin() + &attempt("smtp", MX, "4.0.0", "deferred (x)");
    for round in 0..5 {
        feed.read_all(&deferred.replace(ID, &format!("3F1A22C0E{round}")));
        assert!(feed.reader.memory.in_flight.messages().count() <= 2, "a message and a recipient that waits");
    }
    let expired = line("qmgr", "from=<s@a.example>, status=expired, returned to sender");
    let known = feed.read_all(&expired.replace(ID, "3F1A22C0E4")).remove(0);
    assert_eq!((known.recipient.as_str(), known.message_id.as_str()), ("r@b.example", "m1@a.example"));
    let forgotten = feed.read_all(&expired.replace(ID, "3F1A22C0E0")).remove(0);
    assert_eq!((forgotten.event_type, forgotten.recipient.as_str()), (EventType::Expired, ""));
}

#[test]
fn waiting_recipients_of_one_message_are_bounded() {
    let mut feed = Feed::new(&PostfixOptions { waiting_max: 2, ..PostfixOptions::default() });
    feed.read_all(&begin());
    for recipient in ["r1", "r2", "r3", "r1"] {
        feed.read_all(&attempt("smtp", MX, "4.0.0", "deferred (x)").replace("R@", &format!("{recipient}@")));
    }
    let events = feed.read_all(&line("qmgr", "from=<s@a.example>, status=expired, returned to sender"));
    let ends: Vec<_> = events.iter().map(|event| (event.recipient.as_str(), event.attempt)).collect();
    assert_eq!(ends, [("r1@b.example", 2), ("r2@b.example", 1)]);
}

#[test]
fn messages_are_forgotten_after_ten_days() {
    let options = PostfixOptions::default();
    let mut feed = Feed::new(&options);
    feed.received = Timestamp::parse_rfc3339("2026-12-01T00:00:00Z").unwrap();
    feed.read_all(&begin());
    feed.read_all("Nov 30 23:23:10 mx1 postfix/smtpd[1]: 4F1A22C0E5: client=app[192.0.2.9]");
    assert_eq!(feed.reader.memory.in_flight.messages().count(), 2);
    feed.reader = PostfixReader::restore(&options, &feed.reader.snapshot().unwrap()).unwrap();
    feed.read_all("Nov 30 23:23:12 mx1 postfix/smtpd[1]: 5F1A22C0E5: client=app[192.0.2.9]");
    assert_eq!(feed.reader.memory.in_flight.messages().count(), 2);
}
