-- One row is one combination of values in one of some hours.
SELECT @keys AS keys, toInt64(toUnixTimestamp(hour)) AS hour_unix, @sums AS outcomes
FROM @rows
GROUP BY keys, hour
ORDER BY hour_unix, outcomes.2 + outcomes.3 DESC, keys
LIMIT {limit:UInt32}
