-- One row is one step of time with mail, range half open.
SELECT
    toInt64(intDiv(toUnixTimestamp(@at), {step_s:UInt32})) * {step_s:UInt32} AS at_unix,
    @sums AS outcomes
FROM @rows
GROUP BY intDiv(toUnixTimestamp(@at), {step_s:UInt32})
ORDER BY at_unix
LIMIT {limit:UInt32}
