//! Request bodies on disk: made once, sent as often as a measurement needs them.
//!
//! They stand in a file, and so in the page cache, because gigabytes of them in memory would hide what the product
//! itself takes.

use crate::cli::bench::mail::Mail;
use crate::cli::bench::now;
use crate::model::Timestamp;
use crate::parse::ndjson::to_ndjson;
use anyhow::Context;
use bytes::Bytes;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The events happened in the last ten minutes: what a relay posts as it goes.
const WINDOW_US: i64 = 600 * 1_000_000;

/// Lines of the bodies, in turn: what shippers send that gather for some seconds.
const LINES: [usize; 5] = [1_000, 2_000, 3_000, 4_000, 5_000];

/// Bodies of lines, each of them whole.
pub(super) struct Bodies {
    file: File,
    /// Where each body begins, and where the last one ends.
    bounds: Vec<u64>,
    pub(super) events: u64,
}

impl Bodies {
    /// Writes `events` made-up events into a file in `dir`.
    pub(super) fn write(dir: &Path, events: u64, seed: u64) -> anyhow::Result<Self> {
        let path = dir.join("bodies.jsonl");
        let failed = || format!("{} cannot be written", path.display());
        let end = now();
        let mut mail = Mail::between(Timestamp(end.0 - WINDOW_US), end, events, seed).peekable();
        let mut out = BufWriter::new(File::create(&path).with_context(failed)?);
        let (mut bounds, mut at, mut body) = (vec![0], 0, Vec::new());
        let mut lines = LINES.into_iter().cycle();
        while mail.peek().is_some() {
            body.clear();
            let count = lines.next().unwrap_or(LINES[0]);
            mail.by_ref().take(count).for_each(|event| to_ndjson(&event, &mut body));
            out.write_all(&body).with_context(failed)?;
            at += body.len() as u64;
            bounds.push(at);
        }
        out.into_inner().map_err(std::io::IntoInnerError::into_error).with_context(failed)?;
        let file = File::open(&path).with_context(failed)?;
        Ok(Self { file, bounds, events })
    }

    pub(super) fn count(&self) -> usize {
        self.bounds.len() - 1
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.bounds.last().copied().unwrap_or_default()
    }

    /// Reads one body, by its number from 0.
    pub(super) fn read(&self, body: usize) -> anyhow::Result<Bytes> {
        let (from, to) = (self.bounds[body], self.bounds[body + 1]);
        let mut bytes = vec![0; usize::try_from(to - from)?];
        self.file.read_exact_at(&mut bytes, from).context("the bodies cannot be read back")?;
        Ok(bytes.into())
    }
}
