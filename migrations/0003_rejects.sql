-- Items that could not be read, with their bytes, until they are replayed or their retention ends.
-- The newest `version` of a reject counts.
CREATE TABLE IF NOT EXISTS @table(rejects)
(
    reject_id     UUID,
    version       UInt64,
    state         Enum8('open' = 1, 'replayed' = 2),
    received_time DateTime64(6, 'UTC'),
    source_kind   LowCardinality(String),
    source        LowCardinality(String),
    reason        LowCardinality(String),
    message       String,
    size_bytes    UInt64,
    file_offset   UInt64,
    bytes         String CODEC(ZSTD(3))
)
ENGINE = @engine(ReplacingMergeTree, version)
PARTITION BY toYYYYMM(received_time)
ORDER BY (received_time, reject_id)
SETTINGS @durable;

@distributed(rejects, sipHash64(reject_id));
