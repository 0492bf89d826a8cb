-- One row is one step of time with its latency buckets, range half open.
SELECT at_unix, arraySort(groupArray((bucket, deliveries))) AS buckets
FROM
(
    SELECT
        intDiv(toInt64(toUnixTimestamp(@at)), {step_s:Int64}) * {step_s:Int64} AS at_unix,
        @bucket AS bucket,
        @deliveries AS deliveries
    FROM @rows
    GROUP BY at_unix, bucket
)
GROUP BY at_unix
ORDER BY at_unix
LIMIT {limit:UInt32}
