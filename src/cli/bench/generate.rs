//! Made-up events as lines.

use crate::cli::bench::mail::Mail;
use crate::cli::bench::{Generate, now};
use crate::parse::ndjson::to_ndjson;
use anyhow::Context;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Written at once.
const BUFFER_BYTES: usize = 1 << 20;

pub(super) fn run(asked: &Generate) -> anyhow::Result<()> {
    let mut out = open(&asked.out)?;
    let failed = || format!("{} cannot be written", asked.out.display());
    let mut line = Vec::new();
    for event in Mail::new(&asked.mix, asked.mix.end.unwrap_or_else(now)) {
        line.clear();
        to_ndjson(&event, &mut line);
        out.write_all(&line).with_context(failed)?;
    }
    out.flush().with_context(failed)
}

fn open(path: &Path) -> anyhow::Result<Box<dyn Write>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufWriter::with_capacity(BUFFER_BYTES, std::io::stdout().lock())));
    }
    let file = File::create(path).with_context(|| format!("{} cannot be made", path.display()))?;
    Ok(Box::new(BufWriter::with_capacity(BUFFER_BYTES, file)))
}
