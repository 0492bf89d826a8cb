//! `/alerts/incidents/{id}`: one incident with the chart of its moment and all its steps.

use crate::alert::notify::written;
use crate::alert::{Incident, Picture};
use crate::model::alert::IncidentStep;
use crate::store::StoreError;
use crate::store::query::{Dimension, Filter, MarkRow, TimeRange};
use crate::web::error::PageError;
use crate::web::format;
use crate::web::pages::alerts::{Card, card, heading};
use crate::web::parts::{Cell, Column, Layout, MARKS_MAX, MarkList, Marks, NavPage, Row, Table};
use crate::web::{SharedSite, Site};
use askama::Template;
use axum::extract::Path;
use axum::response::Html;

#[derive(Template)]
#[template(path = "pages/incident.html")]
struct IncidentPage {
    layout: Layout,
    card: Card,
    ended: Option<String>,
    /// SVG of our own making.
    picture: Option<String>,
    marks: MarkList,
    heading: String,
    /// The scale of the chart.
    highest: String,
    series: Table,
    steps: Table,
    /// Matchers of a silence for this incident alone.
    matchers: String,
    is_firing: bool,
}

pub(super) async fn show(site: SharedSite, Path(id): Path<String>) -> Result<Html<String>, PageError> {
    const MISSING: PageError = PageError::NotFound("such incident");
    let id = u128::from_str_radix(&id, 16).map_err(|_| MISSING)?;
    let steps = site.alerts().steps(id).await?;
    let Some((incident, _)) = steps.last() else { return Err(MISSING) };
    // The chart of the moment at which it fired: later steps have a later one.
    let shown =
        steps.iter().map(|(incident, _)| incident).find(|incident| !incident.finding.series.is_empty());
    let picture = shown.and_then(Picture::of);
    let marks = marks(&site, incident, picture.as_ref()).await?;
    let picture = picture.map(|picture| picture.marked(&marks.places()).svg(&heading(incident.metric)));
    let points = shown.map(|shown| shown.finding.series.as_slice()).unwrap_or_default();
    let points = points.iter().rev().map(|(at, value)| {
        Row::new(vec![Cell::word(format::minute(*at)), Cell::figure(written(incident.metric, *value))])
    });
    let highest = shown.map(|shown| shown.finding.series.iter().map(|(_, value)| *value).fold(0.0, f64::max));
    let series = Table::new(
        format!("{} before the incident", heading(incident.metric)),
        vec![Column::text("From (UTC)"), Column::number("Value")],
        points.collect(),
        "There is no chart of this metric.",
    );
    let matchers = incident.labels.iter().filter(|(_, value)| !value.is_empty());
    let matchers = matchers.map(|(name, value)| format!("{name}={value}"));
    let matchers: Vec<_> = std::iter::once(format!("rule={}", incident.rule)).chain(matchers).collect();
    let rows = steps.iter().map(|(incident, step)| {
        Row::new(vec![
            Cell::word(format::instant_us(step.at_us)),
            Cell::word(step.step.clone()),
            Cell::figure(written(incident.metric, incident.finding.value)),
            Cell::text(told(&step.step, &step.channels, incident.muted.as_deref())),
        ])
    });
    let columns =
        vec![Column::text("Time (UTC)"), Column::text("Step"), Column::number("Value"), Column::text("Told")];
    let page = IncidentPage {
        layout: Layout::plain(&site, NavPage::Alerts, &incident.title),
        card: card(incident),
        ended: incident.ended.map(|ended| format::minute(ended.seconds())),
        picture,
        marks,
        heading: heading(incident.metric),
        highest: highest.map_or_else(String::new, |highest| written(incident.metric, highest)),
        series: series.scrolling(),
        steps: Table::new("Steps", columns, rows.collect(), ""),
        matchers: matchers.join(", "),
        is_firing: incident.is_open() && incident.fired.is_some(),
    };
    Ok(Html(page.render()?))
}

/// What else happened in the time of the picture, to the mail of the incident.
async fn marks(site: &Site, incident: &Incident, picture: Option<&Picture>) -> Result<MarkList, StoreError> {
    let Some((from_unix, to_unix)) = picture.map(Picture::span) else { return Ok(MarkList::default()) };
    let mut filter = Filter::all(TimeRange { from_unix, to_unix });
    for dimension in Dimension::ALL {
        let value = incident.labels.get(dimension.name()).filter(|value| !value.is_empty());
        filter.values_mut(dimension).extend(value.cloned());
    }
    let mut rows = site.store().marks(&filter, MARKS_MAX).await?;
    // Its own beginning is drawn already.
    let own = |row: &MarkRow| row.title == incident.rule && row.kind == "incident" && row.many == 1;
    rows.retain(|row| !own(row) || incident.fired.is_none_or(|at| at.seconds() != row.from_unix));
    Ok(Marks::new(rows, site.alerts().rules()).within(from_unix, to_unix))
}

fn told(step: &str, channels: &[String], muted: Option<&str>) -> String {
    if !channels.is_empty() {
        return channels.join(", ");
    }
    let is_quiet = [IncidentStep::Pending, IncidentStep::Dropped].iter().any(|quiet| quiet.name() == step);
    match muted {
        Some(why) if !is_quiet => format!("nobody: {why}"),
        _ => "nobody".to_owned(),
    }
}
