//! Warm-up: how much an address or domain may send today, and why not more. Pure.
//!
//! Way: the settings name plans, the store counts each day's outcomes; [`follow`] goes through the days from the first and
//! says of each whether it advanced the plan, held it or set it back. There is no state beside the mail itself, so that a
//! restart, an import of older logs or a corrected count changes what follows from it, and nothing else.
//! Source: the schedules name theirs; the gates are those of SparkPost (90 % of a stage delivered) and of the published
//! limits for bounces and complaints (Amazon SES, Gmail); 30 days without mail begin anew (SendGrid).

use crate::config::Warmup;
use serde::Deserialize;

const SHIPPED: &str = include_str!("schedules.toml");

/// Stages of a plan: more than any public schedule has.
const STAGES_MAX: usize = 100;

/// Messages of a day under which its rates say nothing.
const JUDGED_FROM: u64 = 100;

/// Days without mail after which an address is cold again.
const COLD_DAYS: u32 = 30;

/// Days of a plan that are followed; slower ones have ended in failure.
const DAYS_MAX: usize = 400;

/// Share of a day's target that must be delivered, in percent.
const DELIVERED_NEEDED: u64 = 90;

/// Over which share of its target a day was too much, in percent: a relay that ignores the plan teaches nothing.
const SENT_ALLOWED: u64 = 150;

/// A gate: its words, and the shares in millionths at which a plan is held and set back.
struct Gate {
    name: &'static str,
    hold_ppm: u64,
    back_ppm: u64,
}

const HARD: Gate = Gate { name: "hard bounces", hold_ppm: 20_000, back_ppm: 50_000 };
const COMPLAINTS: Gate = Gate { name: "complaints", hold_ppm: 1_000, back_ppm: 3_000 };
const DEFERRALS: Gate = Gate { name: "deferred attempts", hold_ppm: 150_000, back_ppm: 300_000 };
const BLOCKS: Gate = Gate { name: "blocks", hold_ppm: 10_000, back_ppm: 50_000 };

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schedule: Vec<Schedule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Schedule {
    name: String,
    #[expect(dead_code, reason = "stands beside the numbers for who reads them")]
    source: String,
    volumes: Vec<u64>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum WarmupError {
    #[error(
        "plan of `{subject}`: there is no schedule `{schedule}`; choose one of {known}, or give `volumes`"
    )]
    NoSchedule { subject: String, schedule: String, known: String },
    #[error("plan of `{subject}`: `begin = \"{begin}\"` is no day; write one such as 2026-11-02")]
    BadBegin { subject: String, begin: String },
    #[error("plan of `{subject}`: `volumes` must rise, from 1 on, in at most {STAGES_MAX} stages")]
    BadVolumes { subject: String },
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarmupPlan {
    /// An address, or a domain of the envelope sender.
    pub subject: String,
    /// Empty for all providers together.
    pub provider: String,
    /// Days since 1970 of the first day.
    pub begin_day: i64,
    /// Messages a day, stage by stage, up to the goal.
    pub volumes: Vec<u64>,
}

impl WarmupPlan {
    /// Reads a plan of the settings.
    ///
    /// # Errors
    ///
    /// [`WarmupError`] with the plan, and what to change.
    ///
    /// # Panics
    ///
    /// Never: a test reads the schedules that were compiled in.
    pub fn new(settings: &Warmup) -> Result<Self, WarmupError> {
        let subject = crate::model::subject_name(&settings.subject);
        let mut volumes = settings.volumes.clone();
        if volumes.is_empty() {
            let file: File = toml::from_str(SHIPPED).expect("the shipped schedules are read by a test");
            let wanted = settings.schedule.as_deref().unwrap_or("sparkpost");
            let known = file.schedule.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ");
            let Some(found) = file.schedule.into_iter().find(|one| one.name == wanted) else {
                return Err(WarmupError::NoSchedule { subject, schedule: wanted.to_owned(), known });
            };
            volumes = found.volumes;
        }
        let rises = volumes.first().is_some_and(|first| *first > 0) && volumes.is_sorted();
        if !rises || volumes.len() > STAGES_MAX {
            return Err(WarmupError::BadVolumes { subject });
        }
        if let Some(goal) = settings.goal.filter(|goal| *goal > 0) {
            let stages = volumes.iter().position(|volume| *volume >= goal).unwrap_or(volumes.len());
            volumes.truncate(stages);
            volumes.push(goal);
        }
        let begin: jiff::civil::Date = settings
            .begin
            .parse()
            .map_err(|_| WarmupError::BadBegin { subject: subject.clone(), begin: settings.begin.clone() })?;
        let begin_day = i64::from((begin - jiff::civil::date(1970, 1, 1)).get_days());
        Ok(Self { subject, provider: settings.provider.clone().unwrap_or_default(), begin_day, volumes })
    }
}

/// What a day brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Day {
    pub sent: u64,
    pub delivered: u64,
    pub hard: u64,
    pub block: u64,
    /// Attempts.
    pub deferred: u64,
    pub complained: u64,
    /// Lists of tier 1 that listed the subject on this day.
    pub listed: u32,
}

/// What a day did to the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Advance,
    Hold,
    Back,
    /// The plan began anew, after too long a silence.
    Anew,
    /// The day is not over.
    Running,
}

/// A day, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayTold {
    /// Days since 1970.
    pub day: i64,
    /// From 1 on.
    pub stage: usize,
    pub target: u64,
    pub sent: u64,
    pub step: Step,
    pub reasons: Vec<String>,
}

/// Where a plan stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// Oldest first; the last is today, while the plan runs.
    pub days: Vec<DayTold>,
    /// From 1 on.
    pub stage: usize,
    /// Messages that may be sent today.
    pub target: u64,
    /// The day on which the stage began, in days since 1970.
    pub stage_day: i64,
    pub is_done: bool,
    /// The day on which the goal is reached when the plan goes on as it went; `None` before it has advanced at all.
    pub finish_day: Option<i64>,
}

/// Follows a plan through its days: `day_of` tells what a day since 1970 brought.
pub fn follow(plan: &WarmupPlan, today: i64, day_of: impl Fn(i64) -> Day) -> Course {
    let last = plan.volumes.len() - 1;
    let (mut stage, mut stage_day, mut silent, mut is_done) = (0, plan.begin_day, 0, false);
    let mut days = Vec::new();
    for at in (plan.begin_day..today).take(DAYS_MAX) {
        let (day, target) = (day_of(at), plan.volumes[stage]);
        silent = if day.sent == 0 { silent + 1 } else { 0 };
        let (step, reasons) = if silent == COLD_DAYS {
            (Step::Anew, vec![format!("{COLD_DAYS} days without mail: the plan begins anew")])
        } else {
            judge(day, target)
        };
        days.push(DayTold { day: at, stage: stage + 1, target, sent: day.sent, step, reasons });
        let next = match step {
            Step::Advance if stage == last => {
                is_done = true;
                break;
            }
            Step::Advance => stage + 1,
            Step::Back => stage.saturating_sub(1),
            Step::Anew => 0,
            Step::Hold | Step::Running => stage,
        };
        if next != stage {
            (stage, stage_day) = (next, at + 1);
        }
    }
    let target = plan.volumes[stage];
    if !is_done && today >= plan.begin_day {
        let (step, reasons) = (Step::Running, Vec::new());
        days.push(DayTold { day: today, stage: stage + 1, target, sent: day_of(today).sent, step, reasons });
    }
    let finish_day =
        if is_done { days.last().map(|day| day.day) } else { projected(stage, last, &days, today) };
    Course { days, stage: stage + 1, target, stage_day, is_done, finish_day }
}

/// The stages that are left, each as long as those before took on average.
fn projected(stage: usize, last: usize, days: &[DayTold], today: i64) -> Option<i64> {
    let (gone, gained) = (i64::try_from(days.len().saturating_sub(1)).ok()?, i64::try_from(stage).ok()?);
    let left = i64::try_from(last + 1 - stage).ok()?;
    (gained > 0).then(|| today + (left * gone.max(gained)).div_euclid(gained) - 1)
}

fn judge(day: Day, target: u64) -> (Step, Vec<String>) {
    if day.sent == 0 {
        return (Step::Hold, vec!["no mail".to_owned()]);
    }
    let (mut back, mut hold) = (Vec::new(), Vec::new());
    if day.listed > 0 {
        back.push(format!("listed by {} blocklist(s) of tier 1", day.listed));
    }
    let attempts = day.sent + day.deferred;
    for (gate, part, whole) in [
        (&HARD, day.hard, day.sent),
        (&BLOCKS, day.block, day.sent),
        (&COMPLAINTS, day.complained, day.delivered),
        (&DEFERRALS, day.deferred, attempts),
    ] {
        let ppm = if whole >= JUDGED_FROM { part * 1_000_000 / whole } else { 0 };
        let told = |limit: u64| format!("{} at {}, the limit is {}", gate.name, percent(ppm), percent(limit));
        if ppm >= gate.back_ppm {
            back.push(told(gate.back_ppm));
        } else if ppm >= gate.hold_ppm {
            hold.push(told(gate.hold_ppm));
        }
    }
    if day.sent * 100 > target * SENT_ALLOWED {
        hold.push(format!("{} sent, where the plan had {target}", day.sent));
    }
    if day.delivered * 100 < target * DELIVERED_NEEDED {
        hold.push(format!(
            "{} delivered of a target of {target}: {DELIVERED_NEEDED} % are needed",
            day.delivered
        ));
    }
    match (back.is_empty(), hold.is_empty()) {
        (false, _) => (Step::Back, [back, hold].concat()),
        (true, false) => (Step::Hold, hold),
        (true, true) => (Step::Advance, Vec::new()),
    }
}

/// Millionths as percent with two digits.
fn percent(ppm: u64) -> String {
    format!("{}.{:02} %", ppm / 10_000, ppm % 10_000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(volumes: &[u64]) -> WarmupPlan {
        WarmupPlan {
            subject: "192.0.2.1".to_owned(),
            provider: String::new(),
            begin_day: 100,
            volumes: volumes.to_vec(),
        }
    }

    fn well(sent: u64) -> Day {
        Day { sent, delivered: sent, ..Day::default() }
    }

    fn course(volumes: &[u64], days: &[Day]) -> Course {
        let today = 100 + i64::try_from(days.len()).unwrap() - 1;
        follow(&plan(volumes), today, |day| days[usize::try_from(day - 100).unwrap()])
    }

    fn steps(course: &Course) -> Vec<(usize, Step)> {
        course.days.iter().map(|day| (day.stage, day.step)).collect()
    }

    #[test]
    fn days_that_go_well_advance_and_the_last_ends_the_plan() {
        let course = course(&[200, 500], &[well(200), well(480), well(0)]);
        assert_eq!(steps(&course), [(1, Step::Advance), (2, Step::Advance)]);
        assert!(course.is_done && course.finish_day == Some(101));
    }

    #[test]
    fn each_gate_holds_and_then_sets_back() {
        let day = well(1_000);
        for (hold, back) in [
            (Day { hard: 20, ..day }, Day { hard: 50, ..day }),
            (Day { block: 10, ..day }, Day { block: 50, ..day }),
            (Day { complained: 1, ..day }, Day { complained: 3, ..day }),
            (Day { deferred: 200, ..day }, Day { deferred: 500, ..day }),
            (Day { delivered: 899, ..day }, Day { listed: 1, ..day }),
        ] {
            let held = course(&[500, 1_000, 2_000], &[well(500), hold, day]);
            assert_eq!(steps(&held)[1], (2, Step::Hold), "{hold:?}");
            assert_eq!((held.stage, held.days[1].reasons.len()), (2, 1));
            let set_back = course(&[500, 1_000, 2_000], &[well(500), back, day]);
            assert_eq!(
                (steps(&set_back)[1], set_back.stage, set_back.stage_day),
                ((2, Step::Back), 1, 102),
                "{back:?}"
            );
        }
    }

    #[test]
    fn little_mail_is_not_judged_and_too_much_teaches_nothing() {
        let one_of_few = Day { hard: 1, delivered: 49, ..well(50) };
        assert_eq!(steps(&course(&[50, 100], &[one_of_few, well(0)]))[0], (1, Step::Advance));
        assert_eq!(steps(&course(&[200, 500], &[well(301), well(0)]))[0], (1, Step::Hold));
    }

    #[test]
    fn a_month_of_silence_begins_anew() {
        let days: Vec<Day> = [well(200)].into_iter().chain((0..31).map(|_| well(0))).collect();
        let course = course(&[200, 500, 1_000], &days);
        assert_eq!((course.stage, course.days[30].step), (1, Step::Anew));
    }

    #[test]
    fn the_end_is_projected_from_the_days_so_far() {
        assert_eq!(course(&[1, 2, 3, 4], &[well(0), well(0)]).finish_day, None);
        // Two stages in four days: two more take four more.
        let days = [well(200), well(0), well(500), well(0), well(0)];
        assert_eq!(course(&[200, 500, 1_000, 2_000], &days).finish_day, Some(104 + 3));
    }

    #[test]
    fn the_settings_choose_a_schedule_up_to_the_goal() {
        let settings = |schedule: Option<&str>, goal| Warmup {
            subject: "Shop.Example".to_owned(),
            provider: None,
            begin: "1970-04-11".to_owned(),
            schedule: schedule.map(ToOwned::to_owned),
            volumes: Vec::new(),
            goal,
        };
        let plan = WarmupPlan::new(&settings(None, Some(3_000))).unwrap();
        assert_eq!((plan.begin_day, plan.volumes), (100, vec![200, 500, 1_000, 2_000, 3_000]));
        assert!(WarmupPlan::new(&settings(Some("sendgrid"), None)).is_ok());
        let error = WarmupPlan::new(&settings(Some("send"), None)).unwrap_err().to_string();
        assert!(error.contains("sparkpost, sendgrid"), "{error}");
        let falling = Warmup { volumes: vec![2, 1], ..settings(None, None) };
        assert!(WarmupPlan::new(&falling).is_err());
    }
}
