-- One row is a record whose end lies between the two times, the first excluded.
SELECT
@record
FROM suppression_log
WHERE suppression_log.expires > fromUnixTimestamp64Micro({after_us:Int64}, 'UTC')
  AND suppression_log.expires <= fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
  AND suppression_log.action IN ('add', 'extend', 'import')
ORDER BY suppression_log.address, suppression_log.seq
SETTINGS optimize_read_in_order = 1, max_threads = 2
