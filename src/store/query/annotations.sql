-- One row is one annotation that touches a half-open range, oldest first.
SELECT
    toString(annotation_id) AS annotation_id,
    toUnixTimestamp64Micro(annotations.at) AS at_us,
    toUnixTimestamp64Micro(annotations.until) AS until_us,
    toString(kind) AS kind, title, text, author,
    arrayMap((name, value) -> (toString(name), value), mapKeys(annotations.labels), mapValues(annotations.labels)) AS labels
FROM annotations FINAL
WHERE annotations.at < toDateTime64({to_unix:Int64}, 6, 'UTC')
  AND greatest(annotations.at, annotations.until) >= toDateTime64({from_unix:Int64}, 6, 'UTC')
ORDER BY at_us, annotation_id
LIMIT {limit:UInt32}
