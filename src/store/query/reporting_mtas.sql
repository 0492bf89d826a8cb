-- One row is one server that sent notices of failure about our mail, range half open.
SELECT
    toString(events.reporting_mta) AS reporting_mta,
    countIf(trust != 'unverified' AND NOT is_repeat) AS bounces,
    countIf(is_repeat) AS repeats,
    countIf(trust = 'unverified') AS unverified,
    countIf(trust = 'verified') AS verified,
    countIf(bounce_type = 'hard' AND trust != 'unverified') AS hard,
    toUnixTimestamp(max(events.event_time)) AS last_unix
FROM @rows
GROUP BY reporting_mta
ORDER BY bounces + unverified + repeats DESC, reporting_mta
LIMIT {limit:UInt32}
