-- One row is one bucket of delivery latency, range half open.
SELECT bucket, sum(delivered) AS deliveries
FROM @latencies
GROUP BY bucket
ORDER BY bucket
LIMIT 256
