-- One row is one event that was read from a mail, in the order of their recipients.
SELECT
    @event_columns
FROM events
WHERE events.mail_id = toUUIDOrZero({mail_id:String})
ORDER BY events.recipient, events.event_id
LIMIT {limit:UInt32}
