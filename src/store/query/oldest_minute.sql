-- One row: the first minute that the minute rollup still has, 0 when it has none. The engine knows it unread.
SELECT toInt64(toUnixTimestamp(min(minute))) AS minute_unix
FROM events_minute
LIMIT 1
