-- One row or none: one kept mail with its bytes.
SELECT
    toString(mail_id) AS mail_id,
    toUnixTimestamp64Micro(received_time) AS received_time_us,
    toString(source_kind) AS source_kind, toString(source) AS source, toString(kind) AS kind,
    message_id, toString(from_domain) AS from_domain, subject, size_bytes, bytes
FROM mails
WHERE mails.mail_id = toUUIDOrZero({mail_id:String})
LIMIT 1
