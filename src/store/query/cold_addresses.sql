-- One row is one sending address with mail in a half-open range that has no past: `age` is how many stretches of the same
-- length ago there was first a tenth as much mail. Most mail first. None while the store itself knows no such past:
-- every address would be new.
SELECT
    address, messages,
    arrayReduce('max', arrayMap(before -> if(before.2 * 10 >= messages, before.1, 0), befores)) AS age
FROM
(
    SELECT address, sumIf(sent, stretch = 0) AS messages, groupArrayIf((stretch, sent), stretch > 0) AS befores
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
WHERE messages > 0 AND age < {age:Int64}
  AND (SELECT min(hour) FROM values_hour WHERE dimension = '') <= toDateTime({back_unix:Int64}) + INTERVAL 1 DAY
ORDER BY messages DESC, address
LIMIT {limit:UInt32}
