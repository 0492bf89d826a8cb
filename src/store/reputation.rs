//! The tables of `reputation`: listings, tests of lists, notes, findings in the DNS, warm-up plans.

use crate::model::{ListKind, ListState, ListTest, PostureCheck, PostureState, Timestamp};
use crate::store::native::{Column, ColumnSpec};
use crate::store::{Store, StoreError};

/// A row of `listings`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListingEntry {
    pub list: String,
    pub subject: String,
    pub kind: ListKind,
    /// What is believed.
    pub state: ListState,
    /// What the last answer said.
    pub seen: ListState,
    /// Answers in a row that differ from `state`.
    pub pending: u8,
    pub codes: Vec<String>,
    /// Why the last answer says nothing; empty when it does.
    pub reason: String,
    /// What the list writes of the listing.
    pub text: String,
    pub since: Timestamp,
    pub checked: Timestamp,
}

/// A row of `listing_changes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListingChangeEntry {
    pub at: Timestamp,
    pub list: String,
    pub subject: String,
    pub kind: ListKind,
    pub state: ListState,
    pub is_first: bool,
    pub codes: Vec<String>,
    pub text: String,
    pub tier: u8,
    pub sent: u64,
    pub share_ppm: u32,
}

/// A row of `list_tests`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListTestEntry {
    pub at: Timestamp,
    pub list: String,
    pub kind: ListKind,
    pub title: String,
    pub tier: u8,
    /// Where to ask to be taken off, and how long a listing lasts by itself.
    pub delist: String,
    pub expires: String,
    pub result: ListTest,
    pub detail: String,
    pub subjects: u32,
    pub listed: u32,
    pub unknown: u32,
    pub queries: u32,
    pub budget: u32,
}

/// A row of `listing_notes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListingNoteEntry {
    pub at: Timestamp,
    pub list: String,
    pub subject: String,
    pub author: String,
    pub text: String,
}

/// A row of `dns_findings`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsFindingEntry {
    pub taken: Timestamp,
    pub subject: String,
    pub kind: ListKind,
    pub check: PostureCheck,
    pub about: String,
    pub state: PostureState,
    pub value: String,
    pub told: String,
    pub detail: String,
}

/// A row of `dns_changes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsChangeEntry {
    pub at: Timestamp,
    pub subject: String,
    pub kind: ListKind,
    pub check: PostureCheck,
    pub about: String,
    pub state_before: PostureState,
    pub state: PostureState,
    pub value_before: String,
    pub value: String,
    pub told: String,
}

fn time(column: &mut Column, at: Timestamp) {
    column.u32(u32::try_from(at.seconds()).unwrap_or(0));
}

fn words(column: &mut Column, list: &[String]) {
    column.list(list.iter().map(String::as_str));
}

const LISTINGS: &[ColumnSpec<ListingEntry>] = &[
    ("list", "String", |c, r| c.text(&r.list)),
    ("subject", "String", |c, r| c.text(&r.subject)),
    ("kind", "String", |c, r| c.text(r.kind.name())),
    ("state", "Int8", |c, r| c.i8(r.state as i8)),
    ("seen", "Int8", |c, r| c.i8(r.seen as i8)),
    ("pending", "UInt8", |c, r| c.u8(r.pending)),
    ("codes", "Array(String)", |c, r| words(c, &r.codes)),
    ("reason", "String", |c, r| c.text(&r.reason)),
    ("text", "String", |c, r| c.text(&r.text)),
    ("since", "DateTime('UTC')", |c, r| time(c, r.since)),
    ("checked_time", "DateTime('UTC')", |c, r| time(c, r.checked)),
];

const CHANGES: &[ColumnSpec<ListingChangeEntry>] = &[
    ("change_time", "DateTime('UTC')", |c, r| time(c, r.at)),
    ("list", "String", |c, r| c.text(&r.list)),
    ("subject", "String", |c, r| c.text(&r.subject)),
    ("kind", "String", |c, r| c.text(r.kind.name())),
    ("state", "Int8", |c, r| c.i8(r.state as i8)),
    ("is_first", "Bool", |c, r| c.u8(u8::from(r.is_first))),
    ("codes", "Array(String)", |c, r| words(c, &r.codes)),
    ("text", "String", |c, r| c.text(&r.text)),
    ("tier", "UInt8", |c, r| c.u8(r.tier)),
    ("sent", "UInt64", |c, r| c.u64(r.sent)),
    ("share_ppm", "UInt32", |c, r| c.u32(r.share_ppm)),
];

const TESTS: &[ColumnSpec<ListTestEntry>] = &[
    ("test_time", "DateTime('UTC')", |c, r| time(c, r.at)),
    ("list", "String", |c, r| c.text(&r.list)),
    ("kind", "String", |c, r| c.text(r.kind.name())),
    ("title", "String", |c, r| c.text(&r.title)),
    ("tier", "UInt8", |c, r| c.u8(r.tier)),
    ("delist", "String", |c, r| c.text(&r.delist)),
    ("expires", "String", |c, r| c.text(&r.expires)),
    ("result", "String", |c, r| c.text(r.result.name())),
    ("detail", "String", |c, r| c.text(&r.detail)),
    ("subjects", "UInt32", |c, r| c.u32(r.subjects)),
    ("listed", "UInt32", |c, r| c.u32(r.listed)),
    ("unknown", "UInt32", |c, r| c.u32(r.unknown)),
    ("queries", "UInt32", |c, r| c.u32(r.queries)),
    ("budget", "UInt32", |c, r| c.u32(r.budget)),
];

const NOTES: &[ColumnSpec<ListingNoteEntry>] = &[
    ("note_time", "DateTime('UTC')", |c, r| time(c, r.at)),
    ("list", "String", |c, r| c.text(&r.list)),
    ("subject", "String", |c, r| c.text(&r.subject)),
    ("author", "String", |c, r| c.text(&r.author)),
    ("text", "String", |c, r| c.text(&r.text)),
];

const FINDINGS: &[ColumnSpec<DnsFindingEntry>] = &[
    ("taken_time", "DateTime('UTC')", |c, r| time(c, r.taken)),
    ("subject", "String", |c, r| c.text(&r.subject)),
    ("kind", "String", |c, r| c.text(r.kind.name())),
    ("check", "String", |c, r| c.text(r.check.name())),
    ("about", "String", |c, r| c.text(&r.about)),
    ("state", "Int8", |c, r| c.i8(r.state as i8)),
    ("value", "String", |c, r| c.text(&r.value)),
    ("told", "String", |c, r| c.text(&r.told)),
    ("detail", "String", |c, r| c.text(&r.detail)),
];

const DNS_CHANGES: &[ColumnSpec<DnsChangeEntry>] = &[
    ("change_time", "DateTime('UTC')", |c, r| time(c, r.at)),
    ("subject", "String", |c, r| c.text(&r.subject)),
    ("kind", "String", |c, r| c.text(r.kind.name())),
    ("check", "String", |c, r| c.text(r.check.name())),
    ("about", "String", |c, r| c.text(&r.about)),
    ("state_before", "Int8", |c, r| c.i8(r.state_before as i8)),
    ("state", "Int8", |c, r| c.i8(r.state as i8)),
    ("value_before", "String", |c, r| c.text(&r.value_before)),
    ("value", "String", |c, r| c.text(&r.value)),
    ("told", "String", |c, r| c.text(&r.told)),
];

impl Store {
    /// Writes a round of one or more lists: standings, changes, tests. The tests come last, so that a round that was cut
    /// off is asked again.
    ///
    /// # Errors
    ///
    /// [`StoreError::Insert`]; a later round writes what is missing.
    pub async fn insert_listings(
        &self,
        listings: &[ListingEntry],
        changes: &[ListingChangeEntry],
        tests: &[ListTestEntry],
    ) -> Result<(), StoreError> {
        self.insert_rows("listing_changes", CHANGES, changes).await?;
        self.insert_rows("listings", LISTINGS, listings).await?;
        self.insert_rows("list_tests", TESTS, tests).await
    }

    /// Writes down what a person says of a listing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Insert`].
    pub async fn insert_listing_note(&self, note: ListingNoteEntry) -> Result<(), StoreError> {
        self.insert_rows("listing_notes", NOTES, &[note]).await
    }

    /// Writes a snapshot of the DNS and how it differs from what was known.
    ///
    /// # Errors
    ///
    /// [`StoreError::Insert`].
    pub async fn insert_dns_snapshot(
        &self,
        findings: &[DnsFindingEntry],
        changes: &[DnsChangeEntry],
    ) -> Result<(), StoreError> {
        self.insert_rows("dns_changes", DNS_CHANGES, changes).await?;
        self.insert_rows("dns_findings", FINDINGS, findings).await
    }
}
