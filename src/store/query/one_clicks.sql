-- One row is a stream whose recipients left by one click, range half open.
SELECT toString(stream) AS name, count() AS clicks
FROM events
WHERE event_time >= toDateTime64({from_unix:Int64}, 6) AND event_time < toDateTime64({to_unix:Int64}, 6)
  AND event_type = 'unsubscribed' AND feedback_type = 'one_click' AND stream != '' AND NOT is_repeat
GROUP BY stream
ORDER BY clicks DESC, name
LIMIT {limit:UInt32}
