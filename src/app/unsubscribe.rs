//! Unsubscribes by link: the keys of the links, and the way of a click into the spool.
//!
//! Way: `web` reads the token and hands over who leaves what; it becomes an event like any other, and the rule
//! `unsubscribe` makes an entry of it. So it is safe once the spool has it, and its time to honour is known.

use crate::config::Config;
use crate::ingest::{Batch, Intake};
use crate::model::{Event, EventId, EventType, Keyring, SourceKind, SourceRef, Text};
use crate::parse::ndjson::to_ndjson;
use crate::suppression::rules::LIST_TAG;
use crate::suppression::unsubscribe::Leaving;
use crate::web::{Leave, LeaveRefused, UnsubscribeDoor};
use anyhow::Context;
use std::sync::Arc;

/// The source under which clicks stand in the ledger.
const SOURCE: SourceRef = SourceRef { kind: SourceKind::Ndjson, name: Text::const_new("unsubscribe") };

/// The keys by which links are signed and known.
pub(crate) fn keys(config: &Config) -> anyhow::Result<Option<Keyring>> {
    let Some(file) = &config.unsubscribe.keys_file else { return Ok(super::marks(config)?.keys) };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("`unsubscribe.keys_file` {} cannot be read", file.display()))?;
    let keys =
        Keyring::parse(&text).with_context(|| format!("`unsubscribe.keys_file` {}", file.display()))?;
    Ok(Some(keys))
}

/// The page and endpoint for recipients; without keys it knows no link.
pub(super) fn door(keys: Option<Keyring>, intake: &Intake) -> UnsubscribeDoor {
    let way_in = intake.clone();
    let leave: Leave = Arc::new(move |leaving, how| {
        let intake = way_in.clone();
        Box::pin(async move {
            let batch = batch_of(&leaving, how, &intake);
            let accepted = intake.accept(&batch).await;
            accepted.map(drop).map_err(|error| {
                tracing::error!(%error, "an unsubscribe could not be taken in");
                LeaveRefused
            })
        })
    });
    UnsubscribeDoor { keys, clock: crate::app::status::now, leave }
}

fn batch_of(leaving: &Leaving, how: &'static str, intake: &Intake) -> Batch {
    let now = intake.now();
    let Leaving { address, tenant, stream, list } = leaving;
    // Mailboxes try a click again when the answer got lost: within a minute it is the same one.
    let minute = now.seconds().div_euclid(60).to_string();
    let parts = ["unsubscribe", address, tenant, stream, list, &minute];
    let mut event = Event {
        event_id: EventId::of(parts.map(str::as_bytes)),
        event_type: EventType::Unsubscribed,
        event_time: now,
        recipient: address.clone(),
        tenant: tenant.clone(),
        stream: stream.clone(),
        feedback_type: how.into(),
        ..Event::default()
    };
    if !list.is_empty() {
        event.tags.push((LIST_TAG.into(), list.clone()));
    }
    let mut line = Vec::new();
    to_ndjson(&event, &mut line);
    Batch { source: SOURCE, received: now, file: Text::default(), offset: 0, payload: line.into() }
}
