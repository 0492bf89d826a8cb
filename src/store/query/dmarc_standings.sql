-- One row is the DMARC reports of one standing. By their arrival: the times of an implausible one mean nothing.
SELECT
    toString(r.standing) AS standing,
    count() AS reports,
    sum(r.messages) AS amount
FROM @rows
GROUP BY r.standing
ORDER BY r.standing
LIMIT 10
