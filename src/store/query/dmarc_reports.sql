-- One row is the head of one report, the newest first.
SELECT
    @head
FROM @rows
ORDER BY r.received_time DESC, r.report_key
LIMIT {limit:UInt32}
