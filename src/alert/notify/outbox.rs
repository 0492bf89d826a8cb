//! Tells each channel of each step, once in the end.
//!
//! Way: a step is stored with the channels to tell; this finds those that nobody has taken yet, tells them, and stores how
//! it went. Nothing waits in memory: after a crash the store says what is left to do. When the process dies between a
//! channel's yes and the note of it, the message goes out once more, with the same id.
//!
//! No storm: incidents of one rule wait for each other and become one message (`parcel`); of several steps of one incident
//! that wait, only the newest goes out; a channel that is down is tried ever more rarely, and gets a bounded number of
//! messages in a minute.

use crate::alert::incident::Incident;
use crate::alert::notify::parcel::{Due, Parcel, by_rule, is_time, paged, together};
use crate::alert::notify::{Channels, Digest, Message, Notice};
use crate::model::Timestamp;
use crate::model::alert::{DeliveryState, IncidentStep};
use crate::store::query::{DeliveryAttempt, StepToTell, ToldIncident};
use crate::store::{DeliveryRow, Store, StoreError, SummaryRow};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Notify, watch};

/// For how long a step is tried to be told, in seconds: two days, over a weekend's outage. What is older is no news.
const GIVE_UP_S: i64 = 2 * 86_400;

/// Steps are looked for as far back, so that those given up are noted.
const LOOK_BACK_S: i64 = GIVE_UP_S + 86_400;

/// Pause after a first failure, in seconds; doubles with each, up to the longest.
const RETRY_S: i64 = 15;
const RETRY_S_MAX: i64 = 900;

/// Messages that one channel gets in a minute: as many as a person can glance at. The others wait, and are superseded
/// when their incident goes on meanwhile.
const A_MINUTE_MAX: usize = 30;

/// How long nothing is looked for when nobody wakes us, in which a failed message's time may come.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// Most attempts read.
const ATTEMPTS_MAX: u32 = 20_000;

/// A step of an incident, for a channel.
type Place = (String, u32, String);

pub struct Outbox {
    store: Store,
    channels: Arc<Channels>,
    wake: Arc<Notify>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Went out, but the store did not take the note: must not go out again.
    unnoted: HashMap<Place, DeliveryRow>,
    /// When each channel was told lately.
    recent: HashMap<String, VecDeque<Timestamp>>,
}

impl Outbox {
    pub fn new(store: Store, channels: Arc<Channels>, wake: Arc<Notify>) -> Self {
        Self { store, channels, wake, state: Mutex::default() }
    }

    /// Works until `stopped`.
    pub async fn run(&self, clock: fn() -> Timestamp, mut stopped: watch::Receiver<bool>) {
        loop {
            if let Err(error) = self.deliver(clock()).await {
                tracing::warn!(%error, "what is to be told cannot be looked up; it is told later");
            }
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }

    /// Tells all that is due; returns how many messages went out.
    ///
    /// # Errors
    ///
    /// [`StoreError`], when it cannot be looked up.
    pub async fn deliver(&self, now: Timestamp) -> Result<usize, StoreError> {
        let mut state = self.state.lock().await;
        self.note_again(&mut state).await?;
        let since = now.seconds() - LOOK_BACK_S;
        let steps = self.store.steps_to_tell(since).await?;
        if steps.is_empty() {
            return Ok(0);
        }
        let attempts = self.store.delivery_attempts(since, ATTEMPTS_MAX).await?;
        let (due, over) = sort(&steps, &attempts, now);
        self.store.insert_deliveries(&over).await?;
        if due.is_empty() {
            return Ok(0);
        }
        let parcels = self.pack(due, now).await?;
        let State { unnoted, recent } = &mut *state;
        let told = parcels.into_iter().map(|(channel, parcels)| {
            let free = free_places(recent.entry(channel.clone()).or_default(), now);
            self.tell(channel, parcels, free, now)
        });
        let mut sent = 0;
        for Told { channel, messages, rows } in futures_util::future::join_all(told).await {
            sent += messages;
            recent.entry(channel.clone()).or_default().extend(std::iter::repeat_n(now, messages));
            for row in rows {
                unnoted.insert((format!("{:032x}", row.incident_id), row.seq, channel.clone()), row);
            }
        }
        Ok(sent)
    }

    /// What of the steps that are due is sent now, by channel.
    async fn pack(
        &self,
        due: BTreeMap<String, Vec<Due>>,
        now: Timestamp,
    ) -> Result<Vec<(String, Vec<Parcel>)>, StoreError> {
        let pace = self.channels.pace();
        let lately = self.store.told_lately(now.seconds() - pace.interval_s).await?;
        let told = if due.keys().any(|channel| self.channels.keeps_incidents(channel)) {
            let ids: BTreeSet<&str> = due.values().flatten().map(|step| step.incident_id.as_str()).collect();
            self.store.told_incidents(&ids.into_iter().collect::<Vec<_>>()).await?
        } else {
            Vec::new()
        };
        let mut all = Vec::new();
        for (channel, due) in due {
            let mut parcels = Vec::new();
            for (rule, due) in by_rule(due) {
                let is_it = |of_channel: &str, of_rule: &str| of_channel == channel && of_rule == rule;
                let last = lately.iter().find(|told| is_it(&told.channel, &told.rule)).map(|told| told.at_us);
                if !is_time(&due, last, pace, now) {
                    continue;
                }
                let known: Vec<&ToldIncident> =
                    told.iter().filter(|told| is_it(&told.channel, &told.rule)).collect();
                let keeps = self.channels.keeps_incidents(&channel);
                parcels.extend(if keeps { paged(due, &known) } else { together(due) });
            }
            all.push((channel, parcels));
        }
        Ok(all)
    }

    /// What went out without a note is noted before anything else goes out.
    async fn note_again(&self, state: &mut State) -> Result<(), StoreError> {
        let rows: Vec<DeliveryRow> = state.unnoted.values().cloned().collect();
        self.store.insert_deliveries(&rows).await?;
        state.unnoted.clear();
        Ok(())
    }

    /// Tells one channel, a message after the other; the first fault of the channel itself ends it. Each is noted at once.
    async fn tell(&self, channel: String, parcels: Vec<Parcel>, free: usize, now: Timestamp) -> Told {
        let mut told = Told { channel, messages: 0, rows: Vec::new() };
        for parcel in parcels.into_iter().take(free) {
            let channel = told.channel.as_str();
            if let Err(error) = self.note_summary(channel, &parcel, now).await {
                tracing::warn!(%error, channel, "a summary could not be noted; it is told later");
                break;
            }
            let sent = self.channels.send(channel, &self.notice(&parcel)).await;
            let (state, said) = match &sent {
                Ok(()) => (DeliveryState::Sent, String::new()),
                Err(error) => {
                    tracing::warn!(channel, %error, "a channel could not be told; it is tried again");
                    (DeliveryState::Failed, error.to_string())
                }
            };
            let row = |due: &Due| {
                let place = Step { incident_id: &due.incident_id, seq: due.incident.seq };
                row(place, channel, due.attempts + 1, now, state, &said)
            };
            let rows: Vec<DeliveryRow> = parcel.steps().iter().filter_map(row).collect();
            if let Err(error) = self.store.insert_deliveries(&rows).await {
                tracing::warn!(%error, channel, "a delivery could not be noted; it is noted later");
                told.rows.extend(rows);
            }
            told.messages += usize::from(sent.is_ok());
            if sent.is_err_and(|error| error.is_of_the_channel()) {
                break;
            }
        }
        told
    }

    /// Notes who is told of in a summary, before it goes out: the end must find its way there.
    async fn note_summary(&self, channel: &str, parcel: &Parcel, now: Timestamp) -> Result<(), StoreError> {
        let Parcel::Summary { steps, .. } = parcel else { return Ok(()) };
        let row = |due: &Due| SummaryRow {
            incident_id: due.incident.id,
            channel: channel.to_owned(),
            rule: due.incident.rule.clone(),
            at: now,
        };
        self.store.insert_summaries(&steps.iter().map(row).collect::<Vec<_>>()).await
    }

    fn notice(&self, parcel: &Parcel) -> Notice {
        let url = self.channels.external_url();
        let message = |due: &Due| Message::new(due.incident.clone(), due.step, due.at, url);
        let messages = |steps: &[Due]| steps.iter().map(message).collect();
        match parcel {
            Parcel::Alone(due) => Notice::one(message(due)),
            Parcel::Together(steps) => Notice::Many(Digest::together(messages(steps), url)),
            Parcel::Summary { steps, open } => Notice::Many(Digest::summary(messages(steps), *open, url)),
        }
    }
}

/// What became of a channel's parcels.
struct Told {
    channel: String,
    messages: usize,
    /// Notes that the store did not take.
    rows: Vec<DeliveryRow>,
}

/// Which step of which incident.
#[derive(Clone, Copy)]
struct Step<'s> {
    incident_id: &'s str,
    seq: u32,
}

/// How many more messages a channel may get now.
fn free_places(recent: &mut VecDeque<Timestamp>, now: Timestamp) -> usize {
    recent.retain(|at| now.seconds() - at.seconds() < 60);
    A_MINUTE_MAX.saturating_sub(recent.len())
}

fn row(
    step: Step<'_>,
    channel: &str,
    attempt: u16,
    now: Timestamp,
    state: DeliveryState,
    error: &str,
) -> Option<DeliveryRow> {
    let pause = (RETRY_S << attempt.saturating_sub(1).min(10)).min(RETRY_S_MAX);
    Some(DeliveryRow {
        incident_id: step.incident_id.parse::<uuid::Uuid>().ok()?.as_u128(),
        seq: step.seq,
        channel: channel.to_owned(),
        attempt,
        at: now,
        state,
        next_at: Timestamp::from_seconds(now.seconds() + pause),
        error: error.to_owned(),
    })
}

/// Sorts what was stored into what is due, by channel, and what is over without having been told.
fn sort(
    steps: &[StepToTell],
    attempts: &[DeliveryAttempt],
    now: Timestamp,
) -> (BTreeMap<String, Vec<Due>>, Vec<DeliveryRow>) {
    let known: HashMap<(&str, u32, &str), &DeliveryAttempt> =
        attempts.iter().map(|a| ((a.incident_id.as_str(), a.seq, a.channel.as_str()), a)).collect();
    let mut newest = HashMap::<(&str, &str), u32>::new();
    for step in steps {
        for channel in &step.channels {
            let seq = newest.entry((&step.incident_id, channel)).or_default();
            *seq = step.seq.max(*seq);
        }
    }
    let (mut due, mut over) = (BTreeMap::<String, Vec<Due>>::new(), Vec::new());
    for step in steps {
        let place = Step { incident_id: &step.incident_id, seq: step.seq };
        for channel in &step.channels {
            let last = known.get(&(step.incident_id.as_str(), step.seq, channel.as_str()));
            let attempts = last.map_or(0, |last| last.attempt);
            if last.is_some_and(|last| last.state != DeliveryState::Failed.name()) {
                continue;
            }
            let mut end =
                |state, error: &str| over.extend(row(place, channel, attempts + 1, now, state, error));
            let is_newest = newest[&(step.incident_id.as_str(), channel.as_str())] == step.seq;
            if !is_newest {
                end(DeliveryState::Superseded, "");
            } else if now.0 - step.at_us > GIVE_UP_S * 1_000_000 {
                end(DeliveryState::GivenUp, last.map_or("", |last| last.error.as_str()));
            } else if last.is_none_or(|last| last.next_us <= now.0) {
                match read(step, attempts) {
                    Some(step) => due.entry(channel.clone()).or_default().push(step),
                    None => end(DeliveryState::GivenUp, "cannot be read"),
                }
            }
        }
    }
    (due, over)
}

/// A step as it was stored; `None` when it cannot be read, which is told in the log.
fn read(step: &StepToTell, attempts: u16) -> Option<Due> {
    let incident = serde_json::from_str::<Incident>(&step.body)
        .inspect_err(|error| {
            tracing::error!(%error, incident = step.incident_id, "a stored incident cannot be read; nobody is told");
        })
        .ok()?;
    Some(Due {
        incident_id: step.incident_id.clone(),
        incident,
        step: IncidentStep::from_name(&step.step)?,
        at: Timestamp(step.at_us),
        attempts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::alert::IncidentState;

    const ID: &str = "00000000-0000-0000-0000-000000000001";

    fn incident() -> Incident {
        crate::alert::notify::message::example(IncidentStep::Firing, IncidentState::Firing).incident
    }

    fn step(seq: u32, at: i64) -> StepToTell {
        StepToTell {
            incident_id: ID.to_owned(),
            seq,
            at_us: at * 1_000_000,
            step: "firing".to_owned(),
            rule: "deferral_spike".to_owned(),
            channels: vec!["team".to_owned()],
            body: serde_json::to_string(&Incident { seq, ..incident() }).unwrap(),
        }
    }

    fn attempt(seq: u32, attempt: u16, state: DeliveryState, next: i64) -> DeliveryAttempt {
        DeliveryAttempt {
            incident_id: ID.to_owned(),
            seq,
            channel: "team".to_owned(),
            attempt,
            at_us: 0,
            state: state.name().to_owned(),
            next_us: next * 1_000_000,
            error: String::new(),
        }
    }

    /// The steps that are due, and those that are over with their state.
    fn check(
        steps: &[StepToTell],
        attempts: &[DeliveryAttempt],
        now: i64,
    ) -> (Vec<u32>, Vec<(u32, DeliveryState)>) {
        let (due, over) = sort(steps, attempts, Timestamp::from_seconds(now));
        let due = due.into_values().flatten().map(|due| due.incident.seq).collect();
        (due, over.into_iter().map(|row| (row.seq, row.state)).collect())
    }

    #[test]
    fn a_step_is_due_until_it_was_taken() {
        assert_eq!(check(&[step(1, 0)], &[], 5), (vec![1], vec![]));
        assert_eq!(check(&[step(1, 0)], &[attempt(1, 1, DeliveryState::Sent, 0)], 5), (vec![], vec![]));
        let failed = [attempt(1, 1, DeliveryState::Failed, 20)];
        assert_eq!(check(&[step(1, 0)], &failed, 5).0, Vec::<u32>::new());
        assert_eq!(check(&[step(1, 0)], &failed, 20).0, [1]);
    }

    #[test]
    fn after_an_outage_only_the_newest_step_goes_out() {
        let steps = [step(1, 0), step(2, 10), step(3, 20)];
        let superseded = |seq| (seq, DeliveryState::Superseded);
        assert_eq!(
            check(&steps, &[attempt(1, 3, DeliveryState::Failed, 20)], 30),
            (vec![3], vec![superseded(1), superseded(2)])
        );
    }

    #[test]
    fn what_is_no_news_any_more_is_given_up() {
        let late = GIVE_UP_S + 1;
        assert_eq!(check(&[step(1, 0)], &[], late), (vec![], vec![(1, DeliveryState::GivenUp)]));
    }

    #[test]
    fn pauses_double_up_to_a_quarter_of_an_hour() {
        let pause = |n| {
            row(Step { incident_id: ID, seq: 1 }, "team", n, Timestamp(0), DeliveryState::Failed, "")
                .unwrap()
                .next_at
                .seconds()
        };
        assert_eq!([1, 2, 3, 7, 60].map(pause), [15, 30, 60, 900, 900]);
    }

    #[test]
    fn a_channel_gets_a_bounded_number_in_a_minute() {
        let mut recent: VecDeque<_> = (0..30).map(Timestamp::from_seconds).collect();
        assert_eq!(free_places(&mut recent, Timestamp::from_seconds(30)), 0);
        assert_eq!(free_places(&mut recent, Timestamp::from_seconds(70)), 11);
    }
}
