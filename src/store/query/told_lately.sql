-- One row is one channel and rule, and when it was told last since a time.
SELECT toString(d.channel) AS channel, toString(t.rule) AS rule, toUnixTimestamp64Micro(max(d.at)) AS at_us
FROM alert_deliveries AS d
INNER JOIN
(
    SELECT i.incident_id AS incident_id, i.rule AS rule
    FROM alert_transitions AS i
    GROUP BY incident_id, rule
) AS t ON t.incident_id = d.incident_id
WHERE d.state = 'sent' AND d.at >= toDateTime64({since_unix:Int64}, 6, 'UTC')
GROUP BY channel, rule
ORDER BY channel, rule
LIMIT {limit:UInt32}
