//! Inserts with nothing between the rows and the C interface: no client, no pipe, no service.
//!
//! Way: `relaylens bench ingest` measures the product's way of an event against this floor.
//! Not here: inserts of the product (`insert`), which go through the client like those to a server.

use super::{
    Engine,
    ffi::{Session, Statement},
};
use bytes::Bytes;

/// What the engine said of a bare insert.
#[derive(Debug, thiserror::Error)]
#[error("bare insert failed: {0}")]
pub(crate) struct BareInsertError(String);

impl Engine {
    /// Runs `insert`, given without its format, with the chunks of Native blocks as they are. Blocks until it is stored.
    ///
    /// # Errors
    ///
    /// The engine's exception.
    pub(crate) fn insert_native<'a>(
        &self,
        insert: &str,
        settings: impl Iterator<Item = (&'a str, &'a str)>,
        chunks: &[Bytes],
    ) -> Result<(), BareInsertError> {
        let settings: Vec<_> = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let run = |session: &mut Session| {
            let mut stream = session.insert(&Statement { sql: insert, format: "Native", params: &[] })?;
            // An insert that has failed takes no more, and says why at its end.
            let _ = chunks.iter().all(|chunk| stream.append(chunk));
            stream.finish().map(drop)
        };
        let stored = self.session(&settings, None).and_then(|mut session| run(&mut session));
        stored.map_err(|exception| BareInsertError(exception.text))
    }
}
