-- DMARC failure reports (RFC 9991): one row is one message that failed authentication at a receiver. The addresses of
-- its recipients stand in the mail alone.
CREATE TABLE IF NOT EXISTS @table(dmarc_failures)
(
    failure_id      UUID,
    event_time      DateTime64(6, 'UTC'),
    received_time   DateTime64(6, 'UTC'),
    source_kind     LowCardinality(String),
    source          LowCardinality(String),
    mail_id         UUID,
    reporter        LowCardinality(String),
    user_agent      String,
    policy_domain   LowCardinality(String),
    source_ip       IPv6,
    failure         LowCardinality(String),
    delivery_result LowCardinality(String),
    aligned         Array(LowCardinality(String)),
    dkim_domain     LowCardinality(String),
    dkim_selector   LowCardinality(String),
    env_from_domain LowCardinality(String),
    rcpt_domain     LowCardinality(String),
    message_id      String,
    subject         String,
    incidents       UInt32,
    standing        Enum8('counted' = 0, 'foreign' = 1, 'implausible' = 2, 'forged' = 3),
    authenticity    Enum8('unknown' = 0, 'pass' = 1, 'fail' = 2),
    evidence        String,
    warnings        Array(String),
    ingest_node     LowCardinality(String),
    ingest_seq      UInt64
)
ENGINE = @engine(ReplacingMergeTree)
PARTITION BY toYYYYMM(event_time)
ORDER BY (policy_domain, event_time, failure_id)
SETTINGS @durable;

@distributed(dmarc_failures, sipHash64(failure_id));
