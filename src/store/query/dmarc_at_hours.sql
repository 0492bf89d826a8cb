-- One row is one policy domain in one of some hours of arrival: messages that passed, and all.
SELECT
    toString(policy_domain) AS value,
    toInt64(toUnixTimestamp(toStartOfHour(dmarc_records.received_time))) AS hour_unix,
    sumIf(messages, is_dkim_aligned OR is_spf_aligned) AS part,
    sum(messages) AS whole
FROM dmarc_records
WHERE standing = 'counted' AND toStartOfHour(dmarc_records.received_time) IN {hours:Array(DateTime('UTC'))}
GROUP BY value, hour_unix
ORDER BY hour_unix, value
LIMIT {limit:UInt32}
