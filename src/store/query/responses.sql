-- One row is one kind of reply of a list, with what makes it one and a reply of the given hours.
SELECT
    kind, event_type,
    mailbox_provider AS provider,
    bounce_type, bounce_group, bounce_reason, smtp_code, enhanced_code, response_tmpl,
    any(replies.sample) AS sample
FROM @rows
  AND hour IN {hours:Array(DateTime('UTC'))} AND kind IN {kinds:Array(UInt64)}
GROUP BY kind, event_type, mailbox_provider, bounce_type, bounce_group, bounce_reason, smtp_code, enhanced_code,
         response_tmpl
ORDER BY kind
LIMIT {limit:UInt32}
