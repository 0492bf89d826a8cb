//! The DNS of domains and addresses with every fault, asked over a real name server and a real web server: each is judged
//! for what it is.

use crate::dns_server::{Manner, World};
use crate::signed_names::SignedNames;
use crate::support::{Place, relaylens, store};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hickory_server::proto::rr::rdata::{A, MX, TLSA};
use hickory_server::proto::rr::{Name, RData};
use relaylens::config::{Blocklists, EgressPath, Reputation};
use relaylens::model::{PostureCheck, PostureState, Timestamp};
use relaylens::reputation::posture::{
    DomainQuestion, Finding, PathNeeds, PolicyFetch, SpfSender as Sender, look_at_domain, look_at_ip,
};
use relaylens::reputation::watch::{Parts, Watcher};
use relaylens::store::query::TimeRange;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use PostureCheck::{
    Bimi, Dane, Dkim, Dmarc, DmarcReports, Ehlo, MtaSts, Mx, PathDkim, PathDmarc, PathSpf, Ptr, Spf,
    SpfLookups, SpfSender, TlsRpt,
};
use PostureState::{Fail, Info, Pass, Unknown, Warn};

/// Trusts these certificates and no other.
pub(crate) fn tls(roots: &[CertificateDer<'static>]) -> rustls::ClientConfig {
    let mut store = rustls::RootCertStore::empty();
    for root in roots {
        store.add(root.clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    builder.unwrap().with_root_certificates(store).with_no_client_auth()
}

/// A web server for policies: each host its own text.
async fn policy_server(hosts: &[(&str, &str)]) -> (u16, CertificateDer<'static>) {
    let names: Vec<String> = hosts.iter().map(|(host, _)| (*host).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.clone()], key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let texts: Vec<(String, String)> =
        hosts.iter().map(|(host, text)| ((*host).to_owned(), (*text).to_owned())).collect();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, texts) = (acceptor.clone(), texts.clone());
            tokio::spawn(async move {
                let Ok(mut socket) = acceptor.accept(socket).await else { return };
                let mut request = vec![0; 4096];
                let read = socket.read(&mut request).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..read]).to_ascii_lowercase();
                let text = texts
                    .iter()
                    .find(|(host, _)| request.contains(&format!("host: {host}")))
                    .map(|(_, text)| text.clone());
                let answer = match text {
                    Some(text) => format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
                        text.len()
                    ),
                    None => {
                        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned()
                    }
                };
                let _ = socket.write_all(answer.as_bytes()).await;
                let _ = socket.shutdown().await;
            });
        }
    });
    (port, certificate)
}

/// A key record, of RSA with so many bits: the key is real.
fn rsa_record(bits: usize) -> String {
    // The shape of a PKCS #1 key; its number has no known factors, which nobody here needs.
    let length = |length: usize| match length {
        0..128 => vec![u8::try_from(length).unwrap()],
        128..256 => vec![0x81, u8::try_from(length).unwrap()],
        _ => [vec![0x82], u16::try_from(length).unwrap().to_be_bytes().to_vec()].concat(),
    };
    let integer = |value: Vec<u8>| [vec![2], length(value.len()), value].concat();
    let mut modulus = vec![0, 0xc5];
    modulus.resize(bits / 8 + 1, 0x5b);
    let inner = [integer(modulus), integer(vec![1, 0, 1])].concat();
    format!("v=DKIM1; k=rsa; p={}", BASE64.encode([vec![0x30], length(inner.len()), inner].concat()))
}

/// A domain without a fault.
pub(crate) fn good(world: &World, domain: &str) {
    world.txt(domain, &["some-site-verification=1", "v=spf1 ip4:192.0.2.0/24 include:_spf.esp.example -all"]);
    world.txt("_spf.esp.example", &["v=spf1 ip4:198.51.100.0/24 ~all"]);
    world.txt(&format!("s1._domainkey.{domain}"), &[&rsa_record(2048)]);
    world.txt(&format!("_dmarc.{domain}"), &[&format!("v=DMARC1; p=reject; rua=mailto:dmarc@{domain}")]);
    world.mx(domain, &[(10, &format!("mx1.{domain}"))]);
    world.ips(&format!("mx1.{domain}"), &["192.0.2.10"]);
    world.txt(&format!("_mta-sts.{domain}"), &["v=STSv1; id=20260801"]);
    world.ips(&format!("mta-sts.{domain}"), &["127.0.0.1"]);
    world.txt(&format!("_smtp._tls.{domain}"), &[&format!("v=TLSRPTv1; rua=mailto:tls@{domain}")]);
    world.txt(
        &format!("default._bimi.{domain}"),
        &[&format!("v=BIMI1; l=https://{domain}/l.svg; a=https://{domain}/l.pem")],
    );
}

const POLICY: &str = "version: STSv1\nmode: enforce\nmx: mx1.good.example\nmax_age: 604800\n";

fn question(domain: &str) -> DomainQuestion {
    let selectors = ["s1".to_owned()].into();
    DomainQuestion { domain: domain.to_owned(), selectors, ..DomainQuestion::default() }
}

#[track_caller]
fn state(findings: &[Finding], check: PostureCheck, about: &str) -> (PostureState, String) {
    let found = findings.iter().find(|finding| finding.check == check && finding.about == about);
    let found = found.unwrap_or_else(|| panic!("no finding {check} {about}: {findings:#?}"));
    (found.state, found.told.clone())
}

#[tokio::test]
async fn a_domain_without_a_fault_passes_everything() {
    let world = World::start().await;
    good(&world, "good.example");
    let (port, root) = policy_server(&[("mta-sts.good.example", POLICY)]).await;
    let dns = world.dns();
    let policies = PolicyFetch::new(&dns, tls(&[root]), port);
    let findings = look_at_domain(&dns, Some(&policies), &question("good.example")).await;
    let bad: Vec<_> = findings.iter().filter(|finding| finding.state != Pass).collect();
    assert!(matches!(bad[..], [Finding { check: Dane, state: Info, .. }]), "no TLSA, no fault: {bad:#?}");
    let checks: Vec<_> = findings.iter().map(|finding| finding.check).collect();
    assert_eq!(checks, [Spf, SpfLookups, Dkim, Dmarc, DmarcReports, Mx, Dane, MtaSts, TlsRpt, Bimi]);
}

/// Breaks one thing of a good domain, and tells what a check says then.
async fn broken(
    check: PostureCheck,
    about: &str,
    expect: PostureState,
    told: &str,
    spoil: impl FnOnce(&World),
) {
    let world = World::start().await;
    good(&world, "good.example");
    spoil(&world);
    let findings = look_at_domain(&world.dns(), None, &question("good.example")).await;
    let (state, said) = state(&findings, check, about);
    assert_eq!(state, expect, "{check}: {said}");
    assert!(said.contains(told), "{check}: `{said}` has no `{told}`");
}

const DOMAIN: &str = "good.example";

#[tokio::test]
async fn faults_of_spf_are_judged() {
    broken(Spf, "", Fail, "no SPF", |w| w.txt(DOMAIN, &["hello"])).await;
    broken(Spf, "", Fail, "more than one", |w| w.txt(DOMAIN, &["v=spf1 -all", "v=spf1 ~all"])).await;
    broken(Spf, "", Fail, "+all", |w| w.txt(DOMAIN, &["v=spf1 +all"])).await;
    broken(Spf, "", Warn, "?all", |w| w.txt(DOMAIN, &["v=spf1 ?all"])).await;
    broken(Spf, "", Warn, "no `all`", |w| w.txt(DOMAIN, &["v=spf1 ip4:192.0.2.1"])).await;
    broken(Spf, "", Warn, "`ptr`", |w| w.txt(DOMAIN, &["v=spf1 ptr -all"])).await;
    broken(Spf, "", Fail, "no term", |w| w.txt(DOMAIN, &["v=spf1 ipv4:192.0.2.1 -all"])).await;
    broken(Spf, "", Fail, "is included, and has no", |w| w.remove("_spf.esp.example")).await;
    broken(Spf, "", Fail, "back to itself", |w| {
        w.txt("_spf.esp.example", &["v=spf1 include:good.example -all"]);
    })
    .await;
    broken(Spf, "", Unknown, "SERVFAIL", |w| w.zone(DOMAIN, Manner::Failing)).await;
    broken(Spf, "", Unknown, "not answered", |w| w.zone("esp.example", Manner::Failing)).await;
    broken(Spf, "", Pass, "", |w| {
        w.txt(DOMAIN, &["v=spf1 redirect=_spf.good.example"]);
        w.txt("_spf.good.example", &["v=spf1 a:mx1.good.example -all"]);
    })
    .await;
}

#[tokio::test]
async fn the_limits_of_spf_are_counted_over_the_whole_tree() {
    // Five includes of the domain, each with one more of its own: ten.
    let tree = |w: &World, own: usize| {
        let includes = (0..own).map(|at| format!("include:i{at}.esp.example")).collect::<Vec<_>>().join(" ");
        w.txt(DOMAIN, &[&format!("v=spf1 {includes} -all")]);
        for at in 0..own {
            w.txt(&format!("i{at}.esp.example"), &[&format!("v=spf1 include:j{at}.esp.example ~all")]);
            w.txt(&format!("j{at}.esp.example"), &["v=spf1 ip4:192.0.2.1 ~all"]);
        }
    };
    broken(SpfLookups, "", Pass, "8 of 10", |w| tree(w, 4)).await;
    broken(SpfLookups, "", Warn, "10 of 10", |w| tree(w, 5)).await;
    broken(SpfLookups, "", Fail, "12 of 10", |w| tree(w, 6)).await;
    let voids = |w: &World, count: usize| {
        let terms = (0..count).map(|at| format!("a:gone{at}.good.example")).collect::<Vec<_>>().join(" ");
        w.txt(DOMAIN, &[&format!("v=spf1 {terms} -all")]);
    };
    broken(SpfLookups, "", Pass, "2 of 2", |w| voids(w, 2)).await;
    broken(SpfLookups, "", Fail, "3 of 2", |w| voids(w, 3)).await;
}

#[tokio::test]
async fn faults_of_dkim_are_judged() {
    let key = "s1._domainkey.good.example";
    broken(Dkim, "s1", Fail, "no key", |w| w.remove(key)).await;
    broken(Dkim, "s1", Fail, "revoked", |w| w.txt(key, &["v=DKIM1; p="])).await;
    broken(Dkim, "s1", Warn, "t=y", |w| w.txt(key, &[&format!("{}; t=y", rsa_record(2048))])).await;
    broken(Dkim, "s1", Fail, "512 bits", |w| w.txt(key, &[&rsa_record(512)])).await;
    broken(Dkim, "s1", Warn, "1024 bits", |w| w.txt(key, &[&rsa_record(1024)])).await;
    broken(Dkim, "s1", Fail, "several keys", |w| w.txt(key, &[&rsa_record(2048), &rsa_record(1024)])).await;
    broken(Dkim, "s1", Unknown, "SERVFAIL", |w| w.zone(key, Manner::Failing)).await;
}

#[tokio::test]
async fn faults_of_dmarc_are_judged() {
    let at = "_dmarc.good.example";
    let rua = "mailto:d@good.example";
    broken(Dmarc, "", Fail, "no DMARC", |w| w.remove(at)).await;
    broken(Dmarc, "", Fail, "several", |w| w.txt(at, &["v=DMARC1; p=none", "v=DMARC1; p=reject"])).await;
    broken(Dmarc, "", Warn, "only watches", |w| w.txt(at, &["v=DMARC1; p=none; rua=mailto:d@good.example"]))
        .await;
    broken(Dmarc, "", Warn, "pct=20", |w| {
        w.txt(at, &["v=DMARC1; p=reject; pct=20; rua=mailto:d@good.example"]);
    })
    .await;
    broken(Dmarc, "", Unknown, "SERVFAIL", |w| w.zone(at, Manner::Failing)).await;
    broken(
        DmarcReports,
        "mailto:d@reports.example",
        Fail,
        "good.example._report._dmarc.reports.example",
        |w| {
            w.txt(at, &["v=DMARC1; p=reject; rua=mailto:d@reports.example"]);
        },
    )
    .await;
    broken(DmarcReports, "mailto:d@reports.example", Pass, "takes", |w| {
        w.txt(at, &["v=DMARC1; p=reject; rua=mailto:d@reports.example"]);
        w.txt("good.example._report._dmarc.reports.example", &["v=DMARC1"]);
    })
    .await;
    broken(DmarcReports, rua, Warn, "!10m", |w| {
        w.txt(at, &["v=DMARC1; p=reject; rua=mailto:d@good.example!10m"]);
    })
    .await;
}

#[tokio::test]
async fn a_subdomain_is_judged_by_the_record_above_it() {
    let world = World::start().await;
    good(&world, "good.example");
    world.txt("_dmarc.good.example", &["v=DMARC1; p=none; sp=reject; rua=mailto:d@good.example"]);
    let findings = look_at_domain(&world.dns(), None, &question("news.good.example")).await;
    let (state, told) = state(&findings, Dmarc, "");
    assert_eq!((state, told.as_str()), (Pass, "policy reject, from good.example"));
}

#[tokio::test]
async fn faults_of_mail_servers_and_their_tls_are_judged() {
    let server = "mx1.good.example";
    broken(Mx, "", Warn, "no MX", |w| w.mx(DOMAIN, &[])).await;
    broken(Mx, "", Warn, "null MX", |w| w.mx(DOMAIN, &[(0, ".")])).await;
    broken(Mx, "", Fail, "has no address", |w| w.mx(DOMAIN, &[(5, "gone.good.example")])).await;
    broken(Mx, "", Fail, "must be a name", |w| w.mx(DOMAIN, &[(5, "192.0.2.1")])).await;
    broken(Dane, server, Info, "no TLSA", |_| {}).await;
    broken(Dane, server, Unknown, "whether DNSSEC", |w| w.tlsa("_25._tcp.mx1.good.example", 3, vec![7; 32]))
        .await;
    broken(Dane, server, Fail, "usage", |w| w.tlsa("_25._tcp.mx1.good.example", 1, vec![7; 32])).await;
    broken(TlsRpt, "", Info, "not published", |w| w.remove("_smtp._tls.good.example")).await;
    broken(TlsRpt, "", Fail, "no `mailto:`", |w| {
        w.txt("_smtp._tls.good.example", &["v=TLSRPTv1; rua=tls@good.example"]);
    })
    .await;
    broken(Bimi, "", Fail, "DMARC", |w| w.txt("_dmarc.good.example", &["v=DMARC1; p=none"])).await;
    broken(Bimi, "", Info, "not published", |w| w.remove("default._bimi.good.example")).await;
    broken(MtaSts, "", Info, "not published", |w| w.remove("_mta-sts.good.example")).await;
    broken(MtaSts, "", Fail, "`id`", |w| w.txt("_mta-sts.good.example", &["v=STSv1; id="])).await;
}

#[tokio::test]
async fn an_mta_sts_policy_is_fetched_and_a_wrong_one_is_told() {
    let cases = [
        ("a.example", POLICY.replace("good", "a"), Pass, "agree"),
        ("b.example", POLICY.replace("mx1.good", "mx9.b"), Fail, "does not name mx1.b.example"),
        ("c.example", POLICY.replace("enforce", "testing").replace("good", "c"), Warn, "testing"),
        ("d.example", String::new(), Fail, "version"),
    ];
    let hosts: Vec<(String, &str)> =
        cases.iter().map(|(domain, text, ..)| (format!("mta-sts.{domain}"), text.as_str())).collect();
    let hosts: Vec<(&str, &str)> = hosts.iter().map(|(host, text)| (host.as_str(), *text)).collect();
    let (port, root) = policy_server(&hosts).await;
    let world = World::start().await;
    let dns = world.dns();
    let policies = PolicyFetch::new(&dns, tls(&[root]), port);
    for (domain, _, expect, told) in &cases {
        good(&world, domain);
        let findings = look_at_domain(&dns, Some(&policies), &question(domain)).await;
        let (state, said) = state(&findings, MtaSts, "");
        assert_eq!(state, *expect, "{domain}: {said}");
        assert!(said.contains(told), "{domain}: {said}");
    }
    good(&world, "e.example");
    let strangers = PolicyFetch::new(&dns, tls(&[]), port);
    for (policies, told) in [(&policies, "certificate"), (&strangers, "certificate")] {
        let findings = look_at_domain(&dns, Some(policies), &question("e.example")).await;
        let (state, said) = state(&findings, MtaSts, "");
        assert!(state == Fail && said.contains(told), "{said}");
    }
}

#[tokio::test]
async fn what_a_path_needs_is_compared_with_what_is_there() {
    let world = World::start().await;
    good(&world, "good.example");
    world.txt("bounce.esp.example", &["v=spf1 include:_spf.esp.example -all"]);
    let path = |name: &str, include: &str, selector: &str| {
        PathNeeds::from(&EgressPath {
            name: name.to_owned(),
            domain: DOMAIN.to_owned(),
            return_path: (name == "foreign").then(|| "bounce.esp.example".to_owned()),
            spf_include: Some(include.to_owned()),
            ips: if name == "whole" { vec!["192.0.2.7".parse().unwrap()] } else { Vec::new() },
            dkim_selectors: vec![selector.to_owned()],
            dkim_domain: (name == "foreign").then(|| "esp.example".to_owned()),
        })
    };
    world.txt("k1._domainkey.esp.example", &[&rsa_record(2048)]);
    let paths = vec![
        path("whole", "_spf.esp.example", "s1"),
        path("forgotten", "_spf.other.example", "s9"),
        path("foreign", "_spf.esp.example", "k1"),
    ];
    let question = DomainQuestion { paths, ..question(DOMAIN) };
    let findings = look_at_domain(&world.dns(), None, &question).await;
    for (check, about, expect) in [
        (PathSpf, "whole", Pass),
        (PathDkim, "whole s1", Pass),
        (PathSpf, "forgotten", Fail),
        (PathDkim, "forgotten s9", Fail),
        (PathSpf, "foreign", Warn),
        (PathDkim, "foreign k1", Warn),
        (PathSpf, "whole 192.0.2.7", Pass),
        (PathDmarc, "whole", Pass),
        (PathDmarc, "forgotten", Fail),
        (PathDmarc, "foreign", Fail),
    ] {
        let (state, told) = state(&findings, check, about);
        assert_eq!(state, expect, "{check} {about}: {told}");
    }
}

#[tokio::test]
async fn a_path_rests_on_a_record_that_holds_and_on_the_alignment_that_is_asked_for() {
    let world = World::start().await;
    good(&world, DOMAIN);
    let path = PathNeeds::from(&EgressPath {
        name: "esp".to_owned(),
        domain: DOMAIN.to_owned(),
        return_path: Some("bounce.good.example".to_owned()),
        spf_include: Some("_spf.esp.example".to_owned()),
        ips: Vec::new(),
        dkim_selectors: vec!["k1".to_owned()],
        dkim_domain: Some("mail.good.example".to_owned()),
    });
    world.txt("k1._domainkey.mail.good.example", &[&rsa_record(2048)]);
    let asked = DomainQuestion { paths: vec![path], ..question(DOMAIN) };
    let dns = world.dns();
    for (record, dmarc, spf, whole) in [
        ("v=spf1 include:_spf.esp.example -all", "", Pass, Pass),
        ("v=spf1 include:_spf.esp.example -all", "adkim=s; ", Pass, Warn),
        ("v=spf1 include:_spf.esp.example -all", "adkim=s; aspf=s; ", Warn, Fail),
        // An include that does not pass, one too many records, a broken one.
        ("v=spf1 ?include:_spf.esp.example -all", "", Fail, Pass),
        ("v=spf1 include:_spf.esp.example include:gone.example -all", "adkim=s; ", Fail, Fail),
    ] {
        world.txt("bounce.good.example", &[record]);
        world.txt("_dmarc.good.example", &[&format!("v=DMARC1; p=reject; {dmarc}rua=mailto:d@good.example")]);
        let findings = look_at_domain(&dns, None, &asked).await;
        assert_eq!(state(&findings, PathSpf, "esp").0, spf, "{record} {dmarc}: {findings:#?}");
        assert_eq!(state(&findings, PathDmarc, "esp").0, whole, "{record} {dmarc}: {findings:#?}");
    }
}

#[tokio::test]
async fn each_address_that_sends_is_checked_by_spf_as_receivers_do_it() {
    let world = World::start().await;
    good(&world, DOMAIN);
    world.txt(DOMAIN, &["v=spf1 ip4:192.0.2.0/28 a:out.good.example exists:%{i}.ok.good.example include:_spf.esp.example ~all"]);
    world.ips("out.good.example", &["203.0.113.5"]);
    world.ips("203.0.113.9.ok.good.example", &["127.0.0.2"]);
    let ips = ["192.0.2.7", "192.0.2.77", "198.51.100.4", "203.0.113.5", "203.0.113.9", "2001:db8::1"];
    let sender = |ip: &&str| Sender { ip: ip.parse().unwrap(), ehlo: None, messages: 5 };
    let asked = DomainQuestion { senders: ips.iter().map(sender).collect(), ..question(DOMAIN) };
    let dns = world.dns();
    let findings = look_at_domain(&dns, None, &asked).await;
    for (ip, expect) in ips.into_iter().zip([Pass, Fail, Pass, Pass, Pass, Fail]) {
        assert_eq!(state(&findings, SpfSender, ip).0, expect, "{ip}: {findings:#?}");
    }
    let told = state(&findings, SpfSender, "192.0.2.77").1;
    assert!(told.contains("softfail") && told.contains("5 messages"), "{told}");

    world.zone("_spf.esp.example", Manner::Failing);
    let findings = look_at_domain(&dns, None, &asked).await;
    assert_eq!(state(&findings, SpfSender, "192.0.2.7").0, Pass, "what is asked later does not matter");
    assert_eq!(state(&findings, SpfSender, "192.0.2.77").0, Unknown, "the include may name it");
}

#[tokio::test]
async fn a_hundred_addresses_cost_hardly_more_questions_than_one() {
    let world = World::start().await;
    good(&world, DOMAIN);
    let asked = |count: u8| DomainQuestion {
        senders: (0..count)
            .map(|host| Sender { ip: [192, 0, 2, host].into(), ehlo: None, messages: 1 })
            .collect(),
        ..question(DOMAIN)
    };
    let mut costs = Vec::new();
    for count in [1, 100] {
        let dns = world.dns();
        look_at_domain(&dns, None, &asked(count)).await;
        costs.push(dns.asked());
    }
    assert_eq!(costs[0], costs[1]);
}

#[tokio::test]
async fn dane_counts_only_where_signatures_lead_from_the_root_to_it() {
    let tlsa = |octet: u8| RData::TLSA(TLSA::new(3.into(), 1.into(), 1.into(), vec![octet; 32]));
    let mx = |host: &str| RData::MX(MX::new(10, Name::from_ascii(host).unwrap()));
    let a = RData::A(A::new(192, 0, 2, 10));
    let records = [
        ("good.example.", mx("mx1.good.example.")),
        ("mx1.good.example.", a.clone()),
        ("_25._tcp.mx1.good.example.", tlsa(7)),
        ("broken.example.", mx("mx1.broken.example.")),
        ("mx1.broken.example.", a.clone()),
        ("_25._tcp.mx1.broken.example.", tlsa(7)),
        ("plain.example.", mx("mx1.plain.example.")),
        ("mx1.plain.example.", a),
        ("_25._tcp.mx1.plain.example.", tlsa(7)),
        // An unsigned domain whose mail goes to a server in a signed one.
        ("half.plain.example.", mx("mx1.good.example.")),
    ];
    let names = SignedNames::start(&records, &[("_25._tcp.mx1.broken.example.", tlsa(9))]).await;
    let dns = names.dns();
    for (domain, host, expect, told) in [
        ("good.example", "mx1.good.example", Pass, "signed up to the root"),
        ("broken.example", "mx1.broken.example", Fail, "do not hold"),
        ("plain.example", "mx1.plain.example", Fail, "is not signed"),
        ("half.plain.example", "mx1.good.example", Warn, "MX record of the domain is not signed"),
    ] {
        let findings = look_at_domain(&dns, None, &question(domain)).await;
        let (state, said) = state(&findings, Dane, host);
        assert_eq!(state, expect, "{domain}: {said}");
        assert!(said.contains(told), "{domain}: {said}");
    }
    let findings = look_at_domain(&names.dns_of_another_root(), None, &question("good.example")).await;
    let (state, said) = state(&findings, Dane, "mx1.good.example");
    assert!(state == Unknown && said.contains("DNSSEC"), "a chain to a root that is not trusted: {said}");
}

#[tokio::test]
async fn addresses_are_judged_by_their_names() {
    let world = World::start().await;
    world.ptr("192.0.2.1", &["mx1.good.example"]);
    world.ips("mx1.good.example", &["192.0.2.1"]);
    world.ptr("192.0.2.2", &["mx2.good.example"]);
    world.ips("mx2.good.example", &["192.0.2.99"]);
    world.ptr("192.0.2.4", &["192-0-2-4.isp.example"]);
    world.ips("192-0-2-4.isp.example", &["192.0.2.4"]);
    world.ptr("192.0.2.5", &["mx5.good.example"]);
    world.zone("mx5.good.example", Manner::Failing);
    world.ptr("2001:db8::1", &["mx6.good.example"]);
    world.ips("mx6.good.example", &["2001:db8::1"]);
    world.zone("6.2.0.192.in-addr.arpa", Manner::Refusing);
    let dns = world.dns();
    for (ip, ehlo, expect, greeting) in [
        ("192.0.2.1", "mx1.good.example", Pass, Pass),
        ("192.0.2.2", "mx2.good.example", Fail, Warn),
        ("192.0.2.3", "gone.good.example", Fail, Fail),
        ("192.0.2.4", "mx1.good.example", Warn, Warn),
        ("192.0.2.5", "mx5.good.example", Unknown, Unknown),
        ("192.0.2.6", "mx1.good.example", Unknown, Warn),
        ("2001:db8::1", "mx6.good.example", Pass, Pass),
    ] {
        let findings = look_at_ip(&dns, ip.parse().unwrap(), Some(ehlo)).await;
        assert_eq!(state(&findings, Ptr, "").0, expect, "{ip}: {findings:?}");
        assert_eq!(state(&findings, Ehlo, "").0, greeting, "{ip}: {findings:?}");
    }
}

#[tokio::test]
async fn a_snapshot_is_kept_each_day_and_what_changed_is_told_once() {
    const DAY_S: i64 = 86_400;
    const T0: i64 = 1_785_585_600;
    let world = World::start().await;
    good(&world, DOMAIN);
    let (store, _) = store().await;
    let blocklists = Blocklists { enabled: false, ..Blocklists::default() };
    let path = EgressPath {
        name: "own".to_owned(),
        domain: DOMAIN.to_owned(),
        return_path: None,
        spf_include: None,
        ips: Vec::new(),
        dkim_selectors: vec!["s1".to_owned()],
        dkim_domain: None,
    };
    let domains = vec![DOMAIN.to_owned()];
    let settings = Reputation { domains, paths: vec![path], blocklists, ..Reputation::default() };
    let dns = world.dns();
    let policies = PolicyFetch::new(&dns, tls(&[]), 443);
    let parts = Parts { store: store.clone(), dns, policies, lists: Vec::new(), settings };
    let mut watcher = Watcher::new(parts);
    let mut days = 0;
    let mut next = async || {
        watcher.step(Timestamp::from_seconds(T0 + days * DAY_S)).await.unwrap();
        watcher.step(Timestamp::from_seconds(T0 + days * DAY_S + 3_600)).await.unwrap();
        days += 1;
        let range = TimeRange { from_unix: T0, to_unix: T0 + 90 * DAY_S };
        let changes = store.dns_changes(range, None, 100).await.unwrap();
        changes.into_iter().map(|row| (row.check, row.state_before, row.state)).collect::<Vec<_>>()
    };
    assert!(next().await.is_empty(), "a first look is no change");
    assert!(next().await.is_empty());
    world.zone("_dmarc.good.example", Manner::Failing);
    assert!(next().await.is_empty(), "a name server that fails is no change");
    world.zone("_dmarc.good.example", Manner::Honest);
    world.txt("_dmarc.good.example", &["v=DMARC1; p=none; rua=mailto:dmarc@good.example"]);
    let changed = next().await;
    let expected = ("dmarc".to_owned(), "pass".to_owned(), "warn".to_owned());
    assert!(changed.contains(&expected), "{changed:?}");
    assert_eq!(next().await, changed, "and told once");
    let findings = store.dns_findings(0, Some(DOMAIN)).await.unwrap();
    assert!(findings.iter().any(|row| row.check == "spf" && row.detail.contains("_spf.esp.example")));
    assert!(findings.iter().all(|row| row.taken_unix == T0 + 4 * DAY_S), "the newest snapshot alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_tells_by_its_exit_status() {
    let world = World::start().await;
    good(&world, DOMAIN);
    world.remove("_mta-sts.good.example");
    world.ptr("192.0.2.1", &["mx1.good.example"]);
    world.ips("mx1.good.example", &["192.0.2.1"]);
    world.zone("silent.example", Manner::Failing);
    let place = Place::new("");
    let server = world.address.to_string();
    let run = |arguments: &[&str]| {
        let mut command = relaylens();
        command.arg("check").args(arguments).args(["--resolver", &server, "--no-lists", "--config"]);
        let output = command.arg(place.file("relaylens.toml")).output().unwrap();
        (output.status.code().unwrap(), crate::support::text(&output.stdout))
    };
    let (status, told) = run(&["domain", DOMAIN, "--selector", "s1"]);
    assert_eq!(status, 0, "{told}");
    let (status, told) = run(&["domain", DOMAIN, "--selector", "s2"]);
    assert!(status == 1 && told.contains("fail    dkim s2"), "{told}");
    assert_eq!(run(&["domain", "silent.example"]).0, 3);
    assert_eq!(run(&["ip", "192.0.2.1"]).0, 0);
    assert_eq!(run(&["ip", "192.0.2.9"]).0, 1);
    let (status, told) = run(&["ip", "192.0.2.1", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((status, told["findings"][0]["state"].as_str()), (0, Some("pass")));
}
