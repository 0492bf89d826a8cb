-- One row is an address that the review holds.
SELECT
    address,
    toString(scope) AS scope, toString(tenant) AS tenant, toString(scope_name) AS scope_name,
    CAST(type, 'Int8') AS mail_type,
    toString(reason) AS reason,
    toString(rule) AS rule,
    toUnixTimestamp64Micro(observed) AS observed_us,
    toUnixTimestamp64Micro(expires) AS expires_us,
    evidence
FROM suppression_held FINAL
WHERE suppression_held.review = {review:UUID}
ORDER BY address, scope, tenant, scope_name, mail_type, reason
LIMIT {limit:UInt32}
