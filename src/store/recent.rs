//! Which events are known already.

use crate::model::Timestamp;
use crate::store::{Store, StoreError};
use clickhouse::Row;
use serde::Deserialize;
use uuid::Uuid;

/// Ids asked for in one question: about 600 kB of text.
const IDS_PER_QUESTION: usize = 16_000;

#[derive(Row, Deserialize)]
struct KnownId {
    #[serde(with = "clickhouse::serde::uuid")]
    event_id: Uuid,
    received_us: i64,
}

#[derive(Row, Deserialize)]
struct KnownReport {
    #[serde(with = "clickhouse::serde::uuid")]
    report_key: Uuid,
    received_us: i64,
}

impl Store {
    /// Returns the keys of stored reports with their time of arrival, newest first, at most `limit`: those among `keys`,
    /// or of all when `keys` is empty. Leaves out the rows of an interrupted batch, as [`Store::recent_ids`] does.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`].
    pub async fn report_keys(
        &self,
        ingest_node: &str,
        before_seq: u64,
        keys: &[u128],
        limit: u64,
    ) -> Result<Vec<(u128, Timestamp)>, StoreError> {
        let keys: Vec<String> = keys.iter().map(|key| Uuid::from_u128(*key).to_string()).collect();
        let rows: Vec<KnownReport> = self
            .client
            .query_raw(include_str!("report_keys.sql"))
            .param("ingest_node", ingest_node)
            .param("before_seq", before_seq)
            .param("keys", keys)
            .param("keys_max", limit)
            .fetch_all()
            .await
            .map_err(|source| StoreError::Query { query: "report_keys", source })?;
        Ok(rows.into_iter().map(|row| (row.report_key.as_u128(), Timestamp(row.received_us))).collect())
    }

    /// Returns the newest `limit` ids with the time of arrival, newest first.
    ///
    /// Rows that came with record `before_seq` of spool `ingest_node` or a later one are left out: they belong to a
    /// batch that was interrupted and is being written again.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`].
    pub async fn recent_ids(
        &self,
        ingest_node: &str,
        before_seq: u64,
        limit: u64,
    ) -> Result<Vec<(u128, Timestamp)>, StoreError> {
        let rows: Vec<KnownId> = self
            .client
            .query_raw(include_str!("recent_ids.sql"))
            .param("ingest_node", ingest_node)
            .param("before_seq", before_seq)
            .param("ids_max", limit)
            .fetch_all()
            .await
            .map_err(|source| StoreError::Query { query: "recent_ids", source })?;
        Ok(rows.into_iter().map(|row| (row.event_id.as_u128(), Timestamp(row.received_us))).collect())
    }

    /// Returns which of `ids` are stored, with event times from `first` to `last`, both included. Leaves out the rows
    /// of an interrupted batch, as [`Store::recent_ids`] does.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`].
    pub async fn known_ids(
        &self,
        ingest_node: &str,
        before_seq: u64,
        (first, last): (Timestamp, Timestamp),
        ids: &[u128],
    ) -> Result<Vec<u128>, StoreError> {
        let mut known = Vec::new();
        for ids in ids.chunks(IDS_PER_QUESTION) {
            let ids: Vec<String> = ids.iter().map(|id| Uuid::from_u128(*id).to_string()).collect();
            let rows: Vec<KnownId> = self
                .client
                .query_raw(include_str!("known_ids.sql"))
                .param("ingest_node", ingest_node)
                .param("before_seq", before_seq)
                .param("first_us", first.0)
                .param("last_us", last.0)
                .param("ids", ids)
                .fetch_all()
                .await
                .map_err(|source| StoreError::Query { query: "known_ids", source })?;
            known.extend(rows.into_iter().map(|row| row.event_id.as_u128()));
        }
        Ok(known)
    }
}
