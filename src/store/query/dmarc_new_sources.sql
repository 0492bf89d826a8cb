-- One row is one sender that its policy domain had not in the days before the range, most mail first. Domains without
-- a record before the range are left out: all their senders would be new.
SELECT
    sums.policy_domain AS policy_domain,
    @label AS source,
    count() AS ips,
    toString(argMax(sums.ip, sums.messages)) AS ip,
    min(sums.first_unix) AS first_unix,
    sum(sums.messages) AS messages,
    sum(sums.aligned) AS aligned
FROM
(
    SELECT
        toString(r.policy_domain) AS policy_domain,
        r.source_ip AS ip,
        toInt64(toUInt16(min(r.day))) * 86400 AS first_unix,
        min(r.day) >= toDate(toDateTime({begin_unix:Int64}, 'UTC')) AS is_new,
        sumIf(r.messages, r.day >= toDate(toDateTime({begin_unix:Int64}, 'UTC'))) AS messages,
        sumIf(
            r.messages,
            r.day >= toDate(toDateTime({begin_unix:Int64}, 'UTC')) AND (r.is_dkim_aligned OR r.is_spf_aligned)
        ) AS aligned
    FROM @rows
    GROUP BY r.policy_domain, r.source_ip
) AS sums
LEFT JOIN @names AS known ON known.ip = sums.ip
WHERE sums.policy_domain IN
(
    SELECT policy_domain FROM (SELECT toString(r.policy_domain) AS policy_domain, min(r.day) AS first FROM @rows
    GROUP BY r.policy_domain)
    WHERE first < toDate(toDateTime({begin_unix:Int64}, 'UTC'))
)
GROUP BY sums.policy_domain, source
HAVING min(sums.is_new) AND messages > 0
ORDER BY messages DESC, policy_domain, source
LIMIT {limit:UInt32}
