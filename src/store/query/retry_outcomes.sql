-- One row: what became of the messages that were deferred in the range (half open), to this day.
-- A message is one recipient of one queue file. A first attempt ends no message that was deferred before, which spares
-- nearly all deliveries; a notice that came back later (`async`) ends none either.
WITH deferred AS
(
    SELECT cityHash64(relay, queue_id, recipient) AS message, max(event_time) AS last_time
    FROM @rows
      AND event_type = 'deferred' AND NOT is_notification
    GROUP BY message
)
SELECT
    count() AS deferred_messages,
    countIf(ended IN ('delivered', 'delivered_local')) AS recovered,
    countIf(ended = 'expired') AS expired,
    countIf(ended NOT IN ('', 'delivered', 'delivered_local', 'expired')) AS bounced,
    countIf(ended = '') AS waiting,
    toInt64(toUnixTimestamp(minIf(last_time, ended = ''))) AS oldest_waiting_unix
FROM deferred
LEFT JOIN
(
    SELECT cityHash64(relay, queue_id, recipient) AS message, toString(argMin(event_type, event_time)) AS ended
    FROM events
    WHERE event_time >= toDateTime64({from_unix:Int64}, 6)
      AND event_type IN ('delivered', 'delivered_local', 'bounced', 'expired', 'suppressed', 'dropped',
                         'admin_cancelled', 'failed')
      AND NOT (event_type = 'delivered' AND attempt = 1)
      AND bounce_origin != 'async' AND NOT is_notification
      AND message IN (SELECT message FROM deferred)
    GROUP BY message
) AS ends USING (message)
LIMIT 1
