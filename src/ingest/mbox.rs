//! Mail that is appended to an mbox file.
//!
//! Way: `app` starts [`watch`] for each file with what the spool and the checkpoint know of it; messages behind the
//! known place are spooled in groups. The file itself is never changed.
//!
//! The last message may still be written: it is taken when another one has begun behind it, or when the file has been
//! left alone for two seconds and nobody holds its lock.
//!
//! | what happens to the file | what is done |
//! | --- | --- |
//! | it grows | the new messages are read |
//! | it is emptied, replaced, or messages are deleted from it | it is read from its beginning; `pipeline` knows what it has seen |
//!
//! Source: RFC 4155 appendix A; mbox(5) for the lock file `NAME.lock`.
//! Not here: telling messages apart (`parse::mbox`), files that are read once (`relaylens import --format mail`).

use crate::ingest::files::id_of;
use crate::ingest::mailbox::{Fetched, GROUP_BYTES, GROUP_MAILS, Mailbox, WATCH_INTERVAL};
use crate::model::{FilePosition, Text};
use crate::parse::mail::MAIL_BYTES_MAX;
use crate::parse::mbox::{MboxMessage, MboxReader};
use crate::spool::SpoolError;
use bytes::Bytes;
use std::fs::{self, File};
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A file that has not changed for so long is no longer being written.
const QUIET: Duration = Duration::from_secs(2);

/// Messages found behind a place.
struct Found {
    /// What the file is known by.
    file: Text,
    mails: Vec<Fetched>,
    /// Where the next message begins.
    end: u64,
}

/// Reads what is appended until shutdown.
///
/// # Errors
///
/// What the spool says that waiting does not mend.
pub async fn watch(
    path: PathBuf,
    mut mailbox: Mailbox,
    positions: Vec<FilePosition>,
) -> Result<(), SpoolError> {
    let mut positions = positions;
    mailbox.status.set_doing("watching");
    while !mailbox.ends() {
        let room = mailbox.room.take(GROUP_BYTES + MAIL_BYTES_MAX as u64).await;
        let (path_read, known) = (path.clone(), positions.clone());
        let read = tokio::task::spawn_blocking(move || next_group(&path_read, &known)).await;
        let found = match read.expect("reading a file does not panic") {
            Ok(found) => {
                mailbox.note_well();
                found.filter(|found| !found.mails.is_empty())
            }
            Err(fault) => {
                mailbox.note_fault(&format!("{} cannot be read: {fault}", path.display()));
                None
            }
        };
        let Some(found) = found else {
            drop(room);
            mailbox.pause(WATCH_INTERVAL).await;
            continue;
        };
        if mailbox.deliver(&found.file, &found.mails).await? {
            positions.retain(|known| known.file != found.file);
            positions.push(FilePosition { file: found.file, offset: found.end });
        }
    }
    Ok(())
}

/// The next messages that are whole; `None` when there is no file or nothing in it.
fn next_group(path: &Path, positions: &[FilePosition]) -> io::Result<Option<Found>> {
    let Some(id) = id_at(path)? else { return Ok(None) };
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let (length, written) = (metadata.len(), metadata.modified()?);
    let known = positions.iter().rfind(|position| position.file == id).map_or(0, |known| known.offset);
    let begin = if is_border(&mut file, known, length)? { known } else { 0 };
    file.seek(SeekFrom::Start(begin))?;
    let mut reader = MboxReader::new(BufReader::new(file).take(length - begin), MAIL_BYTES_MAX);
    let mut found = Found { file: id, mails: Vec::new(), end: begin };
    let (mut bytes, mut last): (u64, Option<MboxMessage>) = (0, None);
    while found.mails.len() < GROUP_MAILS && bytes < GROUP_BYTES {
        let next = reader.next_message()?;
        let end = next.as_ref().map(|next| begin + next.offset);
        if let Some(message) = last.take() {
            match end {
                Some(end) => found.take(message, end, &mut bytes),
                None if is_at_rest(path, written) => found.take(message, length, &mut bytes),
                None => break,
            }
        }
        last = next;
        if last.is_none() {
            break;
        }
    }
    Ok(Some(found))
}

impl Found {
    fn take(&mut self, message: MboxMessage, end: u64, bytes: &mut u64) {
        *bytes += message.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        let mail = message.bytes.map(Bytes::from).map_err(|reject| (reject, Bytes::new()));
        // a position counts whole mails: the one behind this number begins at `end`
        self.mails.push(Fetched { number: end.saturating_sub(1), mail });
        self.end = end;
    }
}

/// Whether a message begins there, or the file ends. Else somebody has changed what stands before it.
fn is_border(file: &mut File, at: u64, length: u64) -> io::Result<bool> {
    if at >= length {
        return Ok(at == length);
    }
    file.seek(SeekFrom::Start(at))?;
    let mut head = Vec::new();
    file.by_ref().take(5).read_to_end(&mut head)?;
    Ok(head == b"From ")
}

fn is_at_rest(path: &Path, written: SystemTime) -> bool {
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    // a time ahead of the clock says nothing: the file is old enough by the next look
    let is_quiet = written.elapsed().is_ok_and(|since| since >= QUIET);
    is_quiet && !Path::new(&lock).exists()
}

/// What the file at the path is known by: its first line, which names sender and time of its first message.
fn id_at(path: &Path) -> io::Result<Option<Text>> {
    match fs::metadata(path) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(fault) => return Err(fault),
        Ok(_) => {}
    }
    id_of(path, true).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::DoorStatus;
    use crate::ingest::mailbox::Room;
    use crate::ingest::testing::{SpoolDir, eventually, read_all};
    use std::io::Write as _;
    use tokio::sync::watch as signal;
    use tokio::task::JoinHandle;

    fn message(number: u32) -> String {
        format!("From a{number}@example.org Thu Jan  1 00:00:00 1970\nSubject: {number}\n\nbody {number}\n\n")
    }

    fn run(
        spool: &SpoolDir,
        path: &Path,
        known: Vec<FilePosition>,
    ) -> (DoorStatus, signal::Sender<bool>, JoinHandle<()>) {
        let (stop, shutdown) = signal::channel(false);
        let status = DoorStatus::default();
        let mailbox = Mailbox::new("box", spool.intake.clone(), Room::default(), status.clone(), shutdown);
        let path = path.to_owned();
        let task = tokio::spawn(async move { watch(path, mailbox, known).await.unwrap() });
        (status, stop, task)
    }

    fn append(path: &Path, text: &str) {
        File::options().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// What was spooled of the box, without the positions of the others.
    fn known(spool: &SpoolDir) -> Vec<FilePosition> {
        let with_file = read_all(&spool.spool).into_iter().filter_map(|entry| entry.position_after());
        with_file.last().into_iter().collect()
    }

    #[tokio::test]
    async fn appended_messages_are_read_once_across_a_restart() {
        let (spool, dir) = (SpoolDir::new(), tempfile::tempdir().unwrap());
        let path = dir.path().join("box");
        let (status, stop, task) = run(&spool, &path, Vec::new());
        for number in 0..100 {
            append(&path, &message(number));
        }
        // the last one as soon as the file is left alone
        eventually("all messages", || status.get().taken == 100).await;
        stop.send_replace(true);
        task.await.unwrap();
        append(&path, &message(100));
        let (status, stop, task) = run(&spool, &path, known(&spool));
        eventually("the one since", || status.get().taken == 1).await;
        stop.send_replace(true);
        task.await.unwrap();
        let entries = read_all(&spool.spool);
        assert_eq!(entries.len(), 101);
        assert_eq!(&entries[100].payload[..], b"Subject: 100\n\nbody 100\n");
    }

    #[tokio::test]
    async fn a_message_that_is_being_written_waits_for_its_end() {
        let (spool, dir) = (SpoolDir::new(), tempfile::tempdir().unwrap());
        let path = dir.path().join("box");
        fs::write(dir.path().join("box.lock"), "").unwrap();
        append(&path, &message(1));
        let second = message(2);
        let (begin, end) = second.split_at(second.len() - 8);
        append(&path, begin);
        let (status, stop, task) = run(&spool, &path, Vec::new());
        eventually("the first", || status.get().taken == 1).await;
        tokio::time::sleep(QUIET + WATCH_INTERVAL).await;
        assert_eq!(status.get().taken, 1);
        append(&path, end);
        fs::remove_file(dir.path().join("box.lock")).unwrap();
        eventually("the second", || status.get().taken == 2).await;
        stop.send_replace(true);
        task.await.unwrap();
        assert_eq!(&read_all(&spool.spool)[1].payload[..], b"Subject: 2\n\nbody 2\n");
    }

    #[test]
    fn a_file_that_was_changed_before_its_place_is_read_from_its_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("box");
        let write = |numbers: &[u32]| {
            fs::write(&path, numbers.iter().map(|number| message(*number)).collect::<String>()).unwrap()
        };
        write(&[1, 2, 3]);
        let file = id_at(&path).unwrap().unwrap();
        let group = |offset: u64| {
            next_group(&path, &[FilePosition { file: file.clone(), offset }]).unwrap().unwrap().mails.len()
        };
        let one = message(1).len() as u64;
        assert_eq!(group(one), 1, "the last one is too fresh");
        write(&[1, 3]);
        assert_eq!(group(3 * one), 1, "it is shorter now");
        assert_eq!(group(one + 3), 1, "no message begins there");
        assert!(next_group(&dir.path().join("none"), &[]).unwrap().is_none());
    }
}
