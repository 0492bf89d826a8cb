-- One row is one subject on one list, as it stands.
SELECT
    toString(list) AS list,
    subject,
    toString(kind) AS kind,
    toString(state) AS state,
    toString(seen) AS seen,
    pending,
    CAST(codes, 'Array(String)') AS codes,
    reason,
    text,
    toInt64(toUnixTimestamp(since)) AS since_unix,
    toInt64(toUnixTimestamp(checked_time)) AS checked_unix
FROM listings FINAL
WHERE checked_time >= toDateTime({since_unix:Int64})
ORDER BY subject, list
LIMIT {limit:UInt32}
