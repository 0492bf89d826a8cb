-- One row is one code and class of deferrals at one receiving site, most attempts first, range half open.
SELECT
    mailbox_provider AS provider,
    if(mx_host = '', recipient_domain, mx_host) AS site,
    smtp_code, enhanced_code, bounce_reason,
    count() AS attempts,
    uniqExact(cityHash64(relay, queue_id, recipient)) AS messages,
    max(attempt) AS attempt_max,
    toInt64(toUnixTimestamp(max(event_time))) AS last_unix,
    any(response_text) AS sample
FROM @rows
  AND event_type = 'deferred' AND NOT is_notification
GROUP BY provider, site, smtp_code, enhanced_code, bounce_reason
ORDER BY attempts DESC, provider, site, smtp_code, enhanced_code, bounce_reason
LIMIT {limit:UInt32}
