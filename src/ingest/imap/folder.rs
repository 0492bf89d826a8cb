//! One folder: what is new in it, and what becomes of that.
//!
//! Way: a visit opens the folder, settles what the last one left undone, fetches what is new in groups, and then waits.
//! A group is spooled, and only then moved, flagged or deleted. A visit ends with a fault or at shutdown.
//!
//! **UIDVALIDITY** (RFC 3501 section 2.3.1.1) is part of what the folder is known by. When the server changes it, no
//! position fits any more, and all mails are fetched again; `pipeline` knows them.
//!
//! **A mail that the server cannot hand out** takes others down with it, the connection even. After a fault the mails
//! of that group are fetched one by one; one that fails alone three times is told as a reject, and passed.
//!
//! **What a crash left undone**: between spool and server it may cut off the moving of one group. The first visit
//! therefore looks at the last group's worth of mails before its position, and treats them as `after` says.

use crate::ingest::imap::connection::{Connection, LISTED_MAX, Opened};
use crate::ingest::imap::{Action, Fault, FolderOptions};
use crate::ingest::mailbox::{
    BEGINNING_BYTES, Fetched, GROUP_BYTES, GROUP_MAILS, MailGroup, Mailbox, too_large,
};
use crate::model::{FilePosition, RejectReason, Text};
use crate::parse::Reject;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

/// How often a mail may fail alone. A connection that is merely bad fails before the fetch most times.
const TRIES: u32 = 3;

/// Longest wait by IDLE before it is begun anew: RFC 2177 has 29 minutes, routers forget a silent connection sooner.
const IDLE_MAX: Duration = Duration::from_mins(9);

pub(super) struct Folder {
    options: FolderOptions,
    /// How far it has been read, by UIDVALIDITY.
    known: BTreeMap<u32, u32>,
    /// Mails that are spooled and not treated yet; `None` before the first visit has looked.
    owed: Option<Vec<(u32, MailGroup)>>,
    /// Up to this UID mails are fetched one by one.
    careful_to: u32,
    /// How often the first mail failed alone.
    tries: u32,
    was_reached: bool,
}

/// An opened folder of one UIDVALIDITY.
struct Visit<'a> {
    folder: &'a mut Folder,
    mailbox: &'a mut Mailbox,
    connection: Connection,
    uid_validity: u32,
    /// What the folder is known by in the spool.
    file: Text,
}

/// As in the URLs of RFC 5092.
fn file_of(folder: &str, uid_validity: u32) -> Text {
    format!("{folder};UIDVALIDITY={uid_validity}").into()
}

impl Folder {
    pub(super) fn new(options: FolderOptions, positions: &[FilePosition]) -> Self {
        let known = positions.iter().filter_map(|position| {
            let (folder, uid_validity) = position.file.rsplit_once(";UIDVALIDITY=")?;
            let next_uid = u32::try_from(position.offset).ok()?;
            (folder == options.folder).then_some((uid_validity.parse().ok()?, next_uid))
        });
        let known = known.collect();
        Self { options, known, owed: None, careful_to: 0, tries: 0, was_reached: false }
    }

    pub(super) fn name(&self) -> &str {
        &self.options.folder
    }

    /// Whether the last visit came as far as the folder.
    pub(super) const fn was_reached(&self) -> bool {
        self.was_reached
    }

    /// Reads until shutdown, or until a fault.
    pub(super) async fn visit(&mut self, mailbox: &mut Mailbox) -> Result<(), Fault> {
        self.was_reached = false;
        let account = std::sync::Arc::clone(&self.options.account);
        let login = async { Some(account.login().await) };
        let mut ending = mailbox.clone();
        let connection = tokio::select! {
            connection = login => connection,
            () = ending.ended() => None,
        };
        let Some(connection) = connection else { return Ok(()) };
        let mut connection = connection?;
        let opened = connection.open(&self.options.folder, self.options.after.is_none()).await?;
        self.was_reached = true;
        let file = file_of(&self.options.folder, opened.uid_validity);
        let visit = Visit { folder: self, mailbox, connection, uid_validity: opened.uid_validity, file };
        visit.run(opened).await
    }
}

impl Visit<'_> {
    async fn run(mut self, opened: Opened) -> Result<(), Fault> {
        if self.folder.options.after.is_some() {
            if self.folder.owed.is_none() {
                self.look_back(opened.exists).await?;
            }
            self.settle().await?;
        }
        let mut ending = self.mailbox.clone();
        let wait = self.folder.options.poll.min(IDLE_MAX);
        loop {
            self.mailbox.status.set_doing("reading");
            self.collect().await?;
            if self.mailbox.ends() {
                self.connection.leave().await;
                return Ok(());
            }
            self.mailbox.note_well();
            if self.connection.can_idle() {
                self.mailbox.status.set_doing("waiting by IDLE");
                self.connection = self.connection.idle(wait, ending.ended()).await?;
            } else {
                self.mailbox.status.set_doing("waiting to look again");
                self.mailbox.pause(wait).await;
            }
        }
    }

    fn next_uid(&self) -> u32 {
        self.folder.known.get(&self.uid_validity).copied().unwrap_or(1)
    }

    /// Fetches all that is new.
    async fn collect(&mut self) -> Result<(), Fault> {
        loop {
            let listed = self.connection.list(self.next_uid()).await?;
            let mut rest = listed.as_slice();
            while !rest.is_empty() && !self.mailbox.ends() {
                let done = self.take(rest).await?;
                rest = &rest[done..];
            }
            if listed.len() < LISTED_MAX || self.mailbox.ends() {
                return Ok(());
            }
        }
    }

    /// Takes the first mails of a list, as many as make a group; returns how many that were.
    async fn take(&mut self, uids: &[u32]) -> Result<usize, Fault> {
        let is_careful = uids[0] <= self.folder.careful_to;
        let some = &uids[..uids.len().min(if is_careful { 1 } else { GROUP_MAILS })];
        let (fetched, done) = match self.fetch(some).await {
            Ok(fetched) => fetched,
            Err(Fault::Spool(fault)) => return Err(fault.into()),
            Err(fault) => return self.fetch_failed(some, fault).await,
        };
        self.keep(&fetched, some[done - 1]).await?;
        Ok(done)
    }

    /// Spools a group, notes how far the folder is read with it, and treats its mails.
    async fn keep(&mut self, fetched: &[Fetched], last_uid: u32) -> Result<(), Fault> {
        if !self.mailbox.deliver(&self.file, fetched).await? {
            return Ok(());
        }
        self.folder.known.insert(self.uid_validity, last_uid.saturating_add(1));
        self.folder.tries = 0;
        if self.folder.options.after.is_some() {
            let owed = groups_of(fetched).await;
            self.folder.owed.get_or_insert_default().extend(owed);
            self.settle().await?;
        }
        Ok(())
    }

    /// Fetches mails, as many as make a group by their bytes; returns them, and how many of the list are done.
    async fn fetch(&mut self, uids: &[u32]) -> Result<(Vec<Fetched>, usize), Fault> {
        let bytes_max = self.folder.options.mail_bytes_max;
        let sizes: BTreeMap<u32, u64> = self.connection.sizes(uids).await?.into_iter().collect();
        let (mut bytes, mut done) = (0, 0);
        let (mut whole, mut large) = (Vec::new(), Vec::new());
        for uid in uids {
            // one that is gone since it was listed has none
            let size = sizes.get(uid).copied();
            let held = size.unwrap_or(0).min(bytes_max);
            if done > 0 && bytes + held > GROUP_BYTES {
                break;
            }
            bytes += held;
            done += 1;
            match size {
                Some(size) if size > bytes_max => large.push((*uid, size)),
                Some(_) => whole.push(*uid),
                None => {}
            }
        }
        // as they come, and as they are kept
        let _room = self.mailbox.room.take(2 * bytes).await;
        let mut mails = BTreeMap::new();
        if !whole.is_empty() {
            for (uid, mail) in self.connection.fetch(&whole, bytes_max + 1).await? {
                mails.insert(uid, whole_mail(mail, bytes_max));
            }
        }
        for (uid, size) in large {
            for (uid, beginning) in self.connection.fetch(&[uid], u64::from(BEGINNING_BYTES)).await? {
                mails.insert(uid, Err((too_large(size, bytes_max), beginning)));
            }
        }
        let fetched = mails.into_iter().map(|(uid, mail)| Fetched { number: u64::from(uid), mail });
        Ok((fetched.collect(), done))
    }

    /// Goes on one by one, and passes a mail that failed alone too often.
    async fn fetch_failed(&mut self, uids: &[u32], fault: Fault) -> Result<usize, Fault> {
        self.folder.careful_to = uids.last().copied().unwrap_or_default();
        let mut done = 0;
        if let [uid] = uids {
            self.folder.tries += 1;
            if self.folder.tries >= TRIES {
                let reject = Reject::new(RejectReason::Unfetched, format!("UID {uid}: {fault}"));
                let passed = Fetched { number: u64::from(*uid), mail: Err((reject, Bytes::new())) };
                self.keep(&[passed], *uid).await?;
                done = 1;
            }
        }
        match fault {
            Fault::No { .. } => {
                self.mailbox.note_fault(&format!("{}: {fault}", self.folder.name()));
                Ok(done)
            }
            broken => Err(broken),
        }
    }

    /// Finds out which of the mails before the position are not treated yet: those that are still there.
    async fn look_back(&mut self, exists: u32) -> Result<(), Fault> {
        let next_uid = self.next_uid();
        let mut owed = Vec::new();
        if next_uid > 1 {
            let new = self.connection.list(next_uid).await?.len();
            let last = exists.saturating_sub(u32::try_from(new).unwrap_or(u32::MAX));
            if last > 0 {
                let group = u32::try_from(GROUP_MAILS).unwrap_or(u32::MAX);
                let mut uids = self.connection.uids_at(last.saturating_sub(group) + 1, last).await?;
                uids.retain(|uid| *uid < next_uid);
                owed = self.groups_before(&uids).await?;
            }
        }
        self.folder.owed = Some(owed);
        Ok(())
    }

    /// What these mails are. One that cannot be fetched is left alone: it was passed when it was new.
    async fn groups_before(&mut self, uids: &[u32]) -> Result<Vec<(u32, MailGroup)>, Fault> {
        let mut groups = Vec::new();
        let mut rest = uids;
        while !rest.is_empty() && !self.mailbox.ends() {
            match self.fetch(rest).await {
                Ok((fetched, done)) => {
                    groups.extend(groups_of(&fetched).await);
                    rest = &rest[done..];
                }
                Err(Fault::No { .. }) if rest.len() > 1 => {
                    // the bad one is among them: without it the others are to be had
                    for uid in rest {
                        match self.fetch(&[*uid]).await {
                            Ok((fetched, _)) => groups.extend(groups_of(&fetched).await),
                            Err(Fault::No { .. }) => {}
                            Err(fault) => return self.give_up_looking_back(fault),
                        }
                    }
                    return Ok(groups);
                }
                Err(Fault::No { .. }) => return Ok(groups),
                Err(fault) => return self.give_up_looking_back(fault),
            }
        }
        Ok(groups)
    }

    /// A mail that breaks the connection must not do so at each visit.
    fn give_up_looking_back(&mut self, fault: Fault) -> Result<Vec<(u32, MailGroup)>, Fault> {
        self.folder.owed = Some(Vec::new());
        Err(fault)
    }

    /// Treats the mails that are owed it. A server that says no is told of, and the mails are left.
    async fn settle(&mut self) -> Result<(), Fault> {
        let Some(after) = self.folder.options.after.clone() else { return Ok(()) };
        let owed = self.folder.owed.clone().unwrap_or_default();
        let mut by_action: BTreeMap<&Action, Vec<u32>> = BTreeMap::new();
        for (uid, group) in owed {
            let action = match group {
                MailGroup::Report => &after.report,
                MailGroup::Bounce => &after.bounce,
                MailGroup::Complaint => &after.complaint,
                MailGroup::Other => &after.other,
            };
            by_action.entry(action).or_default().push(uid);
        }
        for (action, uids) in by_action {
            let treated = match action {
                Action::Leave => Ok(()),
                Action::Flag(flag) => self.connection.flag(&uids, flag).await,
                Action::Move(folder) => self.connection.move_to(&uids, folder).await,
                Action::Delete => self.connection.delete(&uids).await,
            };
            match treated {
                Ok(()) => {}
                Err(fault @ Fault::No { .. }) => {
                    self.mailbox.note_fault(&format!("{}: {fault}", self.folder.name()));
                }
                Err(fault) => return Err(fault),
            }
        }
        self.folder.owed = Some(Vec::new());
        Ok(())
    }
}

/// A server may name too small a size.
fn whole_mail(mail: Bytes, bytes_max: u64) -> Result<Bytes, (Reject, Bytes)> {
    if mail.len() as u64 > bytes_max {
        let beginning = mail.slice(..mail.len().min(BEGINNING_BYTES as usize));
        return Err((too_large(mail.len() as u64, bytes_max), beginning));
    }
    Ok(mail)
}

/// What the mails are, read beside the other work: a group may take tens of milliseconds.
async fn groups_of(fetched: &[Fetched]) -> Vec<(u32, MailGroup)> {
    let mails: Vec<(u64, Bytes)> = fetched
        .iter()
        .filter_map(|fetched| Some((fetched.number, fetched.mail.as_ref().ok()?.clone())))
        .collect();
    let read = tokio::task::spawn_blocking(move || {
        let group =
            |(number, bytes): &(u64, Bytes)| Some((u32::try_from(*number).ok()?, MailGroup::of(bytes)?));
        mails.iter().filter_map(group).collect()
    });
    // a reader that panics leaves the mails where they are
    read.await.unwrap_or_default()
}
