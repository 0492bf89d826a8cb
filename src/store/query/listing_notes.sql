-- One row is one note of a person about a listing, newest first.
SELECT
    toInt64(toUnixTimestamp(note_time)) AS at_unix,
    toString(list) AS list,
    subject,
    author,
    text
FROM listing_notes
ORDER BY note_time DESC, list, subject
LIMIT {limit:UInt32}
