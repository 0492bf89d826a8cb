-- One row is one step of an incident: pending, firing, a reminder, resolved. Nothing is ever changed: the newest `seq` of
-- an incident says where it stands, and `body` holds all of it as JSON. `channels` are those to be told of this step.
CREATE TABLE IF NOT EXISTS @table(alert_transitions)
(
    incident_id   UUID,
    seq           UInt32,
    at            DateTime64(6, 'UTC'),
    step          LowCardinality(String),
    state         LowCardinality(String),
    rule          LowCardinality(String),
    severity      LowCardinality(String),
    labels        Map(LowCardinality(String), String),
    value         Float64,
    expected_low  Float64,
    expected_high Float64,
    channels      Array(LowCardinality(String)),
    body          String CODEC(ZSTD(3))
)
ENGINE = @engine(MergeTree)
PARTITION BY toYYYYMM(at)
ORDER BY (incident_id, seq)
SETTINGS @durable;

@distributed(alert_transitions, sipHash64(incident_id));

-- One row is one attempt to tell a channel of a step. A failed one names when it is tried again.
CREATE TABLE IF NOT EXISTS @table(alert_deliveries)
(
    incident_id UUID,
    seq         UInt32,
    channel     LowCardinality(String),
    attempt     UInt16,
    at          DateTime64(6, 'UTC'),
    state       LowCardinality(String),
    next_at     DateTime64(6, 'UTC'),
    error       String
)
ENGINE = @engine(MergeTree)
PARTITION BY toYYYYMM(at)
ORDER BY (incident_id, seq, channel, attempt)
SETTINGS @durable;

@distributed(alert_deliveries, sipHash64(incident_id));

-- A silence; the newest `version` counts. Matchers are three lists of one length.
CREATE TABLE IF NOT EXISTS @table(alert_silences)
(
    silence_id UUID,
    version    UInt64,
    begins     DateTime64(6, 'UTC'),
    until      DateTime64(6, 'UTC'),
    author     String,
    comment    String,
    names      Array(String),
    operators  Array(String),
    values     Array(String)
)
ENGINE = @engine(ReplacingMergeTree, version)
ORDER BY (silence_id)
SETTINGS @durable;

@distributed(alert_silences, sipHash64(silence_id));

-- Something that happened and that charts mark: what users post, changes of DNS, runs of rules.
CREATE TABLE IF NOT EXISTS @table(annotations)
(
    annotation_id UUID,
    at            DateTime64(6, 'UTC'),
    until         DateTime64(6, 'UTC'),
    kind          LowCardinality(String),
    title         String,
    text          String,
    author        String,
    labels        Map(LowCardinality(String), String)
)
ENGINE = @engine(ReplacingMergeTree)
PARTITION BY toYYYYMM(at)
ORDER BY (at, annotation_id)
SETTINGS @durable;

@distributed(annotations, sipHash64(annotation_id));
