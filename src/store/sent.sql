-- One row is a believed event of a message that one of these ids names; rows of an interrupted batch are left out.
SELECT
    event_id,
    CAST(event_type, 'Int8') AS event_type,
    toUnixTimestamp64Micro(event_time) AS event_time_us,
    message_id, provider_message_id, queue_id, envid,
    recipient, orig_recipient,
    toString(relay) AS relay, toString(tenant) AS tenant, toString(stream) AS stream, toString(campaign) AS campaign,
    env_from, toString(env_from_domain) AS env_from_domain, toString(header_from_domain) AS header_from_domain,
    toString(pool) AS pool, toString(egress_source) AS egress_source,
    sending_ip
FROM events
WHERE events.event_time >= fromUnixTimestamp64Micro({first_us:Int64}, 'UTC')
  AND events.event_time <= fromUnixTimestamp64Micro({last_us:Int64}, 'UTC')
  AND @column IN {ids:Array(String)}
  AND trust != 'unverified'
  AND NOT is_notification
  AND NOT (ingest_node = {ingest_node:String} AND ingest_seq >= {before_seq:UInt64})
ORDER BY events.event_time, events.event_id
LIMIT {limit:UInt32}
