-- One row is one incident that a channel which keeps incidents of its own (a pager) was told of only in the summary of its
-- rule: its end is told there, too.
CREATE TABLE IF NOT EXISTS @table(alert_summaries)
(
    incident_id UUID,
    channel     LowCardinality(String),
    rule        LowCardinality(String),
    at          DateTime64(6, 'UTC')
)
ENGINE = @engine(ReplacingMergeTree)
PARTITION BY toYYYYMM(at)
ORDER BY (incident_id, channel)
SETTINGS @durable;

@distributed(alert_summaries, sipHash64(incident_id));
