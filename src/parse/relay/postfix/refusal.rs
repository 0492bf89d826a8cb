//! Lines about mail that the relay itself refused or threw away.
//!
//! Way: `line` finds the verb, this module reads the rest, `apply` makes an event of it.
//! Source: Postfix `src/smtpd/smtpd_check.c` (`log_whatsup`), `src/cleanup/cleanup_message.c` and
//! `cleanup_milter.c`, `src/postscreen/postscreen_smtpd.c`.
//! Not here: verbs after which the message goes on (`hold`, `warn`, `filter`, `redirect`, `info`).

use super::reply;
use crate::model::{SmtpReply, SmtpStage};
use crate::parse::relay::cut::{at_byte, at_pair};
use std::net::IpAddr;

/// A refused recipient or message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal<'a> {
    /// Taken and thrown away, where the client was told that all is well.
    pub(crate) is_discard: bool,
    /// It ends the whole message, not one recipient of it.
    pub(crate) ends_message: bool,
    pub(crate) reply: SmtpReply,
    pub(crate) client_ip: Option<IpAddr>,
    pub(crate) sender: &'a str,
    pub(crate) recipient: &'a str,
    pub(crate) sasl_username: &'a str,
}

/// The envelope begins here: `; from=<a> to=<b> proto=ESMTP helo=<c>`.
const ENVELOPE: &str = "; from=<";

/// Reads a refusal such as `reject: RCPT from name[ip]: 550 text; from=<…> …`; `None` for any other text.
pub(crate) fn read(text: &str) -> Option<Refusal<'_>> {
    let (verb, rest) = at_pair(text, *b": ")?;
    let is_discard = match verb {
        "reject" | "milter-reject" => false,
        "discard" | "milter-discard" => true,
        _ => return None,
    };
    // a client cannot put a blank into its helo name, so the last one begins the envelope
    let envelope_at = memchr::memmem::rfind(rest.as_bytes(), ENVELOPE.as_bytes());
    let (front, envelope) = envelope_at.map_or((rest, ""), |at| (&rest[..at], &rest[at + ENVELOPE.len()..]));
    let (command, front) = front.split_once(' ').unwrap_or((front, ""));
    let is_content = matches!(command, "header" | "body" | "mime-header" | "nested-header");
    // the content of a message may hold ` from `, a command may not
    let (_, client) = if is_content { front.rsplit_once("from ") } else { front.split_once("from ") }?;
    let words = if is_content { behind_helo(envelope) } else { behind_client(client) };
    let stage = if is_content { SmtpStage::Dot } else { reply::stage_of_command(command) };
    let (sender, recipient) = split_envelope(envelope);
    Some(Refusal {
        is_discard,
        ends_message: is_discard || matches!(stage, SmtpStage::Data | SmtpStage::Dot),
        reply: reply::read_refusal(words, stage),
        client_ip: client_ip(client),
        sender,
        recipient,
        sasl_username: sasl_username(envelope),
    })
}

/// Returns the value of `sasl_username=` in the fields of a line; empty when it has none.
pub(crate) fn sasl_username(fields: &str) -> &str {
    const NAME: &str = "sasl_username=";
    let Some(at) = memchr::memmem::find(fields.as_bytes(), NAME.as_bytes()) else { return "" };
    let rest = &fields[at + NAME.len()..];
    let end = memchr::memchr2(b',', b' ', rest.as_bytes()).unwrap_or(rest.len());
    rest[..end].trim_start_matches('<').trim_end_matches('>')
}

/// Returns the address in the first brackets of `name[ip]` or `[ip]:port`.
pub(crate) fn client_ip(client: &str) -> Option<IpAddr> {
    let (_, rest) = at_byte(client, b'[')?;
    at_byte(rest, b']')?.0.parse().ok()
}

/// Returns the text of `name[ip]:port: text`.
fn behind_client(client: &str) -> &str {
    at_byte(client, b']').and_then(|(_, rest)| at_pair(rest, *b": ")).map_or("", |(_, words)| words)
}

/// A content rule's text stands behind the envelope: `helo=<c>: 5.7.1 text`.
fn behind_helo(envelope: &str) -> &str {
    let Some((_, helo)) = envelope.split_once("helo=<") else { return "" };
    helo.split_once(">: ").map_or("", |(_, words)| words)
}

/// Splits `a> to=<b> proto=…` into sender and recipient; postscreen puts commas between.
fn split_envelope(envelope: &str) -> (&str, &str) {
    let front = match memchr::memmem::rfind(envelope.as_bytes(), b" proto=") {
        Some(at) => &envelope[..at],
        None => envelope,
    };
    let front = front.trim_end_matches(',');
    let (sender, recipient) =
        front.split_once("> to=<").or_else(|| front.split_once(">, to=<")).unwrap_or((front, ""));
    (sender.strip_suffix('>').unwrap_or(sender), recipient.strip_suffix('>').unwrap_or(recipient))
}

#[cfg(test)]
mod tests {
    use super::{Refusal, read, sasl_username};
    use crate::model::SmtpStage;

    #[track_caller]
    fn check(text: &str) -> Refusal<'_> {
        let refusal = read(text).unwrap();
        assert_eq!(refusal.client_ip, Some("192.0.2.1".parse().unwrap()), "{text}");
        assert_eq!((refusal.sender, refusal.recipient), ("s@a.example", "r@b.example"), "{text}");
        refusal
    }

    #[test]
    fn a_refused_recipient_is_read() {
        let refusal = check(
            "reject: RCPT from app[192.0.2.1]: 450 4.7.1 <r@b.example>: Recipient address rejected: Greylisted; \
             come again; from=<s@a.example> to=<r@b.example> proto=ESMTP helo=<app> sasl_username=<shop>",
        );
        assert_eq!((refusal.reply.code, refusal.reply.stage), (450, SmtpStage::Rcpt));
        assert!(refusal.reply.text.ends_with("Greylisted; come again"));
        assert_eq!(refusal.sasl_username, "shop");
        assert!(!refusal.is_discard && !refusal.ends_message);
    }

    #[test]
    fn the_other_doors_are_read() {
        let milter = check(
            "milter-reject: END-OF-MESSAGE from app[192.0.2.1]: 5.7.1 Command rejected; from=<s@a.example> \
             to=<r@b.example> proto=ESMTP helo=<app>",
        );
        assert_eq!((milter.reply.code, milter.reply.text.as_str()), (0, "Command rejected"));
        let content = check(
            "reject: header Subject: a from b[198.51.100.1]: x from app[192.0.2.1]; from=<s@a.example> \
             to=<r@b.example> proto=ESMTP helo=<app>: 5.7.1 message content rejected",
        );
        assert_eq!(content.reply.text, "message content rejected");
        assert!(milter.ends_message && content.ends_message);
        let postscreen = check(
            "reject: RCPT from [192.0.2.1]:4711: 550 5.7.1 blocked; from=<s@a.example>, to=<r@b.example>, \
             proto=ESMTP, helo=<app>",
        );
        assert_eq!(postscreen.reply.text, "blocked");
        let discard = check(
            "discard: RCPT from app[192.0.2.1]: <r@b.example>: Recipient address triggers DISCARD action; \
             from=<s@a.example> to=<r@b.example> proto=ESMTP helo=<app>",
        );
        assert!(discard.is_discard && discard.ends_message);
    }

    #[test]
    fn verbs_after_which_the_message_goes_on_are_no_refusals() {
        for verb in ["hold", "warn", "reject_warning", "filter", "redirect", "info", "replace"] {
            assert_eq!(read(&format!("{verb}: RCPT from app[192.0.2.1]: x; from=<a> to=<b>")), None);
        }
    }

    #[test]
    fn a_refusal_that_was_cut_keeps_what_is_there() {
        let text =
            "reject: RCPT from app[192.0.2.1]: 550 5.7.1 no; from=<s@a.example> to=<r@b.example> proto=SMTP";
        for end in 0..text.len() {
            let _ = read(&text[..end]);
        }
        assert_eq!(read("reject: RCPT from app[192.0.2.1]: 550 no; from=<s@a").unwrap().sender, "s@a");
        assert_eq!(read("reject: RCPT from app[192.0").unwrap().client_ip, None);
    }

    #[test]
    fn the_user_name_ends_at_the_next_field() {
        assert_eq!(
            sasl_username("app[192.0.2.1], sasl_method=PLAIN, sasl_username=shop, sasl_sender=x"),
            "shop"
        );
        assert_eq!(sasl_username("app[192.0.2.1]"), "");
    }
}
