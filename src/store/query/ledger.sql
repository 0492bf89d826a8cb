-- One row is one source in one step of time, by time of arrival, range half open.
SELECT
    toInt64(intDiv(toUnixTimestamp(minute), {step_s:UInt32})) * {step_s:UInt32} AS at_unix,
    source_kind, source,
    sum(ledger_minute.stored) AS stored,
    sum(ledger_minute.duplicate) AS duplicate,
    sum(ledger_minute.no_event) AS no_event,
    sum(ledger_minute.rejected) AS rejected,
    sum(ledger_minute.events) AS events
FROM ledger_minute
WHERE minute >= toDateTime({from_unix:Int64}) AND minute < toDateTime({to_unix:Int64})
GROUP BY intDiv(toUnixTimestamp(minute), {step_s:UInt32}), source_kind, source
ORDER BY at_unix, source_kind, source
LIMIT {limit:UInt32}
