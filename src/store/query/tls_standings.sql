-- One row is the TLS reports of one standing. By their arrival: the times of an implausible one mean nothing.
SELECT
    toString(r.standing) AS standing,
    uniqExact(r.report_key) AS reports,
    sum(r.successful) + sum(r.failed) AS amount
FROM @rows
GROUP BY r.standing
ORDER BY r.standing
LIMIT 10
