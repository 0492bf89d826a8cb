kinds_hour AS replies
WHERE hour >= toDateTime({from_unix:Int64}) AND hour < toDateTime({to_unix:Int64})
