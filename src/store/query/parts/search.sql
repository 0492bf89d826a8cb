-- What a list of events shows: the filter bar, the search form, and the term (`@term`, see `EventSearch::term`).
    event_time >= toDateTime64({from_unix:Int64}, 6) AND event_time < toDateTime64({to_unix:Int64}, 6)
AND (empty({event_types:Array(String)}) OR event_type IN {event_types:Array(String)})
AND (empty({bounce_types:Array(String)}) OR bounce_type IN {bounce_types:Array(String)})
AND (empty({bounce_groups:Array(String)}) OR bounce_group IN {bounce_groups:Array(String)})
AND (empty({bounce_reasons:Array(String)}) OR bounce_reason IN {bounce_reasons:Array(String)})
AND (empty({smtp_codes:Array(UInt16)}) OR smtp_code IN {smtp_codes:Array(UInt16)})
AND (empty({enhanced_codes:Array(String)}) OR enhanced_code IN {enhanced_codes:Array(String)})
AND (empty({response_tmpls:Array(UInt64)}) OR response_tmpl IN {response_tmpls:Array(UInt64)})
AND @term
AND @filter
