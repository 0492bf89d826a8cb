-- One row is one value of a dimension, most sent first, range half open.
SELECT toString(@dimension) AS value, @sums AS outcomes
FROM @outcomes
GROUP BY @dimension
ORDER BY @sent DESC, value
LIMIT {limit:UInt32}
