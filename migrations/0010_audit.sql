-- Who changed what: one row is one change of state by a person or a token. It names no recipient; the run (or another
-- object) leads to what was changed.
CREATE TABLE IF NOT EXISTS @table(audit)
(
    audit_id UUID,
    at       DateTime64(6, 'UTC'),
    actor    LowCardinality(String),
    role     LowCardinality(String),
    door     LowCardinality(String),
    action   LowCardinality(String),
    object   String,
    detail   String,
    items    UInt64
)
ENGINE = @engine(MergeTree)
PARTITION BY toYYYYMM(at)
ORDER BY (at, audit_id)
SETTINGS @durable;

@distributed(audit, sipHash64(audit_id));
