-- One row is one reject in its newest version, newest first, with the first bytes of it.
SELECT
    @reject_columns,
    substring(bytes, 1, {excerpt:UInt32}) AS bytes
FROM
(
    SELECT *
    FROM rejects
    WHERE received_time <= fromUnixTimestamp64Micro({before_us:Int64})
      AND (received_time, reject_id) < (fromUnixTimestamp64Micro({before_us:Int64}), toUUIDOrZero({before_id:String}))
      @which
    ORDER BY received_time DESC, reject_id DESC, version DESC
    LIMIT 1 BY received_time, reject_id
    LIMIT {limit:UInt32}
) AS page
ORDER BY page.received_time DESC, page.reject_id DESC
