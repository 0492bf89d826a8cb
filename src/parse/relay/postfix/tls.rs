//! TLS of a delivery, from the line that the same process wrote before it.
//!
//! Way: `line` reads such a line, `apply` remembers it and asks when a delivery line of the same process
//! comes.
//! Source: Postfix `src/tls/tls_misc.c` (`tls_log_summary`), with `smtp_tls_loglevel` of 1 or more.
//!
//! The line has no queue id. It is believed for the deliveries of one message only: the first one after it by
//! the same process, to the same host, address and port, over a connection that was not used before. Anything
//! else stays without TLS fields, since wrong ones would be worse.

use crate::model::Text;
use crate::parse::relay::cut::{at_byte, at_pair};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Processes remembered: Postfix runs 100 of each service unless told otherwise (`default_process_limit`),
/// and one log may hold several relays. When over, all are forgotten; the next deliveries lack their TLS
/// fields.
const PROCESSES_MAX: usize = 10_000;

/// A connection that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TlsLine<'a> {
    peer: &'a str,
    version: &'a str,
    cipher: &'a str,
}

impl<'a> TlsLine<'a> {
    /// Reads `Trusted TLS connection established to host[ip]:port: TLSv1.3 with cipher NAME (…) …`.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        // the level of trust is one word
        let (_, rest) = at_byte(text, b' ')?;
        let rest = rest.strip_prefix("TLS connection established to ")?;
        let (peer, rest) = at_pair(rest, *b": ")?;
        let (version, rest) = rest.split_once(" with cipher ")?;
        let cipher = at_byte(rest, b' ').map_or(rest, |(name, _)| name);
        Some(Self { peer, version, cipher })
    }
}

/// What the last TLS line of one process said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TlsSession {
    peer: Text,
    pub(crate) version: Text,
    pub(crate) cipher: Text,
    /// Queue id of the message that it was believed for; empty before the first.
    user: Text,
}

/// The last TLS line of each process, by `pid host`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct TlsSessions(HashMap<Text, TlsSession>);

impl TlsSessions {
    pub(crate) fn remember(&mut self, process: Text, line: TlsLine<'_>) {
        if self.0.len() >= PROCESSES_MAX && !self.0.contains_key(&process) {
            self.0.clear();
        }
        let TlsLine { peer, version, cipher } = line;
        let session = TlsSession {
            peer: peer.into(),
            version: version.into(),
            cipher: cipher.into(),
            user: Text::default(),
        };
        self.0.insert(process, session);
    }

    /// Returns the session that a delivery over a fresh connection went through, if that is certain.
    pub(crate) fn of_delivery(&mut self, process: &str, peer: &str, queue_id: &str) -> Option<&TlsSession> {
        let session = self.0.get_mut(process)?;
        if session.peer == peer && (session.user.is_empty() || session.user == queue_id) {
            session.user = queue_id.into();
            return self.0.get(process);
        }
        // the process has another connection now, which began without such a line
        self.0.remove(process);
        None
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{PROCESSES_MAX, TlsLine, TlsSessions};

    const LINE: &str = "Untrusted TLS connection established to mx.example[192.0.2.1]:25: TLSv1.3 with cipher \
                        TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519";
    const PEER: &str = "mx.example[192.0.2.1]:25";

    fn sessions() -> TlsSessions {
        let mut sessions = TlsSessions::default();
        sessions.remember("17 mx1".into(), TlsLine::read(LINE).unwrap());
        sessions
    }

    #[test]
    fn a_session_counts_for_one_message() {
        let mut sessions = sessions();
        for _recipient in 0..2 {
            let session = sessions.of_delivery("17 mx1", PEER, "3F1A22C0E5").unwrap();
            assert_eq!((&*session.version, &*session.cipher), ("TLSv1.3", "TLS_AES_256_GCM_SHA384"));
        }
        assert!(sessions.of_delivery("17 mx1", PEER, "3F1A22C0E6").is_none());
        assert!(sessions.is_empty(), "forgotten with the first delivery that is not its own");
    }

    #[test]
    fn a_session_counts_for_its_process_and_peer_only() {
        assert!(sessions().of_delivery("18 mx1", PEER, "3F1A22C0E5").is_none());
        assert!(sessions().of_delivery("17 mx1", "mx.example[192.0.2.2]:25", "3F1A22C0E5").is_none());
    }

    #[test]
    fn the_processes_are_bounded() {
        let mut sessions = TlsSessions::default();
        for pid in 0..=PROCESSES_MAX {
            sessions.remember(format!("{pid} mx1").into(), TlsLine::read(LINE).unwrap());
        }
        assert_eq!(sessions.0.len(), 1);
    }

    #[test]
    fn other_lines_are_none() {
        for text in
            ["", "connect to mx.example", "Trusted TLS connection established from a[192.0.2.1]: TLSv1.3"]
        {
            assert_eq!(TlsLine::read(text), None, "{text}");
        }
    }
}
