//! What happened beside the figures: marks on charts, and a list of them under each chart for those who cannot see it.
//!
//! Way: a page asks for the [`Marks`] of its filter once, and gives them to its charts; `assets/js/marks.js` draws them.

use crate::alert::Rules;
use crate::store::StoreError;
use crate::store::query::{Filter, MarkRow};
use crate::web::Site;
use crate::web::format;
use askama::Template;
use serde::Serialize;

/// Most marks of a chart: more upright lines would hide the figures. The others are counted under it.
pub(crate) const MARKS_MAX: u32 = 30;

/// The marks of a page, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Marks {
    all: Vec<Mark>,
    /// Those beyond [`MARKS_MAX`].
    left_out: u64,
}

/// One of them, as the chart script reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Mark {
    /// By which drawing and list belong together.
    number: usize,
    tone: &'static str,
    from: i64,
    until: i64,
    title: String,
    #[serde(skip)]
    what: &'static str,
    #[serde(skip)]
    when: String,
    #[serde(skip)]
    detail: String,
    #[serde(skip)]
    href: Option<String>,
}

/// The list under a chart.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "parts/marks.html")]
pub(crate) struct MarkList {
    marks: Vec<Mark>,
    left_out: u64,
}

impl askama::filters::HtmlSafe for MarkList {}

impl Marks {
    /// Asks for what happened in the filter's range and does not speak of other mail.
    pub(crate) async fn of(site: &Site, filter: &Filter) -> Result<Self, StoreError> {
        let rows = site.store().marks(filter, MARKS_MAX).await?;
        Ok(Self::new(rows, site.alerts().rules()))
    }

    pub(crate) fn new(mut rows: Vec<MarkRow>, rules: &Rules) -> Self {
        let left_out = rows.first().map_or(0, |row| row.total.saturating_sub(rows.len() as u64));
        rows.sort_by_key(|row| row.from_unix);
        let all = rows.into_iter().enumerate().map(|(index, row)| mark(index + 1, row, rules));
        Self { all: all.collect(), left_out }
    }

    /// Those that touch a half-open time.
    pub(crate) fn within(&self, from_unix: i64, to_unix: i64) -> MarkList {
        let touches = |mark: &&Mark| mark.from < to_unix && mark.until >= from_unix;
        MarkList { marks: self.all.iter().filter(touches).cloned().collect(), left_out: self.left_out }
    }
}

impl MarkList {
    pub(crate) fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// When each of them began, by its number.
    pub(crate) fn places(&self) -> Vec<(usize, i64)> {
        self.marks.iter().map(|mark| (mark.number, mark.from)).collect()
    }
}

fn mark(number: usize, row: MarkRow, rules: &Rules) -> Mark {
    let id = row.id.replace('-', "");
    let (tone, what, href) = match row.kind.as_str() {
        "incident" if row.many == 1 => (row.severity, "incident", Some(format!("/alerts/incidents/{id}"))),
        "incident" => (row.severity, "incidents", Some("/alerts".to_owned())),
        "dns" => ("dns".to_owned(), "DNS", Some("/reputation/dns".to_owned())),
        "user" => ("user".to_owned(), "note", None),
        "rule_run" => ("run".to_owned(), "rule run", Some(format!("/suppressions/runs/{}", row.id))),
        _ => ("run".to_owned(), "run", Some(format!("/suppressions/runs/{}", row.id))),
    };
    let tone = match tone.as_str() {
        "critical" => "bad",
        "warning" => "warn",
        "dns" => "dns",
        "user" => "user",
        "run" => "run",
        _ => "info",
    };
    let title = match (rules.get(&row.title).filter(|_| row.kind == "incident"), row.many) {
        (Some(rule), 1) => rule.title.clone(),
        (Some(rule), many) => format!("{}: {many} incidents", rule.title),
        (None, _) => row.title,
    };
    let by = if row.author.is_empty() { String::new() } else { format!("by {}", row.author) };
    let detail = [row.text, by].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ");
    let when = if row.until_unix > row.from_unix {
        format!("{} to {}", format::minute(row.from_unix), format::minute(row.until_unix))
    } else {
        format::minute(row.from_unix)
    };
    Mark { number, tone, from: row.from_unix, until: row.until_unix, title, what, when, detail, href }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: &str, title: &str, from_unix: i64, until_unix: i64) -> MarkRow {
        let (kind, title) = (kind.to_owned(), title.to_owned());
        MarkRow { kind, title, from_unix, until_unix, many: 1, total: 9, ..MarkRow::default() }
    }

    fn marks() -> Marks {
        let incident = MarkRow {
            severity: "critical".to_owned(),
            id: "0000-01".to_owned(),
            many: 1,
            ..row("incident", "block_rate", 200, 500)
        };
        Marks::new(vec![incident, row("user", "<b>new pool</b>", 100, 100)], &Rules::shipped())
    }

    #[test]
    fn marks_are_numbered_by_time_and_incidents_have_the_title_of_their_rule() {
        let list = marks().within(0, 1_000);
        let told: Vec<_> =
            list.marks().iter().map(|mark| (mark.number, mark.tone, mark.title.as_str())).collect();
        assert_eq!(told, [(1, "user", "<b>new pool</b>"), (2, "bad", "Mail is blocked")]);
        let html = list.render().unwrap();
        assert!(html.contains("/alerts/incidents/000001") && !html.contains("<b>new"), "{html}");
        assert!(html.contains("7 more are left out"), "{html}");
    }

    #[test]
    fn a_chart_shows_the_marks_that_touch_it() {
        assert_eq!(marks().within(300, 400).places(), [(2, 200)]);
        assert_eq!(marks().within(600, 700).marks(), []);
    }
}
