-- One row is one provider from which complaints came while events are kept, range half open for the counts.
SELECT
    toString(mailbox_provider) AS provider,
    countIf(@in_range AND trust != 'unverified' AND NOT is_repeat) AS complaints,
    countIf(@in_range AND trust = 'unverified') AS unverified,
    toUnixTimestamp(max(events.event_time)) AS last_unix,
    uniqExact(toDate(events.event_time)) AS days
FROM @rows
GROUP BY mailbox_provider
ORDER BY complaints DESC, provider
LIMIT {limit:UInt32}
