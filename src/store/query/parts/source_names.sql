(
    SELECT
        n.ip AS ip, argMax(n.host, n.looked_up) AS host,
        toString(argMax(n.base_domain, n.looked_up)) AS base_domain, toString(argMax(n.name, n.looked_up)) AS name,
        toString(argMax(n.class, n.looked_up)) AS kind, argMax(n.asn, n.looked_up) AS asn,
        toString(argMax(n.asn_name, n.looked_up)) AS asn_name, toString(argMax(n.country, n.looked_up)) AS country
    FROM ip_names AS n
    GROUP BY n.ip
)
