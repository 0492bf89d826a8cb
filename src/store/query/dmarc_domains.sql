-- One row is one policy domain with mail, most mail first; whole days.
SELECT
    toString(r.policy_domain) AS policy_domain,
    @sums AS counts,
    uniqExact(r.source_ip) AS ips
FROM @rows
GROUP BY r.policy_domain
ORDER BY sum(r.messages) DESC, r.policy_domain
LIMIT {limit:UInt32}
