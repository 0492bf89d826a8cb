-- One row: how long after a recipient had asked to leave the list knew it, in seconds, over the unsubscribes of a range
-- (half open). What a person entered by hand tells no such time.
SELECT
    count() AS unsubscribes,
    quantileExact(0.5)(seconds) AS p50_s,
    quantileExact(0.95)(seconds) AS p95_s,
    max(seconds) AS max_s
FROM
(
    SELECT greatest(0, toInt64(bitShiftRight(seq, 10)) - toUnixTimestamp64Micro(observed)) / 1000000 AS seconds
    FROM suppression_log
    WHERE seq >= {from_seq:UInt64} AND seq < {to_seq:UInt64}
      AND reason = 'unsubscribe' AND action = 'add' AND origin = 'rule'
)
