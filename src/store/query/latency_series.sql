-- One row is one step of time with its latency buckets, range half open. Steps are numbered in 32 bits, so that step
-- and bucket are one short key.
SELECT
    toInt64(step) * {step_s:UInt32} AS at_unix,
    arraySort(groupArray((bucket, deliveries))) AS buckets
FROM
(
    SELECT
        intDiv(toUnixTimestamp(@at), {step_s:UInt32}) AS step,
        @bucket AS bucket,
        @deliveries AS deliveries
    FROM @rows
    GROUP BY step, bucket
)
GROUP BY step
ORDER BY step
LIMIT {limit:UInt32}
