tls_reports AS r FINAL
WHERE r.received_time >= toDateTime64({from_unix:Int64}, 6) AND r.received_time < toDateTime64({to_unix:Int64}, 6)
