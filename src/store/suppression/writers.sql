-- One row is a claim to a number.
SELECT
    writer,
    node,
    toUnixTimestamp64Micro(claimed) AS claimed_us,
    toUnixTimestamp64Micro(seen) AS seen_us
FROM suppression_writers FINAL
ORDER BY writer, claimed, node
LIMIT 100000
