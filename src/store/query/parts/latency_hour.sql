(
    SELECT
        hour AS at, mailbox_provider, sending_ip, pool, stream, tenant, env_from_domain,
        toLowCardinality('') AS campaign, bucket, delivered
    FROM latency_hour
    WHERE hour >= toDateTime({from_unix:Int64}) AND hour < toDateTime({to_unix:Int64}) AND @filter
)
