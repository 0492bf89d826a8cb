    SELECT
        minute AS at, mailbox_provider, sending_ip, pool, stream, tenant, env_from_domain,
        toLowCardinality('') AS campaign,
        accepted, delivered, deferred, first_deferred, recovered, hard, soft, block, other, expired, complained,
        unsubscribed, suppressed, rejected
    FROM events_minute
    WHERE ((minute >= toDateTime({from_unix:Int64}) AND minute < toDateTime({hours_from_unix:Int64}))
        OR (minute >= toDateTime({hours_to_unix:Int64}) AND minute < toDateTime({to_unix:Int64}))) AND @filter
