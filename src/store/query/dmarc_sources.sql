-- One row is one sender of one policy domain by what is known of its addresses, most mail first.
SELECT
    sums.policy_domain AS policy_domain,
    @label AS source,
    any(known.base_domain) AS base_domain, any(known.name) AS name, any(known.kind) AS kind,
    any(known.asn) AS asn, any(known.asn_name) AS asn_name, any(known.country) AS country,
    count() AS ips,
    toString(argMax(sums.ip, sums.counts.1)) AS ip,
    countIf(known.ip = sums.ip AND sums.ip != toIPv6('::')) AS looked_up,
    countIf(known.host != '') AS hosts,
    (
        sum(sums.counts.1), sum(sums.counts.2), sum(sums.counts.3),
        sum(sums.counts.4), sum(sums.counts.5), sum(sums.counts.6)
    ) AS counts,
    sum(sums.forwarded) AS forwarded, sum(sums.spf_broken) AS spf_broken, sum(sums.passed_elsewhere) AS passed_elsewhere
FROM
(
    SELECT
        toString(r.policy_domain) AS policy_domain,
        r.source_ip AS ip,
        @sums AS counts,
        sumIf(r.messages, hasAny(r.override_types, ['forwarded', 'mailing_list', 'trusted_forwarder'])) AS forwarded,
        sumIf(r.messages, r.is_dkim_aligned AND NOT r.is_spf_aligned AND r.spf_result != 'pass') AS spf_broken,
        sumIf(
            r.messages,
            NOT r.is_dkim_aligned AND NOT r.is_spf_aligned AND (r.spf_result = 'pass' OR has(r.dkim_results, 'pass'))
        ) AS passed_elsewhere
    FROM @rows
    GROUP BY r.policy_domain, r.source_ip
) AS sums
LEFT JOIN @names AS known ON known.ip = sums.ip
GROUP BY sums.policy_domain, source
ORDER BY counts.1 DESC, policy_domain, source
LIMIT {limit:UInt32}
