//! What a text says of each recipient: the words beside and below it.
//!
//! Way: `prose` has found the recipients, `reply` reads what is said.

use crate::model::{REPLY_BYTES_MAX, Text};
use crate::parse::dsn::lines::{Line, is_rule};
use crate::parse::dsn::phrases::Marks;
use crate::parse::dsn::prose::{Below, Head, Heard};
use crate::parse::dsn::{address, reply};

/// Gathers what is said of each recipient, and says each recipient once.
pub(super) fn hear(lines: &[Line<'_>], heads: &[Head]) -> Vec<Heard> {
    let mut heard: Vec<Heard> = Vec::new();
    let mut shared_from = heads.len();
    for (number, head) in heads.iter().enumerate() {
        let until = heads.get(number + 1).map_or(lines.len(), |next| next.line);
        let mut said = said(lines, head, until);
        if said.is_empty() {
            // Several recipients may stand above what is said of them all.
            shared_from = shared_from.min(number);
        } else {
            if until == lines.len() && shared_from < number {
                for one in heard.iter_mut().filter(|one| one.said.is_empty()) {
                    one.said.clone_from(&said);
                }
            }
            shared_from = heads.len();
        }
        if said.is_empty() && number + 1 == heads.len() {
            said = said_above(lines, heads.first().map_or(0, |first| first.line));
        }
        let original = original(&said);
        match heard.iter_mut().find(|one| one.address == head.address) {
            Some(one) if one.said.is_empty() || !reply::has_code(&one.said) && reply::has_code(&said) => {
                one.said = said;
            }
            Some(_) => {}
            None => heard.push(Heard { address: head.address.clone(), original, said }),
        }
    }
    heard
}

/// What stands behind and below a recipient: the first paragraph, and the next ones when they alone hold the reply.
fn said(lines: &[Line<'_>], head: &Head, until: usize) -> String {
    if head.below == Below::Nothing {
        return reply::unfold(&head.rest);
    }
    let mut first =
        reply::unfold(head.rest.trim_start_matches([':', ',', ';', '.', '>', ')', ']', '"', '\'', ' ']));
    // `bob@example.com; Action: Delayed` repeats the status, and says no more.
    if first.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("action:")) {
        first.clear();
    }
    let mut at = head.line + 1;
    while let Some(line) = lines.get(at).filter(|line| at < until && !line.is_blank()) {
        push(&mut first, line.bare());
        at += 1;
    }
    if reply::has_code(&first) {
        return first;
    }
    let mut below = String::new();
    for paragraph in lines.get(at..until).unwrap_or_default().split(Line::is_blank) {
        let mut marks = Marks::default();
        for line in paragraph {
            marks = marks.with(line.marks);
        }
        let is_contact = marks.has(Marks::CONTACT) && !marks.has(Marks::REASON.with(Marks::FAIL));
        if !is_contact && below.len() < SAID_BYTES_MAX {
            paragraph
                .iter()
                .filter(|line| !is_rule(line.text))
                .for_each(|line| push(&mut below, line.bare()));
        }
    }
    let holds_reply = reply::has_code(&below) || reply::lone_status(&below, 0).is_some();
    if first.is_empty() || holds_reply || head.below == Below::All {
        push(&mut first, &below);
    }
    first
}

/// What is kept of the text below a recipient, in bytes.
const SAID_BYTES_MAX: usize = 2 * REPLY_BYTES_MAX;

/// What stands above a list that says nothing below: the lines that name a reason (`The user(s) account is
/// disabled.`), else the paragraph right above.
fn said_above(lines: &[Line<'_>], first: usize) -> String {
    let above = lines.get(..first).unwrap_or_default();
    let mut said = String::new();
    for line in above.iter().filter(|line| line.marks.has(Marks::REASON)) {
        push(&mut said, line.bare());
    }
    if said.is_empty() {
        let end = above.iter().rposition(|line| !line.is_blank()).map_or(0, |last| last + 1);
        let begin = above[..end].iter().rposition(Line::is_blank).map_or(0, |blank| blank + 1);
        above[begin..end].iter().for_each(|line| push(&mut said, line.bare()));
    }
    said
}

fn push(said: &mut String, text: &str) {
    if text.is_empty() || said.len() > SAID_BYTES_MAX {
        return;
    }
    if !said.is_empty() {
        said.push(' ');
    }
    said.push_str(&reply::unfold(text));
}

/// The address as it was sent to: `(generated from bob@example.com)` of Exim, `(expanded from: <bob@example.com>)` of
/// Sendmail.
pub(in crate::parse::dsn) fn original(said: &str) -> Text {
    let at = ["generated from", "expanded from"].iter().find_map(|mark| said.find(mark));
    at.and_then(|at| address::first(&said[at..])).map(|found| found.normal()).unwrap_or_default()
}
