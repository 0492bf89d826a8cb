-- One row: how many events a search finds, range half open.
SELECT count() AS events
FROM @rows
LIMIT 1
