//! The `audit` table: who changed what.

use crate::model::{Caller, Text, Timestamp};
use crate::store::batch::encode;
use crate::store::native::ColumnSpec;
use crate::store::{Store, StoreError};

/// One change of state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    pub id: u128,
    pub at: Timestamp,
    pub caller: Caller,
    /// By which way it was asked for: `api` or `page`.
    pub door: &'static str,
    /// What was done, such as `suppression.add`.
    pub action: &'static str,
    /// What leads to the thing that was changed: the id of a run, the name of a token. Never an address of a recipient.
    pub object: Text,
    /// In words; never an address of a recipient.
    pub detail: Text,
    pub items: u64,
}

const COLUMNS: &[ColumnSpec<AuditEntry>] = &[
    ("audit_id", "UUID", |c, r| c.uuid(r.id)),
    ("at", "DateTime64(6, 'UTC')", |c, r| c.i64(r.at.0)),
    ("actor", "String", |c, r| c.text(&r.caller.name)),
    ("role", "String", |c, r| c.text(r.caller.role.name())),
    ("door", "String", |c, r| c.text(r.door)),
    ("action", "String", |c, r| c.text(r.action)),
    ("object", "String", |c, r| c.text(&r.object)),
    ("detail", "String", |c, r| c.text(&r.detail)),
    ("items", "UInt64", |c, r| c.u64(r.items)),
];

impl Store {
    /// Writes one entry of the audit log; the same one may be written again without effect.
    ///
    /// # Errors
    ///
    /// [`StoreError::Insert`].
    pub async fn insert_audit(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let token = uuid::Uuid::from_u128(entry.id).to_string();
        self.insert_block("audit", &encode(COLUMNS, std::slice::from_ref(entry)), &token).await
    }
}
