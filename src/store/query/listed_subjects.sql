-- One row is one subject on one list of the first tier that is believed to list it since a check that was not the first,
-- the subjects with most mail first. A list that says nothing any more changes no belief.
SELECT
    newest.list AS list, newest.subject AS subject, newest.codes AS codes, newest.text AS text,
    newest.share_ppm AS share_ppm, newest.at_unix AS at_unix,
    checks.checked_unix AS checked_unix,
    lists.title AS title, lists.delist AS delist, lists.expires AS expires
FROM
(
    SELECT
        toString(c.list) AS list, c.subject AS subject,
        argMax(toString(c.state), c.change_time) AS state,
        argMax(c.is_first, c.change_time) AS is_first,
        argMax(CAST(c.codes, 'Array(String)'), c.change_time) AS codes,
        argMax(c.text, c.change_time) AS text,
        argMax(c.share_ppm, c.change_time) AS share_ppm,
        toInt64(toUnixTimestamp(max(c.change_time))) AS at_unix
    FROM listing_changes AS c
    GROUP BY list, subject
    HAVING state = 'listed' AND NOT is_first AND argMax(c.tier, c.change_time) = 1
) AS newest
LEFT JOIN
(
    SELECT toString(l.list) AS list, l.subject AS subject, toInt64(toUnixTimestamp(max(l.checked_time))) AS checked_unix
    FROM listings AS l
    GROUP BY list, subject
) AS checks ON checks.list = newest.list AND checks.subject = newest.subject
LEFT JOIN
(
    SELECT
        toString(t.list) AS list,
        argMax(toString(t.title), t.test_time) AS title,
        argMax(toString(t.delist), t.test_time) AS delist,
        argMax(toString(t.expires), t.test_time) AS expires
    FROM list_tests AS t
    GROUP BY list
) AS lists ON lists.list = newest.list
ORDER BY share_ppm DESC, subject, list
LIMIT {limit:UInt32}
