-- One row is one difference in the DNS of a subject, newest first, range half open.
SELECT
    toInt64(toUnixTimestamp(change_time)) AS at_unix,
    subject,
    toString(kind) AS kind,
    toString(check) AS check,
    about,
    toString(state_before) AS state_before,
    toString(state) AS state,
    value_before,
    value,
    told
FROM dns_changes
WHERE change_time >= toDateTime({from_unix:Int64}) AND change_time < toDateTime({to_unix:Int64})
@more
ORDER BY change_time DESC, subject, check, about
LIMIT {limit:UInt32}
