//! Mail that a delivery agent puts into a Maildir.
//!
//! Way: `app` starts [`watch`] for each folder; what stands in `new/` is spooled in groups, and then moved to `cur/` or
//! deleted. That a mail is gone from `new/` is its position: a crash before that has it spooled again, and `pipeline`
//! knows it.
//! Source: <https://cr.yp.to/proto/maildir.html>: a mail in `new/` is whole, because it is written in `tmp/` and renamed.
//! Not here: folders that are read once (`relaylens import --format mail`).
//!
//! The folder is polled, for the reasons that `tail` gives.

use crate::ingest::mailbox::{BEGINNING_BYTES, Fetched, GROUP_BYTES, GROUP_MAILS, Mailbox, WATCH_INTERVAL};
use crate::model::{RejectReason, Text};
use crate::parse::Reject;
use crate::parse::mail::MAIL_BYTES_MAX;
use crate::spool::SpoolError;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Names taken from a listing at once, some 10 MB; the others come with the next one.
const LISTED_MAX: usize = 100_000;

/// What becomes of a mail that is in the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterSpool {
    MoveToCur,
    /// One that is too large to be taken whole is moved all the same.
    Delete,
}

/// A folder, and what is known of the mails in `new/` that could not be treated.
struct Maildir {
    dir: PathBuf,
    after: AfterSpool,
    /// Spooled, but still there: they cannot be moved. They must not be spooled again and again.
    stuck: BTreeSet<OsString>,
    /// They cannot be read; each is told once.
    unreadable: BTreeSet<OsString>,
}

/// A group of mails with their names.
#[derive(Default)]
struct Group {
    names: Vec<OsString>,
    mails: Vec<Fetched>,
    faults: Vec<String>,
}

/// Takes mails out of `new/` until shutdown.
///
/// # Errors
///
/// What the spool says that waiting does not mend.
pub async fn watch(dir: PathBuf, after: AfterSpool, mut mailbox: Mailbox) -> Result<(), SpoolError> {
    let mut maildir = Maildir { dir, after, stuck: BTreeSet::new(), unreadable: BTreeSet::new() };
    mailbox.status.set_doing("watching");
    while !mailbox.ends() {
        let taken = take_group(maildir, &mut mailbox).await?;
        maildir = taken.0;
        if !taken.1 {
            mailbox.pause(WATCH_INTERVAL).await;
        }
    }
    Ok(())
}

/// Spools and treats one group; returns whether there was one.
async fn take_group(mut maildir: Maildir, mailbox: &mut Mailbox) -> Result<(Maildir, bool), SpoolError> {
    let _room = mailbox.room.take(GROUP_BYTES + MAIL_BYTES_MAX as u64).await;
    let read;
    (maildir, read) = blocking(maildir, Maildir::next_group).await;
    let group = match read {
        Err(fault) => {
            mailbox.note_fault(&format!("{}: {fault}", maildir.dir.display()));
            return Ok((maildir, false));
        }
        Ok(group) => group,
    };
    for fault in &group.faults {
        mailbox.note_fault(fault);
    }
    if group.mails.is_empty() {
        if maildir.stuck.is_empty() && group.faults.is_empty() {
            mailbox.note_well();
        }
        return Ok((maildir, false));
    }
    if !mailbox.deliver(&Text::default(), &group.mails).await? {
        return Ok((maildir, false));
    }
    let fault;
    (maildir, fault) = blocking(maildir, move |maildir| maildir.treat(&group)).await;
    if let Some(fault) = fault {
        mailbox.note_fault(&fault);
    }
    Ok((maildir, true))
}

/// Works on the disk beside other tasks.
async fn blocking<T: Send + 'static>(
    mut maildir: Maildir,
    work: impl FnOnce(&mut Maildir) -> T + Send + 'static,
) -> (Maildir, T) {
    let work = tokio::task::spawn_blocking(move || {
        let done = work(&mut maildir);
        (maildir, done)
    });
    work.await.expect("reading a folder does not panic")
}

impl Maildir {
    /// The oldest mails of `new/`, by their names, which begin with the time.
    fn next_group(&mut self) -> io::Result<Group> {
        let listed = fs::read_dir(self.dir.join("new"))?;
        let mut names: BTreeSet<OsString> = BTreeSet::new();
        for entry in listed.take(LISTED_MAX) {
            names.insert(entry?.file_name());
        }
        self.stuck.retain(|name| names.contains(name));
        self.unreadable.retain(|name| names.contains(name));
        let (mut group, mut bytes) = (Group::default(), 0);
        let is_new = |name: &&OsString| {
            !self.stuck.contains(*name)
                && !self.unreadable.contains(*name)
                && !name.as_encoded_bytes().starts_with(b".")
        };
        let mut unreadable = Vec::new();
        for name in names.iter().filter(is_new) {
            let path = self.dir.join("new").join(name);
            match read_mail(&path) {
                Ok(mail) => {
                    bytes += mail.as_ref().map_or(0, |bytes| bytes.len() as u64);
                    let number = group.mails.len() as u64;
                    let mail = mail.map(Into::into).map_err(|(reject, beginning)| (reject, beginning.into()));
                    group.mails.push(Fetched { number, mail });
                    group.names.push(name.clone());
                }
                // another program was quicker
                Err(fault) if fault.kind() == io::ErrorKind::NotFound => {}
                Err(fault) => {
                    group.faults.push(format!("{} cannot be read: {fault}", path.display()));
                    unreadable.push(name.clone());
                }
            }
            if group.mails.len() >= GROUP_MAILS || bytes >= GROUP_BYTES {
                break;
            }
        }
        self.unreadable.extend(unreadable);
        Ok(group)
    }

    /// Takes a spooled group out of `new/`; returns the last fault.
    fn treat(&mut self, group: &Group) -> Option<String> {
        let mut last_fault = None;
        for (name, mail) in group.names.iter().zip(&group.mails) {
            let path = self.dir.join("new").join(name);
            let treated = match self.after {
                AfterSpool::Delete if mail.mail.is_ok() => fs::remove_file(&path),
                _ => fs::rename(&path, self.dir.join("cur").join(name_in_cur(name))),
            };
            match treated {
                Err(fault) if fault.kind() != io::ErrorKind::NotFound || path.exists() => {
                    last_fault = Some(format!("{} cannot be taken away: {fault}", path.display()));
                    self.stuck.insert(name.clone());
                }
                _ => {}
            }
        }
        last_fault
    }
}

/// The information part that names in `cur/` have, without flags.
fn name_in_cur(name: &OsString) -> OsString {
    let mut name = name.clone();
    if !name.as_encoded_bytes().windows(3).any(|part| part == b":2,") {
        name.push(":2,");
    }
    name
}

/// A mail, or why it is too large with its beginning.
fn read_mail(path: &Path) -> io::Result<Result<Vec<u8>, (Reject, Vec<u8>)>> {
    let mut file = File::open(path)?;
    let size_bytes = file.metadata()?.len();
    let mut bytes = Vec::new();
    if size_bytes > MAIL_BYTES_MAX as u64 {
        file.take(u64::from(BEGINNING_BYTES)).read_to_end(&mut bytes)?;
        let message = format!("the mail has {size_bytes} bytes, the most is {MAIL_BYTES_MAX}");
        return Ok(Err((Reject::new(RejectReason::TooLarge, message), bytes)));
    }
    file.by_ref().take(MAIL_BYTES_MAX as u64).read_to_end(&mut bytes)?;
    Ok(Ok(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::DoorStatus;
    use crate::ingest::mailbox::Room;
    use crate::ingest::testing::{SpoolDir, eventually, read_all};
    use tokio::sync::watch as signal;

    struct Running {
        spool: SpoolDir,
        dir: tempfile::TempDir,
        status: DoorStatus,
        stop: signal::Sender<bool>,
        task: tokio::task::JoinHandle<Result<(), SpoolError>>,
    }

    fn start(after: AfterSpool) -> Running {
        let (spool, dir) = (SpoolDir::new(), tempfile::tempdir().unwrap());
        for folder in ["new", "cur", "tmp"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let (stop, shutdown) = signal::channel(false);
        let status = DoorStatus::default();
        let mailbox = Mailbox::new("box", spool.intake.clone(), Room::default(), status.clone(), shutdown);
        let task = tokio::spawn(watch(dir.path().to_owned(), after, mailbox));
        Running { spool, dir, status, stop, task }
    }

    impl Running {
        fn names(&self, folder: &str) -> Vec<String> {
            let entries = fs::read_dir(self.dir.path().join(folder)).unwrap();
            let mut names: Vec<String> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }

        fn put(&self, name: &str, text: &str) {
            fs::write(self.dir.path().join("new").join(name), text).unwrap();
        }

        async fn until_taken(&self, mails: u64) {
            eventually("the mails", || self.status.get().taken >= mails && self.names("new").is_empty())
                .await;
        }

        async fn end(self) -> Vec<String> {
            self.stop.send_replace(true);
            self.task.await.unwrap().unwrap();
            read_all(&self.spool.spool)
                .iter()
                .map(|entry| String::from_utf8_lossy(&entry.payload).into())
                .collect()
        }
    }

    #[tokio::test]
    async fn new_mail_is_spooled_in_order_and_moved_to_cur() {
        let running = start(AfterSpool::MoveToCur);
        running.put("2.a", "two");
        running.put("1.a", "one");
        running.until_taken(2).await;
        running.put("3.a:2,S", "three");
        running.until_taken(3).await;
        assert_eq!(running.names("cur"), ["1.a:2,", "2.a:2,", "3.a:2,S"]);
        let mut payloads = running.end().await;
        payloads.sort();
        assert_eq!(payloads, ["one", "three", "two"]);
    }

    #[tokio::test]
    async fn a_thousand_mails_are_deleted_once_they_are_kept() {
        let running = start(AfterSpool::Delete);
        for number in 0..1000 {
            running.put(&format!("{number}.a"), "mail");
        }
        running.until_taken(1000).await;
        assert!(running.names("cur").is_empty());
        assert_eq!(running.end().await.len(), 1000);
    }

    #[tokio::test]
    async fn a_mail_that_is_too_large_is_told_and_kept_in_cur_and_a_folder_in_the_way_stops_nothing() {
        let running = start(AfterSpool::Delete);
        fs::create_dir(running.dir.path().join("new/0.folder")).unwrap();
        let large = File::create(running.dir.path().join("new/1.large")).unwrap();
        large.set_len(MAIL_BYTES_MAX as u64 + 1).unwrap();
        running.put("2.a", "two");
        eventually("the mails", || running.status.get().taken == 2).await;
        eventually("the move", || running.names("cur") == ["1.large:2,"]).await;
        assert_eq!(running.names("new"), ["0.folder"]);
        assert!(running.status.get().faults > 0);
        let payloads = running.end().await;
        assert!(payloads.iter().any(|text| text.starts_with("X-Relaylens-Not-Taken: too_large; ")));
    }

    #[tokio::test]
    async fn a_mail_that_cannot_be_moved_is_spooled_once() {
        let running = start(AfterSpool::MoveToCur);
        fs::remove_dir(running.dir.path().join("cur")).unwrap();
        running.put("1.a", "one");
        eventually("the fault", || running.status.get().is_held_up).await;
        fs::create_dir(running.dir.path().join("cur")).unwrap();
        running.put("2.a", "two");
        eventually("the next", || running.names("cur") == ["2.a:2,"]).await;
        assert_eq!(running.end().await.len(), 2);
    }
}
