-- One row is one reason in one week: what was added one by one in the same window of that week, range half open. What
-- somebody imports is no growth that anybody must be told of.
SELECT
    toString(reason) AS reason,
    toInt64(intDiv({to_us:UInt64} - 1 - bitShiftRight(seq, 10), {week_us:UInt64})) AS week,
    count() AS added
FROM suppression_log
WHERE action = 'add'
  AND (seq >= {from_0:UInt64} AND seq < {to_0:UInt64} OR seq >= {from_1:UInt64} AND seq < {to_1:UInt64}
    OR seq >= {from_2:UInt64} AND seq < {to_2:UInt64} OR seq >= {from_3:UInt64} AND seq < {to_3:UInt64}
    OR seq >= {from_4:UInt64} AND seq < {to_4:UInt64} OR seq >= {from_5:UInt64} AND seq < {to_5:UInt64}
    OR seq >= {from_6:UInt64} AND seq < {to_6:UInt64} OR seq >= {from_7:UInt64} AND seq < {to_7:UInt64}
    OR seq >= {from_8:UInt64} AND seq < {to_8:UInt64})
GROUP BY reason, week
ORDER BY reason, week
LIMIT {limit:UInt32}
