//! Unpacks what reports come in: gzip and zip, within each other, never past a limit.
//!
//! Way: `report` hands in an attachment or a file, and takes each member as a stream.
//! Source: RFC 1952 (gzip), PKWARE's APPNOTE.TXT 6.3.10 (zip).
//! Not here: what the members hold; names and MIME types, which are wrong too often to be asked: the first bytes tell.
//!
//! Nothing is unpacked before it is read, and what is read is counted over the whole tree, so that a bomb costs no more than
//! the limits allow, however it is folded.

mod budget;
mod gzip;
#[cfg(test)]
mod tests;
mod window;
mod zip;

use crate::model::{RejectReason, Text};
use crate::parse::Reject;
use budget::{Budget, Metered};
use gzip::Gzip;
use std::io::{self, BufRead, Read};
use window::Window;

/// Largest zip within another archive, in bytes: its directory stands at its end, so it must be held in memory. The
/// largest honest report known is 1.6 MB packed.
pub const NESTED_ZIP_BYTES_MAX: u64 = 32 << 20;

/// How far an archive is unpacked. All limits are over the whole tree, archives in archives included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes that come out, those of inner archives included; setting `reports.unpacked_bytes_max`. 256 MiB by
    /// default: the largest honest report known unpacks to 37 MB.
    pub bytes_out_max: u64,
    /// Most bytes that come out for each byte that goes in; setting `reports.ratio_max`. 200 by default: honest reports
    /// reach 32. Not asked below [`RATIO_FREE_BYTES`].
    pub ratio_max: u32,
    /// Most entries of zips, folders included, and parts of gzips; setting `reports.members_max`. 16,384 by default: an
    /// archive has one or two, and each costs a start of the decompressor.
    pub members_max: u32,
    /// Most archives within each other; setting `reports.depth_max`. 2 by default: nobody was seen to do more.
    pub depth_max: u8,
}

/// So many bytes may come out whatever the ratio: small reports repeat themselves, and 1 MiB does no harm.
pub const RATIO_FREE_BYTES: u64 = 1 << 20;

impl Default for Limits {
    fn default() -> Self {
        Self { bytes_out_max: 256 << 20, ratio_max: 200, members_max: 16 * 1024, depth_max: 2 }
    }
}

/// What is known of a member before it is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Member {
    /// Its path within the zips that hold it, with `/` between them; empty when none does. Only for showing: it may be
    /// any text.
    pub name: Text,
}

/// Calls `each` for every member, with its bytes as a stream. Bytes that are no archive are one member.
///
/// A stream must be read to its end to be believed: a wrong checksum, a wrong size and a cut are an [`io::Error`] there,
/// after the bytes that could be read. A limit that is exceeded on the way is an [`io::Error`] that holds a [`Reject`].
///
/// Gives back why members never came to `each`. One that is broken does not stop the others; a limit does.
pub fn unpack(bytes: &[u8], limits: &Limits, each: &mut dyn FnMut(&Member, &mut dyn BufRead)) -> Vec<Reject> {
    let budget = Budget::new(*limits, bytes.len());
    let mut tree = Tree { budget: &budget, each, rejects: Vec::new() };
    if Format::of(bytes) == Format::Zip {
        tree.zip(&Member::default(), bytes, 1);
    } else {
        let mut source = bytes;
        tree.stream(&Member::default(), &mut Window::new(&mut source), 0);
    }
    tree.rejects
}

/// The reject that a reader's error holds; any other error means that the archive is broken there.
pub fn reject_of(error: io::Error) -> Reject {
    error.downcast::<Reject>().unwrap_or_else(|error| broken(&error))
}

fn broken(error: &io::Error) -> Reject {
    Reject::new(RejectReason::Syntax, format!("the archive is broken: {error}"))
}

/// What the first bytes are the mark of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Gzip,
    Zip,
    Bare,
}

impl Format {
    /// Bytes that tell.
    const MARK_BYTES: usize = 4;

    fn of(bytes: &[u8]) -> Self {
        match bytes {
            // RFC 1952 section 2.3: the third byte is the method, of which there is one.
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            // A member, the end of an empty archive, the mark of one that was split.
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] | [b'P', b'K', 7, 8, ..] => Self::Zip,
            _ => Self::Bare,
        }
    }
}

struct Tree<'t> {
    budget: &'t Budget,
    each: &'t mut dyn FnMut(&Member, &mut dyn BufRead),
    rejects: Vec<Reject>,
}

impl Tree<'_> {
    /// Reads what may be an archive again; `depth` archives are around it.
    fn stream(&mut self, member: &Member, source: &mut Window<'_>, depth: u8) {
        let format = match source.ahead(Format::MARK_BYTES) {
            Ok(bytes) => Format::of(bytes),
            Err(error) => return self.rejects.push(named(member, reject_of(error))),
        };
        if format == Format::Bare {
            return (self.each)(member, source);
        }
        if let Err(reject) = self.budget.deeper(depth) {
            return self.rejects.push(named(member, reject));
        }
        if format == Format::Gzip {
            let mut gzip = Metered::new(Gzip::new(source, self.budget), self.budget);
            return self.stream(member, &mut Window::new(&mut gzip), depth + 1);
        }
        let mut bytes = Vec::new();
        match source.take(NESTED_ZIP_BYTES_MAX + 1).read_to_end(&mut bytes) {
            Err(error) => self.rejects.push(named(member, reject_of(error))),
            Ok(_) if bytes.len() as u64 > NESTED_ZIP_BYTES_MAX => {
                let message = format!(
                    "a zip within an archive is larger than {NESTED_ZIP_BYTES_MAX} bytes; send it alone"
                );
                self.rejects.push(named(member, Reject::new(RejectReason::TooLarge, message)));
            }
            Ok(_) => self.zip(member, &bytes, depth + 1),
        }
    }

    fn zip(&mut self, around: &Member, bytes: &[u8], depth: u8) {
        let entries = match zip::entries(bytes, self.budget) {
            Ok((entries, reject)) => {
                self.rejects.extend(reject.map(|reject| named(around, reject)));
                entries
            }
            Err(reject) => return self.rejects.push(named(around, reject)),
        };
        if entries.is_empty() {
            let reject =
                Reject::new(RejectReason::MissingField, Text::const_new("the zip archive holds no file"));
            return self.rejects.push(named(around, reject));
        }
        for entry in entries {
            let member = Member { name: entry.path_in(&around.name) };
            if let Err(reject) = self.budget.left() {
                // The member that used it up was told by its reader; these were not looked at.
                return self.rejects.push(named(&member, reject));
            }
            match entry.open() {
                Ok(reader) => {
                    let mut reader = Metered::new(reader, self.budget);
                    self.stream(&member, &mut Window::new(&mut reader), depth);
                }
                Err(reject) => self.rejects.push(named(&member, reject)),
            }
        }
    }
}

/// Says of which member the reject is. The name is somebody else's text: it is shown without control characters.
fn named(member: &Member, reject: Reject) -> Reject {
    if member.name.is_empty() {
        return reject;
    }
    Reject { message: format!("`{}`: {}", member.name.escape_debug(), reject.message).into(), ..reject }
}
