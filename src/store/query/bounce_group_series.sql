-- One row is one group of failures (bounced and expired) in one step of time, range half open.
SELECT
    intDiv(toInt64(toUnixTimestamp(hour)), {step_s:Int64}) * {step_s:Int64} AS at_unix,
    bounce_group,
    sum(responses_hour.events) AS events
FROM @rows
GROUP BY at_unix, bounce_group
ORDER BY at_unix, bounce_group
LIMIT {limit:UInt32}
