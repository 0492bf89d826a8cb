-- One row is one incident that a channel was told of: those that still fire, and those that are given. In the summary of
-- its rule, or by itself.
SELECT
    toString(told.channel) AS channel, toString(told.incident_id) AS incident_id, newest.rule AS rule,
    newest.state IN ('pending', 'firing') AS is_open,
    summed.channel != '' AS is_summed
FROM
(
    SELECT d.incident_id AS incident_id, toString(d.channel) AS channel FROM alert_deliveries AS d WHERE d.state = 'sent'
    UNION DISTINCT
    SELECT m.incident_id AS incident_id, toString(m.channel) AS channel FROM alert_summaries AS m
) AS told
INNER JOIN
(
    SELECT t.incident_id AS incident_id, toString(any(t.rule)) AS rule, toString(argMax(t.state, t.seq)) AS state
    FROM alert_transitions AS t
    GROUP BY incident_id
    HAVING state IN ('pending', 'firing') OR incident_id IN {ids:Array(UUID)}
) AS newest ON newest.incident_id = told.incident_id
LEFT JOIN
(
    SELECT s.incident_id AS incident_id, toString(s.channel) AS channel FROM alert_summaries AS s FINAL
) AS summed ON summed.incident_id = told.incident_id AND summed.channel = told.channel
ORDER BY channel, incident_id
LIMIT {limit:UInt32}
