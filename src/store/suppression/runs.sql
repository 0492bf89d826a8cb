-- One row is a run with the number of its records, the newest first.
WITH chosen AS
(
    SELECT * FROM suppression_runs FINAL ORDER BY begun DESC, run LIMIT {limit:UInt32}
),
counted AS
(
    SELECT
        run,
        countIf(action IN ('add', 'extend', 'import')) AS added,
        countIf(action IN ('remove', 'expire', 'withdraw')) AS lifted
    FROM suppression_log
    WHERE run IN (SELECT run FROM chosen)
    GROUP BY run
),
undone AS
(
    SELECT target AS taken_back, argMax(suppression_runs.run, begun) AS undone_by
    FROM suppression_runs FINAL
    WHERE kind = 'undo' AND state != 'failed'
    GROUP BY taken_back
)
SELECT
    chosen.run AS run,
    CAST(chosen.kind, 'Int8') AS kind,
    chosen.name AS name,
    chosen.actor AS actor,
    CAST(chosen.state, 'Int8') AS state,
    toUnixTimestamp64Micro(chosen.begun) AS begun_us,
    toUnixTimestamp64Micro(chosen.changed) AS changed_us,
    chosen.target AS target,
    chosen.rows AS rows,
    chosen.faults AS faults,
    chosen.note AS note,
    counted.added AS added,
    counted.lifted AS lifted,
    undone.undone_by AS undone_by
FROM chosen
LEFT JOIN counted ON counted.run = chosen.run
LEFT JOIN undone ON undone.taken_back = chosen.run
ORDER BY chosen.begun DESC, chosen.run
