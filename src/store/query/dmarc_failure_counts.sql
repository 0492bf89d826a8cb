-- One row is the failure reports of one kind on one domain; those kept apart are left out.
SELECT
    toString(r.policy_domain) AS policy_domain,
    toString(r.failure) AS failure,
    count() AS reports,
    sum(toUInt64(r.incidents)) AS incidents,
    uniqExact(r.source_ip) AS ips,
    uniqExact(r.reporter) AS reporters,
    toUnixTimestamp(max(r.event_time)) AS last_unix
FROM @rows
GROUP BY r.policy_domain, r.failure
ORDER BY incidents DESC, r.policy_domain, r.failure
LIMIT {limit:UInt32}
