//! The heatmap: providers and sending IPs down, hours across, one rate as depth of its colour.
//!
//! It is a table of links, so that it works without a script; `assets/js/heatmap.js` adds the arrow keys.

use crate::store::query::{Dimension, Filter, HeatCell, TimeRange};
use crate::web::dictionary::Metric;
use crate::web::format;
use crate::web::params::{Link, Params};
use askama::Template;
use std::collections::{BTreeMap, BTreeSet};

/// Most hours across: three days in cells of about twelve pixels on a screen of 1280. Of longer ranges the end is shown.
const HEAT_HOURS_MAX: i64 = 72;

/// Most pairs of provider and IP, by volume.
const HEAT_ROWS_MAX: usize = 24;

/// Cells to ask for: twice those of the rows that are shown, so that pairs with few hours do not leave rows empty.
pub(crate) const HEAT_CELLS_MAX: u32 = 2 * 24 * 72;

const HOUR_S: i64 = 3_600;

#[derive(Debug, Clone, Template)]
#[template(path = "parts/heatmap.html")]
pub(crate) struct Heatmap {
    /// Name of the colour.
    key: &'static str,
    caption: String,
    days: Vec<(String, usize)>,
    hours: Vec<String>,
    rows: Vec<HeatRow>,
    legend: Vec<String>,
    note: String,
}

impl askama::filters::HtmlSafe for Heatmap {}

#[derive(Debug, Clone)]
struct HeatRow {
    /// Empty where it is that of the row above.
    provider: String,
    ip: String,
    spots: Vec<Option<Spot>>,
}

#[derive(Debug, Clone)]
struct Spot {
    /// 0 for none, 1 to 5 by [`edges`].
    level: usize,
    text: String,
    href: String,
}

impl Heatmap {
    /// What to ask the store for: the hours that are shown.
    pub(crate) fn filter(params: &Params) -> Filter {
        Filter { range: shown_range(params), ..params.filter().clone() }
    }

    pub(crate) fn of(metric: &Metric, cells: &[HeatCell], params: &Params, drill: &Link) -> Self {
        let hours = hours_of(params);
        let shown: BTreeSet<_> = hours.iter().copied().collect();
        let mut by_pair: BTreeMap<(&str, &str), Vec<&HeatCell>> = BTreeMap::new();
        for cell in cells.iter().filter(|cell| shown.contains(&cell.hour_unix)) {
            by_pair.entry((&cell.provider, &cell.ip)).or_default().push(cell);
        }
        let volume = |cells: &Vec<&HeatCell>| cells.iter().map(|cell| cell.outcomes.sent()).sum::<u64>();
        let mut pairs: Vec<_> = by_pair.into_iter().collect();
        let left_out = pairs.len().saturating_sub(HEAT_ROWS_MAX);
        pairs.sort_by_key(|(_, cells)| std::cmp::Reverse(volume(cells)));
        pairs.truncate(HEAT_ROWS_MAX);
        pairs.sort_by_key(|(pair, _)| *pair);
        let mut rows: Vec<HeatRow> = Vec::with_capacity(pairs.len());
        let mut above = "";
        for ((provider, ip), cells) in pairs {
            let spots = spots(metric, &hours, &cells, drill);
            let name = if provider == above { "" } else { provider };
            above = provider;
            rows.push(HeatRow { provider: name.to_owned(), ip: ip.to_owned(), spots });
        }
        Self {
            key: metric.key,
            caption: format!("{} by provider, sending IP and hour", metric.name),
            days: days_of(&hours),
            hours: hours.iter().map(|hour| format::clock(*hour)[..2].to_owned()).collect(),
            rows,
            legend: legend(metric),
            note: note(params, left_out),
        }
    }
}

/// Where the levels of colour begin, as shares of one. They are fixed, so that a colour means the same on every day.
fn edges(metric: &Metric) -> [f64; 4] {
    match metric.key {
        "hard" => [0.005, 0.02, 0.05, 0.10],
        "block" => [0.01, 0.05, 0.10, 0.20],
        _ => [0.02, 0.05, 0.15, 0.30],
    }
}

fn level(metric: &Metric, share: f64) -> usize {
    if share == 0.0 { 0 } else { 1 + edges(metric).iter().filter(|edge| share >= **edge).count() }
}

fn legend(metric: &Metric) -> Vec<String> {
    let edges = edges(metric).map(format::percent_limit);
    let mut legend = vec!["0".to_owned(), format!("< {}", edges[0])];
    legend.extend(edges.iter().map(|edge| format!("≥ {edge}")));
    legend
}

fn shown_range(params: &Params) -> TimeRange {
    let range = params.by_whole_hours().range;
    TimeRange { from_unix: range.from_unix.max(range.to_unix - HEAT_HOURS_MAX * HOUR_S), ..range }
}

fn hours_of(params: &Params) -> Vec<i64> {
    let range = shown_range(params);
    (0..range.seconds() / HOUR_S).map(|hour| range.from_unix + hour * HOUR_S).collect()
}

fn days_of(hours: &[i64]) -> Vec<(String, usize)> {
    let mut days: Vec<(String, usize)> = Vec::new();
    for hour in hours {
        let day = format::day(*hour);
        match days.last_mut() {
            Some((last, count)) if *last == day => *count += 1,
            _ => days.push((day, 1)),
        }
    }
    // on a crowded map the name of a day needs the room of four hours
    for (day, _) in days.iter_mut().filter(|(_, count)| hours.len() > 36 && *count < 4) {
        day.clear();
    }
    days
}

fn spots(metric: &Metric, hours: &[i64], cells: &[&HeatCell], drill: &Link) -> Vec<Option<Spot>> {
    let by_hour: BTreeMap<_, _> = cells.iter().map(|cell| (cell.hour_unix, *cell)).collect();
    let spot = |hour: &i64| {
        let cell = by_hour.get(hour)?;
        let ratio = metric.ratio(&cell.outcomes);
        let share = ratio.share()?;
        let text = format!(
            "{}, {}, {} UTC: {} {} ({} of {})",
            cell.provider,
            cell.ip,
            format::short_minute(*hour),
            metric.name.to_lowercase(),
            format::percent(Some(share), metric.decimals),
            format::count(ratio.part),
            format::count(ratio.whole),
        );
        let href = drill.clone().only(Dimension::Provider, &cell.provider).only(Dimension::Ip, &cell.ip);
        Some(Spot { level: level(metric, share), text, href: href.during(*hour, hour + HOUR_S).to_string() })
    };
    hours.iter().map(spot).collect()
}

fn note(params: &Params, left_out: usize) -> String {
    let mut parts = Vec::new();
    if shown_range(params).from_unix > params.filter().range.from_unix {
        parts.push(format!("The last {HEAT_HOURS_MAX} hours of the range are shown."));
    }
    if left_out > 0 {
        parts.push(format!("{left_out} pairs with less mail are left out; filter to see them."));
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::query::Outcomes;
    use crate::web::dictionary::DEFERRAL;

    fn params() -> Params {
        Params::parse("from=2026-07-01T00:00&to=2026-07-01T02:00", 1_785_585_270, &[]).unwrap()
    }

    fn cell(ip: &str, hour_unix: i64, deferred: u64) -> HeatCell {
        let outcomes = Outcomes { delivered: 100 - deferred, deferred, ..Outcomes::default() };
        HeatCell { provider: "gmail".to_owned(), ip: ip.to_owned(), hour_unix, outcomes }
    }

    #[test]
    fn an_hour_without_mail_is_no_zero() {
        let hour = params().filter().range.from_unix;
        let map = Heatmap::of(&DEFERRAL, &[cell("192.0.2.1", hour, 0)], &params(), &Link::to("/messages"));
        assert_eq!(map.rows[0].spots[0].as_ref().map(|spot| spot.level), Some(0));
        assert!(map.rows[0].spots[1].is_none());
    }

    #[test]
    fn a_cell_leads_to_the_messages_of_its_hour() {
        let hour = params().filter().range.from_unix;
        let map = Heatmap::of(&DEFERRAL, &[cell("192.0.2.1", hour, 20)], &params(), &Link::to("/messages"));
        let spot = map.rows[0].spots[0].as_ref().unwrap();
        assert_eq!(spot.level, 4);
        assert_eq!(
            spot.href,
            "/messages?provider=gmail&ip=192.0.2.1&from=2026-07-01T00:00&to=2026-07-01T01:00"
        );
    }

    #[test]
    fn a_provider_is_named_once() {
        let hour = params().filter().range.from_unix;
        let cells = [cell("192.0.2.1", hour, 0), cell("192.0.2.2", hour, 0)];
        let map = Heatmap::of(&DEFERRAL, &cells, &params(), &Link::to("/messages"));
        let names: Vec<_> = map.rows.iter().map(|row| row.provider.as_str()).collect();
        assert_eq!(names, ["gmail", ""]);
    }
}
