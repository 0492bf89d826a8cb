-- One row is one check of a subject's newest snapshot, subjects that were looked at since a time.
SELECT
    subject,
    toString(kind) AS kind,
    toString(check) AS check,
    about,
    toString(state) AS state,
    value,
    told,
    detail,
    toInt64(toUnixTimestamp(taken_time)) AS taken_unix
FROM dns_findings
WHERE (subject, taken_time) IN
(
    SELECT subject, max(taken_time)
    FROM dns_findings
    WHERE taken_time >= toDateTime({since_unix:Int64})
    GROUP BY subject
)
@more
ORDER BY subject, check, about
LIMIT {limit:UInt32}
