//! All doors that are open, with what each tells of itself, for the page of sources and the metrics.
//!
//! Way: whoever opens a door posts its status here; `status` reads the board whenever a page asks.

use crate::ingest::tail::TailStatus;
use crate::ingest::webhook::{WebhookCounts, WebhookStatus};
use crate::ingest::{DoorFault, DoorStatus, Intake};
use crate::model::{SourceRef, Timestamp};
use crate::parse::webhook::Provider;
use crate::web::SourceDoor;
use std::collections::BTreeMap;

/// The doors of this process.
pub(super) struct Board {
    posted: Vec<Posted>,
    webhooks: WebhookCounts,
    /// Those with settings; the others refuse everything.
    webhooks_set_up: Vec<Provider>,
    intake: Intake,
}

struct Posted {
    source: SourceRef,
    place: String,
    status: Status,
}

enum Status {
    Door(DoorStatus),
    Tail(TailStatus),
}

impl Board {
    pub(super) fn new(intake: Intake) -> Self {
        Self { posted: Vec::new(), webhooks: WebhookCounts::default(), webhooks_set_up: Vec::new(), intake }
    }

    /// A new door; `place` says what it is and where.
    pub(super) fn door(&mut self, source: SourceRef, place: String) -> DoorStatus {
        let status = DoorStatus::default();
        self.posted.push(Posted { source, place, status: Status::Door(status.clone()) });
        status
    }

    /// A log that is followed.
    pub(super) fn tail(&mut self, source: SourceRef, place: String) -> TailStatus {
        let status = TailStatus::default();
        self.posted.push(Posted { source, place, status: Status::Tail(status.clone()) });
        status
    }

    pub(super) fn webhooks(&mut self, counts: WebhookCounts, set_up: Vec<Provider>) {
        (self.webhooks, self.webhooks_set_up) = (counts, set_up);
    }

    pub(super) fn read(&self) -> Vec<SourceDoor> {
        let posted = self.posted.iter().map(|posted| {
            let door = SourceDoor {
                source_kind: posted.source.kind.name().to_owned(),
                source: posted.source.name.to_string(),
                place: posted.place.clone(),
                ..SourceDoor::default()
            };
            match &posted.status {
                Status::Door(status) => of_door(door, status),
                Status::Tail(status) => of_tail(door, status),
            }
        });
        posted.chain(self.of_webhooks()).chain([self.of_http()]).collect()
    }

    fn of_webhooks(&self) -> impl Iterator<Item = SourceDoor> + '_ {
        let mut counts: BTreeMap<Provider, WebhookStatus> = self.webhooks.now().into_iter().collect();
        for provider in &self.webhooks_set_up {
            counts.entry(*provider).or_default();
        }
        counts.into_iter().map(|(provider, status)| SourceDoor {
            source_kind: provider.kind().name().to_owned(),
            place: format!("webhook POST /v1/in/{}", provider.name()),
            doing: if self.webhooks_set_up.contains(&provider) { "listening" } else { "not set up" }
                .to_owned(),
            is_up: self.webhooks_set_up.contains(&provider).then_some(true),
            taken: Some(status.items),
            last_taken_unix: status.last_taken.map(Timestamp::seconds),
            refused: status.refused.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect(),
            last_fault_unix: status.last_refusal.as_ref().map(|refusal| refusal.at.seconds()),
            last_fault: status.last_refusal.map(|refusal| refusal.words),
            ..SourceDoor::default()
        })
    }

    /// The HTTP doors know their senders by the names that these give themselves: all are one here.
    fn of_http(&self) -> SourceDoor {
        let counts = self.intake.counts();
        SourceDoor {
            source_kind: "http".to_owned(),
            place: "HTTP POST /v1/events, /v1/in/…".to_owned(),
            doing: "listening".to_owned(),
            is_up: Some(true),
            refused: reasons([("broken line", counts.refused_items), ("no room", counts.turned_away)]),
            ..SourceDoor::default()
        }
    }
}

fn of_door(door: SourceDoor, status: &DoorStatus) -> SourceDoor {
    let state = status.get();
    with_fault(
        SourceDoor {
            doing: state.doing.to_owned(),
            is_up: Some(!state.is_held_up),
            taken: Some(state.taken),
            last_taken_unix: state.last_taken.map(Timestamp::seconds),
            refused: reasons([("refused", state.refused)]),
            faults: state.faults,
            ..door
        },
        state.last_fault,
    )
}

fn of_tail(door: SourceDoor, status: &TailStatus) -> SourceDoor {
    let state = status.get();
    let is_up = state.fault.is_none();
    let doing = match (is_up, state.last_read) {
        (true, Some(_)) => "following",
        // The file may not be there yet, which is no fault.
        (true, None) => "waiting for its next line",
        (false, _) => "waiting",
    };
    let last_taken_unix = state.last_read.map(Timestamp::seconds);
    let door = SourceDoor { doing: doing.to_owned(), is_up: Some(is_up), last_taken_unix, ..door };
    with_fault(door, state.last_fault)
}

fn with_fault(door: SourceDoor, fault: Option<DoorFault>) -> SourceDoor {
    let (last_fault_unix, last_fault) = fault.map(|fault| (fault.at.seconds(), fault.words)).unzip();
    SourceDoor { last_fault_unix, last_fault, ..door }
}

fn reasons<const N: usize>(counts: [(&str, u64); N]) -> Vec<(String, u64)> {
    counts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| (reason.to_owned(), count))
        .collect()
}
