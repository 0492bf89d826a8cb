-- One row is one class of failure (bounced and expired), the commonest first, range half open.
SELECT bounce_group, bounce_reason, bounce_type, sum(replies.events) AS events
FROM @rows
GROUP BY bounce_group, bounce_reason, bounce_type
ORDER BY events DESC, bounce_group, bounce_reason, bounce_type
LIMIT {limit:UInt32}
