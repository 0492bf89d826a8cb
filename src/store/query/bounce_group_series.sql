-- One row is one group of failures (bounced and expired) in one step of time, range half open.
SELECT
    toInt64(intDiv(toUnixTimestamp(hour), {step_s:UInt32})) * {step_s:UInt32} AS at_unix,
    bounce_group,
    sum(replies.events) AS events
FROM @rows
GROUP BY intDiv(toUnixTimestamp(hour), {step_s:UInt32}), bounce_group
ORDER BY at_unix, bounce_group
LIMIT {limit:UInt32}
