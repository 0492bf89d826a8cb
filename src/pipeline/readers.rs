//! One reader for each source, with its memory.

use crate::model::{SourceKind, SourceRef};
use crate::parse::EventReader;
use crate::parse::hubspot::HubspotReader;
use crate::parse::ndjson::NdjsonReader;
use crate::parse::relay::exim::EximReader;
use crate::parse::relay::haraka::{HarakaOptions, HarakaReader};
use crate::parse::relay::kumomta::KumomtaReader;
use crate::parse::relay::log::{LogOptions, RestoreError};
use crate::parse::relay::postfix::PostfixReader;
use crate::parse::relay::powermta::PowermtaReader;
use crate::parse::relay::zonemta::ZonemtaReader;
use crate::parse::webhook::{Provider, WebhookReader};
use std::collections::BTreeMap;

/// How the sources are read.
#[derive(Debug, Clone, Default)]
pub struct ReaderOptions {
    /// For logs that `log_by_source` does not name.
    pub log: LogOptions,
    pub log_by_source: BTreeMap<SourceRef, LogOptions>,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "the state of the reader of {from} cannot be restored; delete `readers.json` to go on without: messages on their way then miss what their earlier log lines said"
)]
pub struct ReaderStateError {
    pub from: SourceRef,
    #[source]
    pub source: RestoreError,
}

pub(super) struct Readers {
    options: ReaderOptions,
    readers: BTreeMap<SourceRef, Box<dyn EventReader>>,
}

impl Readers {
    pub(super) fn restore(
        options: ReaderOptions,
        states: &[(SourceRef, String)],
    ) -> Result<Self, ReaderStateError> {
        let mut readers = BTreeMap::new();
        for (from, state) in states {
            let restored = options.restored(from, state.as_bytes());
            let restored = restored.map_err(|source| ReaderStateError { from: from.clone(), source })?;
            if let Some(reader) = restored {
                readers.insert(from.clone(), reader);
            }
        }
        Ok(Self { options, readers })
    }

    /// The reader of a source, made when the source is first seen; `None` for mail and reports, see `feedback`.
    pub(super) fn of(&mut self, source: &SourceRef) -> Option<&mut (dyn EventReader + 'static)> {
        if !self.readers.contains_key(source) {
            self.readers.insert(source.clone(), self.options.reader(source)?);
        }
        self.readers.get_mut(source).map(AsMut::as_mut)
    }

    /// Whether any reader keeps something from one item to the next.
    pub(super) fn have_memory(&self) -> bool {
        self.readers.keys().any(|source| has_memory(source.kind))
    }

    /// What must survive a restart. Readers write text.
    pub(super) fn states(&self) -> Vec<(SourceRef, String)> {
        let states = self.readers.iter().filter_map(|(source, reader)| Some((source, reader.snapshot()?)));
        states.map(|(source, state)| (source.clone(), String::from_utf8_lossy(&state).into_owned())).collect()
    }
}

const fn has_memory(kind: SourceKind) -> bool {
    matches!(
        kind,
        SourceKind::Postfix
            | SourceKind::Exim
            | SourceKind::Haraka
            | SourceKind::Powermta
            | SourceKind::Hubspot
    )
}

impl ReaderOptions {
    /// A fresh reader; `None` for what is no source of events by itself.
    pub fn reader(&self, source: &SourceRef) -> Option<Box<dyn EventReader>> {
        Some(match source.kind {
            SourceKind::Ndjson => Box::new(NdjsonReader),
            SourceKind::Kumomta => Box::new(KumomtaReader),
            SourceKind::Postfix => Box::new(PostfixReader::new(self.log_of(source))),
            SourceKind::Exim => Box::new(EximReader::new(self.log_of(source))),
            SourceKind::Haraka => Box::new(HarakaReader::new(&self.haraka(source))),
            SourceKind::Powermta => Box::new(PowermtaReader::default()),
            SourceKind::Zonemta => Box::new(ZonemtaReader::new(self.log_of(source))),
            SourceKind::Hubspot => Box::new(HubspotReader::default()),
            kind => Box::new(WebhookReader(Provider::of(kind)?)),
        })
    }

    fn restored(
        &self,
        source: &SourceRef,
        state: &[u8],
    ) -> Result<Option<Box<dyn EventReader>>, RestoreError> {
        Ok(Some(match source.kind {
            SourceKind::Postfix => Box::new(PostfixReader::restore(self.log_of(source), state)?),
            SourceKind::Exim => Box::new(EximReader::restore(self.log_of(source), state)?),
            SourceKind::Haraka => Box::new(HarakaReader::restore(&self.haraka(source), state)?),
            SourceKind::Powermta => Box::new(PowermtaReader::restore(state)?),
            SourceKind::Hubspot => Box::new(HubspotReader::restore(state)),
            _ => return Ok(None),
        }))
    }

    fn haraka(&self, source: &SourceRef) -> HarakaOptions {
        HarakaOptions { log: self.log_of(source).clone(), ..HarakaOptions::default() }
    }

    fn log_of(&self, source: &SourceRef) -> &LogOptions {
        self.log_by_source.get(source).unwrap_or(&self.log)
    }
}
