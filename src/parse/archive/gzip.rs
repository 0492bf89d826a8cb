//! Gzip: one part after the other (RFC 1952 section 2.2 allows several), until something else or the end comes.
//!
//! What stands behind the last part is passed over: tapes and mail gateways pad with zeros, and nothing of the report is
//! lost by it. It is read, though, so that an archive around this one is told to be broken when it is.

use crate::parse::archive::Format;
use crate::parse::archive::budget::Budget;
use crate::parse::archive::window::Window;
use flate2::bufread::GzDecoder;
use std::io::{self, Read};

/// See the module.
pub(super) struct Gzip<'b, 's, 'r> {
    state: State<'s, 'r>,
    budget: &'b Budget,
}

enum State<'s, 'r> {
    /// Before a part, or before what is none.
    Between(&'s mut Window<'r>),
    Within(Box<GzDecoder<&'s mut Window<'r>>>),
    Over,
    /// Behind an error: what comes next must not look like an end.
    Broken,
}

impl<'b, 's, 'r> Gzip<'b, 's, 'r> {
    pub(super) const fn new(source: &'s mut Window<'r>, budget: &'b Budget) -> Self {
        Self { state: State::Between(source), budget }
    }
}

impl Read for Gzip<'_, '_, '_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.state, State::Broken) {
                State::Broken => return Err(io::ErrorKind::InvalidData.into()),
                State::Over => {
                    self.state = State::Over;
                    return Ok(0);
                }
                State::Between(source) => {
                    if Format::of(source.ahead(Format::MARK_BYTES)?) != Format::Gzip {
                        io::copy(source, &mut io::sink())?;
                        self.state = State::Over;
                        continue;
                    }
                    self.budget.member().map_err(io::Error::other)?;
                    self.state = State::Within(Box::new(GzDecoder::new(source)));
                }
                State::Within(mut part) => match part.read(out)? {
                    0 => self.state = State::Between(part.into_inner()),
                    bytes => {
                        self.state = State::Within(part);
                        return Ok(bytes);
                    }
                },
            }
        }
    }
}
