-- One row is one step of time with mail, range half open.
SELECT
    intDiv(toInt64(toUnixTimestamp(@at)), {step_s:Int64}) * {step_s:Int64} AS at_unix,
    @sums AS outcomes
FROM @rows
GROUP BY at_unix
ORDER BY at_unix
LIMIT {limit:UInt32}
