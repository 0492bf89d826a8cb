-- One row is one combination of values in a half-open range of minutes, those that sent most first.
SELECT @keys AS keys, @sums AS outcomes
FROM @rows
GROUP BY keys
ORDER BY outcomes.2 + outcomes.3 DESC, keys
LIMIT {limit:UInt32}
