//! Forgetting an address: the rows that name it are deleted, on every node, in every table that may hold one.
//!
//! Rollups hold no addresses, and keep their counts.
//! Not here: what stays of its suppression (`suppression::list`); items that still wait in the spool.

use crate::store::{Store, StoreError};
use clickhouse::Row;
use clickhouse::query::Query;
use serde::Deserialize;
use uuid::Uuid;

/// Most kept mails about one address that are deleted at once; a second call takes the next.
const MAILS_MAX: u32 = 50_000;

/// What was found and deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Row, Deserialize)]
pub struct Erased {
    pub events: u64,
    /// Kept mails that are about the address, or name it.
    pub mails: u64,
    /// Kept items that could not be read and name it.
    pub rejects: u64,
    /// Records of the suppression list.
    pub records: u64,
}

#[derive(Row, Deserialize)]
struct Mail {
    #[serde(with = "clickhouse::serde::uuid")]
    mail_id: Uuid,
}

/// Table, and which of its rows go.
const TABLES: [(&str, &str); 5] = [
    ("mails", "mail_id IN {mails:Array(UUID)}"),
    ("rejects", "positionCaseInsensitiveUTF8(bytes, {address:String}) > 0"),
    ("suppression_held", "address = {address:String}"),
    ("suppression_log", "address = {address:String}"),
    // Last: it leads to the mails, so that an interrupted call can be made again.
    ("events", "recipient = {address:String} OR orig_recipient = {address:String}"),
];

impl Store {
    /// Deletes every row that names an address. When it returns the rows are gone from the tables; their bytes go from
    /// the disk with the old parts, eight minutes later. It rewrites the parts that hold such rows, which takes minutes
    /// in a large database.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`]: some rows may be deleted; call it again.
    pub async fn erase(&self, address: &str) -> Result<Erased, StoreError> {
        let failed = |source| StoreError::Query { query: "erase", source };
        let ask = |sql: &str| self.client.query_raw(sql).param("address", address);
        let mails: Vec<Mail> = ask(include_str!("erase_mails.sql"))
            .param("limit", MAILS_MAX)
            .fetch_all()
            .await
            .map_err(failed)?;
        let mails: Vec<String> = mails.into_iter().map(|mail| mail.mail_id.to_string()).collect();
        let count: Query = ask(include_str!("erase_counts.sql")).param("mails", mails.len() as u64);
        let erased = count.fetch_one().await.map_err(failed)?;
        for node in self.nodes() {
            for (table, rows) in TABLES {
                // Names and conditions from this file; what users say comes in as parameters.
                let sql = format!(
                    "ALTER TABLE {} DELETE WHERE {rows} SETTINGS mutations_sync = 2",
                    self.local(table)
                );
                let delete = node.query_raw(&sql).param("address", address).param("mails", &mails);
                delete.execute().await.map_err(failed)?;
            }
        }
        Ok(erased)
    }
}
