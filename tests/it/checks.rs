//! What must hold of any store, whatever was done to it.

use crate::support::Server;
use serde_json::Value;

/// Outcomes as the rollups count them.
const OUTCOMES: &str = "countIf(event_type = 'accepted'), countIf(event_type = 'delivered'), \
     countIf(event_type = 'deferred'), countIf(event_type = 'deferred' AND attempt <= 1), \
     countIf(event_type = 'delivered' AND attempt > 1), \
     countIf(event_type = 'bounced' AND bounce_type = 'hard'), \
     countIf(event_type = 'bounced' AND bounce_type = 'soft'), \
     countIf(event_type = 'bounced' AND bounce_type = 'block'), \
     countIf(event_type = 'bounced' AND bounce_type NOT IN ('hard', 'soft', 'block')), \
     countIf(event_type = 'expired'), countIf(event_type = 'complained'), countIf(event_type = 'unsubscribed'), \
     countIf(event_type = 'suppressed'), countIf(event_type = 'rejected')";

/// The same, from a rollup.
const SUMS: &str = "sum(accepted), sum(delivered), sum(deferred), sum(first_deferred), sum(recovered), sum(hard), \
     sum(soft), sum(block), sum(other), sum(expired), sum(complained), sum(unsubscribed), sum(suppressed), \
     sum(rejected)";

/// A rollup: its columns, its table, what the same columns are in `events`, and which events it counts.
struct Rollup {
    columns: &'static str,
    table: &'static str,
    raw: &'static str,
    which: &'static str,
}

/// Grouped coarsely: a batch that is missing or doubled shows in any sum.
const ROLLUPS: [Rollup; 10] = [
    Rollup {
        columns: "toString(mailbox_provider) AS p, SUMS",
        table: "events_minute",
        raw: "toString(mailbox_provider) AS p, OUTCOMES",
        which: "NOT is_notification",
    },
    Rollup {
        columns: "toString(tenant) AS p, SUMS",
        table: "totals_minute",
        raw: "toString(tenant) AS p, OUTCOMES",
        which: "NOT is_notification",
    },
    Rollup {
        columns: "toString(mailbox_provider) AS p, SUMS",
        table: "events_hour",
        raw: "toString(mailbox_provider) AS p, OUTCOMES",
        which: "NOT is_notification",
    },
    Rollup {
        columns: "toString(mailbox_provider) AS p, SUMS",
        table: "campaigns_hour",
        raw: "toString(mailbox_provider) AS p, OUTCOMES",
        which: "NOT is_notification",
    },
    Rollup {
        columns: "toString(value) AS p, SUMS",
        table: "values_hour WHERE dimension = 'provider'",
        raw: "toString(mailbox_provider) AS p, OUTCOMES",
        which: "NOT is_notification",
    },
    Rollup {
        columns: "event_type AS p, toString(bounce_reason), sum(events)",
        table: "responses_hour",
        raw: "toString(event_type) AS p, toString(bounce_reason), count()",
        which: "event_type IN ('deferred', 'bounced', 'expired', 'rejected') AND NOT is_notification",
    },
    Rollup {
        columns: "event_type AS p, toString(bounce_reason), sum(events)",
        table: "kinds_hour",
        raw: "toString(event_type) AS p, toString(bounce_reason), count()",
        which: "event_type IN ('deferred', 'bounced', 'expired', 'rejected') AND NOT is_notification",
    },
    Rollup {
        columns: "toString(bucket) AS p, sum(delivered)",
        table: "latency_hour",
        raw: "toString(toUInt8(floor(4 * log2(greatest(assumeNotNull(latency_ms), 1))))) AS p, count()",
        which: "event_type = 'delivered' AND latency_ms IS NOT NULL AND NOT is_notification",
    },
    Rollup {
        columns: "toString(bucket) AS p, sum(delivered)",
        table: "values_latency_hour WHERE dimension = ''",
        raw: "toString(toUInt8(floor(4 * log2(greatest(assumeNotNull(latency_ms), 1))))) AS p, count()",
        which: "event_type = 'delivered' AND latency_ms IS NOT NULL AND NOT is_notification",
    },
    Rollup {
        columns: "toString(source_kind) AS p, toString(source), sum(events)",
        table: "sources_hour",
        raw: "toString(source_kind) AS p, toString(source), count()",
        which: "1",
    },
];

/// Compares every rollup with the events that it counts.
pub(crate) async fn rollups_equal_events(server: &Server) {
    for Rollup { columns, table, raw, which } in ROLLUPS {
        let columns = columns.replace("SUMS", SUMS);
        let raw = raw.replace("OUTCOMES", OUTCOMES);
        // Keys whose sums are all zero stand in one and not in the other.
        let ask =
            |columns: &str, from: &str| format!("SELECT {columns} FROM {from} GROUP BY ALL ORDER BY ALL");
        let summed = server.sql(&ask(&columns, table)).await;
        let counted = server.sql(&ask(&raw, &format!("events WHERE {which}"))).await;
        assert_eq!(summed, counted, "`{table}` does not equal `events`");
    }
}

/// No event stands twice.
pub(crate) async fn no_event_twice(server: &Server) {
    let twice = "SELECT toString(event_id), count() FROM events GROUP BY event_id HAVING count() > 1 LIMIT 5";
    let twice = server.sql(twice).await;
    assert!(twice.is_empty(), "stored more than once: {twice:?}");
}

/// Every event with what its source says of it, ordered; without what depends on how it came in.
pub(crate) async fn events(server: &Server) -> Vec<Value> {
    let sql = "SELECT * EXCEPT (received_time, ingest_node, ingest_seq) FROM events ORDER BY event_id";
    server.sql(sql).await
}
