events
WHERE event_time >= toDateTime64({from_unix:Int64}, 6) AND event_time < toDateTime64({to_unix:Int64}, 6)
