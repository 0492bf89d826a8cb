-- One row is one reason in one step of time, range half open: records that brought an address onto the list, and
-- records that took it off.
SELECT
    toInt64(intDiv(intDiv(bitShiftRight(seq, 10), 1000000), {step_s:UInt32})) * {step_s:UInt32} AS at_unix,
    toString(reason) AS reason,
    countIf(action IN ('add', 'import')) AS added,
    countIf(action IN ('remove', 'expire', 'withdraw')) AS lifted
FROM suppression_log
WHERE seq >= {from_seq:UInt64} AND seq < {to_seq:UInt64}
GROUP BY at_unix, reason
ORDER BY at_unix, reason
LIMIT {limit:UInt32}
