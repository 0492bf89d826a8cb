    -- The same counts as the views of the rollups make.
    SELECT
        toStartOfMinute(event_time) AS at, mailbox_provider, sending_ip, pool, stream, tenant, env_from_domain, campaign,
        toUInt64(event_type = 'accepted') AS accepted,
        toUInt64(event_type = 'delivered') AS delivered,
        toUInt64(event_type = 'deferred') AS deferred,
        toUInt64(event_type = 'deferred' AND attempt <= 1) AS first_deferred,
        toUInt64(event_type = 'delivered' AND attempt > 1) AS recovered,
        toUInt64(event_type = 'bounced' AND bounce_type = 'hard') AS hard,
        toUInt64(event_type = 'bounced' AND bounce_type = 'soft') AS soft,
        toUInt64(event_type = 'bounced' AND bounce_type = 'block') AS block,
        toUInt64(event_type = 'bounced' AND bounce_type NOT IN ('hard', 'soft', 'block')) AS other,
        toUInt64(event_type = 'expired') AS expired,
        toUInt64(event_type = 'complained') AS complained,
        toUInt64(event_type = 'unsubscribed') AS unsubscribed,
        toUInt64(event_type = 'suppressed') AS suppressed,
        toUInt64(event_type = 'rejected') AS rejected
    FROM events
    WHERE ((event_time >= toDateTime64({from_unix:Int64}, 6) AND event_time < toDateTime64({hours_from_unix:Int64}, 6))
        OR (event_time >= toDateTime64({hours_to_unix:Int64}, 6) AND event_time < toDateTime64({to_unix:Int64}, 6)))
      AND NOT is_notification AND @filter
