//! Comma-separated values. Source: RFC 4180; as in practice, lines may end in LF alone.

/// Writes a row and ends its line. Fields are quoted when they must be.
pub fn write_row<'a>(out: &mut Vec<u8>, fields: impl IntoIterator<Item = &'a str>) {
    for (number, field) in fields.into_iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        write_field(out, field);
    }
    out.push(b'\n');
}

fn write_field(out: &mut Vec<u8>, field: &str) {
    if !field.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        out.extend_from_slice(field.as_bytes());
        return;
    }
    out.push(b'"');
    for byte in field.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// Whether a quoted field is still open at the end of `text`, so that the row goes on in the next line.
pub(super) fn is_open(text: &[u8]) -> bool {
    memchr::memchr_iter(b'"', text).count() % 2 == 1
}

/// Splits a row, without the end of its line. `None` when a quote stands where none may.
pub(super) fn split(row: &str, separator: char) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = row;
    loop {
        let (field, after) = if let Some(quoted) = rest.trim_start_matches(' ').strip_prefix('"') {
            unquoted(quoted)?
        } else {
            let end = rest.find(separator).unwrap_or(rest.len());
            (rest[..end].trim().to_owned(), &rest[end..])
        };
        fields.push(field);
        match after.strip_prefix(separator) {
            Some(next) => rest = next,
            None if after.is_empty() => return Some(fields),
            None => return None,
        }
    }
}

/// The field whose opening quote has been taken off, and what follows its closing one.
fn unquoted(mut from: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    loop {
        let (text, after) = from.split_once('"')?;
        field.push_str(text);
        match after.strip_prefix('"') {
            Some(again) => {
                field.push('"');
                from = again;
            }
            None => return Some((field, after.trim_start_matches(' '))),
        }
    }
}
