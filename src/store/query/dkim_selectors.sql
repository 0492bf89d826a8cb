-- One row is a selector that receivers saw in signatures of a domain, those of most messages first.
SELECT
    lower(toString(signature.1)) AS domain,
    lower(toString(signature.2)) AS selector,
    sum(counted.messages) AS messages
FROM
(
    SELECT r.messages AS messages, arrayJoin(arrayZip(r.dkim_domains, r.dkim_selectors)) AS signature
    FROM @rows
) AS counted
WHERE signature.1 != '' AND signature.2 != ''
GROUP BY domain, selector
ORDER BY sum(counted.messages) DESC, domain, selector
LIMIT {limit:UInt32}
