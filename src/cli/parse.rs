//! `relaylens parse`.

mod reading;
#[cfg(test)]
mod tests;
mod text;
mod told;

use crate::app::bounce_rules;
use crate::cli::Common;
use crate::cli::input::each_input;
use crate::parse::archive::Limits;
use anyhow::bail;
use clap::{Args, ValueEnum};
use reading::Readers;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use text::ForPeople;
use told::{REJECTED, Reading};

const AFTER_HELP: &str = "\
Reads any mail, whatever it is: bounces of every format, delay notices, complaints, DMARC and TLS reports, automatic
answers. A file may be one mail, an mbox, or a report without a mail around it; plain, gzip or zstd. A folder is read with
all folders in it. Nothing is stored.

Exit status 0 when everything could be read, 1 when something could not (its line has kind \"rejected\" and an error), 2 for
wrong arguments.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One JSON object a line for each mail or report
    Ndjson,
    /// The same as one indented array
    Json,
    /// For people
    Text,
}

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ParseArgs {
    #[command(flatten)]
    common: Common,
    /// How to print what was read [default: text on a terminal, ndjson elsewhere]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Files and folders; - is standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

pub(super) fn run(args: &ParseArgs) -> anyhow::Result<()> {
    let rules = bounce_rules(&args.common.settings()?)?;
    let out = io::stdout();
    let default = if out.is_terminal() { Format::Text } else { Format::Ndjson };
    let mut printer = Printer::new(BufWriter::new(out.lock()), args.format.unwrap_or(default));
    let mut readers = Readers::new(rules, Limits::default());
    let result = each_input(&args.paths, &mut |input| Ok(printer.print(&readers.read(input))?))
        .and_then(|()| Ok(printer.finish()?));
    match result {
        Ok((_, 0)) => Ok(()),
        Ok((read, rejected)) => bail!("{rejected} of {read} could not be read"),
        // who reads the output has seen enough, as `head` does
        Err(error) if is_closed(&error) => Ok(()),
        Err(error) => Err(error.context("the output could not be written")),
    }
}

fn is_closed(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Prints readings one by one, and counts them.
struct Printer<W> {
    out: W,
    format: Format,
    printed: u64,
    rejected: u64,
}

impl<W: Write> Printer<W> {
    const fn new(out: W, format: Format) -> Self {
        Self { out, format, printed: 0, rejected: 0 }
    }

    fn print(&mut self, reading: &Reading) -> io::Result<()> {
        let is_first = self.printed == 0;
        self.printed += 1;
        self.rejected += u64::from(reading.kind == REJECTED);
        match self.format {
            Format::Ndjson => {
                serde_json::to_writer(&mut self.out, reading)?;
                self.out.write_all(b"\n")
            }
            Format::Json => {
                self.out.write_all(if is_first { b"[\n" } else { b",\n" })?;
                Ok(serde_json::to_writer_pretty(&mut self.out, reading)?)
            }
            Format::Text => {
                if !is_first {
                    self.out.write_all(b"\n")?;
                }
                write!(self.out, "{}", ForPeople(reading))
            }
        }
    }

    /// Ends the output; returns how many were printed, and how many of them could not be read.
    fn finish(mut self) -> io::Result<(u64, u64)> {
        if self.format == Format::Json {
            self.out.write_all(if self.printed == 0 { b"[]\n" } else { b"\n]\n" })?;
        }
        self.out.flush()?;
        Ok((self.printed, self.rejected))
    }
}
