-- One row: the oldest and the newest event, and how many there are. The engine knows them of each part unread.
SELECT
    toInt64(toUnixTimestamp(min(event_time))) AS oldest_unix,
    toInt64(toUnixTimestamp(max(event_time))) AS newest_unix,
    count() AS events
FROM events
LIMIT 1
