//! The fields of a line: `R=out T=smtp H=mx1.b.example [192.0.2.1]:25 C="250 ok"`.
//!
//! Way: `line` knows where the fields begin, this module reads them up to the end or to the colon before a text.
//! Source: Exim's specification, section "Summary of Fields in Log Lines".

use std::net::{IpAddr, SocketAddr};

/// What the fields say; empty where they do not. `R` is the router of a delivery, and on an arrival the message that
/// a notice is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fields<'a> {
    pub(crate) router: &'a str,
    pub(crate) transport: &'a str,
    pub(crate) host: &'a str,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) port: u16,
    /// The address of this host that the connection used.
    pub(crate) own_ip: Option<IpAddr>,
    pub(crate) sender: &'a str,
    pub(crate) message_id: &'a str,
    pub(crate) size_bytes: u32,
    /// `version:cipher:bits`.
    pub(crate) tls: &'a str,
    /// Whether the certificate was verified: `yes`, `no`, `dane`.
    pub(crate) verified: &'a str,
    /// `authenticator:name`.
    pub(crate) login: &'a str,
    /// The other server's reply, with its escapes.
    pub(crate) confirmation: &'a str,
    pub(crate) queue_ms: Option<u32>,
    pub(crate) delivery_ms: Option<u32>,
    pub(crate) recipients: u16,
}

/// Reads fields from the start of `text`; returns them with the text behind the colon that ends them.
pub(crate) fn read(text: &str) -> (Fields<'_>, &str) {
    let mut fields = Fields::default();
    let mut rest = text.trim_ascii_start();
    while !rest.is_empty() {
        let (word, behind) = split_word(rest);
        let (word, is_last) = match word.strip_suffix(':') {
            Some(word) => (word, true),
            None => (word, false),
        };
        if word == "for" {
            fields.recipients = count_words(behind);
            return (fields, "");
        }
        fields.take(word);
        rest = behind.trim_ascii_start();
        if is_last {
            break;
        }
    }
    (fields, rest)
}

impl<'a> Fields<'a> {
    fn take(&mut self, word: &'a str) {
        let Some((name, value)) = word.split_once('=') else {
            // behind `H=name`: the name given in HELO, then the address
            if word.starts_with('[') && self.ip.is_none() {
                (self.ip, self.port) = read_address(word);
            }
            return;
        };
        match name {
            "R" => self.router = value,
            "T" => self.transport = unquoted(value),
            "H" if value.starts_with('[') => (self.ip, self.port) = read_address(value),
            // what is in parentheses is the client's word for itself
            "H" if !value.starts_with('(') => self.host = value,
            "I" => self.own_ip = read_address(value).0,
            "F" => {
                self.sender =
                    value.strip_prefix('<').and_then(|value| value.strip_suffix('>')).unwrap_or(value);
            }
            // `id*` is one that this relay made
            "id" | "id*" => self.message_id = value,
            "S" => self.size_bytes = value.parse().unwrap_or(u32::MAX),
            "X" => self.tls = value,
            "CV" => self.verified = value,
            "A" => self.login = value,
            "C" => self.confirmation = unquoted(value),
            "QT" => self.queue_ms = milliseconds(value),
            "DT" => self.delivery_ms = milliseconds(value),
            _ => {}
        }
    }
}

/// Splits the next word off. Quotes and angle brackets hold a word together, and a backslash the next byte.
fn split_word(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    let (mut at, mut in_quotes, mut in_angle) = (0, false, false);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'"' => in_quotes = !in_quotes,
            b'<' if !in_quotes => in_angle = true,
            b'>' if !in_quotes => in_angle = false,
            b' ' if !in_quotes && !in_angle => break,
            _ => {}
        }
        at += 1;
    }
    if at > bytes.len() || (at == bytes.len() && (in_quotes || in_angle)) {
        // a line that was cut, or a lone quote: blanks alone count
        at = memchr::memchr(b' ', bytes).unwrap_or(bytes.len());
    }
    text.split_at(at)
}

fn count_words(mut text: &str) -> u16 {
    let mut count: u16 = 0;
    loop {
        text = text.trim_ascii_start();
        if text.is_empty() {
            return count;
        }
        text = split_word(text).1;
        count = count.saturating_add(1);
    }
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').map_or(value, |value| value.strip_suffix('"').unwrap_or(value))
}

/// Reads `[192.0.2.1]:25`, or without the port, or without the brackets.
fn read_address(text: &str) -> (Option<IpAddr>, u16) {
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return (Some(socket.ip().to_canonical()), socket.port());
    }
    let (ip, port) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((ip, rest)) => (ip, rest.strip_prefix(':').unwrap_or_default()),
        None => (text, ""),
    };
    (ip.parse().ok().map(|ip: IpAddr| ip.to_canonical()), port.parse().unwrap_or(0))
}

/// Reads `0.020s`, `5s`, `1m3s`, `2d4h`: weeks to seconds, the last with a fraction when `+millisec` is set.
fn milliseconds(text: &str) -> Option<u32> {
    let (mut total, mut number, mut decimals) = (0_u64, None, None);
    for byte in text.bytes() {
        let unit_ms: u64 = match byte {
            b'0'..=b'9' => {
                let digit = u64::from(byte - b'0');
                match decimals {
                    // a thousandth of a millisecond is not asked for
                    Some(3..) => {}
                    _ => number = Some(number.unwrap_or(0_u64).checked_mul(10)?.checked_add(digit)?),
                }
                decimals = decimals.map(|count: u32| count.saturating_add(1));
                continue;
            }
            b'.' if decimals.is_none() => {
                decimals = Some(0);
                continue;
            }
            b's' => 1_000,
            b'm' => 60_000,
            b'h' => 3_600_000,
            b'd' => 86_400_000,
            b'w' => 604_800_000,
            _ => return None,
        };
        let scale = 10_u64.pow(decimals.take().unwrap_or(0).min(3));
        total = total.checked_add(number.take()?.checked_mul(unit_ms)? / scale)?;
    }
    if number.is_some() || text.is_empty() {
        return None;
    }
    u32::try_from(total).ok()
}

#[cfg(test)]
mod tests {
    use super::{Fields, milliseconds, read};

    #[test]
    fn the_fields_of_a_delivery_are_read() {
        let (fields, rest) = read(
            r#" F=<"a b>"@c.example> R=out T=smtp S=333 H=mx1.b.example [192.0.2.1]:25 I=[192.0.2.25]:53331 X=TLS1.3:AES:256 CV=no DN="CN=a b, O=c" L C="250 \"2.0.0\" ok" QT=1m3s DT=0.014s"#,
        );
        let expect = Fields {
            sender: r#""a b>"@c.example"#,
            router: "out",
            transport: "smtp",
            size_bytes: 333,
            host: "mx1.b.example",
            ip: "192.0.2.1".parse().ok(),
            port: 25,
            own_ip: "192.0.2.25".parse().ok(),
            tls: "TLS1.3:AES:256",
            verified: "no",
            confirmation: r#"250 \"2.0.0\" ok"#,
            queue_ms: Some(63_000),
            delivery_ms: Some(14),
            ..Fields::default()
        };
        assert_eq!((fields, rest), (expect, ""));
    }

    #[test]
    fn the_fields_of_an_arrival_are_read() {
        let (fields, _) = read(
            r#"H=app.example (app1) [2001:db8::9]:4711 P=esmtpa A=plain:shop S=340 id=m1@a.example T="sub \"quoted\" for <x>" from <s@a.example> for a@b.example "odd name, x=1>"@b.example"#,
        );
        assert_eq!((fields.host, fields.ip), ("app.example", "2001:db8::9".parse().ok()));
        assert_eq!((fields.login, fields.message_id, fields.recipients), ("plain:shop", "m1@a.example", 2));
        let (fields, _) = read("R=1xUcxr-0003cf-25 U=exim P=local S=9 id*=E1@a.example");
        assert_eq!((fields.router, fields.message_id), ("1xUcxr-0003cf-25", "E1@a.example"));
        assert_eq!(read("H=(mx1) [192.0.2.1] P=smtp").0.host, "");
        assert_eq!(read("H=[192.0.2.1]:25 P=smtp").0.port, 25);
    }

    #[test]
    fn a_colon_ends_the_fields() {
        let (fields, text) = read("R=out T=smtp H=mx [2001:db8::1]:25: SMTP error: T=x");
        assert_eq!((fields.transport, fields.port, text), ("smtp", 25, "SMTP error: T=x"));
        assert_eq!(read(r#"DN="CN=a": no"#).1, "no");
        assert_eq!(read("F=<a@b.example>: no").1, "no");
    }

    #[test]
    fn fields_that_were_cut_are_passed_over() {
        let line = r#"F=<"a b>"@c.example> H=mx1.b.example [192.0.2.1]:25 C="250 \"ok\" a" QT=1m3s for "a b"@c.example"#;
        for end in 0..=line.len() {
            let _ = read(&line[..end]);
        }
        assert_eq!(read("T=\"sub S=5 R=x").0.size_bytes, 5);
        assert_eq!(read("C=\\").0.confirmation, "\\");
    }

    #[test]
    fn durations_are_read_in_every_unit() {
        for (text, expect) in [
            ("0.020s", Some(20)),
            ("5s", Some(5_000)),
            ("1m3s", Some(63_000)),
            ("1w2d3h4m5.1234s", Some(788_645_123)),
            ("8w", None),
            ("5", None),
            ("", None),
            ("s", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(milliseconds(text), expect, "{text}");
        }
    }
}
