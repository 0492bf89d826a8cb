-- One row is one policy domain in one of some hours of arrival: sessions that failed, and all.
SELECT
    toString(policy_domain) AS value,
    toInt64(toUnixTimestamp(toStartOfHour(tls_reports.received_time))) AS hour_unix,
    sum(failed) AS part,
    sum(successful) + sum(failed) AS whole
FROM tls_reports FINAL
WHERE standing = 'counted' AND toStartOfHour(tls_reports.received_time) IN {hours:Array(DateTime('UTC'))}
GROUP BY value, hour_unix
ORDER BY hour_unix, value
LIMIT {limit:UInt32}
