-- One row is one silence by its newest version, those that end last first.
SELECT
    toString(silence_id) AS silence_id,
    max(alert_silences.version) AS version,
    toUnixTimestamp64Micro(argMax(alert_silences.begins, alert_silences.version)) AS begins_us,
    toUnixTimestamp64Micro(argMax(alert_silences.until, alert_silences.version)) AS until_us,
    argMax(alert_silences.author, alert_silences.version) AS author,
    argMax(alert_silences.comment, alert_silences.version) AS comment,
    argMax(alert_silences.names, alert_silences.version) AS names,
    argMax(alert_silences.operators, alert_silences.version) AS operators,
    argMax(alert_silences.values, alert_silences.version) AS values
FROM alert_silences
GROUP BY silence_id
HAVING until_us >= {since_unix:Int64} * 1000000
ORDER BY until_us DESC, silence_id
LIMIT {limit:UInt32}
