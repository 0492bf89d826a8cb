-- One row: what became of the messages that were deferred in the range (half open), to this day.
-- A message is one recipient of one queue file. What a first attempt ended was never deferred, which spares nearly all
-- deliveries and bounces; a notice that came back later (`async`) ends none either.
SELECT
    count() AS deferred_messages,
    countIf(ended IN ('delivered', 'delivered_local')) AS recovered,
    countIf(ended = 'expired') AS expired,
    countIf(ended NOT IN ('', 'delivered', 'delivered_local', 'expired')) AS bounced,
    countIf(ended = '') AS waiting,
    toInt64(toUnixTimestamp(minIf(last_time, ended = ''))) AS oldest_waiting_unix
FROM
(
    SELECT
        maxIf(event_time, event_type = 'deferred') AS last_time,
        argMinIf(toString(event_type), event_time, event_type != 'deferred') AS ended
    FROM events
    WHERE event_time >= toDateTime64({from_unix:Int64}, 6) AND NOT is_notification
      AND
      (
          event_type = 'deferred' AND event_time < toDateTime64({to_unix:Int64}, 6)
            @filter
          OR event_type IN ('delivered', 'delivered_local', 'bounced', 'expired', 'suppressed', 'dropped',
                            'admin_cancelled', 'failed')
            AND bounce_origin != 'async'
            AND NOT (attempt = 1 AND (event_type = 'delivered' OR event_type = 'bounced' AND bounce_origin = 'sync'))
      )
    GROUP BY cityHash64(relay, queue_id, recipient)
    HAVING countIf(event_type = 'deferred') > 0
)
LIMIT 1
