-- One row is an event that a rule with a memory needs, in an order that does not change.
SELECT
@rule_event
FROM events
WHERE events.event_time >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
  AND events.recipient != ''
  AND (events.event_type IN ('bounced', 'expired', 'complained', 'unsubscribed')
    OR events.event_type = 'delivered'
      AND (events.event_time >= fromUnixTimestamp64Micro({window_us:Int64}, 'UTC')
        OR events.recipient IN (
            SELECT failed.recipient FROM events AS failed
            WHERE failed.event_time >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
              AND failed.event_type IN ('bounced', 'expired'))))
ORDER BY events.ingest_node, events.ingest_seq, events.event_time, events.event_id
