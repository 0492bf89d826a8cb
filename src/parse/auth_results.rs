//! What one's own mail server found out about a mail: the topmost `Authentication-Results` field.
//!
//! Way: `pipeline::authenticate` asks it when the settings name the server.
//! Source: RFC 8601. Only the topmost field counts, and only from a server that is named: anyone can write the others.

use crate::parse::text::lossy;

/// Bytes of a mail's head that are looked through: heads of real mails have some kilobytes.
const HEAD_BYTES_MAX: usize = 256 << 10;

/// What the field says of DMARC, in lower case: `pass`, `fail`, `none` …; `None` when the topmost field is not from one of
/// these servers, or says nothing of DMARC.
pub fn dmarc_result(mail: &[u8], authserv_ids: &[String]) -> Option<String> {
    let head = lossy(&mail[..mail.len().min(HEAD_BYTES_MAX)]);
    let value = field(&head, "authentication-results")?;
    let (server, results) = value.split_once(';')?;
    // A version may follow the name.
    let server = server.split_whitespace().next()?;
    if !authserv_ids.iter().any(|id| id.eq_ignore_ascii_case(server)) {
        return None;
    }
    let result = results.split(';').find_map(|result| {
        let (method, rest) = result.split_once('=')?;
        method.trim().eq_ignore_ascii_case("dmarc").then_some(rest)
    })?;
    let word = result.trim_start().split(|c: char| !c.is_ascii_alphanumeric()).next()?;
    Some(word.to_ascii_lowercase())
}

/// The value of the first field of that name, unfolded.
fn field(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines();
    let first = lines.by_ref().take_while(|line| !line.is_empty()).find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.trim_end().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })?;
    let folded = lines.take_while(|line| line.starts_with([' ', '\t']));
    Some(folded.fold(first, |value, line| value + " " + line.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: &str, expect: Option<&str>) {
        let mail =
            format!("{head}\r\nFrom: a@b.example\r\n\r\nAuthentication-Results: mx.example; dmarc=pass\r\n");
        assert_eq!(dmarc_result(mail.as_bytes(), &["mx.example".to_owned()]).as_deref(), expect, "{head}");
    }

    #[test]
    fn the_topmost_field_of_a_named_server_counts() {
        check(
            "Authentication-Results: mx.example;\r\n\tdkim=pass header.d=x.example;\r\n dmarc=PASS (p=none)",
            Some("pass"),
        );
        check("authentication-results: MX.Example 1; dmarc=fail reason=\"x\"", Some("fail"));
        check(
            "Authentication-Results: evil.example; dmarc=pass\r\nAuthentication-Results: mx.example; dmarc=pass",
            None,
        );
        check("Authentication-Results: mx.example; spf=pass", None);
        check("Authentication-Results: mx.example", None);
        check("Subject: x", None);
    }
}
