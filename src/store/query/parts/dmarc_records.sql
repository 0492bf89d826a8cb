dmarc_records AS r
WHERE r.standing = 'counted'
  AND r.day >= toDate(toDateTime({from_unix:Int64}, 'UTC')) AND r.day < toDate(toDateTime({to_unix:Int64}, 'UTC'))
