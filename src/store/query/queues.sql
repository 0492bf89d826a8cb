-- One row is one relay and provider: messages whose newest event in a half-open range is a deferral, deepest queue first.
-- A message is one recipient of one queue file. What a first attempt ended was never deferred, which spares nearly all
-- deliveries and bounces; a notice that came back later (`async`) ends none either.
SELECT
    relay, provider, count() AS waiting,
    quantileExact(0.95)({to_unix:Int64} - injected) AS oldest_s
FROM
(
    SELECT
        toString(any(e.relay)) AS relay,
        argMax(toString(e.mailbox_provider), e.event_time) AS provider,
        argMax(toString(e.event_type), e.event_time) AS last,
        toInt64(toUnixTimestamp(min(coalesce(e.injected_time, e.event_time)))) AS injected
    FROM events AS e
    WHERE e.event_time >= toDateTime64({from_unix:Int64}, 6) AND e.event_time < toDateTime64({to_unix:Int64}, 6)
      AND NOT e.is_notification
      AND
      (
          e.event_type = 'deferred'
          OR e.event_type IN ('delivered', 'delivered_local', 'bounced', 'expired', 'suppressed', 'dropped',
                              'admin_cancelled', 'failed')
            AND e.bounce_origin != 'async'
            AND NOT (e.attempt = 1 AND (e.event_type = 'delivered' OR e.event_type = 'bounced' AND e.bounce_origin = 'sync'))
      )
    GROUP BY cityHash64(e.relay, e.queue_id, e.provider_message_id, e.recipient)
    HAVING last = 'deferred'
)
GROUP BY relay, provider
ORDER BY waiting DESC, relay, provider
LIMIT {limit:UInt32}
