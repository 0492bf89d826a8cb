dmarc_failures AS r FINAL
WHERE r.event_time >= toDateTime64({from_unix:Int64}, 6) AND r.event_time < toDateTime64({to_unix:Int64}, 6)
