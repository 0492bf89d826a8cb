-- One row or none: one reject in its newest version, with all its bytes.
SELECT
    @reject_columns,
    bytes
FROM
(
    SELECT *
    FROM rejects
    WHERE reject_id = toUUIDOrZero({reject_id:String})
    ORDER BY version DESC
    LIMIT 1
) AS newest
