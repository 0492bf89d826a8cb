-- One row is one change of what is believed of a subject on a list, newest first, range half open.
SELECT
    toInt64(toUnixTimestamp(change_time)) AS at_unix,
    toString(list) AS list,
    subject,
    toString(kind) AS kind,
    toString(state) AS state,
    is_first,
    CAST(codes, 'Array(String)') AS codes,
    text,
    tier,
    sent,
    share_ppm
FROM listing_changes
WHERE change_time >= toDateTime({from_unix:Int64}) AND change_time < toDateTime({to_unix:Int64})
@more
ORDER BY change_time DESC, list, subject
LIMIT {limit:UInt32}
