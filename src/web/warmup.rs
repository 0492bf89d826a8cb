//! Where the warm-up plans stand: asks the store for each day's mail, and follows the plan through it.

use crate::model::Timestamp;
use crate::reputation::warmup::{Course, Day, DayTold, Step, WarmupPlan, follow};
use crate::store::StoreError;
use crate::store::query::{Filter, ListingChangeRow, OutcomesAt, TimeRange};
use crate::web::Site;
use crate::web::format;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::IpAddr;

const DAY_S: i64 = 86_400;
const HOUR_S: i64 = 3_600;

/// Changes of listings that are read of one subject: one a day for longer than a plan lasts.
const CHANGES_MAX: u32 = 1_000;

/// A plan as a relay asks for it.
///
/// The names are those of Mailgun's IP warm-up (`GET /v3/ip_warmups/{addr}`, documentation.mailgun.com), where it has
/// them; it has no `throttle`, which says how Mailgun itself spreads mail. A stage here lasts until a day went well, and
/// its limit holds for each of its days.
#[derive(Debug, Serialize)]
pub(crate) struct WarmupStatus {
    pub(crate) subject: String,
    /// Empty for all providers together.
    pub(crate) provider: String,
    /// Times are UTC.
    pub(crate) plan_started_at: String,
    /// When the newest of the mail that the plan is followed through was counted: now.
    pub(crate) plan_last_updated_at: String,
    pub(crate) stage_started_at: String,
    pub(crate) hour_started_at: String,
    /// From 1 on.
    pub(crate) stage: usize,
    pub(crate) total_stages: usize,
    /// Messages a day in the first stage.
    pub(crate) start_volume: u64,
    /// Messages that may be sent today.
    pub(crate) stage_limit: u64,
    /// Messages sent today.
    pub(crate) sent_within_stage: u64,
    /// What may go out in an hour, so that a day's mail does not go out in its first minutes.
    pub(crate) hourly_limit: u64,
    pub(crate) sent_within_hour: u64,
    /// What may go out now: what is left of the hour and of the day. `null` when the plan is done, and limits nothing.
    pub(crate) remaining: Option<u64>,
    /// The days so far, the newest first.
    pub(crate) stage_history: Vec<WarmupDay>,
    /// `running`, `done`, or `waiting` for its first day.
    pub(crate) state: &'static str,
    /// Why the last whole day did not advance the plan; empty when it did.
    pub(crate) reasons: Vec<String>,
    pub(crate) projected_finish: Option<String>,
}

/// A day of a plan.
#[derive(Debug, Serialize)]
pub(crate) struct WarmupDay {
    pub(crate) day: String,
    pub(crate) stage: usize,
    pub(crate) stage_limit: u64,
    pub(crate) sent: u64,
    /// `advanced`, `held`, `set_back`, `anew` or `running`.
    pub(crate) result: &'static str,
    pub(crate) reasons: Vec<String>,
}

/// All plans of a subject, or all there are, with their days.
pub(crate) async fn statuses(
    site: &Site,
    subject: Option<&str>,
) -> Result<Vec<(Course, WarmupStatus)>, StoreError> {
    let mut told = Vec::new();
    for plan in site.warmups().iter().filter(|plan| subject.is_none_or(|subject| plan.subject == subject)) {
        let (course, sent_within_hour) = course(site, plan).await?;
        let status = status(plan, &course, sent_within_hour, site.now_unix());
        told.push((course, status));
    }
    Ok(told)
}

/// The course of a plan, and what was sent in the present hour.
async fn course(site: &Site, plan: &WarmupPlan) -> Result<(Course, u64), StoreError> {
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
    let hour_unix = hour(site.now_unix());
    let lately =
        Filter { range: TimeRange { from_unix: hour_unix, to_unix: hour_unix + HOUR_S }, ..filter.clone() };
    let (outcomes, changes, lately) = tokio::try_join!(
        site.store().outcome_series(&filter, 86_400),
        site.store().listing_changes(range, Some(&plan.subject), CHANGES_MAX),
        site.store().outcome_series(&lately, 3_600),
    )?;
    let days = days(&outcomes, &changes);
    let sent_within_hour = lately.iter().map(|at| at.outcomes.sent()).sum();
    Ok((follow(plan, today, |day| days.get(&day).copied().unwrap_or_default()), sent_within_hour))
}

/// The hour in which a time lies.
const fn hour(unix: i64) -> i64 {
    unix.div_euclid(HOUR_S) * HOUR_S
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

fn status(plan: &WarmupPlan, course: &Course, sent_within_hour: u64, now_unix: i64) -> WarmupStatus {
    let today = now_unix.div_euclid(DAY_S);
    let sent = course.days.last().filter(|day| day.day == today).map_or(0, |day| day.sent);
    let whole = course.days.iter().rev().find(|day| day.day < today);
    let hourly_limit = course.target.div_ceil(24);
    let (left_today, left_this_hour) =
        (course.target.saturating_sub(sent), hourly_limit.saturating_sub(sent_within_hour));
    WarmupStatus {
        subject: plan.subject.clone(),
        provider: plan.provider.clone(),
        plan_started_at: instant(plan.begin_day * DAY_S),
        plan_last_updated_at: instant(now_unix),
        stage_started_at: instant(course.stage_day * DAY_S),
        hour_started_at: instant(hour(now_unix)),
        stage: course.stage,
        total_stages: plan.volumes.len(),
        start_volume: plan.volumes.first().copied().unwrap_or_default(),
        stage_limit: course.target,
        sent_within_stage: sent,
        hourly_limit,
        sent_within_hour,
        remaining: (!course.is_done).then_some(if today < plan.begin_day {
            0
        } else {
            left_today.min(left_this_hour)
        }),
        stage_history: course.days.iter().rev().map(told).collect(),
        state: match (course.is_done, today < plan.begin_day) {
            (true, _) => "done",
            (_, true) => "waiting",
            _ => "running",
        },
        reasons: whole.map(|day| day.reasons.clone()).unwrap_or_default(),
        projected_finish: course.finish_day.map(date),
    }
}

fn told(day: &DayTold) -> WarmupDay {
    WarmupDay {
        day: date(day.day),
        stage: day.stage,
        stage_limit: day.target,
        sent: day.sent,
        result: match day.step {
            Step::Advance => "advanced",
            Step::Hold => "held",
            Step::Back => "set_back",
            Step::Anew => "anew",
            Step::Running => "running",
        },
        reasons: day.reasons.clone(),
    }
}

/// `2026-11-02T13:00:00Z`.
fn instant(unix: i64) -> String {
    Timestamp::from_seconds(unix).to_string()
}

/// `2026-11-02`.
pub(crate) fn date(day: i64) -> String {
    format::minute(day * DAY_S).chars().take(10).collect()
}
