-- One row is the last judgement of one check that said anything.
SELECT
    subject,
    toString(check) AS check,
    about,
    toString(argMax(state, taken_time)) AS state,
    argMax(value, taken_time) AS value
FROM dns_findings
WHERE taken_time >= toDateTime({since_unix:Int64}) AND dns_findings.state != 'unknown'
GROUP BY subject, check, about
ORDER BY subject, check, about
LIMIT {limit:UInt32}
