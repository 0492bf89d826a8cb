//! Where it comes together: evaluates, stores the steps, answers the pages.
//!
//! Way: `app` starts [`Alerts::run`] and the outbox; pages and API ask an [`Alerts`] and change things through it.
//! A step is stored before it counts. When the store refuses, what is in memory is forgotten and read anew, so that both
//! never part.

use crate::alert::evaluate::{Evaluated, Evaluator};
use crate::alert::figures::{Figures, StoreFigures};
use crate::alert::incident::{Acknowledgement, Advanced, Finding, Incident};
use crate::alert::judge::{Labels, Verdict};
use crate::alert::notify::{Channels, Message, NotifyError};
use crate::alert::rules::Rules;
use crate::alert::silence::{Silence, SilenceError};
use crate::alert::standing::{Standing, UNUSUAL_S};
use crate::model::Timestamp;
use crate::model::alert::{IncidentState, IncidentStep, Severity};
use crate::store::query::{AnnotationOf, DeliveryAttempt, IncidentBody, StepToTell, TimeRange};
use crate::store::{AnnotationRow, Store, StoreError, TransitionRow};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, Notify, watch};

/// Most incidents of one evaluation that are explained: each takes some questions. The others fire unexplained.
const EXPLAINED_MAX: usize = 20;

/// Most incidents read back.
const INCIDENTS_MAX: u32 = 5_000;

/// Values of one rule shown on the page, those in breach first.
const SHOWN_MAX: usize = 50;

/// Longest text that a person may give, in characters.
const TEXT_CHARS_MAX: usize = 1_000;

/// Why something that a person asked for cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Silence(#[from] SilenceError),
    #[error("no incident of this id is firing")]
    NoIncident,
    #[error("no silence of this id is in force")]
    NoSilence,
    #[error("say who you are")]
    Nameless,
    #[error("an annotation needs a title, and an end after its beginning")]
    Annotation,
    #[error(transparent)]
    Notify(#[from] NotifyError),
}

/// One value of a rule, as the last evaluation saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    pub labels: Labels,
    pub verdict: Verdict,
    pub finding: Finding,
}

/// A rule, as the last evaluation saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleView {
    pub name: String,
    pub severity: Severity,
    /// Values judged.
    pub values: usize,
    pub shown: Vec<Watched>,
    /// Why it could not be judged.
    pub error: Option<String>,
}

/// What the last evaluation came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Board {
    pub at: Option<Timestamp>,
    pub took_ms: u64,
    pub rules: Vec<RuleView>,
    pub open: Vec<Incident>,
    pub silences: Vec<SilenceView>,
}

/// A silence, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct SilenceView {
    pub id: u128,
    pub matchers: String,
    pub begins: Timestamp,
    pub until: Timestamp,
    pub author: String,
    pub comment: String,
}

/// What there is to tell of a new annotation.
#[derive(Debug, Clone, Default)]
pub struct NewAnnotation {
    pub at: Timestamp,
    /// `None` for a moment.
    pub until: Option<Timestamp>,
    pub title: String,
    pub text: String,
    pub author: String,
    pub labels: Labels,
}

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

    /// Somebody takes a firing incident on: no more reminders.
    ///
    /// # Errors
    ///
    /// [`DeskError::NoIncident`], [`DeskError::Nameless`], [`DeskError::Store`].
    pub async fn acknowledge(
        &self,
        id: u128,
        by: &str,
        comment: &str,
        now: Timestamp,
    ) -> Result<(), DeskError> {
        if by.trim().is_empty() {
            return Err(DeskError::Nameless);
        }
        let mut work = self.work.lock().await;
        let standing = self.standing(&mut work.standing, now).await?;
        let fires = |incident: &&Incident| incident.state == IncidentState::Firing;
        let mut incident = standing.get(id).filter(fires).ok_or(DeskError::NoIncident)?.clone();
        incident.acknowledged = Some(Acknowledgement { by: cut(by), at: now, comment: cut(comment) });
        incident.seq += 1;
        let tells = incident.told.is_some();
        let advanced = vec![Advanced { incident, step: Some(IncidentStep::Acknowledged), tells }];
        let stored = self.store_steps(&advanced, now).await;
        Self::kept(stored, &mut work)?;
        if let Some(standing) = work.standing.as_mut() {
            standing.apply(advanced, now);
            self.show(standing);
        }
        Ok(())
    }

    /// Keeps incidents quiet that fit.
    ///
    /// # Errors
    ///
    /// [`DeskError::Store`].
    pub async fn silence(&self, silence: Silence, now: Timestamp) -> Result<(), DeskError> {
        let mut work = self.work.lock().await;
        let standing = self.standing(&mut work.standing, now).await?;
        self.store.insert_silence(&silence.row()).await?;
        standing.silences.retain(|other| other.id != silence.id && other.until > now);
        standing.silences.push(silence);
        self.show(standing);
        Ok(())
    }

    /// Ends a silence before its time.
    ///
    /// # Errors
    ///
    /// [`DeskError::NoSilence`], [`DeskError::Store`].
    pub async fn end_silence(&self, id: u128, now: Timestamp) -> Result<(), DeskError> {
        let mut work = self.work.lock().await;
        let standing = self.standing(&mut work.standing, now).await?;
        let known = standing.silences.iter().find(|silence| silence.id == id && silence.until > now);
        let mut silence = known.ok_or(DeskError::NoSilence)?.clone();
        silence.until = now;
        silence.version += 1;
        self.store.insert_silence(&silence.row()).await?;
        standing.silences.retain(|other| other.id != id);
        self.show(standing);
        Ok(())
    }

    fn show(&self, standing: &Standing) {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        let (open, silences) = shown(standing);
        *board = Arc::new(Board { open, silences, ..(**board).clone() });
    }

    /// Sends an example message, at once and without the outbox.
    ///
    /// # Errors
    ///
    /// [`DeskError::Notify`], with what the channel said.
    pub async fn test_channel(&self, name: &str, now: Timestamp) -> Result<(), DeskError> {
        let message = test_message(now, self.channels.external_url());
        Ok(self.channels.send(name, &message).await?)
    }

    /// Marks a moment or a time on the charts.
    ///
    /// # Errors
    ///
    /// [`DeskError::Annotation`], [`DeskError::Nameless`], [`DeskError::Store`].
    pub async fn annotate(&self, new: NewAnnotation) -> Result<u128, DeskError> {
        let until = new.until.unwrap_or(new.at);
        if new.title.trim().is_empty() || until < new.at {
            return Err(DeskError::Annotation);
        }
        if new.author.trim().is_empty() {
            return Err(DeskError::Nameless);
        }
        let row = AnnotationRow {
            annotation_id: uuid::Uuid::new_v4().as_u128(),
            at: new.at,
            until,
            kind: "user".to_owned(),
            title: cut(&new.title),
            text: cut(&new.text),
            author: cut(&new.author),
            labels: new.labels.into_iter().take(20).map(|(name, value)| (cut(&name), cut(&value))).collect(),
        };
        self.store.insert_annotations(std::slice::from_ref(&row)).await?;
        Ok(row.annotation_id)
    }

    /// Incidents that are open or ended since then, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn history(&self, since_unix: i64, limit: u32) -> Result<Vec<Incident>, StoreError> {
        let stored = self.store.incidents(since_unix, limit).await?;
        Ok(stored.iter().filter_map(read).collect())
    }

    /// An incident after each of its steps, oldest first; empty when there is none of the id.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn steps(&self, id: u128) -> Result<Vec<(Incident, StepToTell)>, StoreError> {
        let id = uuid::Uuid::from_u128(id).to_string();
        let steps = self.store.incident_steps(&id).await?;
        let read = |step: StepToTell| Some((serde_json::from_str(&step.body).ok()?, step));
        Ok(steps.into_iter().filter_map(read).collect())
    }

    /// The newest attempts to tell somebody, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn deliveries(&self, since_unix: i64, limit: u32) -> Result<Vec<DeliveryAttempt>, StoreError> {
        self.store.delivery_attempts(since_unix, limit).await
    }

    /// What users posted, and the incidents, in a range.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn annotations(&self, range: TimeRange, limit: u32) -> Result<Vec<AnnotationOf>, StoreError> {
        self.store.annotations(range, limit).await
    }
}

/// An example, for trying channels out.
fn test_message(now: Timestamp, external_url: Option<&str>) -> Message {
    let rules = Rules::shipped();
    let rule = rules.get("deferral_spike").expect("a shipped rule");
    let labels = Labels::from([("provider".to_owned(), "example".to_owned())]);
    let note = "This is a test of the channel. Nothing is wrong.".to_owned();
    let finding = Finding { value: 0.42, volume: 1_000.0, note, ..Finding::default() };
    let mut incident = Incident::begin(uuid::Uuid::new_v4().as_u128(), rule, labels, finding, now);
    "Test".clone_into(&mut incident.title);
    incident.state = IncidentState::Resolved;
    incident.ended = Some(now);
    incident.seq = 1;
    Message::new(incident, IncidentStep::Resolved, now, external_url)
}

fn read(stored: &IncidentBody) -> Option<Incident> {
    serde_json::from_str(&stored.body)
        .inspect_err(|error| {
            tracing::error!(%error, incident = stored.incident_id, "a stored incident cannot be read; it is left out");
        })
        .ok()
}

fn cut(text: &str) -> String {
    text.trim().chars().take(TEXT_CHARS_MAX).collect()
}

fn shown(standing: &Standing) -> (Vec<Incident>, Vec<SilenceView>) {
    let silences = standing.silences.iter().map(|silence| SilenceView {
        id: silence.id,
        matchers: silence.matchers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        begins: silence.begins,
        until: silence.until,
        author: silence.author.clone(),
        comment: silence.comment.clone(),
    });
    (standing.open().cloned().collect(), silences.collect())
}

fn board(
    rules: &Rules,
    evaluated: &[Evaluated],
    standing: &Standing,
    now: Timestamp,
    took: Duration,
) -> Board {
    let view = |rule: &crate::alert::rules::Rule| {
        let seen = evaluated.iter().find(|evaluated| evaluated.rule.name == rule.name);
        let (name, severity) = (rule.name.clone(), rule.severity);
        let mut view = RuleView { name, severity, values: 0, shown: Vec::new(), error: None };
        match seen.map(|seen| &seen.found) {
            Some(Ok(found)) => {
                view.values = found.len();
                let mut sorted: Vec<_> = found.iter().collect();
                let rank = |verdict| (verdict != Verdict::Breach, verdict != Verdict::Clear);
                sorted.sort_by(|one, other| {
                    let by_volume = other.finding.volume.total_cmp(&one.finding.volume);
                    rank(one.verdict).cmp(&rank(other.verdict)).then(by_volume)
                });
                let watched = |found: &crate::alert::evaluate::Found| Watched {
                    labels: found.labels.clone(),
                    verdict: found.verdict,
                    finding: found.finding.clone(),
                };
                view.shown = sorted.into_iter().take(SHOWN_MAX).map(watched).collect();
            }
            Some(Err(error)) => view.error = Some(error.to_string()),
            None => {}
        }
        view
    };
    let (open, silences) = shown(standing);
    Board {
        at: Some(now),
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        rules: rules.rules.iter().map(view).collect(),
        open,
        silences,
    }
}
