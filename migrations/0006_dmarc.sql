-- DMARC aggregate reports: one row is one report. `report_key` is made of reporter, report id, domain, begin and end, so
-- that a report that comes twice is one row. `standing` says whether its records count: those about foreign domains,
-- with absurd numbers, or from a mail that failed authentication are kept apart.
CREATE TABLE IF NOT EXISTS @table(dmarc_reports)
(
    report_key       UUID,
    received_time    DateTime64(6, 'UTC'),
    source_kind      LowCardinality(String),
    source           LowCardinality(String),
    mail_id          UUID,
    reporter         LowCardinality(String),
    org_name         LowCardinality(String),
    email            LowCardinality(String),
    contact          String,
    report_id        String,
    begin_time       DateTime('UTC'),
    end_time         DateTime('UTC'),
    policy_domain    LowCardinality(String),
    p                LowCardinality(String),
    sp               LowCardinality(String),
    np               LowCardinality(String),
    pct              Nullable(UInt8),
    adkim            LowCardinality(String),
    aspf             LowCardinality(String),
    fo               LowCardinality(String),
    testing          LowCardinality(String),
    discovery_method LowCardinality(String),
    version          LowCardinality(String),
    generator        LowCardinality(String),
    records          UInt64,
    messages         UInt64,
    dkim_aligned     UInt64,
    spf_aligned      UInt64,
    dmarc_aligned    UInt64,
    is_complete      Bool,
    standing         Enum8('counted' = 0, 'foreign' = 1, 'implausible' = 2, 'forged' = 3),
    authenticity     Enum8('unknown' = 0, 'pass' = 1, 'fail' = 2),
    evidence         String,
    errors           Array(String),
    warnings         Array(String),
    ingest_node      LowCardinality(String),
    ingest_seq       UInt64
)
ENGINE = @engine(ReplacingMergeTree)
PARTITION BY toYYYYMM(begin_time)
ORDER BY (report_key)
SETTINGS @durable;

@distributed(dmarc_reports, sipHash64(report_key));

-- One row is the messages of one source with one result on one day. A report over several days is spread over them
-- evenly: the sum of its rows is what it says.
CREATE TABLE IF NOT EXISTS @table(dmarc_records)
(
    day               Date,
    policy_domain     LowCardinality(String),
    source_ip         IPv6,
    messages          UInt64,
    disposition       LowCardinality(String),
    is_dkim_aligned   Bool,
    is_spf_aligned    Bool,
    header_from       LowCardinality(String),
    envelope_from     LowCardinality(String),
    envelope_to       LowCardinality(String),
    override_types    Array(LowCardinality(String)),
    override_comments Array(String),
    dkim_domains      Array(LowCardinality(String)),
    dkim_selectors    Array(LowCardinality(String)),
    dkim_results      Array(LowCardinality(String)),
    spf_domain        LowCardinality(String),
    spf_scope         LowCardinality(String),
    spf_result        LowCardinality(String),
    warnings          Array(String),
    reporter          LowCardinality(String),
    report_key        UUID,
    standing          Enum8('counted' = 0, 'foreign' = 1, 'implausible' = 2, 'forged' = 3),
    received_time     DateTime64(6, 'UTC'),
    ingest_node       LowCardinality(String),
    ingest_seq        UInt64,
    INDEX report_lookup report_key TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = @engine(MergeTree)
PARTITION BY toYYYYMM(day)
ORDER BY (policy_domain, day, source_ip)
SETTINGS @durable;

@distributed(dmarc_records, sipHash64(report_key));

-- What is known of a source address beside the reports. It is looked up after they are stored.
CREATE TABLE IF NOT EXISTS @table(ip_names)
(
    ip          IPv6,
    host        String,
    base_domain LowCardinality(String),
    name        LowCardinality(String),
    class       LowCardinality(String),
    asn         UInt32,
    asn_name    LowCardinality(String),
    country     LowCardinality(String),
    looked_up   DateTime('UTC')
)
ENGINE = @engine(ReplacingMergeTree, looked_up)
ORDER BY (ip)
SETTINGS @durable;

@distributed(ip_names, sipHash64(ip));
