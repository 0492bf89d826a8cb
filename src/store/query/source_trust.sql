-- One row is one source that brought feedback or reports, range half open.
SELECT
    source_kind, source,
    sum(verified) AS verified, sum(matched) AS matched, sum(unverified) AS unverified,
    sum(reports_pass) AS reports_pass, sum(reports_fail) AS reports_fail, sum(reports_unknown) AS reports_unknown
FROM
(
    SELECT
        source_kind, source,
        countIf(trust = 'verified') AS verified,
        countIf(trust = 'matched') AS matched,
        countIf(trust = 'unverified') AS unverified,
        0 AS reports_pass, 0 AS reports_fail, 0 AS reports_unknown
    FROM events
    WHERE events.event_time >= fromUnixTimestamp64Micro({from_us:Int64}, 'UTC')
        AND events.event_time < fromUnixTimestamp64Micro({to_us:Int64}, 'UTC')
        AND event_type IN ('bounced', 'expired', 'complained', 'not_spam', 'delayed_notice', 'delivered_notice', 'autoreply', 'challenge')
        AND trust != 'none'
    GROUP BY source_kind, source
    UNION ALL
    SELECT
        source_kind, source,
        0 AS verified, 0 AS matched, 0 AS unverified,
        uniqExactIf(report_key, authenticity = 'pass') AS reports_pass,
        uniqExactIf(report_key, authenticity = 'fail') AS reports_fail,
        uniqExactIf(report_key, authenticity = 'unknown') AS reports_unknown
    FROM dmarc_reports
    WHERE received_time >= fromUnixTimestamp64Micro({from_us:Int64}, 'UTC')
        AND received_time < fromUnixTimestamp64Micro({to_us:Int64}, 'UTC')
    GROUP BY source_kind, source
    UNION ALL
    SELECT
        source_kind, source,
        0 AS verified, 0 AS matched, 0 AS unverified,
        uniqExactIf(report_key, authenticity = 'pass') AS reports_pass,
        uniqExactIf(report_key, authenticity = 'fail') AS reports_fail,
        uniqExactIf(report_key, authenticity = 'unknown') AS reports_unknown
    FROM tls_reports
    WHERE received_time >= fromUnixTimestamp64Micro({from_us:Int64}, 'UTC')
        AND received_time < fromUnixTimestamp64Micro({to_us:Int64}, 'UTC')
    GROUP BY source_kind, source
)
GROUP BY source_kind, source
ORDER BY source_kind, source
LIMIT {limit:UInt32}
