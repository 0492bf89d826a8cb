//! The answers: plain rows, named as the pages name them.

use crate::store::query::TimeRange;
use clickhouse::Row;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Counts of outcomes. Messages that the relay wrote itself are left out.
///
/// `sent` is what reached its end: `delivered + hard + soft + block + other + expired`. All rates but the deferral
/// rate are over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Outcomes {
    pub accepted: u64,
    pub delivered: u64,
    /// Failed attempts that will be tried again; one message may count often.
    pub deferred: u64,
    /// Messages that were deferred at least once.
    pub first_deferred: u64,
    /// Delivered by the second or a later attempt.
    pub recovered: u64,
    pub hard: u64,
    pub soft: u64,
    pub block: u64,
    /// Bounces that are undetermined or the sender's own doing.
    pub other: u64,
    pub expired: u64,
    pub complained: u64,
    pub unsubscribed: u64,
    pub suppressed: u64,
    pub rejected: u64,
}

/// Outcomes as `parts/sums_rollup.sql` selects them: one column, in the order of the fields.
pub(super) type OutcomeSums = (u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64);

impl From<OutcomeSums> for Outcomes {
    fn from(sums: OutcomeSums) -> Self {
        let (accepted, delivered, deferred, first_deferred, recovered, ..) = sums;
        let (.., hard, soft, block, other, expired, complained, unsubscribed, suppressed, rejected) = sums;
        Self {
            accepted,
            delivered,
            deferred,
            first_deferred,
            recovered,
            hard,
            soft,
            block,
            other,
            expired,
            complained,
            unsubscribed,
            suppressed,
            rejected,
        }
    }
}

impl Outcomes {
    pub const fn sent(&self) -> u64 {
        self.delivered + self.hard + self.soft + self.block + self.other + self.expired
    }
}

impl std::ops::AddAssign for Outcomes {
    fn add_assign(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.delivered += other.delivered;
        self.deferred += other.deferred;
        self.first_deferred += other.first_deferred;
        self.recovered += other.recovered;
        self.hard += other.hard;
        self.soft += other.soft;
        self.block += other.block;
        self.other += other.other;
        self.expired += other.expired;
        self.complained += other.complained;
        self.unsubscribed += other.unsubscribed;
        self.suppressed += other.suppressed;
        self.rejected += other.rejected;
    }
}

/// Outcomes of one step of time; `at_unix` is its start. Steps without mail are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OutcomesAt {
    pub at_unix: i64,
    pub outcomes: Outcomes,
}

/// Outcomes of one value of a dimension (a provider, an address …). The empty value is what the source does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OutcomesOf {
    pub value: String,
    pub outcomes: Outcomes,
}

/// One cell of the heatmap: a provider, a sending IP, an hour.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HeatCell {
    pub provider: String,
    pub ip: String,
    pub hour_unix: i64,
    pub outcomes: Outcomes,
}

/// Delivery latencies as counts per bucket: bucket b holds 2^(b/4) to 2^((b+1)/4) milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Latencies {
    /// (bucket, deliveries), by bucket.
    pub buckets: Vec<(u8, u64)>,
}

impl Latencies {
    /// Deliveries whose latency is known.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, deliveries)| deliveries).sum()
    }

    /// The latency in milliseconds that the share `q` (0 to 1) of all deliveries does not exceed; `None` without any.
    ///
    /// Within a bucket the latencies are taken to lie evenly on a logarithmic scale, so the error is below 19 %, the
    /// width of a bucket.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts stay far below 2^52, and a quantile is an estimate"
    )]
    pub fn quantile_ms(&self, q: f64) -> Option<f64> {
        let rank = q.clamp(0.0, 1.0) * self.count() as f64;
        let mut below = 0.0;
        let mut quantile = None;
        for &(bucket, deliveries) in self.buckets.iter().filter(|(_, deliveries)| *deliveries > 0) {
            let deliveries = deliveries as f64;
            let share = ((rank - below) / deliveries).clamp(0.0, 1.0);
            quantile = Some(((f64::from(bucket) + share) / 4.0).exp2());
            below += deliveries;
            if below >= rank {
                break;
            }
        }
        quantile
    }
}

/// Latencies of one step of time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LatenciesAt {
    pub at_unix: i64,
    pub latencies: Latencies,
}

/// One kind of reply: all replies with the same normalised text, code and class at one provider.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ResponseRow {
    /// `deferred`, `bounced`, `expired` or `rejected`.
    pub event_type: String,
    pub provider: String,
    pub bounce_type: String,
    pub bounce_group: String,
    pub bounce_reason: String,
    pub smtp_code: u16,
    pub enhanced_code: String,
    /// In JSON a text of digits, see `as_text`.
    #[serde(serialize_with = "as_text")]
    pub response_tmpl: u64,
    pub events: u64,
    /// One reply of the kind, as it came.
    pub sample: String,
    pub first_hour_unix: i64,
    pub last_hour_unix: i64,
}

/// Failures of one class.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct BounceClassRow {
    pub bounce_group: String,
    pub bounce_reason: String,
    pub bounce_type: String,
    pub events: u64,
}

/// Failures of one group in one step of time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct BounceGroupAt {
    pub at_unix: i64,
    pub bounce_group: String,
    pub events: u64,
}

/// Deferrals of one code at one receiving site.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct DeferralRow {
    pub provider: String,
    /// MX host, or the recipient domain when there was no connection.
    pub site: String,
    pub smtp_code: u16,
    pub enhanced_code: String,
    pub bounce_reason: String,
    pub attempts: u64,
    pub messages: u64,
    /// Most attempts that any one message needed so far.
    pub attempt_max: u16,
    pub last_unix: i64,
    pub sample: String,
}

/// What became of the messages that were deferred in the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct RetryOutcomes {
    pub deferred_messages: u64,
    pub recovered: u64,
    pub expired: u64,
    pub bounced: u64,
    /// No end seen yet.
    pub waiting: u64,
    /// When the oldest waiting message was deferred last; 0 when none waits.
    pub oldest_waiting_unix: i64,
}

/// One event in a list or a timeline.
#[derive(Debug, Clone, PartialEq, Default, Row, Serialize, Deserialize)]
pub struct EventRow {
    pub event_id: String,
    /// Microseconds since 1970, UTC.
    pub event_time_us: i64,
    pub injected_time_us: Option<i64>,
    pub received_time_us: i64,
    pub event_type: String,
    pub source_kind: String,
    pub source: String,
    pub relay: String,
    pub queue_id: String,
    pub message_id: String,
    pub recipient: String,
    pub orig_recipient: String,
    pub env_from: String,
    pub provider: String,
    pub tenant: String,
    pub stream: String,
    pub campaign: String,
    pub pool: String,
    pub egress_source: String,
    pub sending_ip: String,
    pub mx_host: String,
    pub mx_ip: String,
    pub smtp_code: u16,
    pub enhanced_code: String,
    pub relay_dsn: String,
    pub relay_class: String,
    pub smtp_stage: String,
    pub response_text: String,
    /// In JSON a text of digits, see `as_text`.
    #[serde(serialize_with = "as_text")]
    pub response_tmpl: u64,
    pub bounce_type: String,
    pub bounce_group: String,
    pub bounce_reason: String,
    pub attempt: u16,
    pub latency_ms: Option<u32>,
    pub conn_ms: Option<u32>,
    pub xfer_ms: Option<u32>,
    pub tls_version: String,
    pub tls_cipher: String,
    pub size_bytes: u32,
    pub delivery_agent: String,
    pub is_notification: bool,
    pub ref_queue_id: String,
    pub feedback_type: String,
    pub reporting_mta: String,
    /// `verified`, `matched`, `unverified`, or `none` for what is no feedback.
    pub trust: String,
    pub evidence: String,
    pub is_repeat: bool,
    /// Id of the kept mail that brought the event; empty without one.
    pub mail_id: String,
    pub tags: Vec<(String, String)>,
    pub meta: Vec<(String, String)>,
}

/// Which events a list shows, besides the [`crate::store::query::Filter`]. Empty means all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EventSearch {
    pub event_types: Vec<String>,
    pub bounce_types: Vec<String>,
    pub bounce_groups: Vec<String>,
    pub bounce_reasons: Vec<String>,
    pub smtp_codes: Vec<u16>,
    pub enhanced_codes: Vec<String>,
    pub response_tmpl: Option<u64>,
    /// What the user typed, blanks around it or not. With an `@` it is a recipient or a message id, in the form of a
    /// domain name a recipient domain, else a queue id, a message id or a smarthost's message id. All are looked up
    /// whole; case counts in ids alone.
    pub term: String,
    /// Show events before this one (time in microseconds, event id): the last row of the page before.
    pub before: Option<(i64, String)>,
    /// At most [`EVENTS_PAGE_ROWS_MAX`].
    pub limit: u32,
}

/// Most events on one page of a list.
pub const EVENTS_PAGE_ROWS_MAX: u32 = 500;

/// Items of one source in one minute, by what became of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct LedgerRow {
    pub at_unix: i64,
    pub source_kind: String,
    pub source: String,
    pub stored: u64,
    pub duplicate: u64,
    pub no_event: u64,
    pub rejected: u64,
    pub events: u64,
}

/// The newest event of one source.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct SourceFreshness {
    pub source_kind: String,
    pub source: String,
    pub last_event_us: i64,
    pub last_received_us: i64,
    pub events: u64,
}

/// Rejects of one source and reason.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct RejectCount {
    pub source_kind: String,
    pub source: String,
    pub reason: String,
    pub open: u64,
    pub replayed: u64,
    pub last_received_us: i64,
}

/// One item that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct RejectRow {
    pub reject_id: String,
    pub state: String,
    pub received_time_us: i64,
    pub source_kind: String,
    pub source: String,
    pub reason: String,
    pub message: String,
    pub size_bytes: u64,
    pub file_offset: u64,
    /// In a list the first [`REJECT_EXCERPT_BYTES`] of them, else all.
    #[serde(deserialize_with = "bytes")]
    pub bytes: Vec<u8>,
}

/// Bytes of a reject that a list shows: enough for any log line and the head of a JSON record.
pub const REJECT_EXCERPT_BYTES: u32 = 1_024;

/// Writes a hash as a text: many readers of JSON keep 53 bits of a number (RFC 8259 section 6), and a hash without its
/// last digits finds nothing.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes every field by reference")]
fn as_text<S: Serializer>(hash: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(hash)
}

/// Reads a `String` column that need not be UTF-8, or a JSON array of numbers, as the bytes are serialized.
pub(super) fn bytes<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    struct Bytes;

    impl<'de> serde::de::Visitor<'de> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            out.write_str("bytes")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
            Ok(bytes.to_vec())
        }

        fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Self::Value, E> {
            Ok(bytes)
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut bytes = Vec::new();
            while let Some(byte) = items.next_element()? {
                bytes.push(byte);
            }
            Ok(bytes)
        }
    }

    from.deserialize_byte_buf(Bytes)
}

/// Values of a dimension for the filter bar, by volume.
#[derive(Debug, Clone, PartialEq, Eq, Default, Row, Serialize, Deserialize)]
pub struct DimensionValue {
    pub dimension: String,
    pub value: String,
    pub sent: u64,
}

/// The whole extent of what is stored; `None` when nothing is.
pub type Extent = Option<TimeRange>;

#[cfg(test)]
mod tests {
    use super::*;

    fn latencies(buckets: &[(u8, u64)]) -> Latencies {
        Latencies { buckets: buckets.to_vec() }
    }

    #[track_caller]
    fn check(buckets: &[(u8, u64)], q: f64, expect_ms: f64) {
        let got = latencies(buckets).quantile_ms(q).unwrap();
        assert!((got / expect_ms - 1.0).abs() < 1e-9, "{got} is not {expect_ms}");
    }

    #[test]
    fn a_quantile_lies_within_its_bucket() {
        // bucket 40 holds 1024 to 1218 ms, bucket 44 holds 2048 to 2435 ms
        check(&[(40, 10)], 0.0, 1024.0);
        check(&[(40, 10)], 0.5, 40.5_f64.mul_add(0.25, 0.0).exp2());
        check(&[(40, 10)], 1.0, 10.25_f64.exp2());
        check(&[(40, 90), (44, 10)], 0.9, 10.25_f64.exp2());
        check(&[(40, 90), (44, 10)], 0.95, 11.125_f64.exp2());
        check(&[(40, 90), (44, 10)], 2.0, 11.25_f64.exp2());
    }

    #[test]
    fn nothing_delivered_has_no_quantile() {
        assert_eq!(latencies(&[]).quantile_ms(0.5), None);
        assert_eq!(latencies(&[(3, 0)]).quantile_ms(0.5), None);
        assert_eq!(latencies(&[]).count(), 0);
    }

    #[test]
    fn all_deliveries_are_counted() {
        assert_eq!(latencies(&[(1, 2), (9, 3)]).count(), 5);
    }

    #[test]
    fn each_sum_finds_its_field() {
        let outcomes = Outcomes::from((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14));
        let names = "accepted delivered deferred first_deferred recovered hard soft block other expired complained \
                     unsubscribed suppressed rejected";
        let json = serde_json::to_value(outcomes).unwrap();
        for (number, name) in (1..).zip(names.split(' ')) {
            assert_eq!(json[name], number, "{name}");
        }
        let mut twice = outcomes;
        twice += outcomes;
        let json = serde_json::to_value(twice).unwrap();
        for (number, name) in (1..).zip(names.split(' ')) {
            assert_eq!(json[name], 2 * number, "{name} twice");
        }
    }

    #[test]
    fn a_hash_keeps_all_its_digits_in_json() {
        let row = ResponseRow { response_tmpl: u64::MAX, ..ResponseRow::default() };
        assert_eq!(serde_json::to_value(row).unwrap()["response_tmpl"], "18446744073709551615");
        let row = EventRow { response_tmpl: 1, ..EventRow::default() };
        assert_eq!(serde_json::to_value(row).unwrap()["response_tmpl"], "1");
    }

    #[test]
    fn a_reject_is_read_back_from_its_json() {
        let row = RejectRow { bytes: b"\xff{".to_vec(), reason: "syntax".to_owned(), ..RejectRow::default() };
        let json = serde_json::to_string(&row).unwrap();
        assert_eq!(serde_json::from_str::<RejectRow>(&json).unwrap(), row);
    }
}
