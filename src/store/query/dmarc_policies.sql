-- One row is one policy domain with the policy of its newest report.
SELECT
    policy_domain,
    toString(newest.1) AS p, toString(newest.2) AS sp, toString(newest.3) AS np, newest.4 AS pct,
    toString(newest.5) AS adkim, toString(newest.6) AS aspf, toString(newest.7) AS fo, toString(newest.8) AS testing,
    seen_unix, reports, reporters
FROM
(
    SELECT
        toString(r.policy_domain) AS policy_domain,
        argMax((r.p, r.sp, r.np, r.pct, r.adkim, r.aspf, r.fo, r.testing), (r.end_time, r.received_time)) AS newest,
        toUnixTimestamp(max(r.end_time)) AS seen_unix,
        count() AS reports,
        uniqExact(r.reporter) AS reporters
    FROM @rows
    GROUP BY r.policy_domain
)
ORDER BY reports DESC, policy_domain
LIMIT {limit:UInt32}
