-- One row: how much names the address. A scalar question may have no answer, as far as its type goes.
SELECT
    assumeNotNull((
        SELECT count() FROM events
        WHERE events.recipient = {address:String} OR events.orig_recipient = {address:String})) AS events,
    {mails:UInt64} AS mails,
    assumeNotNull((
        SELECT count() FROM rejects WHERE positionCaseInsensitiveUTF8(bytes, {address:String}) > 0)) AS rejects,
    assumeNotNull((
        SELECT count() FROM suppression_log WHERE suppression_log.address = {address:String})) AS records
