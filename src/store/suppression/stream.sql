-- One row is a record, address by address, in the order in which the rows lie.
SELECT
@record
FROM suppression_log
WHERE suppression_log.address > {after:String}
ORDER BY suppression_log.address, suppression_log.seq
SETTINGS optimize_read_in_order = 1, max_threads = 2
