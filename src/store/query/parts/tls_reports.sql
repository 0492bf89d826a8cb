tls_reports AS r FINAL
WHERE r.begin_time >= toDateTime({from_unix:Int64}, 'UTC') AND r.begin_time < toDateTime({to_unix:Int64}, 'UTC')
