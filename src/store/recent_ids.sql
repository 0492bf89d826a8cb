-- One row is an event that is stored, the newest arrivals first; rows of an interrupted batch are left out.
SELECT event_id, toUnixTimestamp64Micro(received_time) AS received_us
FROM events
WHERE NOT (ingest_node = {ingest_node:String} AND ingest_seq >= {before_seq:UInt64})
ORDER BY received_time DESC, event_id
LIMIT {ids_max:UInt64}
