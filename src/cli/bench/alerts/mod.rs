//! `relaylens bench alerts`: does what should be told get told, and nothing else; and what does it cost?
//!
//! Way: [`scenario`] makes relays up, some with a fault and some with nothing but an unusual day; the shipped rules watch
//! them beside plain thresholds, by the same evaluations of the same figures. Then the rules are evaluated over a real
//! engine with many values of a dimension.

mod cost;
mod scenario;

use crate::alert::{Evaluator, Incident, Rules, Standing, Verdict};
use crate::cli::bench::alerts::scenario::{Change, PROVIDERS, STREAMS, World};
use crate::config::Config;
use crate::model::Timestamp;
use crate::model::alert::{IncidentStep, Metric};
use std::collections::BTreeSet;
use std::io::Write;

/// Seconds between evaluations: a quarter of an hour, so that two of them are half an hour.
const PAUSE_S: i64 = 900;

/// Evaluations before the change, and after it; a fault counts as told within the first two.
const BEFORE: i64 = 2;
const AFTER: i64 = 8;
const IN_TIME: i64 = 2;

/// Monday, 2026-03-02T00:00:00Z: scenarios begin in the week after it.
const MONDAY: i64 = 1_772_409_600;

#[derive(Debug, Clone, clap::Args)]
pub struct Alerts {
    /// Any number; another one gives other scenarios.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds, from `--seed` on. Of several, mean and worst are told, too.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    seeds: u16,
    /// Scenarios of each kind; there are twelve kinds.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=100))]
    each: u16,
    /// Values of a dimension for the cost of an evaluation over a real engine; 0 leaves it out.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(0..=2_000))]
    values: u16,
}

/// A kind of scenario.
struct Kind {
    name: &'static str,
    /// Metrics by which it may be told; none for one that must not be.
    told_by: &'static [Metric],
    change: Option<Change>,
    new_source: bool,
    /// Messages a day.
    daily: f64,
    /// From how strong to how strong it is.
    strength: (f64, f64),
    /// How many values it may strike.
    picks: usize,
}

const fn change(
    fits: fn(scenario::Combination, usize) -> bool,
    apply: fn(&mut scenario::Rates, f64),
) -> Change {
    Change { fits, apply, is_weekly: false }
}

/// A relay of middle size.
const DAILY: f64 = 200_000.0;

const CALM: Kind = Kind {
    name: "",
    told_by: &[],
    change: None,
    new_source: false,
    daily: DAILY,
    strength: (0.0, 1.0),
    picks: 1,
};

const KINDS: [Kind; 12] = [
    Kind {
        name: "deferral spike at one provider",
        told_by: &[Metric::Deferral],
        change: Some(change(|mail, pick| mail.provider == pick, |rates, by| rates.deferral += by)),
        strength: (0.25, 0.9),
        picks: PROVIDERS.len(),
        ..CALM
    },
    Kind {
        name: "block of one address at one provider",
        told_by: &[Metric::Block],
        change: Some(change(
            |mail, pick| mail.provider == 1 && mail.stream * 2 + mail.ip == pick,
            |rates, by| rates.block += by,
        )),
        strength: (0.5, 1.0),
        picks: 6,
        ..CALM
    },
    Kind {
        name: "complaints over 0.3 %",
        told_by: &[Metric::Complaint, Metric::ComplaintLoops],
        change: Some(change(|mail, pick| mail.stream == pick, |rates, by| rates.complaint += by)),
        strength: (0.2, 0.4),
        picks: STREAMS.len(),
        ..CALM
    },
    Kind {
        name: "a stream stops",
        told_by: &[Metric::Volume],
        change: Some(change(|mail, pick| mail.stream == pick, |rates, by| rates.volume *= 1.0 - by)),
        strength: (0.85, 1.0),
        picks: STREAMS.len(),
        ..CALM
    },
    Kind {
        name: "hard bounces of a bad list",
        told_by: &[Metric::HardBounce],
        change: Some(change(|mail, pick| mail.stream == pick, |rates, by| rates.hard += by)),
        strength: (0.15, 0.5),
        picks: STREAMS.len(),
        ..CALM
    },
    Kind { name: "a new DMARC source", told_by: &[Metric::NewDmarcSource], new_source: true, ..CALM },
    Kind {
        name: "peak of deferrals every week",
        change: Some(Change {
            fits: |mail, pick| mail.provider == pick,
            apply: |rates, by| rates.deferral += by,
            is_weekly: true,
        }),
        strength: (0.2, 0.5),
        picks: PROVIDERS.len(),
        ..CALM
    },
    Kind {
        name: "peak of volume every week",
        change: Some(Change { fits: |_, _| true, apply: |rates, by| rates.volume *= by, is_weekly: true }),
        strength: (2.0, 5.0),
        ..CALM
    },
    Kind { name: "nothing at all", ..CALM },
    Kind {
        name: "a tiny relay with single failures",
        change: Some(change(|_, _| true, |rates, by| rates.hard += by)),
        daily: 120.0,
        strength: (0.1, 0.4),
        ..CALM
    },
    Kind {
        name: "a holiday: less mail",
        change: Some(change(|_, _| true, |rates, by| rates.volume *= by)),
        strength: (0.65, 0.85),
        ..CALM
    },
    Kind {
        name: "a good week: more mail",
        change: Some(change(|_, _| true, |rates, by| rates.volume *= by)),
        strength: (1.2, 1.8),
        ..CALM
    },
];

/// Plain thresholds as one would write them without the rest: the same metrics and dimensions, a fixed limit, no least
/// volume, no past. Told as soon as the value is beyond.
const PLAIN: &str = include_str!("plain.toml");

/// What one way of watching did in one kind of scenarios.
#[derive(Debug, Clone, Copy, Default)]
struct Score {
    scenarios: u64,
    /// Faults told in time.
    told: u64,
    /// Incidents that are the fault's, and those that are not.
    right: u64,
    wrong: u64,
}

impl std::ops::AddAssign for Score {
    fn add_assign(&mut self, other: Self) {
        self.scenarios += other.scenarios;
        self.told += other.told;
        self.right += other.right;
        self.wrong += other.wrong;
    }
}

pub(super) fn run(asked: &Alerts, config: &Config) -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        scenarios(asked).await?;
        if asked.values > 0 {
            cost::run(asked.values, config).await?;
        }
        Ok(())
    })
}

/// What the shipped rules and the plain thresholds did.
#[derive(Debug, Clone, Copy, Default)]
struct Both {
    rules: Score,
    plain: Score,
}

impl std::ops::AddAssign for Both {
    fn add_assign(&mut self, other: Self) {
        self.rules += other.rules;
        self.plain += other.plain;
    }
}

async fn scenarios(asked: &Alerts) -> anyhow::Result<()> {
    let plain = Rules::of(PLAIN)?;
    let mut kinds = [Both::default(); KINDS.len()];
    let mut seeds = Vec::new();
    for seed in asked.seed..asked.seed.saturating_add(asked.seeds.into()) {
        let mut all = Both::default();
        for ((index, kind), sum) in (0_u64..).zip(&KINDS).zip(&mut kinds) {
            let both = of_kind(kind, index, seed, asked.each, &plain).await;
            *sum += both;
            all += both.of_faults(kind);
        }
        seeds.push((seed, all));
    }
    table(&kinds)?;
    Ok(summary(&seeds)?)
}

async fn of_kind(kind: &Kind, index: u64, seed: u64, each: u16, plain: &Rules) -> Both {
    let mut both = Both::default();
    for number in 0..u64::from(each) {
        let seed = seed.wrapping_mul(1_000_003) + index * 1_009 + number;
        both +=
            Both { rules: watch(kind, seed, number).await, plain: compare(kind, seed, number, plain).await };
    }
    both
}

impl Both {
    /// Scenarios without a fault cannot be told: only their false incidents count.
    fn of_faults(self, kind: &Kind) -> Self {
        if !kind.told_by.is_empty() {
            return self;
        }
        let falsely = |score: Score| Score { scenarios: 0, told: 0, ..score };
        Self { rules: falsely(self.rules), plain: falsely(self.plain) }
    }
}

fn table(kinds: &[Both]) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{:<40} {:>9}  {:>17}  {:>17}", "scenario", "number", "rules", "plain thresholds")?;
    writeln!(out, "{:<40} {:>9}  {:>8} {:>8}  {:>8} {:>8}", "", "", "told", "false", "told", "false")?;
    for (kind, Both { rules, plain }) in KINDS.iter().zip(kinds) {
        let told = |score: &Score| {
            if kind.told_by.is_empty() {
                "-".to_owned()
            } else {
                format!("{}/{}", score.told, score.scenarios)
            }
        };
        writeln!(
            out,
            "{:<40} {:>9}  {:>8} {:>8}  {:>8} {:>8}",
            kind.name,
            rules.scenarios,
            told(rules),
            rules.wrong,
            told(plain),
            plain.wrong
        )?;
    }
    Ok(())
}

impl Score {
    fn recall(&self) -> f64 {
        percent(self.told, self.scenarios)
    }

    fn precision(&self) -> f64 {
        percent(self.right, self.right + self.wrong)
    }
}

fn summary(seeds: &[(u64, Both)]) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    if seeds.len() > 1 {
        for (seed, Both { rules, plain }) in seeds {
            writeln!(
                out,
                "seed {seed}: rules recall {:.1} %, precision {:.1} %; plain thresholds {:.1} %, {:.1} %",
                rules.recall(),
                rules.precision(),
                plain.recall(),
                plain.precision()
            )?;
        }
    }
    let of = |of: fn(&Both) -> Score| seeds.iter().map(|(_, both)| of(both)).collect::<Vec<_>>();
    for (name, scores) in [("rules", of(|both| both.rules)), ("plain thresholds", of(|both| both.plain))] {
        let mut all = Score::default();
        for score in &scores {
            all += *score;
        }
        writeln!(
            out,
            "{name}: recall {:.1} % ({} of {} faults told within {IN_TIME} evaluations), precision {:.1} % ({} of {} \
             incidents were the fault's)",
            all.recall(),
            all.told,
            all.scenarios,
            all.precision(),
            all.right,
            all.right + all.wrong,
        )?;
        if scores.len() > 1 {
            let (recall, precision) = (spread(&scores, Score::recall), spread(&scores, Score::precision));
            writeln!(
                out,
                "{name}, over {} seeds: recall mean {:.1} %, worst {:.1} %; precision mean {:.1} %, worst {:.1} %",
                scores.len(),
                recall.0,
                recall.1,
                precision.0,
                precision.1
            )?;
        }
    }
    Ok(())
}

/// Mean and worst of a figure over the seeds.
#[expect(clippy::cast_precision_loss, reason = "some hundred seeds")]
fn spread(scores: &[Score], of: fn(&Score) -> f64) -> (f64, f64) {
    let values = scores.iter().map(of);
    let worst = values.clone().fold(f64::INFINITY, f64::min);
    (values.sum::<f64>() / scores.len() as f64, worst)
}

#[expect(clippy::cast_precision_loss, reason = "some hundred scenarios")]
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 100.0 } else { 100.0 * part as f64 / whole as f64 }
}

#[expect(clippy::cast_precision_loss, reason = "a few numbers of scenarios")]
fn world(kind: &Kind, seed: u64, number: u64) -> World {
    // By day and in the evening, on any day of the week but where the rhythm itself is the point.
    let hour = 8 + (seed % 12).cast_signed();
    let day =
        if kind.change.is_some_and(|change| change.is_weekly) { 0 } else { (seed / 12 % 5).cast_signed() };
    let step = (number % 6) as f64 / 5.0;
    World {
        seed,
        begins: MONDAY + day * 86_400 + hour * 3_600,
        daily: kind.daily,
        change: kind.change,
        pick: usize::try_from(seed).unwrap_or(0) % kind.picks,
        strength: kind.strength.0 + step * (kind.strength.1 - kind.strength.0),
        new_source: kind.new_source.then_some(50.0),
    }
}

/// The shipped rules, from evaluation to incident.
async fn watch(kind: &Kind, seed: u64, number: u64) -> Score {
    let rules = Rules::shipped();
    let world = world(kind, seed, number);
    let begins = world.begins;
    let mut evaluator = Evaluator::new(world, &rules);
    let mut standing = Standing::new(Vec::new(), Vec::new(), &rules);
    let mut score = Score { scenarios: 1, ..Score::default() };
    let mut id = 0;
    let mut is_told = false;
    for step in -BEFORE..=AFTER {
        let now = Timestamp::from_seconds(begins + step * PAUSE_S);
        let evaluated = evaluator.evaluate(now.seconds(), &standing.unusual(now)).await;
        let advanced = standing.step(&evaluated, &rules, now, || {
            id += 1;
            id
        });
        let fires = advanced.iter().filter(|a| a.tells && a.step == Some(IncidentStep::Firing));
        for incident in fires.map(|advanced| &advanced.incident) {
            let is_right = step > 0 && belongs(kind, incident);
            score.right += u64::from(is_right);
            score.wrong += u64::from(!is_right);
            is_told |= is_right && step <= IN_TIME;
        }
        standing.apply(advanced, now);
    }
    score.told = u64::from(is_told);
    score
}

/// Whether an incident is of the fault: what it does to delivery as a whole is its doing, too.
fn belongs(kind: &Kind, incident: &Incident) -> bool {
    let follows = !kind.told_by.is_empty() && incident.metric == Metric::Delivery;
    kind.told_by.contains(&incident.metric) || follows
}

/// Plain thresholds over the same figures. A value counts once while it is beyond.
async fn compare(kind: &Kind, seed: u64, number: u64, plain: &Rules) -> Score {
    let world = world(kind, seed, number);
    let begins = world.begins;
    let mut evaluator = Evaluator::new(world, plain);
    let mut score = Score { scenarios: 1, ..Score::default() };
    let (mut beyond, mut is_told) = (BTreeSet::new(), false);
    for step in -BEFORE..=AFTER {
        for evaluated in evaluator.evaluate(begins + step * PAUSE_S, &[]).await {
            let Ok(found) = evaluated.found else { continue };
            for found in found {
                let rule = &evaluated.rule;
                let value = found.finding.value;
                let is_beyond = rule.above.is_some_and(|limit| value > limit)
                    || rule.below.is_some_and(|limit| value < limit) && found.verdict != Verdict::Unknown;
                let key = (rule.name.clone(), found.labels);
                if !is_beyond {
                    beyond.remove(&key);
                } else if beyond.insert(key) {
                    let is_right = step > 0 && kind.told_by.contains(&rule.metric);
                    score.right += u64::from(is_right);
                    score.wrong += u64::from(!is_right);
                    is_told |= is_right && step <= IN_TIME;
                }
            }
        }
    }
    score.told = u64::from(is_told);
    score
}
