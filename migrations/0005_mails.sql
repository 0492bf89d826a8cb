-- Mail that brought feedback or reports, as it came, until its retention ends: what a page shows beside what was read
-- from it, and what a mended reader reads again. `size_bytes` is that of the whole mail, which may be more than is kept.
CREATE TABLE IF NOT EXISTS @table(mails)
(
    mail_id       UUID,
    received_time DateTime64(6, 'UTC'),
    source_kind   LowCardinality(String),
    source        LowCardinality(String),
    kind          LowCardinality(String),
    message_id    String,
    from_domain   LowCardinality(String),
    subject       String,
    size_bytes    UInt64,
    bytes         String CODEC(ZSTD(6)),
    INDEX received_range received_time TYPE minmax GRANULARITY 1
)
ENGINE = @engine(ReplacingMergeTree)
PARTITION BY toYYYYMM(received_time)
ORDER BY (mail_id)
SETTINGS @durable;

@distributed(mails, sipHash64(mail_id));
