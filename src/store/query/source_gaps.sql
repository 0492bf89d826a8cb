-- One row is one source, with the longest silence between its hours.
SELECT
    toString(source_kind) AS source_kind, toString(source) AS source,
    toInt64(toUnixTimestamp(max(last))) AS last_unix,
    toInt64(arrayMax(arrayDifference(arraySort(groupArray(toUnixTimestamp(hour)))))) AS longest_gap_s,
    count() AS hours
FROM
(
    SELECT sources_hour.source_kind AS source_kind, sources_hour.source AS source, hour, max(last_received) AS last
    FROM sources_hour
    WHERE hour >= toDateTime({from_unix:Int64}) AND hour < toDateTime({to_unix:Int64})
    GROUP BY source_kind, source, hour
)
GROUP BY source_kind, source
ORDER BY source_kind, source
LIMIT {limit:UInt32}
