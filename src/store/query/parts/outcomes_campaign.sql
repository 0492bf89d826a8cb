campaigns_hour
WHERE hour >= toDateTime({hours_from_unix:Int64}) AND hour < toDateTime({hours_to_unix:Int64})
