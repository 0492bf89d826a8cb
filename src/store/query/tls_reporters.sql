-- One row is one reporter of TLS sessions, most sessions first.
SELECT
    toString(r.reporter) AS reporter,
    uniqExact(r.report_key) AS reports,
    sum(r.successful) AS successful,
    sum(r.failed) AS failed,
    toUnixTimestamp(max(r.end_time)) AS last_unix
FROM @rows
GROUP BY r.reporter
ORDER BY sum(r.successful) + sum(r.failed) DESC, r.reporter
LIMIT {limit:UInt32}
