events
WHERE event_time >= toDateTime64({from_unix:Int64}, 6) AND event_time < toDateTime64({to_unix:Int64}, 6)
  AND event_type = 'delivered' AND latency_ms IS NOT NULL AND NOT is_notification
