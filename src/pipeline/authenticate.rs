//! Whether a mail is from whom it says, found out when it is taken from the spool: keys of signatures change.
//!
//! Way: `read` hands over the entries that it has taken, before they are read; `feedback` and `reports` ask for what was
//! found. One's own server is believed first (`parse::auth_results`), else DKIM signatures are checked.
//! Source: RFC 6376 (DKIM), RFC 9990 section 3.5 and RFC 8460 section 5.3: report mail must be signed.
//! Not here: what feedback is about (`attribute`).
//!
//! The DNS is asked beside the reading and never holds it up for long: after [`WAIT_MAX`] what has no answer is unknown,
//! and after several such waits nothing is asked for a while.

use crate::model::{SourceKind, Text, domain_of, is_under};
use crate::parse::auth_results::dmarc_result;
use crate::spool::Entry;
use crate::store::Authenticity;
use futures_util::StreamExt as _;
use mail_auth::{AuthenticatedMessage, DkimResult, MessageAuthenticator};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// Mails whose signatures are checked at once.
const AT_ONCE: usize = 16;

/// How long one turn of reading waits for the DNS.
const WAIT_MAX: Duration = Duration::from_secs(3);

/// How long nothing is asked after the DNS did not answer in time.
const PAUSE: Duration = Duration::from_mins(1);

/// Signatures of one mail that are checked; real mail has one or two.
const SIGNATURES_MAX: usize = 8;

/// Who runs a feedback loop, by the address or domain that its reports are from. Only senders under whose name no user of
/// the provider can write: anyone can have a mailbox at hotmail.com and sign with its key.
///
/// Source: senders.yahooinc.com/faqs (signed by `arf.mail.yahoo.com`); Microsoft's JMRP writes as `staff@hotmail.com`;
/// Validity's Universal Feedback Loop.
const LOOP_SENDERS: [&str; 5] =
    ["arf.mail.yahoo.com", "staff@hotmail.com", "returnpath.net", "senderscore.net", "validity.com"];

/// What was found out about a mail.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Verdict {
    pub(super) authenticity: Authenticity,
    /// In words.
    pub(super) evidence: Text,
    /// The sender, if it is genuine and known to run a feedback loop.
    pub(super) feedback_loop: Option<Text>,
}

/// Checks mails.
#[derive(Default)]
pub struct Authenticator {
    dns: Option<MessageAuthenticator>,
    authserv_ids: Vec<String>,
    /// Further senders of feedback loops, lower case, as in [`LOOP_SENDERS`].
    loop_senders: Vec<String>,
    paused_until: Mutex<Option<Instant>>,
}

impl Authenticator {
    /// Without `dns` no signature is checked. `authserv_ids` are the names of one's own mail servers, `loop_senders`
    /// addresses or domains of feedback loops besides the known ones.
    pub fn new(
        dns: Option<MessageAuthenticator>,
        authserv_ids: Vec<String>,
        loop_senders: &[String],
    ) -> Self {
        let loop_senders = loop_senders.iter().map(|sender| sender.to_lowercase()).collect();
        Self { dns, authserv_ids, loop_senders, paused_until: Mutex::default() }
    }

    /// Checks all mails among the entries; returns verdicts by their place in the spool.
    pub(super) async fn check_all(&self, entries: &[Entry]) -> HashMap<u64, Verdict> {
        let mails = entries.iter().filter(|entry| entry.source.kind == SourceKind::Mail);
        let mut verdicts = HashMap::new();
        let mut to_ask = Vec::new();
        for entry in mails {
            match self.by_own_server(&entry.payload) {
                Some(verdict) => drop(verdicts.insert(entry.seq, verdict)),
                None => to_ask.push(entry),
            }
        }
        let Some(dns) = self.dns.as_ref().filter(|_| !to_ask.is_empty() && !self.is_paused()) else {
            return verdicts;
        };
        let checks = to_ask
            .into_iter()
            .map(|entry| async { (entry.seq, self.by_signature(dns, &entry.payload).await) });
        let mut checks = futures_util::stream::iter(checks).buffer_unordered(AT_ONCE);
        let deadline = tokio::time::Instant::now() + WAIT_MAX;
        loop {
            match tokio::time::timeout_at(deadline, checks.next()).await {
                Ok(Some((seq, verdict))) => drop(verdicts.insert(seq, verdict)),
                Ok(None) => return verdicts,
                Err(_) => {
                    tracing::warn!(
                        pause_s = PAUSE.as_secs(),
                        "the DNS is slow: signatures of mails stay unchecked"
                    );
                    *self.pause() = Some(Instant::now() + PAUSE);
                    return verdicts;
                }
            }
        }
    }

    fn by_own_server(&self, mail: &[u8]) -> Option<Verdict> {
        if self.authserv_ids.is_empty() {
            return None;
        }
        let result = dmarc_result(mail, &self.authserv_ids)?;
        let authenticity = match result.as_str() {
            "pass" => Authenticity::Pass,
            "fail" => Authenticity::Fail,
            _ => Authenticity::Unknown,
        };
        let evidence = compact_str::format_compact!("dmarc={result} by one's own mail server");
        let from = AuthenticatedMessage::parse(mail).and_then(|message| sender_of(&message));
        Some(self.verdict(authenticity, evidence, &from.unwrap_or_default()))
    }

    async fn by_signature(&self, dns: &MessageAuthenticator, mail: &[u8]) -> Verdict {
        let unknown = |evidence| Verdict { evidence: Text::const_new(evidence), ..Verdict::default() };
        let Some(message) = AuthenticatedMessage::parse(mail) else { return Verdict::default() };
        if message.dkim_headers.is_empty() {
            return unknown("not signed");
        }
        if message.dkim_headers.len() > SIGNATURES_MAX {
            return unknown("too many signatures");
        }
        let Some(from) = sender_of(&message) else { return unknown("not from one sender") };
        let from_domain = domain_of(&from);
        let outputs = dns.verify_dkim(&message).await;
        let results =
            outputs.iter().filter_map(|output| Some((output.signature()?.d.to_lowercase(), output.result())));
        let results: Vec<(String, &DkimResult)> = results.collect();
        let passed = || results.iter().filter(|(_, result)| **result == DkimResult::Pass);
        if let Some((domain, _)) = passed().find(|(domain, _)| is_aligned(domain, from_domain)) {
            let evidence = compact_str::format_compact!("signed by {domain}");
            return self.verdict(Authenticity::Pass, evidence, &from);
        }
        // A signature of the sender's own that does not hold: changed on the way, or never his.
        let broken = results.iter().find(|(domain, result)| {
            is_aligned(domain, from_domain) && matches!(result, DkimResult::Fail(_))
        });
        if let Some((domain, DkimResult::Fail(why))) = broken {
            let evidence = compact_str::format_compact!("the signature of {domain} does not hold: {why}");
            return self.verdict(Authenticity::Fail, evidence, &from);
        }
        match passed().next() {
            Some((domain, _)) => {
                let evidence =
                    compact_str::format_compact!("signed by {domain} alone, which is not its sender");
                self.verdict(Authenticity::Unknown, evidence, &from)
            }
            None => unknown("no key for its signature was found"),
        }
    }

    fn verdict(&self, authenticity: Authenticity, evidence: Text, from: &str) -> Verdict {
        let is_loop = authenticity == Authenticity::Pass && self.is_loop(from);
        Verdict { authenticity, evidence, feedback_loop: is_loop.then(|| from.into()) }
    }

    fn is_loop(&self, from: &str) -> bool {
        let is_sender = |sender: &str| {
            if sender.contains('@') { from == sender } else { is_under(domain_of(from), sender) }
        };
        LOOP_SENDERS.into_iter().chain(self.loop_senders.iter().map(String::as_str)).any(is_sender)
    }

    fn is_paused(&self) -> bool {
        self.pause().is_some_and(|until| Instant::now() < until)
    }

    fn pause(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.paused_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address that a mail is from, in lower case; none where there are several, of which each reader picks another.
fn sender_of(message: &AuthenticatedMessage<'_>) -> Option<String> {
    match message.from.as_slice() {
        [from] => Some(from.to_lowercase()),
        _ => None,
    }
}

/// Relaxed alignment: both have the same registered domain (RFC 9989 section 4.4).
fn is_aligned(one: &str, other: &str) -> bool {
    match (psl::domain_str(one), psl::domain_str(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{SourceRef, Timestamp};

    fn entry(seq: u64, mail: &str) -> Entry {
        Entry {
            seq,
            accepted_total: seq,
            source: SourceRef { kind: SourceKind::Mail, name: "mx".into() },
            received: Timestamp::from_seconds(1),
            items: 1,
            offset: 0,
            file: Text::default(),
            payload: mail.to_owned().into(),
        }
    }

    #[tokio::test]
    async fn one_s_own_server_is_believed_and_no_other() {
        let authenticator = Authenticator::new(None, vec!["mx.example".to_owned()], &[]);
        let mails = [
            "Authentication-Results: mx.example; dmarc=pass\r\n\r\n",
            "Authentication-Results: mx.example; dmarc=fail\r\n\r\n",
            "Authentication-Results: other.example; dmarc=pass\r\n\r\n",
        ];
        let entries: Vec<Entry> = (1..).zip(mails).map(|(seq, mail)| entry(seq, mail)).collect();
        let verdicts = authenticator.check_all(&entries).await;
        assert_eq!(verdicts[&1].authenticity, Authenticity::Pass);
        assert_eq!(verdicts[&2].authenticity, Authenticity::Fail);
        assert!(!verdicts.contains_key(&3));
    }

    #[test]
    fn a_user_of_a_provider_with_a_feedback_loop_is_not_the_loop() {
        let authenticator = Authenticator::new(None, Vec::new(), &["Reports.Example".to_owned()]);
        let is_loop = ["feedback@arf.mail.yahoo.com", "staff@hotmail.com", "x@fbl.reports.example"];
        let is_none =
            ["anyone@yahoo.com", "anyone@hotmail.com", "staff@evilhotmail.com", "x@notreports.example"];
        assert!(is_loop.into_iter().all(|from| authenticator.is_loop(from)));
        assert!(!is_none.into_iter().any(|from| authenticator.is_loop(from)));
    }

    #[test]
    fn domains_align_by_what_is_registered() {
        assert!(is_aligned("mail.example.co.uk", "example.co.uk"));
        assert!(!is_aligned("a.co.uk", "b.co.uk"));
    }
}
