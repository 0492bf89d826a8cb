-- One row is one failure report, newest first.
SELECT
    toString(r.failure_id) AS failure_id,
    toUnixTimestamp64Micro(r.event_time) AS event_time_us,
    if(r.mail_id = toUUIDOrZero(''), '', toString(r.mail_id)) AS mail_id,
    toString(r.reporter) AS reporter,
    toString(r.policy_domain) AS policy_domain,
    toString(r.source_ip) AS source_ip,
    toString(r.failure) AS failure,
    toString(r.delivery_result) AS delivery_result,
    CAST(r.aligned, 'Array(String)') AS aligned,
    toString(r.dkim_domain) AS dkim_domain,
    toString(r.dkim_selector) AS dkim_selector,
    toString(r.env_from_domain) AS env_from_domain,
    toString(r.rcpt_domain) AS rcpt_domain,
    r.message_id AS message_id,
    r.subject AS subject,
    r.incidents AS incidents,
    toString(r.standing) AS standing,
    toString(r.authenticity) AS authenticity,
    r.warnings AS warnings
FROM @rows
ORDER BY r.event_time DESC, r.failure_id
LIMIT {limit:UInt32}
