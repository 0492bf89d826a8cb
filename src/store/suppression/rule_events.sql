-- One row is an event that a rule may count, in the order of the spool; the last spool record comes whole.
SELECT
@rule_event
FROM events
WHERE events.ingest_node = {ingest_node:String}
  AND events.ingest_seq > {after:UInt64}
  AND events.ingest_seq <= {until:UInt64}
  AND events.event_type IN ('delivered', 'bounced', 'expired', 'complained', 'unsubscribed')
  AND events.recipient != ''
ORDER BY events.ingest_seq
LIMIT {limit:UInt32} WITH TIES
