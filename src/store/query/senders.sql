-- One row is an address that sent mail for a domain of the envelope sender, those with most mail first, range half open.
SELECT
    toString(env_from_domain) AS domain,
    toString(sending_ip) AS ip,
    sum(delivered) + sum(hard) + sum(soft) + sum(block) + sum(other) + sum(expired) AS sent
FROM events_hour
WHERE env_from_domain != '' AND sending_ip != toIPv6('::')
  AND hour >= toDateTime({from_unix:Int64}) AND hour < toDateTime({to_unix:Int64})
GROUP BY env_from_domain, sending_ip
HAVING sent > 0
ORDER BY domain, sent DESC, ip
LIMIT {per_domain:UInt32} BY domain
LIMIT {limit:UInt32}
