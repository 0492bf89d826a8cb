-- One row is an event of the stretch of time that a rule with a memory needs, by time.
SELECT
@rule_event
FROM events
WHERE events.event_time >= fromUnixTimestamp64Micro({from_us:Int64}, 'UTC')
  AND events.event_time < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
  AND ({ingest_node:String} = '' OR events.ingest_node = {ingest_node:String})
  AND events.ingest_seq <= {until_seq:UInt64}
  AND events.recipient != ''
  AND events.event_type IN ('delivered', 'bounced', 'expired', 'complained', 'unsubscribed')
  AND (events.event_time >= fromUnixTimestamp64Micro({window_us:Int64}, 'UTC')
    OR events.event_type IN ('complained', 'unsubscribed')
    OR events.event_type IN ('bounced', 'expired')
      AND (events.bounce_group IN {groups:Array(String)} OR events.bounce_reason IN {reasons:Array(String)})
    OR events.event_type = 'delivered'
      AND events.recipient IN (
        SELECT failed.recipient FROM events AS failed
        WHERE failed.event_time >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
          AND failed.event_time < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
          AND failed.event_type IN ('bounced', 'expired')
          AND (failed.bounce_group IN {groups:Array(String)} OR failed.bounce_reason IN {reasons:Array(String)})))
ORDER BY events.event_time, events.ingest_seq, events.event_id
