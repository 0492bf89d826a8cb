-- One row is a kept mail that brought events about the address, or names it.
SELECT mail_id
FROM mails
WHERE mails.mail_id IN
    (
        SELECT events.mail_id FROM events
        WHERE events.recipient = {address:String} OR events.orig_recipient = {address:String}
    )
   OR positionCaseInsensitiveUTF8(bytes, {address:String}) > 0
ORDER BY mails.mail_id
LIMIT {limit:UInt32}
