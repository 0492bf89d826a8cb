-- One row is one value of a dimension with its latency buckets, most deliveries first, range half open.
SELECT toString(value) AS value, arraySort(groupArray((bucket, deliveries))) AS buckets
FROM
(
    SELECT @dimension AS value, bucket, sum(delivered) AS deliveries
    FROM @latencies
    GROUP BY value, bucket
)
GROUP BY value
ORDER BY sum(deliveries) DESC, value
LIMIT {limit:UInt32}
