//! The `suppression_writers` table: which process writes under which number.

use crate::model::{Text, Timestamp};
use crate::store::batch::encode;
use crate::store::native::ColumnSpec;
use crate::store::{Store, StoreError};
use clickhouse::Row;
use serde::Deserialize;

/// A number for the places of one process. Written again now and then, to say that the process is alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriterClaim {
    pub writer: u16,
    /// Names the data folder of the process.
    pub node: Text,
    pub claimed: Timestamp,
    pub seen: Timestamp,
}

const COLUMNS: &[ColumnSpec<WriterClaim>] = &[
    ("writer", "UInt16", |c, r| c.u16(r.writer)),
    ("node", "String", |c, r| c.text(&r.node)),
    ("claimed", "DateTime64(6, 'UTC')", |c, r| c.i64(r.claimed.0)),
    ("seen", "DateTime64(6, 'UTC')", |c, r| c.i64(r.seen.0)),
];

#[derive(Row, Deserialize)]
struct Found {
    writer: u16,
    node: Text,
    claimed_us: i64,
    seen_us: i64,
}

impl Store {
    /// Claims a number, or says that its owner is alive.
    ///
    /// # Errors
    ///
    /// [`StoreError::Insert`].
    pub async fn insert_suppression_writer(&self, claim: &WriterClaim) -> Result<(), StoreError> {
        let token = format!("{}-{}-{}-{}", claim.writer, claim.node, claim.claimed.0, claim.seen.0);
        let rows = encode(COLUMNS, std::slice::from_ref(claim));
        self.insert_block("suppression_writers", &rows, &token).await
    }

    /// All claims, by number, the oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`].
    pub async fn suppression_writers(&self) -> Result<Vec<WriterClaim>, StoreError> {
        let rows: Vec<Found> = self
            .client
            .query_raw(include_str!("writers.sql"))
            .fetch_all()
            .await
            .map_err(|source| StoreError::Query { query: "suppression_writers", source })?;
        let claim = |row: Found| WriterClaim {
            writer: row.writer,
            node: row.node,
            claimed: Timestamp(row.claimed_us),
            seen: Timestamp(row.seen_us),
        };
        Ok(rows.into_iter().map(claim).collect())
    }
}
