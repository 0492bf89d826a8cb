totals_minute
WHERE ((minute >= toDateTime({from_unix:Int64}) AND minute < toDateTime({hours_from_unix:Int64}))
    OR (minute >= toDateTime({hours_to_unix:Int64}) AND minute < toDateTime({to_unix:Int64})))
