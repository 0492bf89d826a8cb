-- One row is one incident by its newest step: open, or ended since a time. Newest first.
SELECT toString(incident_id) AS incident_id, max(alert_transitions.seq) AS seq, argMax(alert_transitions.body, alert_transitions.seq) AS body
FROM alert_transitions
GROUP BY incident_id
HAVING argMax(alert_transitions.state, alert_transitions.seq) IN ('pending', 'firing')
    OR (max(alert_transitions.at) >= toDateTime64({since_unix:Int64}, 6, 'UTC')
        AND argMax(alert_transitions.state, alert_transitions.seq) = 'resolved')
ORDER BY max(alert_transitions.at) DESC, incident_id
LIMIT {limit:UInt32}
