//! The whole list, one entry a line.
//!
//! The hashed forms let somebody match addresses who is not to read them: the hash is that of the normalised address
//! (lower case, no blanks), in hexadecimal digits, without key or salt, as other lists have it. They tell nothing of
//! notes.

use crate::model::Text;
use crate::model::suppression::Entry;
use crate::suppression::feed::csv;
use crate::suppression::index::{MD5_PREFIX, SHA256_PREFIX, md5_of, sha256_of};
use crate::suppression::sequence::Cursor;
use serde::Serialize;

/// How entries are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Ndjson,
    Csv,
}

/// How addresses are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    Plain,
    Sha256,
    Md5,
}

const COLUMNS: [&str; 9] =
    ["address", "scope", "tenant", "name", "type", "reason", "since", "expires", "note"];

/// One line, by its columns.
#[derive(Serialize)]
struct Line<'a> {
    address: &'a str,
    scope: &'a str,
    tenant: &'a str,
    name: &'a str,
    r#type: &'a str,
    reason: &'a str,
    since: String,
    expires: String,
    note: &'a str,
}

/// Writes what stands before the first entry.
pub fn write_head(out: &mut Vec<u8>, form: Form) {
    if form == Form::Csv {
        csv::write_row(out, COLUMNS);
    }
}

/// Writes an entry. `false` when it has no such identity: an address known by one hash alone cannot be told by the
/// other, and was left out.
pub fn write_entry(out: &mut Vec<u8>, entry: &Entry, form: Form, identity: Identity) -> bool {
    let Some(address) = named(&entry.key.address, identity) else { return false };
    let (tenant, name) = entry.key.scope.parts();
    let line = Line {
        address: &address,
        scope: entry.key.scope.name(),
        tenant,
        name,
        r#type: entry.key.mail_type.name(),
        reason: entry.key.reason.name(),
        since: entry.since.to_string(),
        expires: entry.expires.map(|end| end.to_string()).unwrap_or_default(),
        note: if identity == Identity::Plain { &entry.note } else { "" },
    };
    match form {
        Form::Ndjson => {
            // Writing text into memory cannot fail.
            let _ = serde_json::to_writer(&mut *out, &line);
            out.push(b'\n');
        }
        Form::Csv => {
            let Line { address, scope, tenant, name, r#type, reason, since, expires, note } = &line;
            csv::write_row(out, [*address, scope, tenant, name, r#type, reason, since, expires, note]);
        }
    }
    true
}

/// The validator of a snapshot that was taken at `cursor`: equal for the same list in the same form.
pub fn etag(cursor: &Cursor, form: Form, identity: Identity) -> String {
    format!("\"{cursor}.{}{}\"", form as u8, identity as u8)
}

fn named(address: &Text, identity: Identity) -> Option<Text> {
    let hash = |prefix: &str, hash: fn(&str) -> Text| {
        if let Some(known) = address.strip_prefix(prefix) {
            return Some(Text::from(known));
        }
        let is_hashed = address.starts_with(SHA256_PREFIX) || address.starts_with(MD5_PREFIX);
        (!is_hashed).then(|| Text::from(&hash(address)[prefix.len()..]))
    };
    match identity {
        Identity::Plain => Some(address.clone()),
        Identity::Sha256 => hash(SHA256_PREFIX, sha256_of),
        Identity::Md5 => hash(MD5_PREFIX, md5_of),
    }
}
