//! Both protocols, word by word and over sockets.

use super::desk::{Answer, words};
use super::*;
use crate::model::suppression::{
    Action, Change, Key, LogRecord, MailType, Origin, Question, Reason, Scope, Seq,
};
use crate::model::{BounceGroup, Text, Timestamp};
use crate::suppression::index::Index;
use proptest::prelude::*;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

fn add(index: &Index, address: &str, scope: Scope, reason: Reason) {
    let key = Key { address: address.into(), scope, mail_type: MailType::All, reason };
    let change = Change {
        action: Action::Add,
        key,
        observed: Timestamp(1),
        expires: None,
        origin: Origin::Actor("ann".into()),
        run: None,
        evidence: Vec::new(),
        note: Text::default(),
    };
    index.apply(&LogRecord { seq: Seq::new(Timestamp(1), 1), change }).unwrap();
}

fn desk() -> Desk {
    let index = Index::default();
    add(&index, "gone@b.example", Scope::Global, Reason::Bounce(BounceGroup::Recipient));
    add(&index, "left@b.example", Scope::Tenant { tenant: "acme".into() }, Reason::Unsubscribe);
    index.set_loaded();
    Desk {
        index: Arc::new(index),
        labels: Arc::new(|request, context| {
            if context.tenant.is_empty() && request.sasl_username == "acme-app" {
                context.tenant = "acme".into();
            }
        }),
        clock: || Timestamp(2),
        trouble: Trouble::LetThrough,
        return_paths: None,
    }
}

#[track_caller]
fn policy_says(desk: &Desk, lines: &str, expect: &str) {
    let mut out = Vec::new();
    policy::answer(desk, lines.as_bytes(), &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), format!("action={expect}\n\n"), "{lines}");
}

#[track_caller]
fn socketmap_says(desk: &Desk, request: &str, expect: &str) {
    let mut out = Vec::new();
    socketmap::answer(desk, request.as_bytes(), &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), format!("{}:{expect},", expect.len()), "{request}");
}

const GONE: &str = "550 5.7.1 Recipient suppressed: bounce:recipient";
const LEFT: &str = "550 5.7.1 Recipient suppressed: unsubscribe";

#[test]
fn the_policy_protocol_names_the_reason() {
    let desk = desk();
    policy_says(&desk, "request=smtpd_access_policy\nrecipient=Gone@B.example\nsender=x@a.example", GONE);
    policy_says(&desk, "recipient=fine@b.example", "DUNNO");
    policy_says(&desk, "sender=x@a.example", "DUNNO");
    policy_says(&desk, "recipient=", "DUNNO");
    policy_says(&desk, "no attribute at all", "DUNNO");
}

#[test]
fn tenants_come_from_the_context_or_the_login() {
    let desk = desk();
    policy_says(&desk, "recipient=left@b.example", "DUNNO");
    policy_says(&desk, "recipient=left@b.example\nsasl_username=acme-app", LEFT);
    policy_says(&desk, "recipient=left@b.example\npolicy_context=tenant=acme;type=marketing", LEFT);
    policy_says(
        &desk,
        "recipient=left@b.example\npolicy_context=tenant=other\nsasl_username=acme-app",
        "DUNNO",
    );
}

#[test]
fn a_socketmap_answers_as_its_map_asks() {
    let desk = desk();
    socketmap_says(&desk, "suppress gone@b.example", &format!("OK {GONE}"));
    socketmap_says(
        &desk,
        "transport gone@b.example",
        "OK error:5.7.1 Recipient suppressed: bounce:recipient",
    );
    socketmap_says(&desk, "suppress fine@b.example", "NOTFOUND ");
    socketmap_says(&desk, "transport *", "NOTFOUND ");
    socketmap_says(&desk, "transport b.example", "NOTFOUND ");
    socketmap_says(&desk, "suppress;tenant=acme left@b.example", &format!("OK {LEFT}"));
    socketmap_says(
        &desk,
        "aliases gone@b.example",
        "PERM there is no such map: ask `suppress`, `transport` or `return-path`",
    );
    socketmap_says(
        &desk,
        "return-path;from=x.example a@x.example",
        "PERM set `return_path.domain` and `return_path.keys_file`",
    );
    socketmap_says(&desk, "suppress", "NOTFOUND ");
}

#[test]
fn a_list_that_is_not_loaded_lets_mail_through_or_defers_it_as_set() {
    let open = Desk { index: Arc::new(Index::default()), ..desk() };
    policy_says(&open, "recipient=gone@b.example", "DUNNO");
    socketmap_says(&open, "suppress gone@b.example", "NOTFOUND ");
    let shut = Desk { trouble: Trouble::Defer, ..open };
    policy_says(&shut, "recipient=gone@b.example", "DEFER_IF_PERMIT 4.7.1 Suppression list not loaded yet");
    socketmap_says(&shut, "suppress gone@b.example", "TEMP Suppression list not loaded yet");
    // What is known already is answered.
    add(&shut.index, "gone@b.example", Scope::Global, Reason::Bounce(BounceGroup::Recipient));
    policy_says(&shut, "recipient=gone@b.example", GONE);
}

#[test]
fn a_netstring_that_is_none_ends_the_conversation() {
    assert_eq!(socketmap::split(b"12").unwrap(), None);
    assert_eq!(socketmap::split(b"5:ab").unwrap(), None);
    assert_eq!(socketmap::split(b"2:ab,3:").unwrap(), Some((&b"ab"[..], 5)));
    assert_eq!(socketmap::split(b"0:,").unwrap(), Some((&b""[..], 3)));
    for bad in [&b"x"[..], b":a,", b"2:abc,", b"99999:", b"+2:ab,", b"9000:", b"12345"] {
        assert_eq!(socketmap::split(bad), Err(socketmap::NotSpoken), "{}", String::from_utf8_lossy(bad));
    }
}

#[test]
fn the_words_are_those_that_the_log_reader_knows() {
    for reason in Reason::ALL {
        assert!(words(reason).starts_with("Recipient suppressed: "));
    }
    assert_eq!(desk().answer(&Question::default()), Answer::Free);
}

async fn serve(protocol: Protocol) -> (std::net::SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = Listener::tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    (address, tokio::spawn(Server { listener, protocol, desk: desk() }.run()))
}

#[tokio::test]
async fn requests_in_one_packet_and_in_single_bytes_are_answered_in_order() {
    let (address, _server) = serve(Protocol::Policy).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = |address: &str| format!("request=smtpd_access_policy\nrecipient={address}\n\n");
    let both = request("gone@b.example") + &request("fine@b.example");
    let expect = format!("action={GONE}\n\naction=DUNNO\n\n");
    let mut got = vec![0; expect.len()];
    stream.write_all(both.as_bytes()).await.unwrap();
    stream.read_exact(&mut got).await.unwrap();
    assert_eq!(got, expect.as_bytes());
    for byte in both.bytes() {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    stream.read_exact(&mut got).await.unwrap();
    assert_eq!(got, expect.as_bytes());
}

#[tokio::test]
async fn a_client_that_sends_without_end_is_shut_out() {
    for (protocol, sent) in
        [(Protocol::Policy, vec![b'a'; 200_000]), (Protocol::Socketmap, b"GET / HTTP/1.1".to_vec())]
    {
        let (address, _server) = serve(protocol).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The server may close before it has read all.
        let _ = stream.write_all(&sent).await;
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert!(rest.is_empty());
    }
}

#[tokio::test]
async fn a_unix_socket_replaces_a_dead_one_and_spares_a_living_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socketmap");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let listener = Listener::unix(&path).await.unwrap();
    let server = tokio::spawn(Server { listener, protocol: Protocol::Socketmap, desk: desk() }.run());
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"23:suppress gone@b.example,").await.unwrap();
    let mut got = vec![0; 5];
    stream.read_exact(&mut got).await.unwrap();
    assert_eq!(got, b"51:OK");
    assert!(Listener::unix(&path).await.is_err(), "another process answers there");
    server.abort();
    let _ = server.await;
    assert!(!path.exists());
}

#[tokio::test]
async fn an_address_that_others_reach_is_refused() {
    let error = Listener::tcp("0.0.0.0:0".parse().unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("use 127.0.0.1"), "{error}");
}

proptest! {
    #[test]
    fn no_bytes_make_a_protocol_fail(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let desk = desk();
        let mut out = Vec::new();
        policy::answer(&desk, &bytes, &mut out);
        prop_assert!(out.ends_with(b"\n\n") && memchr::memmem::find_iter(&out, b"\n").count() == 2);
        let _ = policy::split(&bytes);
        let _ = socketmap::split(&bytes);
        let mut out = Vec::new();
        socketmap::answer(&desk, &bytes, &mut out);
        prop_assert!(matches!(socketmap::split(&out), Ok(Some((_, taken))) if taken == out.len()));
    }
}
