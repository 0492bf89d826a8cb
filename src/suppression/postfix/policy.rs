//! The policy protocol: a block of `name=value` lines, an empty line; `action=…`, an empty line.
//!
//! Source: `SMTPD_POLICY_README`.

use crate::suppression::postfix::desk::{Answer, Desk, NOT_LOADED};
use crate::suppression::postfix::{Context, MapAnswer};

/// Longest request, in bytes. Postfix' own attributes come to about 1 kB; names of certificates may be long.
pub(super) const REQUEST_BYTES_MAX: usize = 32 * 1024;

/// What Postfix tells of a recipient. Empty when it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PolicyRequest<'a> {
    pub recipient: &'a str,
    pub sender: &'a str,
    pub sasl_username: &'a str,
    pub client_address: &'a str,
    /// Port at which Postfix took the mail (3.5 and later).
    pub server_port: &'a str,
    pub instance: &'a str,
    pub queue_id: &'a str,
    /// As `main.cf` says it (3.1 and later).
    pub policy_context: &'a str,
}

impl<'a> PolicyRequest<'a> {
    /// Reads the lines of one request. Attributes that are not needed, or come twice, are passed over, as the
    /// protocol asks.
    pub(super) fn parse(block: &'a str) -> Self {
        let mut request = Self::default();
        for (name, value) in block.lines().filter_map(|line| line.split_once('=')) {
            let field = match name {
                "recipient" => &mut request.recipient,
                "sender" => &mut request.sender,
                "sasl_username" => &mut request.sasl_username,
                "client_address" => &mut request.client_address,
                "server_port" => &mut request.server_port,
                "instance" => &mut request.instance,
                "queue_id" => &mut request.queue_id,
                "policy_context" => &mut request.policy_context,
                _ => continue,
            };
            if field.is_empty() {
                *field = value;
            }
        }
        request
    }
}

/// Splits the first request off: its lines, and how many bytes it took. `None` when its end is not there yet.
pub(super) fn split(bytes: &[u8]) -> Option<(&[u8], usize)> {
    if bytes.first() == Some(&b'\n') {
        return Some((&[], 1));
    }
    let end = memchr::memmem::find(bytes, b"\n\n")?;
    Some((&bytes[..end], end + 2))
}

/// Answers a request. One that cannot be read lets mail through.
pub(super) fn answer(desk: &Desk, request: &[u8], out: &mut Vec<u8>) {
    // Postfix sends an address of SMTPUTF8 as UTF-8, and others as ASCII.
    let action = std::str::from_utf8(request).map_or(Answer::Free, |block| decide(desk, block));
    out.extend_from_slice(b"action=");
    match action {
        Answer::Free => out.extend_from_slice(b"DUNNO"),
        Answer::NotLoaded => {
            out.extend_from_slice(b"DEFER_IF_PERMIT 4.7.1 ");
            out.extend_from_slice(NOT_LOADED.as_bytes());
        }
        Answer::Suppressed(reason) => {
            out.extend_from_slice(MapAnswer::Access.value(reason).as_bytes());
        }
    }
    out.extend_from_slice(b"\n\n");
}

fn decide(desk: &Desk, block: &str) -> Answer {
    let request = PolicyRequest::parse(block);
    if request.recipient.is_empty() {
        return Answer::Free;
    }
    let mut context = Context::parse(request.policy_context);
    (desk.labels)(&request, &mut context);
    desk.answer(&context.question(request.recipient))
}
