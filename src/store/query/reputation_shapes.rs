//! Answers about listings and the DNS of subjects.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

/// A subject on a list. States are those of [`crate::model::ListState`], by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct ListingRow {
    pub list: String,
    pub subject: String,
    pub kind: String,
    /// What is believed.
    pub state: String,
    /// What the last answer said.
    pub seen: String,
    /// Answers in a row that differ from `state`.
    pub pending: u8,
    pub codes: Vec<String>,
    /// Why the last answer says nothing.
    pub reason: String,
    /// What the list writes.
    pub text: String,
    pub since_unix: i64,
    pub checked_unix: i64,
}

/// A change of what is believed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct ListingChangeRow {
    pub at_unix: i64,
    pub list: String,
    pub subject: String,
    pub kind: String,
    pub state: String,
    /// Found by the first check: no news.
    pub is_first: bool,
    pub codes: Vec<String>,
    pub text: String,
    pub tier: u8,
    /// Messages of the subject in the 30 days before, and its share of all, in millionths.
    pub sent: u64,
    pub share_ppm: u32,
}

/// The last round of a list, for one kind of subject.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct ListTestRow {
    pub list: String,
    pub kind: String,
    pub title: String,
    /// 1: its listings cost mail, and are alerted on; 2: few receivers use it; 3: shown alone.
    pub tier: u8,
    /// Where to ask to be taken off, and how long a listing lasts by itself.
    pub delist: String,
    pub expires: String,
    /// Of [`crate::model::ListTest`], by name.
    pub result: String,
    pub detail: String,
    pub subjects: u32,
    pub listed: u32,
    pub unknown: u32,
    pub queries_today: u64,
    pub budget: u32,
    pub tested_unix: i64,
}

/// A note about a listing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct ListingNoteRow {
    pub at_unix: i64,
    pub list: String,
    pub subject: String,
    pub author: String,
    pub text: String,
}

/// A check of a subject's newest snapshot. States are those of [`crate::model::PostureState`], by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct DnsFindingRow {
    pub subject: String,
    pub kind: String,
    pub check: String,
    pub about: String,
    pub state: String,
    pub value: String,
    pub told: String,
    pub detail: String,
    pub taken_unix: i64,
}

/// The last judgement of a check that said anything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct DnsKnownRow {
    pub subject: String,
    pub check: String,
    pub about: String,
    pub state: String,
    pub value: String,
}

/// A difference between two snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct DnsChangeRow {
    pub at_unix: i64,
    pub subject: String,
    pub kind: String,
    pub check: String,
    pub about: String,
    pub state_before: String,
    pub state: String,
    pub value_before: String,
    pub value: String,
    pub told: String,
}

/// A selector that receivers saw.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct DkimSelectorRow {
    pub domain: String,
    pub selector: String,
    pub messages: u64,
}

/// An address that sent mail for a domain.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct SenderRow {
    pub domain: String,
    pub ip: String,
    pub sent: u64,
}
