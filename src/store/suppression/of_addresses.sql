-- One row is a record of one of the addresses.
SELECT
@record
FROM suppression_log
WHERE suppression_log.address IN {addresses:Array(String)}
ORDER BY suppression_log.address, suppression_log.seq
LIMIT {limit:UInt32} BY suppression_log.address
