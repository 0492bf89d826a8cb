-- One row is one policy of one domain, most sessions first.
SELECT
    toString(r.policy_domain) AS policy_domain,
    toString(r.policy_type) AS policy_type,
    sum(r.successful) AS successful,
    sum(r.failed) AS failed,
    uniqExact(r.report_key) AS reports,
    uniqExact(r.reporter) AS reporters,
    argMax(r.policy_lines, (r.end_time, r.received_time)) AS policy_lines,
    argMax(r.mx_hosts, (r.end_time, r.received_time)) AS mx_hosts,
    toUnixTimestamp(max(r.end_time)) AS seen_unix
FROM @rows
GROUP BY r.policy_domain, r.policy_type
ORDER BY sum(r.successful) + sum(r.failed) DESC, r.policy_domain, r.policy_type
LIMIT {limit:UInt32}
