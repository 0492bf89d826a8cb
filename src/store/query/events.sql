-- One row is one event, newest first, range half open. The order begins with the hour because the table's does: the
-- engine reads from the newest hour on and stops when the page is full.
SELECT
    @event_row
FROM
(
    SELECT *
    FROM events
    WHERE event_time <= fromUnixTimestamp64Micro({before_us:Int64})
      AND (event_time, event_id) < (fromUnixTimestamp64Micro({before_us:Int64}), toUUIDOrZero({before_id:String}))
      AND @search
    ORDER BY toStartOfHour(event_time) DESC, event_time DESC, event_id DESC
    LIMIT {limit:UInt32}
) AS page
ORDER BY page.event_time DESC, page.event_id DESC
