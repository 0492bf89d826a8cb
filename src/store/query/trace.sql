-- One row is one event of one message, oldest first.
SELECT
    @event_columns
FROM events
WHERE @message
ORDER BY events.event_time, events.event_id
LIMIT {limit:UInt32}
