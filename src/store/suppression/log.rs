//! The `suppression_log` table: appending records, following them, and the story of one address.

use crate::model::suppression::{Action, Change, LogRecord, Origin, RunId, Seq};
use crate::model::{EventId, Text, Timestamp};
use crate::store::batch::encode;
use crate::store::native::ColumnSpec;
use crate::store::suppression::{key_of, time_of};
use crate::store::{Store, StoreError};
use clickhouse::Row;
use clickhouse::query::{Query, RowCursor};
use serde::Deserialize;
use uuid::Uuid;

/// Most records of one address that are read: an address that changes daily has that many after a generation.
const STORY_RECORDS_MAX: u32 = 10_000;
/// Addresses asked for in one question: about 300 kB of text.
const ADDRESSES_PER_QUESTION: usize = 10_000;
/// How long after its place a record may arrive at the latest: a follower looks so far back behind the newest place
/// that it has seen. Writers give a record a new place when its insert has not succeeded for half of that.
pub(super) const LATE_MAX_S: i64 = 600;

const COLUMNS: &[ColumnSpec<LogRecord>] = &[
    ("seq", "UInt64", |c, r| c.u64(r.seq.0)),
    ("action", "Int8", |c, r| c.i8(r.change.action as i8)),
    ("address", "String", |c, r| c.text(&r.change.key.address)),
    ("scope", "String", |c, r| c.text(r.change.key.scope.name())),
    ("tenant", "String", |c, r| c.text(r.change.key.scope.parts().0)),
    ("scope_name", "String", |c, r| c.text(r.change.key.scope.parts().1)),
    ("type", "Int8", |c, r| c.i8(r.change.key.mail_type as i8)),
    ("reason", "String", |c, r| c.text(r.change.key.reason.name())),
    ("observed", "DateTime64(6, 'UTC')", |c, r| c.i64(r.change.observed.0)),
    ("expires", "Nullable(DateTime64(6, 'UTC'))", |c, r| c.opt_i64(r.change.expires.map(|end| end.0))),
    ("origin", "Int8", |c, r| c.i8(origin_number(&r.change.origin))),
    ("origin_name", "String", |c, r| c.text(r.change.origin.name())),
    ("run", "UUID", |c, r| c.opt_uuid(r.change.run.map_or(0, |run| run.0.as_u128()))),
    ("evidence", "Array(UUID)", |c, r| c.uuids(r.change.evidence.iter().map(|id| id.0))),
    ("note", "String", |c, r| c.text(&r.change.note)),
];

const RULE: i8 = 1;
const ACTOR: i8 = 2;

const fn origin_number(origin: &Origin) -> i8 {
    match origin {
        Origin::Rule(_) => RULE,
        Origin::Actor(_) => ACTOR,
    }
}

/// The columns of a whole record, and of one of which the fold alone is wanted.
const WHOLE: &str = include_str!("parts/record.sql");
const FOLDED: &str = include_str!("parts/folded_record.sql");

#[derive(Row, Deserialize)]
struct RecordRow {
    seq: u64,
    action: i8,
    address: Text,
    scope: Text,
    tenant: Text,
    scope_name: Text,
    mail_type: i8,
    reason: Text,
    observed_us: i64,
    expires_us: Option<i64>,
    origin: i8,
    origin_name: Text,
    #[serde(with = "clickhouse::serde::uuid")]
    run: Uuid,
    #[serde(with = "clickhouse::serde::uuid_vec")]
    evidence: Vec<Uuid>,
    note: Text,
}

impl From<RecordRow> for LogRecord {
    fn from(row: RecordRow) -> Self {
        let action = Action::ALL.iter().copied().find(|known| *known as i8 == row.action);
        Self {
            seq: Seq(row.seq),
            change: Change {
                // The column takes no other number; one that a newer version added suppresses.
                action: action.unwrap_or(Action::Add),
                key: key_of(
                    row.address,
                    (&row.scope, &row.tenant, &row.scope_name),
                    row.mail_type,
                    &row.reason,
                ),
                observed: Timestamp(row.observed_us),
                expires: time_of(row.expires_us),
                origin: if row.origin == RULE {
                    Origin::Rule(row.origin_name)
                } else {
                    Origin::Actor(row.origin_name)
                },
                run: (!row.run.is_nil()).then_some(RunId(row.run)),
                evidence: row.evidence.into_iter().map(|id| EventId(id.as_u128())).collect(),
                note: row.note,
            },
        }
    }
}

/// Records on their way from the store, one at a time: the log may be larger than memory.
pub struct SuppressionStream {
    query: &'static str,
    rows: RowCursor<RecordRow>,
}

impl SuppressionStream {
    fn of(name: &'static str, query: Query) -> Result<Self, StoreError> {
        let rows = query.fetch().map_err(|source| StoreError::Query { query: name, source })?;
        Ok(Self { query: name, rows })
    }

    /// The next record; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`]; the stream has ended with it.
    pub async fn next(&mut self) -> Result<Option<LogRecord>, StoreError> {
        let row = self.rows.next().await;
        let row = row.map_err(|source| StoreError::Query { query: self.query, source })?;
        Ok(row.map(LogRecord::from))
    }

    async fn all(mut self) -> Result<Vec<LogRecord>, StoreError> {
        let mut records = Vec::new();
        while let Some(record) = self.next().await? {
            records.push(record);
        }
        Ok(records)
    }
}

impl Store {
    /// Appends records, all or none of them. The same records may be appended again without effect.
    ///
    /// # Errors
    ///
    /// [`StoreError::Insert`]: they may have arrived; append the same again.
    pub async fn append_suppressions(&self, records: &[LogRecord]) -> Result<(), StoreError> {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return Ok(()) };
        // Places are given once.
        let token = format!("suppression-{}-{}", first.seq, last.seq);
        self.insert_block("suppression_log", &encode(COLUMNS, records), &token).await
    }

    /// The records behind the given places of their writers, in the order of their places, at most `limit`. Writers
    /// without a place are read from their beginning, but no more than ten minutes behind the newest place.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`].
    pub async fn suppressions_since(
        &self,
        places: impl IntoIterator<Item = Seq>,
        limit: u32,
    ) -> Result<Vec<LogRecord>, StoreError> {
        let places: Vec<Seq> = places.into_iter().collect();
        let newest = places.iter().map(|place| place.time()).max().unwrap_or_default();
        let floor = Seq::new(Timestamp(newest.0 - LATE_MAX_S * 1_000_000), 0);
        let query = self
            .log_query(include_str!("since.sql"), WHOLE)
            .param("floor", floor.0)
            .param("writers", places.iter().map(|place| place.writer()).collect::<Vec<_>>())
            .param("places", places.iter().map(|place| place.0).collect::<Vec<_>>())
            .param("limit", limit);
        SuppressionStream::of("suppressions_since", query)?.all().await
    }

    /// All records of the addresses, in the order of addresses and places. An address may stand in the list as its
    /// hash: ask for that name, too.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`].
    pub async fn suppressions_of(&self, addresses: &[Text]) -> Result<Vec<LogRecord>, StoreError> {
        let mut found = Vec::new();
        for addresses in addresses.chunks(ADDRESSES_PER_QUESTION) {
            let query = self
                .log_query(include_str!("of_addresses.sql"), WHOLE)
                .param("addresses", addresses.iter().map(Text::as_str).collect::<Vec<_>>())
                .param("limit", STORY_RECORDS_MAX);
            found.extend(SuppressionStream::of("suppressions_of", query)?.all().await?);
        }
        Ok(found)
    }

    /// The records of a run for addresses behind `after`, in the order of addresses and places, at most `limit`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`].
    pub async fn suppressions_of_run(
        &self,
        run: RunId,
        after: &str,
        limit: u32,
    ) -> Result<Vec<LogRecord>, StoreError> {
        let query = self
            .log_query(include_str!("of_run.sql"), WHOLE)
            .param("run", run.0.to_string())
            .param("after", after)
            .param("limit", limit);
        SuppressionStream::of("suppressions_of_run", query)?.all().await
    }

    /// The newest records, or those before a place; newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`].
    pub async fn suppressions_newest(
        &self,
        before: Option<Seq>,
        limit: u32,
    ) -> Result<Vec<LogRecord>, StoreError> {
        let query = self
            .log_query(include_str!("newest.sql"), WHOLE)
            .param("before", before.map_or(u64::MAX, |seq| seq.0))
            .param("limit", limit);
        SuppressionStream::of("suppressions_newest", query)?.all().await
    }

    /// Records that suppress until a time between `after` (excluded) and `until`, as
    /// [`Store::suppression_steps`] gives them.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`].
    pub fn suppressions_ending(
        &self,
        after: Timestamp,
        until: Timestamp,
    ) -> Result<SuppressionStream, StoreError> {
        let query = self
            .log_query(include_str!("ending.sql"), FOLDED)
            .param("after_us", after.0)
            .param("until_us", until.0);
        SuppressionStream::of("suppressions_ending", query)
    }

    /// The last place of each writer.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`].
    pub async fn suppression_places(&self) -> Result<Vec<Seq>, StoreError> {
        let places = self.client.query_raw(include_str!("places.sql")).fetch_all::<u64>().await;
        let places = places.map_err(|source| StoreError::Query { query: "suppression_places", source })?;
        Ok(places.into_iter().map(Seq).collect())
    }

    /// All records of addresses behind `after` (of all with an empty one), in the order of addresses and places.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`].
    pub fn suppression_stream(&self, after: &str) -> Result<SuppressionStream, StoreError> {
        let query = self.log_query(include_str!("stream.sql"), WHOLE).param("after", after);
        SuppressionStream::of("suppression_stream", query)
    }

    /// All records as [`Store::suppression_stream`] gives them, without what no fold looks at: evidence and words.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`].
    pub fn suppression_steps(&self) -> Result<SuppressionStream, StoreError> {
        let query = self.log_query(include_str!("stream.sql"), FOLDED).param("after", "");
        SuppressionStream::of("suppression_steps", query)
    }

    /// A question without the limits of pages: the log is read whole.
    fn log_query(&self, sql: &'static str, columns: &'static str) -> Query {
        self.client.query_raw(&sql.replace("@record", columns))
    }
}
