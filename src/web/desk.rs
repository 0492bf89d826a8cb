//! Changes for a person or a token, of the suppression list for the most part: each is checked, done, and written into the
//! audit log.
//!
//! The log of the list itself names who wrote a record, so that a kill between the two loses no name.
//! Way: API and pages make a [`Desk`] for their [`Caller`]. Not here: reading what was sent.

use crate::model::suppression::{Action, Change, Key, MailType, Reason, RunId, RunKind, RunState, Scope};
use crate::model::{Caller, Role, Text, Timestamp, normalize_address};
use crate::store::{AuditEntry, Erased, ListingNoteEntry, RunEntry};
use crate::suppression::hooks::Hook;
use crate::suppression::imports::{Order, Report};
use crate::suppression::list::{Actor, Written};
use crate::web::Site;
use crate::web::error::PageError;
use axum::body::Body;
use serde::Serialize;
use uuid::Uuid;

/// Most changes of one request: what one answer can tell, and one insert.
pub(crate) const CHANGES_MAX: usize = 10_000;

/// By which way a change was asked for.
pub(crate) const API: &str = "api";
pub(crate) const PAGE: &str = "page";

/// An entry that somebody wants on the list.
#[derive(Debug, Clone)]
pub(crate) struct NewEntry {
    pub(crate) address: Text,
    pub(crate) scope: Scope,
    pub(crate) mail_type: MailType,
    pub(crate) reason: Reason,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) note: Text,
}

/// Which entries of an address are to be lifted; `None` takes all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Which {
    pub(crate) reason: Option<Reason>,
    pub(crate) scope: Option<Scope>,
    pub(crate) mail_type: Option<MailType>,
}

impl Which {
    fn means(&self, key: &Key) -> bool {
        self.reason.is_none_or(|reason| reason == key.reason)
            && self.scope.as_ref().is_none_or(|scope| *scope == key.scope)
            && self.mail_type.is_none_or(|mail_type| mail_type == key.mail_type)
    }
}

/// What a change did, as it is told.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Did {
    /// By which the whole of it can be undone; only of changes with several addresses.
    pub(crate) run: Option<Uuid>,
    pub(crate) added: u64,
    pub(crate) extended: u64,
    pub(crate) lifted: u64,
    /// On the list already, at least as long.
    pub(crate) known: u64,
    /// Lifted before, and what this rests on is older.
    pub(crate) tombstoned: u64,
    /// There was nothing to lift.
    pub(crate) absent: u64,
    /// How far the change feed is with it.
    pub(crate) cursor: String,
}

impl Did {
    pub(crate) const fn changes(&self) -> u64 {
        self.added + self.extended + self.lifted
    }
}

/// Who changes what, and by which way.
pub(crate) struct Desk<'a> {
    site: &'a Site,
    caller: &'a Caller,
    door: &'static str,
}

impl<'a> Desk<'a> {
    pub(crate) const fn of(site: &'a Site, caller: &'a Caller, door: &'static str) -> Self {
        Self { site, caller, door }
    }

    /// Puts one entry onto the list.
    pub(crate) async fn add(&self, entry: NewEntry) -> Result<Did, PageError> {
        let detail = detail_of(&entry.scope, entry.reason);
        let change = self.addition(entry, None);
        let written = self.site.list().write_as(&self.actor(), vec![change]).await?;
        self.told("suppression.add", place(&written), detail, written, None).await
    }

    /// Lifts entries of an address.
    pub(crate) async fn lift(&self, address: &str, note: &str, which: &Which) -> Result<Did, PageError> {
        let address = normalize_address(address);
        let actor = self.actor();
        let written = self.site.list().lift(&actor, &address, note, |key| which.means(key)).await?;
        let detail = which.reason.map(|reason| reason.name().into()).unwrap_or_default();
        self.told("suppression.remove", place(&written), detail, written, None).await
    }

    /// Adds and lifts many, all or none of them, as one run.
    pub(crate) async fn bulk(
        &self,
        name: Text,
        add: Vec<NewEntry>,
        lift: Vec<(Key, Text)>,
    ) -> Result<Did, PageError> {
        let now = self.site.list().now();
        let run = RunId(Uuid::new_v4());
        let actor = self.actor();
        let removal = |(key, note): (Key, Text)| Change {
            action: Action::Remove,
            key,
            observed: now,
            expires: None,
            origin: actor.origin(),
            run: Some(run),
            evidence: Vec::new(),
            note,
        };
        let rows = (add.len() + lift.len()) as u64;
        let changes: Vec<Change> = add
            .into_iter()
            .map(|entry| self.addition(entry, Some(run)))
            .chain(lift.into_iter().map(removal))
            .collect();
        let written = self.site.list().write_as(&actor, changes).await?;
        let entry = RunEntry {
            run,
            kind: RunKind::Bulk,
            name: name.clone(),
            actor: actor.name.clone(),
            state: RunState::Done,
            begun: now,
            changed: self.site.list().now(),
            target: None,
            rows,
            faults: 0,
            note: Text::default(),
        };
        self.site.list().note_run(&entry).await?;
        self.told("suppression.bulk", run.0.to_string().into(), name, written, Some(run)).await
    }

    /// Takes back a whole run.
    pub(crate) async fn undo(&self, run: RunId, note: &str) -> Result<Did, PageError> {
        let written = self.site.list().undo(run, &self.actor(), note).await?;
        self.told("suppression.undo", run.0.to_string().into(), Text::default(), written, None).await
    }

    /// Decides what the burst guard holds.
    pub(crate) async fn decide(&self, review: Uuid, is_released: bool, note: &str) -> Result<Did, PageError> {
        let written = self.site.list().decide(review, is_released, &self.actor(), note).await?;
        let action = if is_released { "review.release" } else { "review.dismiss" };
        self.told(action, review.to_string().into(), Text::default(), written, None).await
    }

    /// Takes in a file to import.
    pub(crate) async fn import(&self, order: Order, body: Body) -> Result<Report, PageError> {
        let report = self.site.imports().accept(order, body.into_data_stream()).await?;
        let action = if report.order.dry_run { "import.dry_run" } else { "import.begin" };
        let object = report.order.run.0.to_string().into();
        self.audit(action, object, report.order.name.clone(), 0).await?;
        Ok(report)
    }

    /// An order for an import by this caller.
    pub(crate) fn order(&self, name: Text, scope: Scope, dry_run: bool) -> Order {
        Order {
            run: RunId(Uuid::new_v4()),
            name,
            actor: self.caller.name.clone(),
            is_admin: self.caller.may(Role::Admin),
            scope,
            mail_type: MailType::All,
            expires: None,
            dry_run,
            accepted: self.site.list().now(),
        }
    }

    /// Forgets an address; the audit log knows it by its hash.
    pub(crate) async fn erase(&self, address: &str, hash: Text) -> Result<Erased, PageError> {
        let erased = self.site.list().erase(&self.actor(), address).await?;
        self.audit("address.erase", hash, Text::default(), erased.events + erased.records).await?;
        Ok(erased)
    }

    /// Has a dead letter sent again.
    pub(crate) async fn send_again(&self, hook: &str, letter: Uuid) -> Result<(), PageError> {
        let hook = self.site.hooks().iter().find(|known| known.status().name == hook);
        let is_there = hook.map(|hook: &Hook| hook.send_again(letter)).transpose()?;
        if is_there != Some(true) {
            return Err(PageError::NotFound("such dead letter"));
        }
        self.audit("webhook.send_again", letter.to_string().into(), Text::default(), 1).await
    }

    /// Keeps what somebody did about a listing, in the caller's name.
    pub(crate) async fn note_listing(
        &self,
        list: String,
        subject: String,
        text: String,
    ) -> Result<(), PageError> {
        let (object, detail) = (Text::from(subject.as_str()), Text::from(list.as_str()));
        let at = Timestamp::from_seconds(self.site.now_unix());
        let note = ListingNoteEntry { at, list, subject, author: self.caller.name.to_string(), text };
        self.site.store().insert_listing_note(note).await?;
        self.audit("listing.note", object, detail, 1).await
    }

    fn actor(&self) -> Actor {
        Actor { name: self.caller.name.clone(), is_admin: self.caller.may(Role::Admin) }
    }

    fn addition(&self, entry: NewEntry, run: Option<RunId>) -> Change {
        let NewEntry { address, scope, mail_type, reason, expires, note } = entry;
        Change {
            action: Action::Add,
            key: Key { address: normalize_address(&address), scope, mail_type, reason },
            observed: self.site.list().now(),
            expires,
            origin: self.actor().origin(),
            run,
            evidence: Vec::new(),
            note,
        }
    }

    async fn told(
        &self,
        action: &'static str,
        object: Text,
        detail: Text,
        written: Written,
        run: Option<RunId>,
    ) -> Result<Did, PageError> {
        let Written { added, extended, lifted, known, tombstoned, absent, .. } = written;
        let cursor = self.site.list().cursor().to_string();
        let run = run.map(|RunId(run)| run);
        let did = Did { run, added, extended, lifted, known, tombstoned, absent, cursor };
        self.audit(action, object, detail, did.changes()).await?;
        Ok(did)
    }

    async fn audit(
        &self,
        action: &'static str,
        object: Text,
        detail: Text,
        items: u64,
    ) -> Result<(), PageError> {
        let entry = AuditEntry {
            id: Uuid::new_v4().as_u128(),
            at: self.site.list().now(),
            caller: self.caller.clone(),
            door: self.door,
            action,
            object,
            detail,
            items,
        };
        Ok(self.site.store().insert_audit(&entry).await?)
    }
}

/// The place in the log of what was written: it leads to the address, and does not name it.
fn place(written: &Written) -> Text {
    written.records.first().map(|record| record.seq.to_string().into()).unwrap_or_default()
}

fn detail_of(scope: &Scope, reason: Reason) -> Text {
    compact_str::format_compact!("{reason}, {}", scope.name())
}
