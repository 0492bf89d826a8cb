-- One row is one day on which reports begin, oldest first.
SELECT
    toInt64(toUInt16(toDate(r.begin_time))) * 86400 AS at_unix,
    sum(r.successful) AS successful,
    sum(r.failed) AS failed
FROM @rows
GROUP BY toDate(r.begin_time)
ORDER BY at_unix
LIMIT {limit:UInt32}
