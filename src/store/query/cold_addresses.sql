-- One row is one sending address with mail in a half-open range, and in hardly any of the stretches of the same length
-- before it: `warm` counts those with at least a tenth of its mail. Most mail first. None while the store itself knows
-- no such past: every address would be new.
SELECT
    address, messages, arrayCount(sent -> sent * 10 >= messages, befores) AS warm
FROM
(
    SELECT address, sumIf(sent, stretch = 0) AS messages, groupArrayIf(sent, stretch > 0) AS befores
    FROM
    (
        SELECT
            v.value AS address,
            intDiv({to_unix:Int64} - 1 - toInt64(toUnixTimestamp(v.hour)), {window_s:Int64}) AS stretch,
            sum(v.delivered + v.hard + v.soft + v.block + v.other) AS sent
        FROM values_hour AS v
        WHERE v.dimension = 'ip' AND v.value NOT IN ('', '::')
          AND v.hour >= toDateTime({back_unix:Int64}) AND v.hour < toDateTime({to_unix:Int64})
        GROUP BY address, stretch
    )
    GROUP BY address
)
WHERE messages > 0 AND warm < {warm:UInt32}
  AND (SELECT min(hour) FROM values_hour WHERE dimension = '') <= toDateTime({back_unix:Int64}) + INTERVAL 1 DAY
ORDER BY messages DESC, address
LIMIT {limit:UInt32}
