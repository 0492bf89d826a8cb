-- One row is a stored event with one of these ids; rows of an interrupted batch are left out.
SELECT event_id, toUnixTimestamp64Micro(received_time) AS received_us
FROM events
WHERE event_time >= fromUnixTimestamp64Micro({first_us:Int64}, 'UTC')
  AND event_time <= fromUnixTimestamp64Micro({last_us:Int64}, 'UTC')
  AND event_id IN {ids:Array(UUID)}
  AND NOT (ingest_node = {ingest_node:String} AND ingest_seq >= {before_seq:UInt64})
ORDER BY event_id
LIMIT 1000000
