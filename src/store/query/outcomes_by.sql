-- One row is one value of a dimension, range half open. The caller adds up two parts of a range, orders and cuts.
SELECT toString(@dimension) AS value, @sums AS outcomes
FROM @rows
GROUP BY @dimension
ORDER BY value
LIMIT {limit:UInt32}
