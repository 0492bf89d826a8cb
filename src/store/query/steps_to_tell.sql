-- One row is one step of which somebody is to be told, oldest first.
SELECT
    toString(alert_transitions.incident_id) AS incident_id, seq, toUnixTimestamp64Micro(at) AS at_us,
    toString(step) AS step, arrayMap(name -> toString(name), alert_transitions.channels) AS channels, body
FROM alert_transitions
WHERE at >= toDateTime64({since_unix:Int64}, 6, 'UTC') AND notEmpty(alert_transitions.channels)
ORDER BY at, incident_id, seq
LIMIT {limit:UInt32}
