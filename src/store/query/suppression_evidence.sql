-- One row is one event on which an entry of the suppression list rests, newest first.
SELECT
    @event_columns
FROM events
WHERE events.event_time >= fromUnixTimestamp64Micro({first_us:Int64}, 'UTC')
  AND events.event_time <= fromUnixTimestamp64Micro({last_us:Int64}, 'UTC')
  AND events.event_id IN {ids:Array(UUID)}
ORDER BY events.event_time DESC, events.event_id
LIMIT {limit:UInt32}
