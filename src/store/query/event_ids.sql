-- One row is the id of one event, newest first, range half open. The order begins with the hour because the table's
-- does: the engine reads from the newest hour on and stops when the page is full. Without the setting it reads far
-- ahead, ten times as much as the page needs.
SELECT toString(event_id) AS id, toInt64(toUnixTimestamp(toStartOfHour(event_time))) AS hour_unix
FROM @rows
  AND event_time <= fromUnixTimestamp64Micro({before_us:Int64})
  AND (event_time, event_id) < (fromUnixTimestamp64Micro({before_us:Int64}), toUUIDOrZero({before_id:String}))
ORDER BY toStartOfHour(event_time) DESC, event_time DESC, event_id DESC
LIMIT {limit:UInt32}
SETTINGS read_in_order_use_buffering = 0
