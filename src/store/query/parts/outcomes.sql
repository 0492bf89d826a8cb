-- Outcomes of the range: whole hours from the hour rollup, the rest from finer rows.
(
    SELECT
        hour AS at, mailbox_provider, sending_ip, pool, stream, tenant, env_from_domain, campaign,
        accepted, delivered, deferred, first_deferred, recovered, hard, soft, block, other, expired, complained,
        unsubscribed, suppressed, rejected
    FROM events_hour
    WHERE hour >= toDateTime({hours_from_unix:Int64}) AND hour < toDateTime({hours_to_unix:Int64}) AND @filter
    UNION ALL
    @ends
)
