-- One row is one value of one dimension, most sent first, range half open; `::` is no address.
SELECT dimension, value, sum(delivered + hard + soft + block + other + expired) AS sent
FROM values_hour
WHERE dimension != '' AND value NOT IN ('', '::')
  AND hour >= toDateTime({from_unix:Int64}) AND hour < toDateTime({to_unix:Int64})
GROUP BY dimension, value
ORDER BY dimension, sent DESC, value
LIMIT {per_dimension:UInt32} BY dimension
