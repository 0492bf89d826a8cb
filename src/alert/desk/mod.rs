//! Where it comes together: evaluates, stores the steps, answers the pages.
//!
//! Way: `app` starts [`Alerts::run`] and the outbox; pages and API ask an [`Alerts`] and change things through it.
//! A step is stored before it counts. When the store refuses, what is in memory is forgotten and read anew, so that both
//! never part.
//! Not here: what people do (`people`), what was (`history`), what the last evaluation came to (`board`).

mod board;
mod history;
mod people;

pub use board::{Board, RuleView, SilenceView, Watched};
pub use people::{DeskError, NewAnnotation};

use crate::alert::desk::board::{board, shown};
use crate::alert::desk::history::read;
use crate::alert::evaluate::Evaluator;
use crate::alert::figures::{Figures, StoreFigures};
use crate::alert::incident::{Advanced, Incident};
use crate::alert::notify::Channels;
use crate::alert::rules::Rules;
use crate::alert::silence::Silence;
use crate::alert::standing::{Standing, UNUSUAL_S};
use crate::model::Timestamp;
use crate::model::alert::IncidentStep;
use crate::store::{Store, StoreError, TransitionRow};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, Notify, watch};

/// Most incidents of one evaluation that are explained: each takes some questions. The others fire unexplained.
const EXPLAINED_MAX: usize = 20;

/// Most incidents read back.
const INCIDENTS_MAX: u32 = 5_000;

/// The alerts of a server. The figures come from its store; a test may bring others.
pub struct Alerts<F = StoreFigures> {
    store: Store,
    rules: Rules,
    channels: Arc<Channels>,
    /// Seconds by which windows end before now.
    settle_s: i64,
    work: Mutex<Work<F>>,
    board: StdMutex<Arc<Board>>,
    wake: Arc<Notify>,
}

struct Work<F> {
    evaluator: Evaluator<F>,
    /// `None` until it was read.
    standing: Option<Standing>,
}

impl<F: Figures> Alerts<F> {
    pub fn new(store: Store, figures: F, rules: Rules, channels: Arc<Channels>, settle_s: u32) -> Self {
        let evaluator = Evaluator::new(figures, &rules);
        Self {
            store,
            rules,
            channels,
            settle_s: i64::from(settle_s),
            work: Mutex::new(Work { evaluator, standing: None }),
            board: StdMutex::default(),
            wake: Arc::default(),
        }
    }

    /// Rung when a step was stored that somebody is to be told of.
    pub fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    pub fn channels(&self) -> &Channels {
        &self.channels
    }

    /// The last evaluation.
    pub fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Evaluates every `pause` until `stopped`.
    pub async fn run(&self, pause: Duration, clock: fn() -> Timestamp, mut stopped: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(pause);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return,
                _ = ticks.tick() => {}
            }
            if let Err(error) = self.evaluate(clock()).await {
                tracing::warn!(%error, "the alerts could not be evaluated; they are at the next time");
            }
        }
    }

    /// Evaluates all rules once, stores what changed, and returns the steps.
    ///
    /// # Errors
    ///
    /// [`StoreError`], when incidents cannot be read or stored. A rule whose figures cannot be had is no error: the board
    /// tells it.
    pub async fn evaluate(&self, now: Timestamp) -> Result<Vec<(Incident, IncidentStep)>, StoreError> {
        let begun = Instant::now();
        let mut work = self.work.lock().await;
        let Work { evaluator, standing } = &mut *work;
        let standing = self.standing(standing, now).await?;
        let until_unix = now.seconds() - self.settle_s;
        let evaluated = evaluator.evaluate(until_unix, &standing.unusual(now)).await;
        let mut advanced = standing.step(&evaluated, &self.rules, now, || uuid::Uuid::new_v4().as_u128());
        self.explain(evaluator, &mut advanced, until_unix).await;
        let steps = self.store_steps(&advanced, now).await;
        let steps = Self::kept(steps, &mut work)?;
        if let Some(standing) = work.standing.as_mut() {
            standing.apply(advanced, now);
            let board = board(&self.rules, &evaluated, standing, now, begun.elapsed());
            *self.board.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(board);
        }
        Ok(steps)
    }

    /// Forgets what is in memory when the store did not take a step: it is read anew.
    fn kept<T>(stored: Result<T, StoreError>, work: &mut Work<F>) -> Result<T, StoreError> {
        if stored.is_err() {
            work.standing = None;
        }
        stored
    }

    async fn standing<'s>(
        &self,
        standing: &'s mut Option<Standing>,
        now: Timestamp,
    ) -> Result<&'s mut Standing, StoreError> {
        if standing.is_none() {
            let stored = self.store.incidents(now.seconds() - UNUSUAL_S, INCIDENTS_MAX).await?;
            let silences = self.store.silences(now.seconds()).await?;
            let silences = silences.iter().filter_map(Silence::of_row).collect();
            *standing = Some(Standing::new(stored.iter().filter_map(read).collect(), silences, &self.rules));
        }
        Ok(standing.as_mut().expect("it was just read"))
    }

    async fn explain(&self, evaluator: &Evaluator<F>, advanced: &mut [Advanced], until_unix: i64) {
        let told =
            [IncidentStep::Firing, IncidentStep::Reopened, IncidentStep::Unmuted, IncidentStep::Reminder];
        let fires = advanced.iter_mut().filter(|a| a.step.is_some_and(|step| told.contains(&step)));
        for Advanced { incident, .. } in fires.take(EXPLAINED_MAX) {
            let Some(rule) = self.rules.get(&incident.rule) else { continue };
            let explained =
                evaluator.explain(rule, &incident.labels, &mut incident.finding, until_unix).await;
            if let Err(error) = explained {
                tracing::warn!(%error, rule = incident.rule, "an incident cannot be explained; it is told without");
            }
        }
    }

    /// Stores the steps, all or none, and rings for the outbox.
    async fn store_steps(
        &self,
        advanced: &[Advanced],
        now: Timestamp,
    ) -> Result<Vec<(Incident, IncidentStep)>, StoreError> {
        let steps = advanced.iter().filter_map(|advanced| Some((advanced, advanced.step?)));
        let rows: Vec<TransitionRow> = steps
            .clone()
            .map(|(advanced, step)| self.row(&advanced.incident, step, advanced.tells, now))
            .collect();
        self.store.insert_transitions(&rows).await?;
        if rows.iter().any(|row| !row.channels.is_empty()) {
            self.wake.notify_one();
        }
        Ok(steps.map(|(advanced, step)| (advanced.incident.clone(), step)).collect())
    }

    fn row(&self, incident: &Incident, step: IncidentStep, tells: bool, now: Timestamp) -> TransitionRow {
        let named = self.rules.get(&incident.rule).map(|rule| rule.channels.as_slice()).unwrap_or_default();
        let routed = self.channels.names().filter(|name| named.is_empty() || named.iter().any(|n| n == name));
        let band = incident.finding.expected.map_or((0.0, 0.0), |expected| (expected.low, expected.high));
        TransitionRow {
            incident_id: incident.id,
            seq: incident.seq,
            at: now,
            step,
            state: incident.state,
            rule: incident.rule.clone(),
            severity: incident.severity,
            labels: incident.labels.clone().into_iter().collect(),
            value: incident.finding.value,
            expected: band,
            channels: if tells { routed.map(str::to_owned).collect() } else { Vec::new() },
            body: serde_json::to_string(incident).expect("an incident is plain data"),
        }
    }

    fn show(&self, standing: &Standing) {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        let (open, silences) = shown(standing);
        *board = Arc::new(Board { open, silences, ..(**board).clone() });
    }
}
