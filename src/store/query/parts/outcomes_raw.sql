events
WHERE ((event_time >= toDateTime64({from_unix:Int64}, 6) AND event_time < toDateTime64({hours_from_unix:Int64}, 6))
    OR (event_time >= toDateTime64({hours_to_unix:Int64}, 6) AND event_time < toDateTime64({to_unix:Int64}, 6)))
  AND NOT is_notification
