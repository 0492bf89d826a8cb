-- One row is the sessions that failed in one way at one server, most first.
SELECT
    toString(r.policy_domain) AS policy_domain,
    toString(r.result_type) AS result_type,
    toString(r.mx_host) AS mx_host,
    sum(r.sessions) AS sessions,
    uniqExact(r.reporter) AS reporters,
    uniqExact(r.sending_ip) AS sending_ips,
    argMax(r.information, length(r.information) > 0) AS information,
    argMax(r.reason_code, length(r.reason_code) > 0) AS reason_code,
    toUnixTimestamp(max(r.begin_time)) AS last_unix
FROM @rows
GROUP BY r.policy_domain, r.result_type, r.mx_host
ORDER BY sessions DESC, r.policy_domain, r.result_type, r.mx_host
LIMIT {limit:UInt32}
