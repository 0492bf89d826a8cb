-- One row is the last place of a writer.
SELECT max(seq) AS place
FROM suppression_log
GROUP BY bitAnd(seq, 1023)
ORDER BY place
LIMIT 1024
