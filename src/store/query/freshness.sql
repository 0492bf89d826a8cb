-- One row is one source.
SELECT
    source_kind, source,
    toUnixTimestamp64Micro(max(last_event)) AS last_event_us,
    toUnixTimestamp64Micro(max(last_received)) AS last_received_us,
    sum(sources_hour.events) AS events
FROM sources_hour
GROUP BY source_kind, source
ORDER BY source_kind, source
LIMIT {limit:UInt32}
