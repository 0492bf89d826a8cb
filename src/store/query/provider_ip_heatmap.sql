-- One row is one hour of one provider and sending address, the busiest pairs first, range half open.
SELECT provider, ip, hour_unix, outcomes
FROM
(
    SELECT
        toString(mailbox_provider) AS provider,
        toString(sending_ip) AS ip,
        toInt64(toUnixTimestamp(@at)) AS hour_unix,
        @sums AS outcomes,
        sum(delivered) + sum(hard) + sum(soft) + sum(block) + sum(other) + sum(expired) + sum(deferred) AS attempts,
        sum(attempts) OVER (PARTITION BY provider, ip) AS pair_attempts
    FROM @rows
    GROUP BY mailbox_provider, sending_ip, @at
    HAVING attempts > 0
)
ORDER BY pair_attempts DESC, provider, ip, hour_unix
LIMIT {limit:UInt32}
