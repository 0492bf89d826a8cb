    hour >= toDateTime({from_unix:Int64}) AND hour < toDateTime({to_unix:Int64})
AND (empty({event_types:Array(String)}) OR event_type IN {event_types:Array(String)})
AND (empty({bounce_reasons:Array(String)}) OR bounce_reason IN {bounce_reasons:Array(String)})
AND @filter
