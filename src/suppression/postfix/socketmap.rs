//! The socketmap protocol: a netstring with the map's name and the key; a netstring with the answer.
//!
//! `suppress` answers as an access map, `transport` as a transport map. A context may follow the name:
//! `suppress;tenant=acme;type=marketing`. `return-path` signs envelope senders, `return-path;from=example.com` those of
//! that domain alone.
//! Source: `socketmap_table(5)`; netstrings, cr.yp.to/proto/netstrings.txt.

use crate::suppression::postfix::desk::{Answer, Desk, NOT_LOADED};
use crate::suppression::postfix::{Context, MapAnswer};

/// Longest request, in bytes: a name with its context, and an address. Postfix takes replies of 100,000 bytes; it
/// sends no limit for its own.
pub(super) const REQUEST_BYTES_MAX: usize = 8 * 1024;
/// Digits of that number.
const LENGTH_DIGITS_MAX: usize = 4;

/// The client does not speak the protocol; the connection is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a netstring of at most {REQUEST_BYTES_MAX} bytes")]
pub(super) struct NotSpoken;

/// Splits the first request off: its text, and how many bytes it took. `None` when its end is not there yet.
pub(super) fn split(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, NotSpoken> {
    let head = &bytes[..bytes.len().min(LENGTH_DIGITS_MAX + 1)];
    let Some(colon) = head.iter().position(|byte| *byte == b':') else {
        let may_become = head.len() <= LENGTH_DIGITS_MAX && head.iter().all(u8::is_ascii_digit);
        return if may_become { Ok(None) } else { Err(NotSpoken) };
    };
    let digits =
        std::str::from_utf8(&head[..colon]).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let length: usize = digits.and_then(|text| text.parse().ok()).ok_or(NotSpoken)?;
    if length > REQUEST_BYTES_MAX {
        return Err(NotSpoken);
    }
    let (begin, end) = (colon + 1, colon + 1 + length);
    match bytes.get(end) {
        None => Ok(None),
        Some(b',') => Ok(Some((&bytes[begin..end], end + 1))),
        Some(_) => Err(NotSpoken),
    }
}

/// Answers a request.
pub(super) fn answer(desk: &Desk, request: &[u8], out: &mut Vec<u8>) {
    let text = std::str::from_utf8(request).map_or_else(
        |_| "NOTFOUND ".to_owned(),
        |request| {
            let (map, key) = request.split_once(' ').unwrap_or((request, ""));
            decide(desk, map, key)
        },
    );
    out.extend_from_slice(text.len().to_string().as_bytes());
    out.push(b':');
    out.extend_from_slice(text.as_bytes());
    out.push(b',');
}

fn decide(desk: &Desk, map: &str, key: &str) -> String {
    let (name, context) = map.split_once(';').unwrap_or((map, ""));
    let map = match name {
        "suppress" => MapAnswer::Access,
        "transport" => MapAnswer::Transport,
        "return-path" => return sign(desk, context, key),
        _ => return "PERM there is no such map: ask `suppress`, `transport` or `return-path`".into(),
    };
    // A transport map is asked for `*` and for domains, too.
    if !key.contains('@') {
        return "NOTFOUND ".into();
    }
    match desk.answer(&Context::parse(context).question(key)) {
        Answer::Free => "NOTFOUND ".into(),
        Answer::NotLoaded => format!("TEMP {NOT_LOADED}"),
        Answer::Suppressed(reason) => format!("OK {}", map.value(reason)),
    }
}

fn sign(desk: &Desk, context: &str, sender: &str) -> String {
    let Some(return_paths) = &desk.return_paths else {
        return "PERM set `return_path.domain` and `return_path.keys_file`".into();
    };
    let from = context.split(';').find_map(|pair| pair.trim().strip_prefix("from="));
    match return_paths.of_sender(sender, from, (desk.clock)()) {
        Some(return_path) => format!("OK {return_path}"),
        None => "NOTFOUND ".into(),
    }
}
