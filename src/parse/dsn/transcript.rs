//! A conversation in SMTP, as notices copy it: which recipients were refused in it.
//!
//! Way: `prose` adds those refused to the recipients that it finds by itself.
//! Source: Sendmail's transcript (`>>> RCPT To:<bob@example.com>`, `<<< 550 …`, `550 <bob@example.com>... User
//! unknown`), copied in form by many; the `Sent <<< RCPT TO:`, `Received >>> 550` of Trend Micro's.
//! Not here: the reply's meaning (`reply`).

use crate::model::Text;
use crate::parse::dsn::address;
use crate::parse::dsn::lines::Line;
use crate::parse::dsn::reply;

/// A recipient that a server refused.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) line: usize,
    pub(super) address: Text,
    pub(super) said: String,
}

/// Reads the conversation out of a text's lines.
pub(super) fn refused(lines: &[Line<'_>]) -> Vec<Refused> {
    let mut found = Vec::new();
    // The command given last, with the recipient that it offered.
    let mut last: Option<(usize, Command)> = None;
    // A refusal of something else than a recipient: the local summary behind it names who failed by it.
    let mut pending: Option<String> = None;
    for (number, line) in lines.iter().enumerate() {
        let bare = spoken(line.text);
        if let Some(command) = command(bare) {
            last = Some((number, command));
        } else if is_talk(bare) {
            (last, pending) = (None, None);
        } else if let Some(rest) = refusal(bare) {
            let exchange = |at: usize| format!("{} {}", lines[at].text.trim_start(), line.text.trim_start());
            match last.take() {
                Some((line, Command::Rcpt(address))) => {
                    found.push(Refused { line, address, said: exchange(line) });
                }
                Some((line, Command::Other)) => pending = Some(exchange(line)),
                None => {
                    let subject = address::leading(rest).filter(|one| is_subject(rest, one.end));
                    if let Some(subject) = subject {
                        let said = pending.take().unwrap_or_else(|| reply::unfold(bare));
                        found.push(Refused { line: number, address: subject.normal(), said });
                    }
                }
            }
        }
    }
    found
}

/// `... while talking to mx.example.com:` begins another conversation.
fn is_talk(line: &str) -> bool {
    const TALK: &str = "while talking to";
    line.trim_start_matches(['.', ' '])
        .get(..TALK.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(TALK))
}

/// Whether a line is part of a conversation, by the mark of who speaks.
pub(super) fn is_spoken(line: &str) -> bool {
    let bare = line.trim_start();
    let is_marked = [">>>", "<<<", "-->", "<--", "->>", "<<-"].iter().any(|mark| bare.starts_with(mark));
    is_marked && {
        let said = spoken(line);
        command(said).is_some() || refusal(said).is_some()
    }
}

/// A line without the marks of who speaks.
fn spoken(line: &str) -> &str {
    let bare = line.trim_start_matches(['<', '>', '-', '=', ' ', '\t', '|', ':']);
    let bare = ["Sent", "Received", "SENT", "RECEIVED", "RECV", "Client", "Server"]
        .iter()
        .find_map(|who| bare.strip_prefix(who))
        .unwrap_or(bare);
    // An address in brackets keeps its opening one.
    let dropped = line.len() - bare.len();
    let bare = bare.trim_start_matches(['<', '>', '-', '=', ' ', '\t', ':']);
    if bare.len() + dropped == line.len() { bare } else { bare.trim_start() }
}

/// A command of SMTP.
#[derive(Debug)]
enum Command {
    /// Offers this recipient.
    Rcpt(Text),
    Other,
}

fn command(line: &str) -> Option<Command> {
    let starts = |word: &str| line.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if starts("RCPT TO") {
        return Some(address::first(line).map_or(Command::Other, |found| Command::Rcpt(found.normal())));
    }
    let others = ["MAIL FROM:", "DATA", "RSET", "QUIT", "EHLO ", "HELO "];
    others.iter().any(|word| starts(word)).then_some(Command::Other)
}

/// The text behind the codes of a reply that refuses.
fn refusal(line: &str) -> Option<&str> {
    let bytes = line.as_bytes();
    let is_code = bytes.len() > 4
        && matches!(bytes[0], b'4' | b'5')
        && bytes[1].is_ascii_digit()
        && bytes[2].is_ascii_digit()
        && matches!(bytes[3], b' ' | b'-');
    if !is_code {
        return None;
    }
    let rest = line[4..].trim_start();
    let status = crate::model::EnhancedCode::parse_prefix(rest).map_or(0, |(_, length)| length);
    Some(rest[status..].trim_start())
}

/// Whether the reply speaks of the address in front: `<bob@example.com>... User unknown`, `bob@example.com: no`.
fn is_subject(text: &str, end: usize) -> bool {
    let rest = text[end..].trim_start();
    rest.is_empty() || rest.starts_with(['.', ':', ',', '-'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::dsn::phrases::Marks;

    #[track_caller]
    fn check(text: &str, want: &[&str]) {
        let lines: Vec<_> = text.lines().map(|text| Line { text, marks: Marks::default() }).collect();
        let got = refused(&lines);
        let got: Vec<_> = got.iter().map(|one| one.address.as_str()).collect();
        assert_eq!(got, want, "text was:\n{text}");
    }

    #[test]
    fn who_was_refused_is_read() {
        check(
            "... while talking to mx.example.com:\n>>> RCPT To:<bob@example.com>\n<<< 550 5.1.1 no\n",
            &["bob@example.com"],
        );
        check(
            "Sent <<< RCPT TO:<bob@example.com>\nReceived >>> 550 5.1.1 <bob@example.com>... user unknown\n",
            &["bob@example.com"],
        );
        check("550 5.1.1 <bob@example.com>... User unknown\n", &["bob@example.com"]);
    }

    #[test]
    fn a_refusal_of_another_step_is_told_by_the_summary_behind_it() {
        let text = ">>> MAIL From:<news@example.org>\n<<< 501 open relay\n554 <bob@example.com>... Remote protocol error\n";
        let lines: Vec<_> = text.lines().map(|text| Line { text, marks: Marks::default() }).collect();
        let found = refused(&lines);
        assert_eq!(found[0].address, "bob@example.com");
        assert_eq!(found[0].said, ">>> MAIL From:<news@example.org> <<< 501 open relay");
    }

    #[test]
    fn who_was_not_refused_is_not() {
        check(">>> RCPT To:<bob@example.com>\n<<< 250 fine\n>>> DATA\n<<< 554 no\n", &[]);
        check(">>> MAIL From:<bob@example.com>\n<<< 550 no\n", &[]);
        check("550 You cannot write to yourself (bob@example.com)\n", &[]);
    }
}
