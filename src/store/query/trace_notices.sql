-- One row is one event of a notice that a relay wrote about a message, oldest first, range half open.
SELECT
    @event_columns
FROM @rows
  AND is_notification AND relay IN {relays:Array(String)}
  AND queue_id IN
  (
      SELECT queue_id
      FROM @rows
        AND is_notification AND relay IN {relays:Array(String)} AND ref_queue_id IN {queue_ids:Array(String)}
  )
ORDER BY events.event_time, events.event_id
LIMIT {limit:UInt32}
