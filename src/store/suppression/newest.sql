-- One row is a record, the newest first.
SELECT
@record
FROM suppression_log
WHERE seq < {before:UInt64}
ORDER BY seq DESC
LIMIT {limit:UInt32}
