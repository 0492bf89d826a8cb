-- One row is one bucket of delivery latency, range half open.
SELECT @bucket AS bucket, @deliveries AS deliveries
FROM @rows
GROUP BY bucket
ORDER BY bucket
LIMIT 256
