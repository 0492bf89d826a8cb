-- One row is one event of one message, oldest first. A relay may use a queue id anew for another message, so a row with
-- another message id is no part of it.
SELECT
    @event_row
FROM
(
    SELECT *
    FROM events
    WHERE ({message_id:String} != '' AND message_id = {message_id:String})
       OR ({queue_id:String} != '' AND queue_id = {queue_id:String} AND relay = {relay:String}
           AND ({message_id:String} = '' OR message_id = ''))
    ORDER BY event_time, event_id
    LIMIT {limit:UInt32}
) AS own
ORDER BY own.event_time, own.event_id
