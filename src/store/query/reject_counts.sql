-- One row is one reason of one source. `FINAL` leaves the newest version of each reject.
SELECT
    source_kind, source, reason,
    countIf(state = 'open') AS open,
    countIf(state = 'replayed') AS replayed,
    toUnixTimestamp64Micro(max(received_time)) AS last_received_us
FROM rejects FINAL
GROUP BY source_kind, source, reason
ORDER BY source_kind, source, reason
LIMIT {limit:UInt32}
