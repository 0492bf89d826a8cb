-- One row is one check of a subject by its newest change: those that are bad since then, and those that changed in the
-- range. Worst first. `is_looked_at` is false where the check was not made any more.
SELECT
    subject, check, about, state, state_before, told, value_before, value, at_unix,
    (subject, check, about) IN
    (
        SELECT f.subject, toString(f.check), f.about FROM dns_findings AS f
        WHERE f.taken_time >= toDateTime({seen_unix:Int64})
    ) AS is_looked_at
FROM
(
    SELECT
        c.subject AS subject, toString(c.check) AS check, c.about AS about,
        argMax(toString(c.state), c.change_time) AS state,
        argMax(toString(c.state_before), c.change_time) AS state_before,
        argMax(c.told, c.change_time) AS told,
        argMax(c.value_before, c.change_time) AS value_before,
        argMax(c.value, c.change_time) AS value,
        toInt64(toUnixTimestamp(max(c.change_time))) AS at_unix
    FROM dns_changes AS c
    WHERE c.change_time < toDateTime({to_unix:Int64})
    GROUP BY subject, check, about
)
WHERE state IN ('warn', 'fail') OR at_unix >= {from_unix:Int64}
ORDER BY state = 'fail' DESC, state = 'warn' DESC, at_unix DESC, subject, check, about
LIMIT {limit:UInt32}
