-- One row is one reporter, most mail first.
SELECT
    toString(r.reporter) AS reporter,
    uniqExact(r.report_key) AS reports,
    @sums AS counts,
    toInt64(toUInt16(max(r.day))) * 86400 AS last_unix
FROM @rows
GROUP BY r.reporter
ORDER BY sum(r.messages) DESC, r.reporter
LIMIT {limit:UInt32}
