//! The mails and reports behind the paths of a command line: files, folders, mbox, standard input, plain or packed by
//! gzip or zstd.
//!
//! Way: `parse` and `import_mail` call [`each_input`], and get one [`Input`] after the other; one is in memory at a time.
//! Not here: reading what is in them.

use crate::parse::mail::MAIL_BYTES_MAX;
use crate::parse::mbox::{FileKind, HEAD_BYTES, MboxReader};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Largest report read without a mail around it, in bytes, as it lies in the file: the largest attachment that a mail
/// of [`MAIL_BYTES_MAX`] can carry is smaller, and reports offered for download are as small.
const REPORT_BYTES_MAX: usize = MAIL_BYTES_MAX;

/// Folders within folders that are entered. A Maildir with subfolders has three levels; a link to a folder above
/// ends here.
const FOLDER_DEPTH_MAX: u8 = 32;

/// The path that stands for standard input.
const STDIN: &str = "-";

/// Something to be read.
#[derive(Debug)]
pub(super) struct Input {
    /// The path as it was given, or as it was found in a folder that was given.
    pub(super) file: String,
    /// Which message of an mbox.
    pub(super) place: Option<Place>,
    /// The bytes, or why there are none.
    pub(super) bytes: Result<Bytes, String>,
}

/// A message's place in an mbox.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(super) struct Place {
    /// Counted from 1.
    pub(super) message: u64,
    /// Where its `From ` line begins, in bytes before any compression.
    pub(super) offset: u64,
}

#[derive(Debug)]
pub(super) enum Bytes {
    Mail(Vec<u8>),
    Report(Vec<u8>),
}

/// Calls `each` for everything behind the paths, in order; entries of a folder by name.
///
/// A file that cannot be opened or read on is an input with a reason, and does not stop the others.
///
/// # Errors
///
/// What `each` returns.
pub(super) fn each_input(
    paths: &[PathBuf],
    each: &mut dyn FnMut(Input) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    paths.iter().try_for_each(|path| {
        if path.as_os_str() == STDIN {
            return of_source(Box::new(io::stdin().lock()), STDIN, each);
        }
        walk(path, FOLDER_DEPTH_MAX, each)
    })
}

fn walk(
    path: &Path,
    depth_left: u8,
    each: &mut dyn FnMut(Input) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let file = path.display().to_string();
    if !path.is_dir() {
        return match File::open(path) {
            Ok(opened) => of_source(Box::new(BufReader::new(opened)), &file, each),
            Err(error) => each(unreadable(&file, &error)),
        };
    }
    if depth_left == 0 {
        let message = format!("more than {FOLDER_DEPTH_MAX} folders within each other; name the inner one");
        return each(rejected(&file, message));
    }
    let entries = std::fs::read_dir(path).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<PathBuf>>>()
    });
    match entries {
        Ok(mut entries) => {
            entries.sort();
            entries.iter().try_for_each(|entry| walk(entry, depth_left - 1, each))
        }
        Err(error) => each(unreadable(&file, &error)),
    }
}

/// Gives out what one file holds.
fn of_source(
    source: Box<dyn BufRead>,
    file: &str,
    each: &mut dyn FnMut(Input) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let opened = unpacked(source).and_then(|mut source| {
        let head = peek(&mut source)?;
        Ok((FileKind::of(&head), io::Cursor::new(head).chain(source)))
    });
    let (kind, source) = match opened {
        Ok(opened) => opened,
        Err(error) => return each(unreadable(file, &error)),
    };
    let (bytes_max, wrap): (usize, fn(Vec<u8>) -> Bytes) = match kind {
        FileKind::Mbox => return of_mbox(source, file, each),
        FileKind::Mail => (MAIL_BYTES_MAX, Bytes::Mail),
        FileKind::Report => (REPORT_BYTES_MAX, Bytes::Report),
    };
    let mut bytes = Vec::new();
    each(match source.take(bytes_max as u64 + 1).read_to_end(&mut bytes) {
        Err(error) => unreadable(file, &error),
        Ok(size) if size > bytes_max => rejected(file, format!("too_large: more than {bytes_max} bytes")),
        Ok(_) => Input { file: file.to_owned(), place: None, bytes: Ok(wrap(bytes)) },
    })
}

fn of_mbox(
    source: impl BufRead,
    file: &str,
    each: &mut dyn FnMut(Input) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut mbox = MboxReader::new(source, MAIL_BYTES_MAX);
    for number in 1.. {
        match mbox.next_message() {
            Ok(Some(message)) => each(Input {
                file: file.to_owned(),
                place: Some(Place { message: number, offset: message.offset }),
                bytes: message.bytes.map(Bytes::Mail).map_err(|reject| reject.to_string()),
            })?,
            Ok(None) => break,
            Err(error) => return each(unreadable(file, &error)),
        }
    }
    Ok(())
}

/// Unpacks gzip and zstd. A gzip file that holds a report is unpacked here, too, under the same limit.
fn unpacked(mut source: Box<dyn BufRead>) -> io::Result<Box<dyn BufRead>> {
    let magic = source.fill_buf()?;
    Ok(match magic {
        [0x1f, 0x8b, ..] => Box::new(BufReader::new(MultiGzDecoder::new(source))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            Box::new(BufReader::new(zstd::stream::read::Decoder::with_buffer(source)?))
        }
        _ => source,
    })
}

/// Takes the first bytes out of the source.
fn peek(source: &mut dyn BufRead) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    source.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn unreadable(file: &str, error: &io::Error) -> Input {
    rejected(file, format!("could not be read: {error}"))
}

fn rejected(file: &str, why: String) -> Input {
    Input { file: file.to_owned(), place: None, bytes: Err(why) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const MAIL: &str = "From: a@example.org\nSubject: one\n\nbody\n";
    const MBOX: &str = "From a@example.org Thu Jan  1 00:00:00 1970\nX: 1\n\none\n\nFrom b@example.org Thu Jan  1 00:00:00 1970\nX: 2\n\ntwo\n";

    /// `file`, message number, and text with its kind in front.
    fn inputs(folder: &Path, paths: &[&str]) -> Vec<String> {
        let paths: Vec<PathBuf> = paths.iter().map(|path| folder.join(path)).collect();
        let mut found = Vec::new();
        each_input(&paths, &mut |input| {
            let name = input.file.strip_prefix(folder.to_str().unwrap()).unwrap().to_owned();
            let place =
                input.place.map_or(String::new(), |place| format!("#{}@{}", place.message, place.offset));
            let text = match &input.bytes {
                Ok(Bytes::Mail(bytes)) => format!("mail {}", String::from_utf8_lossy(bytes)),
                Ok(Bytes::Report(bytes)) => format!("report {}", String::from_utf8_lossy(bytes)),
                Err(why) => why.clone(),
            };
            found.push(format!("{name}{place} {text}"));
            Ok(())
        })
        .unwrap();
        found
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(text.as_bytes()).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn files_and_folders_are_read_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("in/cur")).unwrap();
        std::fs::write(at("in/b.eml.gz"), gzip(MAIL)).unwrap();
        std::fs::write(at("in/cur/1"), zstd::encode_all(MAIL.as_bytes(), 1).unwrap()).unwrap();
        std::fs::write(at("in/a.xml"), "<feedback/>").unwrap();
        std::fs::write(at("box"), MBOX).unwrap();
        assert_eq!(
            inputs(folder.path(), &["in", "box", "none"]),
            [
                "/in/a.xml report <feedback/>".to_owned(),
                format!("/in/b.eml.gz mail {MAIL}"),
                format!("/in/cur/1 mail {MAIL}"),
                "/box#1@0 mail X: 1\n\none\n".to_owned(),
                "/box#2@55 mail X: 2\n\ntwo\n".to_owned(),
                "/none could not be read: No such file or directory (os error 2)".to_owned(),
            ]
        );
    }

    #[test]
    fn a_damaged_file_is_told_and_the_next_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut packed = gzip(&MAIL.repeat(100));
        packed.truncate(packed.len() - 9);
        std::fs::write(folder.path().join("a"), packed).unwrap();
        std::fs::write(folder.path().join("b"), MAIL).unwrap();
        let found = inputs(folder.path(), &["a", "b"]);
        assert!(found[0].starts_with("/a could not be read: "), "{}", found[0]);
        assert_eq!(found[1], format!("/b mail {MAIL}"));
    }
}
