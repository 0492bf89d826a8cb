-- One row is a mailbox provider: what was delivered there for a domain, and how much of it with a TLS session in the event,
-- range half open.
SELECT
    toString(mailbox_provider) AS provider,
    count() AS delivered,
    countIf(tls_version != '') AS encrypted
FROM events
WHERE event_time >= toDateTime64({from_unix:Int64}, 6) AND event_time < toDateTime64({to_unix:Int64}, 6)
  AND event_type = 'delivered' AND mailbox_provider IN {providers:Array(String)}
  AND env_from_domain = {domain:String} AND NOT is_notification AND NOT is_repeat
GROUP BY mailbox_provider
ORDER BY provider
LIMIT {limit:UInt32}
