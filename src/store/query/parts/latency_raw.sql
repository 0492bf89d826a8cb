(
    -- The same buckets as the view of `latency_hour` makes.
    SELECT
        toStartOfHour(event_time) AS at, mailbox_provider, sending_ip, pool, stream, tenant, env_from_domain, campaign,
        toUInt8(floor(4 * log2(greatest(assumeNotNull(latency_ms), 1)))) AS bucket,
        toUInt64(1) AS delivered
    FROM events
    WHERE event_time >= toDateTime64({from_unix:Int64}, 6) AND event_time < toDateTime64({to_unix:Int64}, 6)
      AND event_type = 'delivered' AND latency_ms IS NOT NULL AND NOT is_notification AND @filter
)
