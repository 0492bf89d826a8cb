-- Writes an annotation for each change of the DNS since a time. Its id is made of what it tells, so that it is the same
-- however often this runs.
INSERT INTO annotations (annotation_id, at, until, kind, title, text, author, labels)
SELECT
    reinterpretAsUUID(sipHash128('dns', c.subject, toString(c.check), c.about, toUnixTimestamp(c.change_time))) AS id,
    toDateTime64(c.change_time, 6, 'UTC') AS at,
    toDateTime64(c.change_time, 6, 'UTC') AS until,
    'dns' AS kind,
    concat(c.subject, ': ', toString(c.check), if(c.about = '', '', concat(' ', c.about)), ' ',
           if(c.state_before = c.state, 'is another', concat(toString(c.state_before), ' to ', toString(c.state)))) AS title,
    c.told AS text,
    'relaylens' AS author,
    map(if(c.kind = 'domain', 'domain', 'ip'), c.subject, 'check', toString(c.check)) AS labels
FROM dns_changes AS c
WHERE c.change_time >= toDateTime({since_unix:Int64})
  AND id NOT IN (SELECT k.annotation_id FROM annotations AS k WHERE k.kind = 'dns' AND k.at >= toDateTime64({since_unix:Int64}, 6, 'UTC'))
