-- One row is one thing that charts mark in a half-open range: an annotation, or the incidents of one rule that began to
-- fire in one minute. Only those whose labels do not speak of other mail than what is asked for. Runs of rules, of which
-- there is one every hour, come last; else the newest come first. `total` counts those beyond the limit, too.
SELECT kind, id, from_unix, until_unix, title, text, author, severity, many, count() OVER () AS total
FROM
(
    SELECT
        toString(a.kind) AS kind, toString(a.annotation_id) AS id,
        toInt64(toUnixTimestamp(a.at)) AS from_unix, toInt64(toUnixTimestamp(greatest(a.at, a.until))) AS until_unix,
        a.title AS title, a.text AS text, a.author AS author, '' AS severity, toUInt64(1) AS many
    FROM annotations AS a FINAL
    WHERE a.at < toDateTime64({to_unix:Int64}, 6, 'UTC')
      AND greatest(a.at, a.until) >= toDateTime64({from_unix:Int64}, 6, 'UTC')
      AND arrayAll(
          name -> CAST(a.labels, 'Map(String, String)')[name] = ''
              OR has({allowed:Array(String)}, concat(name, '=', CAST(a.labels, 'Map(String, String)')[name])),
          {names:Array(String)})
    UNION ALL
    SELECT
        'incident' AS kind, min(id) AS id, min(fired) AS from_unix, max(ended) AS until_unix,
        rule AS title, '' AS text, '' AS author, severity, count() AS many
    FROM
    (
        SELECT
            toString(t.incident_id) AS id, toString(any(t.rule)) AS rule, toString(any(t.severity)) AS severity,
            CAST(any(t.labels), 'Map(String, String)') AS of,
            toInt64(toUnixTimestamp(minIf(t.at, t.step IN ('firing', 'reopened')))) AS fired,
            if(argMax(t.state, t.seq) = 'resolved', toInt64(toUnixTimestamp(max(t.at))), {to_unix:Int64}) AS ended
        FROM alert_transitions AS t
        WHERE t.at < toDateTime64({to_unix:Int64}, 6, 'UTC')
        GROUP BY t.incident_id
        HAVING fired > 0 AND ended >= {from_unix:Int64}
           AND arrayAll(name -> of[name] = '' OR has({allowed:Array(String)}, concat(name, '=', of[name])), {names:Array(String)})
    )
    GROUP BY rule, severity, intDiv(fired, 60)
)
ORDER BY kind = 'rule_run', from_unix DESC, kind, id
LIMIT {limit:UInt32}
