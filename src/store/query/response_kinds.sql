-- One row is one kind of reply, the commonest first, range half open.
SELECT
    kind,
    sum(replies.events) AS events,
    toInt64(toUnixTimestamp(min(hour))) AS first_hour_unix,
    toInt64(toUnixTimestamp(max(hour))) AS last_hour_unix
FROM @rows
GROUP BY kind
ORDER BY events DESC, kind
LIMIT {limit:UInt32}
