-- One row is one step of an incident, oldest first.
SELECT
    toString(alert_transitions.incident_id) AS incident_id, seq, toUnixTimestamp64Micro(at) AS at_us,
    toString(step) AS step, toString(rule) AS rule, arrayMap(name -> toString(name), channels) AS channels, body
FROM alert_transitions
WHERE alert_transitions.incident_id = toUUIDOrZero({incident_id:String})
ORDER BY seq
LIMIT {limit:UInt32}
