-- One row is one step of which a channel is still to be told, oldest first. A step that all its channels took, or that
-- nobody is told of any more, is not among them.
SELECT
    toString(steps.incident_id) AS incident_id, steps.seq AS seq, toUnixTimestamp64Micro(steps.at) AS at_us,
    toString(steps.step) AS step, toString(steps.rule) AS rule,
    arrayMap(name -> toString(name), steps.channels) AS channels, steps.body AS body
FROM
(
    SELECT t.incident_id, t.seq, t.at, t.step, t.rule, t.channels, t.body
    FROM alert_transitions AS t
    WHERE t.at >= toDateTime64({since_unix:Int64}, 6, 'UTC') AND notEmpty(t.channels)
) AS steps
LEFT JOIN
(
    SELECT incident_id, seq, count() AS channels
    FROM
    (
        SELECT d.incident_id AS incident_id, d.seq AS seq, d.channel AS channel
        FROM alert_deliveries AS d
        WHERE d.at >= toDateTime64({since_unix:Int64}, 6, 'UTC')
        GROUP BY incident_id, seq, channel
        HAVING argMax(d.state, d.attempt) != 'failed'
    )
    GROUP BY incident_id, seq
) AS ended ON ended.incident_id = steps.incident_id AND ended.seq = steps.seq
WHERE ended.channels < length(steps.channels)
ORDER BY steps.at, incident_id, seq
LIMIT {limit:UInt32}
