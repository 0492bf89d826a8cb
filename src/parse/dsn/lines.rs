//! The lines of a text, with what their words say.
//!
//! Way: `prose` cuts a text here, `prose` and `transcript` read the lines.
//! Not here: the words (`phrases`).

use crate::parse::dsn::phrases::{self, Marks};
use crate::parse::text;

/// Lines looked at. A notice of thousands of recipients has a few for each.
const LINES_MAX: usize = 20_000;

const QUOTE: &str = "\u{2019}";

/// A line of the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'t> {
    /// Without blanks at its end.
    pub(super) text: &'t str,
    pub(super) marks: Marks,
}

impl<'t> Line<'t> {
    pub(super) fn is_blank(&self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn bare(&self) -> &'t str {
        self.text.trim_start()
    }

    pub(super) fn indent(&self) -> usize {
        self.text.len() - self.bare().len()
    }
}

/// Cuts the text into lines, with the marks of each; and the text with single blanks.
pub(super) fn mark(text: &str) -> (Vec<Line<'_>>, String, Marks) {
    let mut lines: Vec<Line<'_>> = text::lines(text)
        .take(LINES_MAX)
        .map(|line| Line { text: line.trim_end(), marks: Marks::default() })
        .collect();
    let mut flat = String::with_capacity(text.len() + 1);
    let mut begins = Vec::with_capacity(lines.len());
    for line in &lines {
        begins.push(flat.len());
        flatten_line(line.text, &mut flat);
    }
    let mut all = Marks::default();
    let line_of = |at: usize| begins.partition_point(|begin| *begin <= at).saturating_sub(1);
    phrases::scan(&flat, |mark, range| {
        all = all.with(mark);
        for line in [line_of(range.start), line_of(range.end - 1)] {
            if let Some(line) = lines.get_mut(line) {
                line.marks = line.marks.with(mark);
            }
        }
    });
    (lines, flat, all)
}

/// The text with single blanks for runs of them and for line ends: phrases go over both.
pub(super) fn flatten(text: &str) -> String {
    let mut flat = String::with_capacity(text.len() + 1);
    text::lines(text).take(LINES_MAX).for_each(|line| flatten_line(line, &mut flat));
    flat
}

fn flatten_line(line: &str, flat: &mut String) {
    let begin = flat.len();
    for word in line.split_ascii_whitespace() {
        flat.push_str(word);
        flat.push(' ');
    }
    if flat.len() == begin {
        // A blank line ends what a phrase can go over.
        flat.push('\n');
    } else if memchr::memchr(QUOTE.as_bytes()[0], &flat.as_bytes()[begin..]).is_some() {
        // `couldn’t` is `couldn't` by another hand.
        let plain = flat[begin..].replace(QUOTE, "'");
        flat.truncate(begin);
        flat.push_str(&plain);
    }
}

/// Whether a line is a rule across the page, or a headline between two.
pub(super) fn is_rule(line: &str) -> bool {
    const MARKS: [char; 6] = ['-', '=', '*', '_', '~', '#'];
    let bare = line.trim();
    bare.starts_with(MARKS) && bare.ends_with(MARKS) && bare.len() - bare.trim_matches(MARKS).len() > 3
}
