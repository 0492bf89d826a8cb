-- One row is the key of a stored report, newest first; rows of an interrupted batch are left out.
SELECT report_key, toUnixTimestamp64Micro(received_time) AS received_us
FROM
(
    SELECT report_key, received_time, ingest_node, ingest_seq FROM dmarc_reports
    UNION ALL
    SELECT report_key, received_time, ingest_node, ingest_seq FROM tls_reports WHERE policy_number = 0
    UNION ALL
    SELECT failure_id AS report_key, received_time, ingest_node, ingest_seq FROM dmarc_failures
)
WHERE NOT (ingest_node = {ingest_node:String} AND ingest_seq >= {before_seq:UInt64})
  AND (empty({keys:Array(UUID)}) OR report_key IN {keys:Array(UUID)})
ORDER BY received_us DESC, report_key
LIMIT {keys_max:UInt64}
