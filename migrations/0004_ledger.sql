-- What became of the accepted items, per source and minute of arrival: accepted = stored + duplicate + no_event + rejected.
CREATE TABLE IF NOT EXISTS @table(ledger_minute)
(
    minute      DateTime('UTC'),
    source_kind LowCardinality(String),
    source      LowCardinality(String),
    stored      SimpleAggregateFunction(sum, UInt64),
    duplicate   SimpleAggregateFunction(sum, UInt64),
    no_event    SimpleAggregateFunction(sum, UInt64),
    rejected    SimpleAggregateFunction(sum, UInt64),
    events      SimpleAggregateFunction(sum, UInt64)
)
ENGINE = @engine(AggregatingMergeTree)
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, source_kind, source)
SETTINGS @durable;

@distributed(ledger_minute, rand());
