//! The step of an SMTP conversation that a text names.
//!
//! Way: `reply` asks for what is said of one recipient, `dsn` for a whole text that is about one.
//! Source: the texts of Postfix, Exim, Sendmail, qmail, dma and Yahoo name it in a phrase each.

use crate::model::SmtpStage;
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use std::sync::LazyLock;

/// What servers write about the step at which they were answered; the first that stands in a text counts.
const STAGES: [(SmtpStage, &[&str]); 9] = [
    (
        SmtpStage::Rcpt,
        &[
            "reply to rcpt to",
            "after rcpt to",
            "after rcpt command",
            "[rcpt_to]",
            "our rcpt to",
            "rcpt command",
            "> rcpt to",
            "<<< rcpt to",
            "does not like recipient",
            "rejected recipient",
            "recipient was rejected",
            "smtp command rcpt",
            "for rcpt to",
        ],
    ),
    (
        SmtpStage::Mail,
        &[
            "reply to mail from",
            "after mail from",
            "after mail command",
            "[mail_from]",
            "our mail from",
            "mail from command",
            "> mail from",
            "<<< mail from",
            "sender was rejected",
            "smtp command mail",
        ],
    ),
    (
        SmtpStage::Dot,
        &[
            "reply to end of data",
            "after end of data",
            "end of data command",
            "final data",
            "failed after i sent the message",
            "after text command",
            "for text command",
            "after data command",
            "after sending message",
            "after pipelined end of data",
            ">>> .\r",
            "step: data send",
        ],
    ),
    (
        SmtpStage::Data,
        &[
            "reply to data",
            "after data",
            "[data]",
            "failed on data",
            ">>> data",
            "<<< data",
            "(data)",
            "smtp command data",
            "after pipelined data",
        ],
    ),
    (
        SmtpStage::Ehlo,
        &[
            "reply to ehlo",
            "reply to helo",
            "after ehlo",
            "after helo",
            "my name was rejected",
            "[ehlo]",
            "[helo]",
            ">>> ehlo",
            ">>> helo",
        ],
    ),
    (
        SmtpStage::Banner,
        &[
            "after initial connection",
            "reply to initial",
            "initial server greeting",
            "refused to talk to me",
            "greeting failed",
            "[connect]",
            "during greeting",
        ],
    ),
    (
        SmtpStage::Connect,
        &[
            "connection refused",
            "connection timed out",
            "no route to host",
            "network is unreachable",
            "wasn't able to establish an smtp connection",
            "could not connect",
            "socket error",
            "did not accept our requests to connect",
        ],
    ),
    (
        SmtpStage::Tls,
        &["reply to starttls", "after starttls", "tls negotiation", "tls handshake", ">>> starttls"],
    ),
    (SmtpStage::Auth, &["reply to auth", "after auth", ">>> auth"]),
];

static STAGE_WORDS: LazyLock<(AhoCorasick, Vec<SmtpStage>)> = LazyLock::new(|| {
    let words = STAGES.iter().flat_map(|(stage, words)| words.iter().map(|word| (*stage, *word)));
    let (stages, words): (Vec<_>, Vec<_>) = words.unzip();
    let search = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        .kind(Some(AhoCorasickKind::DFA))
        .build(words)
        .expect("a fixed list of short words is a small automaton");
    (search, stages)
});

/// The step of the conversation that a text names. The words of a connection that failed count only when no other
/// step is named: a reply may speak of connections, too.
pub(super) fn read(text: &str) -> SmtpStage {
    let (search, stages) = &*STAGE_WORDS;
    let mut named = search.find_iter(text).map(|found| stages[found.pattern().as_usize()]);
    let Some(first) = named.next() else { return SmtpStage::Unknown };
    if first == SmtpStage::Connect {
        return named.find(|stage| *stage != SmtpStage::Connect).unwrap_or(first);
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_is_read() {
        let step = |text| read(text);
        assert_eq!(step("(in reply to RCPT TO command)"), SmtpStage::Rcpt);
        assert_eq!(step("SMTP error from remote mail server after end of data:"), SmtpStage::Dot);
        assert_eq!(step("did not like our final DATA:"), SmtpStage::Dot);
        assert_eq!(step("connect to mx.example.com[192.0.2.1]:25: Connection refused"), SmtpStage::Connect);
        assert_eq!(step("Connected to 192.0.2.1 but sender was rejected."), SmtpStage::Mail);
        assert_eq!(step("mailbox full"), SmtpStage::Unknown);
    }
}
