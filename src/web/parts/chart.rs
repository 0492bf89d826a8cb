//! A chart over time: its figures as JSON for the chart script, and the same figures as a table for everybody else.

use crate::web::dictionary::Metric;
use crate::web::format;
use crate::web::params::Range;
use crate::web::parts::marks::Mark;
use crate::web::parts::{Cell, Column, MarkList, Marks, Row, Table};
use askama::Template;
use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChartKind {
    /// Bars on top of each other.
    Stack,
    Lines,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChartUnit {
    Messages,
    Attempts,
    Items,
    /// Values are percent, not shares of one.
    Percent,
    /// Values are milliseconds; the axis is logarithmic.
    Duration,
}

impl ChartUnit {
    fn write(self, value: f64) -> String {
        match self {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "counts are whole and positive"
            )]
            Self::Messages | Self::Attempts | Self::Items => format::count(value as u64),
            Self::Percent => format::percent(Some(value / 100.0), 3),
            Self::Duration => format::duration_ms(value),
        }
    }
}

/// What the chart script reads; `assets/js/charts.js` is its other half.
#[derive(Debug, Clone, Serialize)]
struct Data {
    kind: ChartKind,
    unit: ChartUnit,
    step_s: u32,
    at: Vec<i64>,
    /// Indexes of steps that are still running or cut by the range.
    partial: Vec<usize>,
    series: Vec<Series>,
    limits: Vec<LimitLine>,
    /// Since when there is no data, in seconds since 1970: what follows is unknown, not zero.
    stale_since: Option<i64>,
    /// What happened meanwhile.
    marks: Vec<Mark>,
}

#[derive(Debug, Clone, Serialize)]
struct Series {
    key: &'static str,
    name: &'static str,
    values: Vec<Option<f64>>,
    /// An address with `{from}` and `{to}` for the step that is clicked.
    drill: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
struct LimitLine {
    value: f64,
    label: String,
}

#[derive(Debug, Clone, Template)]
#[template(path = "parts/chart.html")]
pub(crate) struct Chart {
    id: &'static str,
    /// What the chart shows, for those who cannot see it.
    label: String,
    json: String,
    table: Table,
    is_empty: bool,
    empty: &'static str,
    note: String,
    marks: MarkList,
}

impl askama::filters::HtmlSafe for Chart {}

/// A chart being put together.
pub(crate) struct ChartBuilder {
    id: &'static str,
    label: String,
    data: Data,
    marks: MarkList,
}

impl Chart {
    /// Begins a chart whose series have one value for each of `range.steps(step_s)`.
    pub(crate) fn begin(
        id: &'static str,
        label: &str,
        kind: ChartKind,
        unit: ChartUnit,
        range: &Range,
        step_s: u32,
    ) -> ChartBuilder {
        let at = range.steps(step_s);
        let partial =
            at.iter().enumerate().filter(|(_, at)| !range.is_whole(**at, step_s)).map(|(i, _)| i).collect();
        let data = Data {
            kind,
            unit,
            step_s,
            at,
            partial,
            series: Vec::new(),
            limits: Vec::new(),
            stale_since: None,
            marks: Vec::new(),
        };
        ChartBuilder { id, label: label.to_owned(), data, marks: MarkList::default() }
    }
}

impl ChartBuilder {
    pub(crate) fn series(
        mut self,
        key: &'static str,
        name: &'static str,
        values: Vec<Option<f64>>,
        drill: Option<String>,
    ) -> Self {
        debug_assert_eq!(values.len(), self.data.at.len(), "one value for each step");
        self.data.series.push(Series { key, name, values, drill });
        self
    }

    /// Draws the limits of a metric in.
    pub(crate) fn limits(mut self, metric: &Metric) -> Self {
        let scale = if self.data.unit == ChartUnit::Percent { 100.0 } else { 1.0 };
        for limit in metric.limits {
            let label = format!("{} {}", metric.short.to_lowercase(), metric.limit_label(limit));
            self.data.limits.push(LimitLine { value: limit.value * scale, label });
        }
        self
    }

    /// Draws in what happened meanwhile, and lists it below.
    pub(crate) fn marks(mut self, marks: &Marks) -> Self {
        if let (Some(first), Some(last)) = (self.data.at.first(), self.data.at.last()) {
            self.marks = marks.within(*first, last + i64::from(self.data.step_s));
            self.data.marks = self.marks.marks().to_vec();
        }
        self
    }

    /// Marks what follows as unknown and takes its figures out.
    pub(crate) fn stale_since(mut self, stale_since: Option<i64>) -> Self {
        let Some(since) = stale_since else { return self };
        let is_known: Vec<_> = self.data.at.iter().map(|at| *at <= since).collect();
        for series in &mut self.data.series {
            for (value, is_known) in series.values.iter_mut().zip(&is_known) {
                *value = value.filter(|_| *is_known);
            }
        }
        self.data.stale_since = is_known.contains(&false).then_some(since);
        self
    }

    pub(crate) fn end(self, empty: &'static str) -> Chart {
        let is_empty = self.data.series.iter().all(|s| s.values.iter().flatten().all(|value| *value == 0.0));
        // `<` could end the script element around the JSON; as an escape it means the same
        let json = serde_json::to_string(&self.data).unwrap_or_default().replace('<', "\\u003c");
        let note = if self.data.partial.is_empty() {
            String::new()
        } else {
            "Hatched or dashed: the step is still running, or the range cuts it.".to_owned()
        };
        let table = self.table();
        Chart { id: self.id, label: self.label, json, table, is_empty, empty, note, marks: self.marks }
    }

    fn table(&self) -> Table {
        let mut columns = vec![Column::text("From (UTC)")];
        columns.extend(self.data.series.iter().map(|series| Column::number(series.name)));
        let rows = self.data.at.iter().enumerate().rev().map(|(index, at)| self.row(index, *at)).collect();
        Table::new(self.label.clone(), columns, rows, "").scrolling()
    }

    fn row(&self, index: usize, at: i64) -> Row {
        let is_partial = self.data.partial.contains(&index);
        let time = Cell::text(format::minute(at));
        let mut cells = vec![if is_partial { time.sub("not a whole step") } else { time }];
        cells.extend(self.data.series.iter().map(|series| {
            Cell::figure(
                series.values[index].map_or(format::NO_VALUE.to_owned(), |v| self.data.unit.write(v)),
            )
        }));
        if is_partial { Row::partial(cells) } else { Row::new(cells) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::dictionary::HARD;

    fn chart(values: Vec<Option<f64>>) -> Chart {
        let range =
            Range::parse(None, Some("2026-07-01T00:00"), Some("2026-07-01T00:03"), 1_785_585_270).unwrap();
        Chart::begin("main", "Bounces", ChartKind::Lines, ChartUnit::Percent, &range, 60)
            .series("hard", "Hard</script>", values, None)
            .limits(&HARD)
            .end("No mail.")
    }

    #[test]
    fn a_chart_carries_its_figures_as_a_table_too() {
        let html = chart(vec![Some(1.5), None, Some(0.25)]).to_string();
        assert!(html.contains("2026-07-01 00:02") && html.contains("1.500\u{202f}%"), "{html}");
        assert!(html.contains("hard review 5\u{202f}%"), "{html}");
    }

    #[test]
    fn no_text_can_end_the_script_element() {
        assert!(!chart(vec![Some(1.5), None, None]).json.contains("</script>"));
    }

    #[test]
    fn after_the_newest_event_figures_are_unknown() {
        let range =
            Range::parse(None, Some("2026-07-01T00:00"), Some("2026-07-01T00:03"), 1_785_585_270).unwrap();
        let since = range.time().from_unix + 70;
        let chart = Chart::begin("main", "Mail", ChartKind::Stack, ChartUnit::Messages, &range, 60)
            .series("sent", "Sent", vec![Some(1.0), Some(1.0), Some(0.0)], None)
            .stale_since(Some(since));
        assert_eq!(chart.data.series[0].values, [Some(1.0), Some(1.0), None]);
        assert_eq!(chart.data.stale_since, Some(since));
    }

    #[test]
    fn a_chart_without_figures_says_so() {
        assert!(chart(vec![None, Some(0.0), None]).to_string().contains("No mail."));
    }
}
