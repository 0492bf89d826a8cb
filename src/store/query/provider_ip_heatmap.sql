-- One row is one hour of one provider and sending address, the busiest pairs first, range half open.
SELECT provider, ip, hour_unix, outcomes
FROM
(
    SELECT
        toString(mailbox_provider) AS provider,
        toString(sending_ip) AS ip,
        toInt64(toUnixTimestamp(toStartOfHour(at))) AS hour_unix,
        @sums AS outcomes,
        @sent + sum(deferred) AS attempts,
        sum(attempts) OVER (PARTITION BY provider, ip) AS pair_attempts
    FROM @outcomes
    GROUP BY mailbox_provider, sending_ip, hour_unix
    HAVING attempts > 0
)
ORDER BY pair_attempts DESC, provider, ip, hour_unix
LIMIT {limit:UInt32}
