-- One row: how many events a search finds, range half open.
SELECT count() AS events
FROM events
WHERE @search
LIMIT 1
