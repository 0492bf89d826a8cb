-- One row is one value of a dimension with its latency buckets, most deliveries first, range half open.
SELECT toString(dimension) AS value, arraySort(groupArray((bucket, deliveries))) AS buckets
FROM
(
    SELECT @dimension AS dimension, @bucket AS bucket, @deliveries AS deliveries
    FROM @rows
    GROUP BY dimension, bucket
)
GROUP BY dimension
ORDER BY sum(deliveries) DESC, value
LIMIT {limit:UInt32}
