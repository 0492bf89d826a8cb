-- One row is a record behind the last known place of its writer, which the lower ten bits of its own place name.
SELECT
@record
FROM suppression_log
WHERE seq > {floor:UInt64}
  AND seq > transform(bitAnd(seq, 1023), {writers:Array(UInt16)}, {places:Array(UInt64)}, toUInt64(0))
ORDER BY seq
LIMIT {limit:UInt32}
