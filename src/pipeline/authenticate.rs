//! Whether a mail is from whom it says, found out when it is taken from the spool: keys of signatures change.
//!
//! Way: `read` hands over the entries that it has taken, before they are read; `feedback` and `reports` ask for what was
//! found. One's own server is believed first (`parse::auth_results`), else DKIM signatures are checked.
//! Source: RFC 6376 (DKIM), RFC 9990 section 3.5 and RFC 8460 section 5.3: report mail must be signed.
//! Not here: what feedback is about (`attribute`).
//!
//! The DNS is asked beside the reading and never holds it up for long: after [`WAIT_MAX`] what has no answer is unknown,
//! and after several such waits nothing is asked for a while.

use crate::model::{SourceKind, Text, domain_of};
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

/// Who runs a feedback loop, by the domain that signs its reports.
///
/// Source: senders.yahooinc.com/complaint-feedback-loop; Microsoft's JMRP; Validity's Universal Feedback Loop.
const LOOP_SIGNERS: [&str; 9] = [
    "arf.mail.yahoo.com",
    "yahoo.com",
    "hotmail.com",
    "outlook.com",
    "microsoft.com",
    "returnpath.net",
    "senderscore.net",
    "validity.com",
    "fastmail.com",
];

/// What was found out about a mail.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Verdict {
    pub(super) authenticity: Authenticity,
    /// In words.
    pub(super) evidence: Text,
    /// The known feedback loop that signed it.
    pub(super) feedback_loop: Option<&'static str>,
}

/// Checks mails.
#[derive(Default)]
pub struct Authenticator {
    dns: Option<MessageAuthenticator>,
    authserv_ids: Vec<String>,
    paused_until: Mutex<Option<Instant>>,
}

impl Authenticator {
    /// Without `dns` no signature is checked. `authserv_ids` are the names of one's own mail servers.
    pub fn new(dns: Option<MessageAuthenticator>, authserv_ids: Vec<String>) -> Self {
        Self { dns, authserv_ids, paused_until: Mutex::default() }
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
        let checks =
            to_ask.into_iter().map(|entry| async { (entry.seq, by_signature(dns, &entry.payload).await) });
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
        Some(Verdict { authenticity, evidence, feedback_loop: None })
    }

    fn is_paused(&self) -> bool {
        self.pause().is_some_and(|until| Instant::now() < until)
    }

    fn pause(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.paused_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn by_signature(dns: &MessageAuthenticator, mail: &[u8]) -> Verdict {
    let unknown = |evidence| Verdict { evidence: Text::const_new(evidence), ..Verdict::default() };
    let Some(message) = AuthenticatedMessage::parse(mail) else { return Verdict::default() };
    if message.dkim_headers.is_empty() {
        return unknown("not signed");
    }
    if message.dkim_headers.len() > SIGNATURES_MAX {
        return unknown("too many signatures");
    }
    let from = domain_of(message.from()).to_lowercase();
    let outputs = dns.verify_dkim(&message).await;
    let results =
        outputs.iter().filter_map(|output| Some((output.signature()?.d.to_lowercase(), output.result())));
    let results: Vec<(String, &DkimResult)> = results.collect();
    let passed = || results.iter().filter(|(_, result)| **result == DkimResult::Pass);
    let feedback_loop =
        LOOP_SIGNERS.into_iter().find(|signer| passed().any(|(domain, _)| is_under(domain, signer)));
    if let Some((domain, _)) = passed().find(|(domain, _)| is_aligned(domain, &from)) {
        let evidence = compact_str::format_compact!("signed by {domain}");
        return Verdict { authenticity: Authenticity::Pass, evidence, feedback_loop };
    }
    // A signature of the sender's own that does not hold: changed on the way, or never his.
    let broken = results
        .iter()
        .find(|(domain, result)| is_aligned(domain, &from) && matches!(result, DkimResult::Fail(_)));
    if let Some((domain, DkimResult::Fail(why))) = broken {
        let evidence = compact_str::format_compact!("the signature of {domain} does not hold: {why}");
        return Verdict { authenticity: Authenticity::Fail, evidence, feedback_loop: None };
    }
    match passed().next() {
        Some((domain, _)) => Verdict {
            authenticity: Authenticity::Unknown,
            evidence: compact_str::format_compact!("signed by {domain} alone, which is not its sender"),
            feedback_loop,
        },
        None => unknown("no key for its signature was found"),
    }
}

/// Relaxed alignment: both have the same registered domain (RFC 9989 section 4.4).
fn is_aligned(one: &str, other: &str) -> bool {
    match (psl::domain_str(one), psl::domain_str(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

fn is_under(domain: &str, above: &str) -> bool {
    domain.strip_suffix(above).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
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
        let authenticator = Authenticator::new(None, vec!["mx.example".to_owned()]);
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
    fn domains_align_by_what_is_registered() {
        assert!(is_aligned("mail.example.co.uk", "example.co.uk"));
        assert!(!is_aligned("a.co.uk", "b.co.uk"));
        assert!(
            is_under("x.arf.mail.yahoo.com", "arf.mail.yahoo.com") && !is_under("notyahoo.com", "yahoo.com")
        );
    }
}
