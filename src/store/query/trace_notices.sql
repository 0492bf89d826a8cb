-- One row is one event of a notice that a relay wrote about a message, oldest first, range half open.
WITH notice_ids AS
(
    SELECT queue_id
    FROM events
    WHERE event_time >= toDateTime64({from_unix:Int64}, 6) AND event_time < toDateTime64({to_unix:Int64}, 6)
      AND is_notification AND relay IN {relays:Array(String)} AND ref_queue_id IN {queue_ids:Array(String)}
)
SELECT
    @event_row
FROM
(
    SELECT *
    FROM events
    WHERE event_time >= toDateTime64({from_unix:Int64}, 6) AND event_time < toDateTime64({to_unix:Int64}, 6)
      AND is_notification AND relay IN {relays:Array(String)} AND queue_id IN (SELECT queue_id FROM notice_ids)
    ORDER BY event_time, event_id
    LIMIT {limit:UInt32}
) AS notice
ORDER BY notice.event_time, notice.event_id
