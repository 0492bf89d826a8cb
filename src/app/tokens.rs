//! The tokens that open the port: one of the administrator, and more with a scope each, known by their hash alone.

use crate::app::database::read_secret;
use crate::config::Http;
use crate::model::{Caller, Role, Text};
use anyhow::Context;
use sha2::{Digest, Sha256};

/// Most tokens of a file: each request is compared with all of them.
const TOKENS_MAX: usize = 1_000;

/// Name in the audit log of whoever holds `http.token_file`.
const ADMINISTRATOR: Text = Text::const_new("admin");

/// A token's digest: comparing digests tells nothing of the token by its time.
pub(super) type TokenDigest = [u8; 32];

/// All tokens of the settings; none when the port is open to this machine.
pub(super) fn load(settings: &Http) -> anyhow::Result<Vec<(TokenDigest, Caller)>> {
    let mut tokens = Vec::new();
    if let Some(file) = &settings.token_file {
        let caller = Caller { name: ADMINISTRATOR, role: Role::Admin };
        tokens.push((digest(read_secret(file)?.as_bytes()), caller));
    }
    if let Some(file) = &settings.tokens_file {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("`http.tokens_file` {} cannot be read", file.display()))?;
        tokens.extend(parse(&text).with_context(|| format!("`http.tokens_file` {}", file.display()))?);
    }
    Ok(tokens)
}

pub(super) fn digest(token: &[u8]) -> TokenDigest {
    Sha256::digest(token).into()
}

/// The line of the tokens file for a token.
pub(crate) fn line(name: &str, role: Role, token: &str) -> String {
    use std::fmt::Write;
    let mut line = format!("{name} {role} ");
    for byte in digest(token.as_bytes()) {
        // Writing into a text in memory cannot fail.
        let _ = write!(line, "{byte:02x}");
    }
    line
}

fn parse(text: &str) -> anyhow::Result<Vec<(TokenDigest, Caller)>> {
    let mut tokens: Vec<(TokenDigest, Caller)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wanted = || {
            format!(
                "line {number} is no token: write `NAME SCOPE SHA256` as `relaylens token` prints it; scopes are read, \
                 write and admin"
            )
        };
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [name, role, hash] = words[..] else { anyhow::bail!(wanted()) };
        let role = Role::from_name(role).with_context(wanted)?;
        let digest = digest_from(hash).with_context(wanted)?;
        anyhow::ensure!(
            tokens.iter().all(|(_, known)| known.name != name),
            "line {number}: `{name}` stands twice; a token's name says in the audit log who it was"
        );
        tokens.push((digest, Caller { name: name.into(), role }));
        anyhow::ensure!(tokens.len() <= TOKENS_MAX, "more than {TOKENS_MAX} tokens: delete old ones");
    }
    anyhow::ensure!(!tokens.is_empty(), "there is no token in it; make one with `relaylens token NAME`");
    Ok(tokens)
}

fn digest_from(hex: &str) -> Option<TokenDigest> {
    let mut digest = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_printed_is_read_again() {
        let line = line("ci", Role::Write, "sesame");
        let tokens = parse(&format!("# machines\n\n{line}\n")).unwrap();
        assert_eq!(tokens, [(digest(b"sesame"), Caller { name: "ci".into(), role: Role::Write })]);
        assert!(!line.contains("sesame"));
    }

    #[test]
    fn faults_name_the_line() {
        let good = line("a", Role::Read, "x");
        for (text, wanted) in [
            (String::new(), "no token in it"),
            (format!("{good}\nci write"), "line 2"),
            ("ci owner 00".to_owned(), "line 1"),
            (format!("{good}\n{good}"), "stands twice"),
        ] {
            let error = format!("{:#}", parse(&text).unwrap_err());
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }
}
