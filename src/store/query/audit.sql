-- One row is one change of state, newest first.
SELECT
    toString(audit_id) AS audit_id,
    toUnixTimestamp64Micro(at) AS at_us,
    toString(actor) AS actor, toString(role) AS role, toString(door) AS door, toString(action) AS action,
    object, detail, items
FROM audit
WHERE at <= fromUnixTimestamp64Micro({before_us:Int64})
  AND (at, audit.audit_id) < (fromUnixTimestamp64Micro({before_us:Int64}), toUUIDOrZero({before_id:String}))
  @which
ORDER BY at DESC, audit.audit_id DESC
LIMIT {limit:UInt32}
