-- One row is one event of a list of ids, newest first.
SELECT
    @event_columns
FROM events
WHERE toStartOfHour(events.event_time) IN {hours:Array(DateTime('UTC'))} AND events.event_id IN {ids:Array(UUID)}
ORDER BY events.event_time DESC, events.event_id DESC
LIMIT {limit:UInt32}
