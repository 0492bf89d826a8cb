//! A table: the one shape in which rows of figures are shown on every page.

use crate::web::format;
use crate::web::params::Link;
use crate::web::parts::{Difference, Term};
use askama::Template;

#[derive(Debug, Clone, Template)]
#[template(path = "parts/table.html")]
pub(crate) struct Table {
    /// Says what one row is, to those who cannot see the panel around it.
    caption: String,
    columns: Vec<Column>,
    rows: Vec<Row>,
    /// Stands in place of the table when it has no rows.
    empty: String,
    /// Keeps the table at a height of about twelve rows.
    scrolls: bool,
    /// On a narrow screen each cell stands in a line of its own behind the name of its column.
    stacks: bool,
}

impl askama::filters::HtmlSafe for Table {}

#[derive(Debug, Clone)]
pub(crate) enum Head {
    Text(&'static str),
    Term(Term),
}

#[derive(Debug, Clone)]
pub(crate) struct Column {
    head: Head,
    class: &'static str,
}

impl Column {
    pub(crate) const fn text(head: &'static str) -> Self {
        Self { head: Head::Text(head), class: "" }
    }

    pub(crate) const fn number(head: &'static str) -> Self {
        Self { head: Head::Text(head), class: "num" }
    }

    pub(crate) const fn metric(term: Term) -> Self {
        Self { head: Head::Term(term), class: "num" }
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    cells: Vec<Cell>,
    class: &'static str,
}

impl Row {
    pub(crate) const fn new(cells: Vec<Cell>) -> Self {
        Self { cells, class: "" }
    }

    /// A row that sums up those below or above it.
    pub(crate) const fn group(cells: Vec<Cell>) -> Self {
        Self { cells, class: "group" }
    }

    /// A row whose figures are not final.
    pub(crate) const fn partial(cells: Vec<Cell>) -> Self {
        Self { cells, class: "partial" }
    }
}

/// A bar behind a figure, as a share of the largest in its column.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    percent: u32,
    key: &'static str,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Cell {
    text: String,
    sub: Option<String>,
    href: Option<String>,
    class: &'static str,
    tone: &'static str,
    bar: Option<Bar>,
    key: Option<&'static str>,
    difference: Option<Difference>,
    /// The name of its column, where the table stacks.
    label: &'static str,
}

impl Cell {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A figure, set right.
    pub(crate) fn figure(text: impl Into<String>) -> Self {
        Self { class: "num", ..Self::text(text) }
    }

    pub(crate) fn count(number: u64) -> Self {
        Self::figure(format::count(number))
    }

    /// A code or time: on one line.
    pub(crate) fn word(text: impl Into<String>) -> Self {
        Self { class: "word", ..Self::text(text) }
    }

    /// An SMTP code or address: in fixed width, on one line.
    pub(crate) fn code(text: impl Into<String>) -> Self {
        Self { class: "code", ..Self::text(text) }
    }

    /// What a server said: in fixed width, two lines of it.
    pub(crate) fn reply(text: impl Into<String>) -> Self {
        Self { class: "reply", ..Self::text(text) }
    }

    /// A sentence or two: wide enough to read them.
    pub(crate) fn sentence(text: impl Into<String>) -> Self {
        Self { class: "reasons", ..Self::text(text) }
    }

    /// A word with its reasons below it: wide enough to read them.
    pub(crate) fn reasons(self, reasons: &[String]) -> Self {
        Self { class: "reasons", ..self.sub(reasons.join("; ")) }
    }

    /// Set in from the left, under the row of its group.
    pub(crate) fn indented(self) -> Self {
        Self { class: "indented", ..self }
    }

    /// A second, smaller line.
    pub(crate) fn sub(self, sub: impl Into<String>) -> Self {
        Self { sub: Some(sub.into()), ..self }
    }

    pub(crate) fn link(self, href: &Link) -> Self {
        Self { href: Some(href.to_string()), ..self }
    }

    pub(crate) fn tone(self, tone: &'static str) -> Self {
        Self { tone, ..self }
    }

    /// A spot in the colour of an outcome before the text.
    pub(crate) fn key(self, key: &'static str) -> Self {
        Self { key: Some(key), ..self }
    }

    pub(crate) fn bar(self, part: u64, largest: u64, key: &'static str) -> Self {
        let percent = (part * 100).checked_div(largest).unwrap_or(0).min(100);
        Self { bar: Some(Bar { percent: u32::try_from(percent).unwrap_or(100), key }), ..self }
    }

    pub(crate) fn difference(self, difference: Option<Difference>) -> Self {
        Self { difference, ..self }
    }
}

impl Table {
    pub(crate) fn new(caption: impl Into<String>, columns: Vec<Column>, rows: Vec<Row>, empty: &str) -> Self {
        Self {
            caption: caption.into(),
            columns,
            rows,
            empty: empty.to_owned(),
            scrolls: false,
            stacks: false,
        }
    }

    /// For rows in which the last cell matters as much as the first: on a narrow screen nothing is out of sight.
    pub(crate) fn stacking(mut self) -> Self {
        for row in &mut self.rows {
            for (cell, column) in row.cells.iter_mut().zip(&self.columns) {
                cell.label = match column.head {
                    Head::Text(text) => text,
                    // It explains itself in the head alone.
                    Head::Term(_) => "",
                };
            }
        }
        Self { stacks: true, ..self }
    }

    pub(crate) fn scrolling(self) -> Self {
        Self { scrolls: true, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_without_rows_says_why() {
        let table = Table::new("Replies", vec![Column::text("Reply")], Vec::new(), "No reply was refused.");
        assert!(table.to_string().contains("No reply was refused."));
        assert!(!table.to_string().contains("<table"));
    }

    #[test]
    fn a_stacking_table_names_each_cell_and_stays_a_table_for_those_who_hear_it() {
        let rows = || vec![Row::new(vec![Cell::text("a"), Cell::count(7)])];
        let columns = || vec![Column::text("Way in"), Column::number("Taken")];
        let html = Table::new("Ways", columns(), rows(), "").stacking().to_string();
        assert!(html.contains("role=\"cell\" data-label=\"Taken\""), "{html}");
        assert!(!Table::new("Ways", columns(), rows(), "").to_string().contains("data-label"));
    }

    #[test]
    fn what_a_server_said_cannot_become_markup() {
        let rows = vec![Row::new(vec![Cell::reply("550 <script>alert(1)</script>")])];
        let html = Table::new("Replies", vec![Column::text("Reply")], rows, "").to_string();
        assert!(!html.contains("<script>"), "{html}");
    }

    #[test]
    fn a_bar_is_a_share_of_the_largest() {
        let percent = |part, largest| Cell::count(part).bar(part, largest, "hard").bar.map(|bar| bar.percent);
        assert_eq!(percent(1, 4), Some(25));
        assert_eq!(percent(0, 0), Some(0));
    }
}
