//! Where the warm-up plans stand: asks the store for each day's mail, and follows the plan through it.

use crate::reputation::warmup::{Course, Day, WarmupPlan, follow};
use crate::store::StoreError;
use crate::store::query::{Filter, ListingChangeRow, OutcomesAt, TimeRange};
use crate::web::Site;
use crate::web::format;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::IpAddr;

const DAY_S: i64 = 86_400;

/// Changes of listings that are read of one subject: one a day for longer than a plan lasts.
const CHANGES_MAX: u32 = 1_000;

/// A plan as a relay asks for it. The names are those of Mailgun's IP warm-up, where it has them.
#[derive(Debug, Serialize)]
pub(crate) struct WarmupStatus {
    pub(crate) subject: String,
    /// Empty for all providers together.
    pub(crate) provider: String,
    /// Days, UTC, such as `2026-11-02`.
    pub(crate) started_at: String,
    pub(crate) stage_started_at: String,
    pub(crate) stage_number: usize,
    pub(crate) total_stages: usize,
    /// Messages that may be sent today.
    pub(crate) stage_volume_limit: u64,
    /// Messages sent today.
    pub(crate) sent_within_stage: u64,
    pub(crate) remaining: u64,
    /// What may go out in an hour, spread over the day.
    pub(crate) hour_limit: u64,
    /// `running`, `done`, or `waiting` for its first day.
    pub(crate) state: &'static str,
    /// Why the last whole day did not advance the plan; empty when it did.
    pub(crate) reasons: Vec<String>,
    pub(crate) projected_finish: Option<String>,
}

/// All plans of a subject, or all there are, with their days.
pub(crate) async fn statuses(
    site: &Site,
    subject: Option<&str>,
) -> Result<Vec<(Course, WarmupStatus)>, StoreError> {
    let mut told = Vec::new();
    for plan in site.warmups().iter().filter(|plan| subject.is_none_or(|subject| plan.subject == subject)) {
        let course = course(site, plan).await?;
        let status = status(plan, &course, site.now_unix().div_euclid(DAY_S));
        told.push((course, status));
    }
    Ok(told)
}

async fn course(site: &Site, plan: &WarmupPlan) -> Result<Course, StoreError> {
    let today = site.now_unix().div_euclid(DAY_S);
    let range =
        TimeRange { from_unix: plan.begin_day * DAY_S, to_unix: (today + 1).max(plan.begin_day) * DAY_S };
    let mut filter = Filter::all(range);
    if plan.subject.parse::<IpAddr>().is_ok() {
        filter.ip.push(plan.subject.clone());
    } else {
        filter.domain.push(plan.subject.clone());
    }
    if !plan.provider.is_empty() {
        filter.provider.push(plan.provider.clone());
    }
    let (outcomes, changes) = tokio::try_join!(
        site.store().outcome_series(&filter, 86_400),
        site.store().listing_changes(range, Some(&plan.subject), CHANGES_MAX),
    )?;
    let days = days(&outcomes, &changes);
    Ok(follow(plan, today, |day| days.get(&day).copied().unwrap_or_default()))
}

fn days(outcomes: &[OutcomesAt], changes: &[ListingChangeRow]) -> BTreeMap<i64, Day> {
    let mut days: BTreeMap<i64, Day> = BTreeMap::new();
    for at in outcomes {
        let (day, outcomes) = (days.entry(at.at_unix.div_euclid(DAY_S)).or_default(), &at.outcomes);
        day.sent += outcomes.sent();
        day.delivered += outcomes.delivered;
        day.hard += outcomes.hard;
        day.block += outcomes.block;
        day.deferred += outcomes.deferred;
        day.complained += outcomes.complained;
    }
    for change in changes.iter().filter(|change| change.state == "listed" && change.tier == 1) {
        days.entry(change.at_unix.div_euclid(DAY_S)).or_default().listed += 1;
    }
    days
}

fn status(plan: &WarmupPlan, course: &Course, today: i64) -> WarmupStatus {
    let sent = course.days.last().filter(|day| day.day == today).map_or(0, |day| day.sent);
    let whole = course.days.iter().rev().find(|day| day.day < today);
    WarmupStatus {
        subject: plan.subject.clone(),
        provider: plan.provider.clone(),
        started_at: date(plan.begin_day),
        stage_started_at: date(course.stage_day),
        stage_number: course.stage,
        total_stages: plan.volumes.len(),
        stage_volume_limit: course.target,
        sent_within_stage: sent,
        remaining: course.target.saturating_sub(sent),
        hour_limit: course.target.div_ceil(24),
        state: match (course.is_done, today < plan.begin_day) {
            (true, _) => "done",
            (_, true) => "waiting",
            _ => "running",
        },
        reasons: whole.map(|day| day.reasons.clone()).unwrap_or_default(),
        projected_finish: course.finish_day.map(date),
    }
}

/// `2026-11-02`.
pub(crate) fn date(day: i64) -> String {
    format::minute(day * DAY_S).chars().take(10).collect()
}
