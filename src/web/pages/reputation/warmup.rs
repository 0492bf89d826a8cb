//! `/reputation/warmup`: how far each plan is, what holds it, when it ends.

use crate::reputation::warmup::{Course, DayTold, Step};
use crate::web::SharedSite;
use crate::web::error::PageError;
use crate::web::format;
use crate::web::pages::reputation::tabs;
use crate::web::params::Params;
use crate::web::parts::{Cell, Column, Layout, NavPage, Row, Tab, Table};
use crate::web::warmup::{WarmupStatus, date, statuses};
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Html;

/// Days of a plan that are shown, the newest first.
const DAYS_MAX: usize = 60;

#[derive(Template)]
#[template(path = "pages/warmup.html")]
struct WarmupPage {
    layout: Layout,
    tabs: Vec<Tab>,
    plans: Table,
    courses: Vec<Told>,
}

/// The days of one plan.
struct Told {
    title: String,
    days: Table,
}

pub(crate) async fn show(site: SharedSite, RawQuery(query): RawQuery) -> Result<Html<String>, PageError> {
    let params = Params::of_reports(&query.unwrap_or_default(), site.now_unix(), &[])?;
    let layout = Layout::plain(&site, NavPage::Warmup, "Warm-up");
    let told = statuses(&site, None).await?;
    Ok(Html(page(layout, &params, &told).render()?))
}

fn page(layout: Layout, params: &Params, told: &[(Course, WarmupStatus)]) -> WarmupPage {
    let course =
        |(course, status): &(Course, WarmupStatus)| Told { title: name(status), days: day_table(course) };
    WarmupPage {
        layout,
        tabs: tabs(params, "/reputation/warmup"),
        plans: plan_table(told),
        courses: told.iter().map(course).collect(),
    }
}

fn name(status: &WarmupStatus) -> String {
    let provider = if status.provider.is_empty() { "all providers" } else { &status.provider };
    format!("{} at {provider}", status.subject)
}

fn plan_table(told: &[(Course, WarmupStatus)]) -> Table {
    let row = |(_, status): &(Course, WarmupStatus)| {
        let is_over = status.sent_within_stage > status.stage_limit;
        Row::new(vec![
            Cell::text(name(status)).sub(format!("since {}", &status.plan_started_at[..10])),
            Cell::text(status.state).reasons(&status.reasons),
            Cell::figure(format!("{} of {}", status.stage, status.total_stages)),
            Cell::count(status.stage_limit).sub(format!("{} an hour", format::count(status.hourly_limit))),
            Cell::count(status.sent_within_stage)
                .bar(status.sent_within_stage, status.stage_limit, "sent")
                .tone(if is_over { "warn" } else { "" }),
            Cell::word(status.projected_finish.clone().unwrap_or_else(|| "not known yet".to_owned())),
        ])
    };
    let columns = vec![
        Column::text("Plan"),
        Column::text("State, and what held the last day"),
        Column::number("Stage"),
        Column::number("May send today"),
        Column::number("Sent today"),
        Column::text("Ends, as it goes now"),
    ];
    let empty = "No plan. [[reputation.warmups]] in the settings makes one: subject, begin, and a schedule.";
    Table::new("Plans", columns, told.iter().map(row).collect(), empty)
}

fn day_table(course: &Course) -> Table {
    let row = |day: &DayTold| {
        let (word, tone) = match day.step {
            Step::Advance => ("advanced", "good"),
            Step::Hold => ("held", "warn"),
            Step::Back => ("set back", "bad"),
            Step::Anew => ("begins anew", "bad"),
            Step::Running => ("running", ""),
        };
        let cells = vec![
            Cell::word(date(day.day)),
            Cell::count(day.stage as u64),
            Cell::count(day.target),
            Cell::count(day.sent).bar(day.sent, day.target, "sent"),
            Cell::text(word).tone(tone).reasons(&day.reasons),
        ];
        if day.step == Step::Running { Row::partial(cells) } else { Row::new(cells) }
    };
    let columns = vec![
        Column::text("Day (UTC)"),
        Column::number("Stage"),
        Column::number("Target"),
        Column::number("Sent"),
        Column::text("What it did, and why"),
    ];
    let rows = course.days.iter().rev().take(DAYS_MAX).map(row).collect();
    Table::new("Days, newest first", columns, rows, "The first day has not come yet.").scrolling()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_plan_the_page_says_how_to_make_one() {
        let params = Params::of_reports("", 1_785_585_270, &[]).unwrap();
        let html = page(Layout::bare("Warm-up"), &params, &[]).render().unwrap();
        assert!(html.contains("No plan."), "{html}");
    }

    #[test]
    fn a_day_that_held_says_why() {
        let day = DayTold {
            day: 20_000,
            stage: 2,
            target: 500,
            sent: 400,
            step: Step::Hold,
            reasons: vec!["few <b>".to_owned()],
        };
        let course = Course {
            days: vec![day],
            stage: 2,
            target: 500,
            stage_day: 20_000,
            is_done: false,
            finish_day: None,
        };
        let html = day_table(&course).to_string();
        assert!(
            html.contains("held") && html.contains("few &#60;b&#62;") && html.contains(&format::count(500)),
            "{html}"
        );
    }
}
