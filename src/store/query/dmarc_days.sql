-- One row is one day with mail, oldest first.
SELECT
    toInt64(toUInt16(r.day)) * 86400 AS at_unix,
    @sums AS counts
FROM @rows
GROUP BY r.day
ORDER BY r.day
LIMIT {limit:UInt32}
