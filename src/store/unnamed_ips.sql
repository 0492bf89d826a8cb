-- One row is one source address of which nothing is known yet, or what is known is old: those of the newest reports
-- first, and of a day those with most mail.
SELECT toString(seen.ip) AS ip
FROM
(
    SELECT r.source_ip AS ip, max(r.day) AS last_day, sum(r.messages) AS messages
    FROM dmarc_records AS r
    WHERE r.day >= toDate(toDateTime({since_unix:Int64}, 'UTC')) AND r.source_ip != toIPv6('::')
    GROUP BY r.source_ip
) AS seen
LEFT ANTI JOIN
(
    SELECT n.ip AS ip, argMax(n.host, n.looked_up) != '' AS is_named, toUnixTimestamp(max(n.looked_up)) AS at_unix
    FROM ip_names AS n
    GROUP BY n.ip
    HAVING at_unix >= if(is_named, {named_unix:Int64}, {nameless_unix:Int64})
) AS known ON known.ip = seen.ip
ORDER BY seen.last_day DESC, seen.messages DESC, seen.ip
LIMIT {limit:UInt32}
