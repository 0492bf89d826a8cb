-- One row is one kind of reply at one provider, the commonest first, range half open. The inner query finds the
-- commonest by one number, so that text and classes are read of those alone.
SELECT
    event_type,
    mailbox_provider AS provider,
    bounce_type, bounce_group, bounce_reason, smtp_code, enhanced_code, response_tmpl,
    sum(responses_hour.events) AS events,
    any(responses_hour.sample) AS sample,
    toInt64(toUnixTimestamp(min(hour))) AS first_hour_unix,
    toInt64(toUnixTimestamp(max(hour))) AS last_hour_unix
FROM @rows
  AND kind IN
(
    SELECT kind
    FROM @rows
    GROUP BY kind
    ORDER BY sum(responses_hour.events) DESC, kind
    LIMIT {limit:UInt32}
)
GROUP BY event_type, mailbox_provider, bounce_type, bounce_group, bounce_reason, smtp_code, enhanced_code,
         response_tmpl, kind
ORDER BY events DESC, kind
LIMIT {limit:UInt32}
