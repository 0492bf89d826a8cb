-- One row: the outcomes of the range, half open.
SELECT @sums AS outcomes
FROM @rows
LIMIT 1
