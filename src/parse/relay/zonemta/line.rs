//! Log lines: `info Sender/default/4711[c1] id=SESSION QUEUE.SEQ ACCEPTED from=… to=… src=… mx=… id=… (250 ok)`.
//!
//! Way: the reader cuts the head off, this module reads the line into a fact.
//! Source: ZoneMTA `lib/sender.js`, `lib/mail-drop.js`, `lib/mail-queue.js`; npmlog for level and prefix.

use super::Fact;
use crate::model::RejectReason;
use crate::parse::Reject;
use crate::parse::relay::cut::at_byte;

/// Whether the line begins with a level of npmlog, as the program prints it.
pub(super) fn has_level(line: &str) -> bool {
    const LEVELS: [&str; 9] = ["info", "verb", "http", "sill", "WARN", "ERR!", "warn", "error", "notice"];
    at_byte(line, b' ').is_some_and(|(level, _)| LEVELS.contains(&level))
}

/// Reads a line; `None` when it tells nothing of mail.
///
/// # Errors
///
/// [`RejectReason::Syntax`] for a delivery line whose fields are not there: it was cut.
pub(super) fn read(text: &str) -> Result<Option<Fact<'_>>, Reject> {
    let Some((mut fact, rest)) = read_front(text) else { return Ok(None) };
    match fact.action {
        "ACCEPTED" | "DEFERRED" | "REJECTED" => {
            take_delivery(&mut fact, rest).ok_or_else(|| {
                Reject::new(
                    RejectReason::Syntax,
                    "delivery line without its fields (`from= to= src= mx= id= (…)`); was the line cut?",
                )
            })?;
        }
        "QUEUED" | "NOQUEUE" => take_message(&mut fact, rest),
        "DROP" => {
            match rest.strip_prefix("Recipient ").and_then(|rest| rest.split_once(" was found from ")) {
                Some((recipient, _)) => fact.to = recipient,
                None => take_message(&mut fact, rest),
            }
        }
        "DELSUCCESS" => {}
        _ => return Ok(None),
    }
    Ok(Some(fact))
}

/// Reads level, prefix, ids and state; returns them with the text behind the state.
fn read_front(text: &str) -> Option<(Fact<'_>, &str)> {
    let text = if has_level(text) { at_byte(text, b' ')?.1 } else { text };
    let (prefix, rest) = at_byte(text.trim_ascii_start(), b' ')?;
    let mut fact = Fact::default();
    if let Some(zone) = prefix.strip_prefix("Sender/") {
        fact.zone = zone.split('/').next().unwrap_or_default();
    }
    let (first, behind) = at_byte(rest, b' ')?;
    // a drop by the list and a deletion name no session
    let (ids, rest) = match first.strip_prefix("id=") {
        Some(session) => {
            fact.session_id = session;
            at_byte(behind, b' ')?
        }
        None => (first, behind),
    };
    fact.queue_id = at_byte(ids, b'.').map_or(ids, |(id, _)| id);
    let (state, rest) = at_byte(rest, b' ').unwrap_or((rest, ""));
    (fact.action, fact.category) = match at_byte(state, b'[') {
        Some((action, category)) => (action, category.strip_suffix(']').unwrap_or(category)),
        None => (state, ""),
    };
    Some((fact, rest))
}

/// Takes the fields of a delivery in their order; an address may hold blanks, so the next field's name ends each.
fn take_delivery<'a>(fact: &mut Fact<'a>, text: &'a str) -> Option<()> {
    let rest = text.strip_prefix("from=")?;
    let (from, rest) = rest.split_once(" to=")?;
    let (to, rest) = rest.split_once(" src=")?;
    let (source_ip, rest) = rest.split_once(" mx=")?;
    let (mx, rest) = rest.split_once(" id=")?;
    let (message_id, response) = rest.split_once(" (")?;
    fact.from = envelope_sender(from);
    fact.to = to;
    fact.source_ip = source_ip.parse().ok();
    let (mx_host, ip) = at_byte(mx, b'[').unwrap_or((mx, ""));
    // undefined: there was no connection
    fact.mx_host = if mx_host == "undefined" { "" } else { mx_host };
    fact.mx_ip = ip.strip_suffix(']').and_then(|ip| ip.parse().ok());
    fact.message_id = if matches!(message_id, "false" | "undefined") { "" } else { message_id };
    fact.response = response.strip_suffix(')').unwrap_or(response);
    Some(())
}

/// `a@shop.example[b@bounce.example]` when the envelope was rewritten: what the receiver saw.
fn envelope_sender(from: &str) -> &str {
    let from = from
        .strip_suffix(']')
        .and_then(|from| from.rsplit_once('['))
        .map_or(from, |(_, rewritten)| rewritten);
    if from == "<>" { "" } else { from }
}

/// Takes what a message says of itself: `(message-id=<…> from=… to=a,b src=… subject="…")`.
fn take_message<'a>(fact: &mut Fact<'a>, text: &'a str) {
    let Some(mut rest) =
        text.trim_ascii().strip_prefix('(').map(|rest| rest.strip_suffix(')').unwrap_or(rest))
    else {
        return;
    };
    while let Some((name, value)) = rest.split_once('=') {
        let (value, behind) = split_value(value);
        match name.trim_ascii_start() {
            "message-id" => fact.message_id = value,
            "from" => fact.from = if value == "<>" { "" } else { value },
            "to" => fact.to = value,
            "src" => fact.source_ip = value.parse().ok(),
            "auth" | "user" => fact.login = value,
            "body" => fact.size_bytes = fact.size_bytes.max(value.parse().unwrap_or(0)),
            _ => {}
        }
        rest = behind;
    }
}

/// Splits a value off; one with blanks is a JSON string.
fn split_value(text: &str) -> (&str, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        return at_byte(text, b' ').unwrap_or((text, ""));
    };
    let mut is_escaped = false;
    for (at, byte) in quoted.bytes().enumerate() {
        match byte {
            b'"' if !is_escaped => return (&quoted[..at], &quoted[at + 1..]),
            _ => is_escaped = byte == b'\\' && !is_escaped,
        }
    }
    (quoted, "")
}
