-- One row is one record with the head of its report and what is known of its address. A page of them: the order is whole,
-- so that no record is on two pages; those that are equal in it are of one report.
WITH page AS
(
    SELECT r.*
    FROM @rows
    ORDER BY r.day, r.policy_domain, r.source_ip, r.report_key, r.messages DESC, r.disposition, r.is_dkim_aligned,
        r.is_spf_aligned, r.header_from, r.envelope_from, r.envelope_to, r.spf_domain, r.spf_result, r.dkim_domains,
        r.dkim_selectors, r.dkim_results
    LIMIT {limit:UInt32} OFFSET {offset:UInt64}
)
SELECT
    toInt64(toUInt16(page.day)) * 86400 AS day_unix,
    toString(page.policy_domain) AS policy_domain,
    toString(page.source_ip) AS source_ip,
    page.messages AS messages,
    toString(page.disposition) AS disposition,
    page.is_dkim_aligned AS is_dkim_aligned,
    page.is_spf_aligned AS is_spf_aligned,
    toString(page.header_from) AS header_from,
    toString(page.envelope_from) AS envelope_from,
    toString(page.envelope_to) AS envelope_to,
    CAST(page.override_types, 'Array(String)') AS override_types,
    page.override_comments AS override_comments,
    CAST(page.dkim_domains, 'Array(String)') AS dkim_domains,
    CAST(page.dkim_selectors, 'Array(String)') AS dkim_selectors,
    CAST(page.dkim_results, 'Array(String)') AS dkim_results,
    toString(page.spf_domain) AS spf_domain,
    toString(page.spf_scope) AS spf_scope,
    toString(page.spf_result) AS spf_result,
    page.warnings AS warnings,
    toString(page.reporter) AS reporter,
    toString(page.report_key) AS report_key,
    toString(page.standing) AS standing,
    toString(head.org_name) AS org_name,
    toString(head.email) AS email,
    head.report_id AS report_id,
    toUnixTimestamp(head.begin_time) AS begin_unix,
    toUnixTimestamp(head.end_time) AS end_unix,
    toString(head.p) AS p,
    toString(head.sp) AS sp,
    toString(head.np) AS np,
    head.pct AS pct,
    toString(head.adkim) AS adkim,
    toString(head.aspf) AS aspf,
    known.host AS host,
    known.base_domain AS base_domain,
    known.name AS source_name,
    known.kind AS source_kind,
    known.asn AS asn,
    known.asn_name AS asn_name,
    known.country AS country
FROM page
LEFT JOIN
(
    SELECT * FROM dmarc_reports AS h WHERE h.report_key GLOBAL IN (SELECT report_key FROM page)
    LIMIT 1 BY h.report_key
) AS head ON head.report_key = page.report_key
LEFT JOIN @names AS known ON known.ip = page.source_ip
ORDER BY page.day, page.policy_domain, page.source_ip, page.report_key, page.messages DESC
