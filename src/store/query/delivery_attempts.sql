-- One row is the newest attempt to tell a channel of a step, newest first.
SELECT
    toString(incident_id) AS incident_id, seq, toString(channel) AS channel,
    max(alert_deliveries.attempt) AS attempt,
    toUnixTimestamp64Micro(argMax(alert_deliveries.at, alert_deliveries.attempt)) AS at_us,
    toString(argMax(alert_deliveries.state, alert_deliveries.attempt)) AS state,
    toUnixTimestamp64Micro(argMax(alert_deliveries.next_at, alert_deliveries.attempt)) AS next_us,
    argMax(alert_deliveries.error, alert_deliveries.attempt) AS error
FROM alert_deliveries
WHERE alert_deliveries.at >= toDateTime64({since_unix:Int64}, 6, 'UTC')
GROUP BY incident_id, seq, channel
ORDER BY at_us DESC, incident_id, seq, channel
LIMIT {limit:UInt32}
