-- SMTP TLS reports: one row is the sessions of one policy in one report. `report_key` and `standing` as in dmarc_reports.
CREATE TABLE IF NOT EXISTS @table(tls_reports)
(
    report_key    UUID,
    policy_number UInt16,
    received_time DateTime64(6, 'UTC'),
    source_kind   LowCardinality(String),
    source        LowCardinality(String),
    mail_id       UUID,
    reporter      LowCardinality(String),
    report_id     String,
    contact       String,
    begin_time    DateTime('UTC'),
    end_time      DateTime('UTC'),
    policy_domain LowCardinality(String),
    policy_type   LowCardinality(String),
    policy_lines  Array(String),
    mx_hosts      Array(String),
    successful    UInt64,
    failed        UInt64,
    warnings      Array(String),
    standing      Enum8('counted' = 0, 'foreign' = 1, 'implausible' = 2, 'forged' = 3),
    authenticity  Enum8('unknown' = 0, 'pass' = 1, 'fail' = 2),
    evidence      String,
    ingest_node   LowCardinality(String),
    ingest_seq    UInt64
)
ENGINE = @engine(ReplacingMergeTree)
PARTITION BY toYYYYMM(begin_time)
ORDER BY (report_key, policy_number)
SETTINGS @durable;

@distributed(tls_reports, sipHash64(report_key));

-- One row is the sessions that failed in one way at one server.
CREATE TABLE IF NOT EXISTS @table(tls_failures)
(
    begin_time     DateTime('UTC'),
    policy_domain  LowCardinality(String),
    policy_type    LowCardinality(String),
    result_type    LowCardinality(String),
    sending_ip     IPv6,
    mx_host        LowCardinality(String),
    mx_helo        LowCardinality(String),
    receiving_ip   IPv6,
    sessions       UInt64,
    information    String,
    reason_code    String,
    reporter       LowCardinality(String),
    report_key     UUID,
    standing       Enum8('counted' = 0, 'foreign' = 1, 'implausible' = 2, 'forged' = 3),
    received_time  DateTime64(6, 'UTC'),
    ingest_node    LowCardinality(String),
    ingest_seq     UInt64
)
ENGINE = @engine(MergeTree)
PARTITION BY toYYYYMM(begin_time)
ORDER BY (policy_domain, begin_time, result_type)
SETTINGS @durable;

@distributed(tls_failures, sipHash64(report_key));
