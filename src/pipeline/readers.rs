//! One reader for each source, with its memory.

use crate::model::{SourceKind, SourceRef, Text};
use crate::parse::EventReader;
use crate::parse::ndjson::NdjsonReader;
use crate::parse::relay::kumomta::KumomtaReader;
use crate::parse::relay::postfix::{PostfixOptions, PostfixReader, RestoreError};
use std::collections::BTreeMap;

/// How the sources are read.
#[derive(Debug, Clone, Default)]
pub struct ReaderOptions {
    /// For sources that `postfix_by_name` does not name.
    pub postfix: PostfixOptions,
    pub postfix_by_name: BTreeMap<Text, PostfixOptions>,
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
        let mut readers: BTreeMap<SourceRef, Box<dyn EventReader>> = BTreeMap::new();
        for (from, state) in states.iter().filter(|(from, _)| from.kind == SourceKind::Postfix) {
            let reader = PostfixReader::restore(options.postfix_of(&from.name), state.as_bytes())
                .map_err(|source| ReaderStateError { from: from.clone(), source })?;
            readers.insert(from.clone(), Box::new(reader));
        }
        Ok(Self { options, readers })
    }

    /// The reader of a source, made when the source is first seen; `None` for mail and reports, see `feedback`.
    pub(super) fn of(&mut self, source: &SourceRef) -> Option<&mut (dyn EventReader + 'static)> {
        if !self.readers.contains_key(source) {
            let reader: Box<dyn EventReader> = match source.kind {
                SourceKind::Ndjson => Box::new(NdjsonReader),
                SourceKind::Kumomta => Box::new(KumomtaReader),
                SourceKind::Postfix => Box::new(PostfixReader::new(self.options.postfix_of(&source.name))),
                SourceKind::Mail | SourceKind::Report => return None,
            };
            self.readers.insert(source.clone(), reader);
        }
        self.readers.get_mut(source).map(AsMut::as_mut)
    }

    /// Whether any reader keeps something from one item to the next.
    pub(super) fn have_memory(&self) -> bool {
        self.readers.keys().any(|source| source.kind == SourceKind::Postfix)
    }

    /// What must survive a restart. Readers write text.
    pub(super) fn states(&self) -> Vec<(SourceRef, String)> {
        let states = self.readers.iter().filter_map(|(source, reader)| Some((source, reader.snapshot()?)));
        states.map(|(source, state)| (source.clone(), String::from_utf8_lossy(&state).into_owned())).collect()
    }
}

impl ReaderOptions {
    fn postfix_of(&self, name: &str) -> &PostfixOptions {
        self.postfix_by_name.get(name).unwrap_or(&self.postfix)
    }
}
