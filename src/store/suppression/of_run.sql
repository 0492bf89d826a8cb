-- One row is a record of the run.
SELECT
@record
FROM suppression_log
WHERE suppression_log.run = {run:UUID} AND suppression_log.address > {after:String}
ORDER BY suppression_log.address, suppression_log.seq
LIMIT {limit:UInt32}
