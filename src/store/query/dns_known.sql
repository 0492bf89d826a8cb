-- One row is the last judgement of one check that said anything. A change that was written before the snapshot to which it
-- belongs counts as known: a crash between the two must not find it again.
SELECT
    subject,
    check,
    about,
    toString(argMax(state, at)) AS state,
    argMax(value, at) AS value
FROM
(
    SELECT f.subject AS subject, toString(f.check) AS check, f.about AS about, f.state AS state, f.value AS value, f.taken_time AS at
    FROM dns_findings AS f
    WHERE f.taken_time >= toDateTime({since_unix:Int64}) AND f.state != 'unknown'
    UNION ALL
    SELECT c.subject AS subject, toString(c.check) AS check, c.about AS about, c.state AS state, c.value AS value, c.change_time AS at
    FROM dns_changes AS c
    WHERE c.change_time >= toDateTime({since_unix:Int64})
)
GROUP BY subject, check, about
ORDER BY subject, check, about
LIMIT {limit:UInt32}
