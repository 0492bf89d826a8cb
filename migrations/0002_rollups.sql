-- The views count what `events` takes in. A message that the relay wrote itself (a bounce notice) is no sent mail.
-- `first_deferred` counts messages that were deferred at least once, `recovered` those delivered by a later attempt.
-- The minute table has no campaign: with it, a busy relay's minutes hardly shrink. `store::query::rollup` says which
-- table answers for which part of a range.
CREATE TABLE IF NOT EXISTS @table(events_minute)
(
    minute           DateTime('UTC'),
    tenant           LowCardinality(String),
    stream           LowCardinality(String),
    mailbox_provider LowCardinality(String),
    pool             LowCardinality(String),
    sending_ip       IPv6,
    env_from_domain  LowCardinality(String),
    accepted         SimpleAggregateFunction(sum, UInt64),
    delivered        SimpleAggregateFunction(sum, UInt64),
    deferred         SimpleAggregateFunction(sum, UInt64),
    first_deferred   SimpleAggregateFunction(sum, UInt64),
    recovered        SimpleAggregateFunction(sum, UInt64),
    hard             SimpleAggregateFunction(sum, UInt64),
    soft             SimpleAggregateFunction(sum, UInt64),
    block            SimpleAggregateFunction(sum, UInt64),
    other            SimpleAggregateFunction(sum, UInt64),
    expired          SimpleAggregateFunction(sum, UInt64),
    complained       SimpleAggregateFunction(sum, UInt64),
    unsubscribed     SimpleAggregateFunction(sum, UInt64),
    suppressed       SimpleAggregateFunction(sum, UInt64),
    rejected         SimpleAggregateFunction(sum, UInt64)
)
ENGINE = @engine(AggregatingMergeTree)
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, tenant, stream, mailbox_provider, pool, sending_ip, env_from_domain)
SETTINGS @durable;

CREATE MATERIALIZED VIEW IF NOT EXISTS @table(events_minute_view) TO @table(events_minute) AS
SELECT
    toStartOfMinute(event_time) AS minute,
    tenant, stream, mailbox_provider, pool, sending_ip, env_from_domain,
    countIf(event_type = 'accepted') AS accepted,
    countIf(event_type = 'delivered') AS delivered,
    countIf(event_type = 'deferred') AS deferred,
    countIf(event_type = 'deferred' AND attempt <= 1) AS first_deferred,
    countIf(event_type = 'delivered' AND attempt > 1) AS recovered,
    countIf(event_type = 'bounced' AND bounce_type = 'hard') AS hard,
    countIf(event_type = 'bounced' AND bounce_type = 'soft') AS soft,
    countIf(event_type = 'bounced' AND bounce_type = 'block') AS block,
    countIf(event_type = 'bounced' AND bounce_type NOT IN ('hard', 'soft', 'block')) AS other,
    countIf(event_type = 'expired') AS expired,
    countIf(event_type = 'complained') AS complained,
    countIf(event_type = 'unsubscribed') AS unsubscribed,
    countIf(event_type = 'suppressed') AS suppressed,
    countIf(event_type = 'rejected') AS rejected
FROM @table(events)
WHERE NOT is_notification AND NOT is_repeat AND trust != 'unverified'
GROUP BY minute, tenant, stream, mailbox_provider, pool, sending_ip, env_from_domain;

@distributed(events_minute, rand());

-- The minutes again without provider and way out: a few rows a minute instead of hundreds. The charts of a day, the
-- question asked most, read these.
CREATE TABLE IF NOT EXISTS @table(totals_minute)
(
    minute         DateTime('UTC'),
    tenant         LowCardinality(String),
    stream         LowCardinality(String),
    accepted       SimpleAggregateFunction(sum, UInt64),
    delivered      SimpleAggregateFunction(sum, UInt64),
    deferred       SimpleAggregateFunction(sum, UInt64),
    first_deferred SimpleAggregateFunction(sum, UInt64),
    recovered      SimpleAggregateFunction(sum, UInt64),
    hard           SimpleAggregateFunction(sum, UInt64),
    soft           SimpleAggregateFunction(sum, UInt64),
    block          SimpleAggregateFunction(sum, UInt64),
    other          SimpleAggregateFunction(sum, UInt64),
    expired        SimpleAggregateFunction(sum, UInt64),
    complained     SimpleAggregateFunction(sum, UInt64),
    unsubscribed   SimpleAggregateFunction(sum, UInt64),
    suppressed     SimpleAggregateFunction(sum, UInt64),
    rejected       SimpleAggregateFunction(sum, UInt64)
)
ENGINE = @engine(AggregatingMergeTree)
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, tenant, stream)
SETTINGS @durable;

CREATE MATERIALIZED VIEW IF NOT EXISTS @table(totals_minute_view) TO @table(totals_minute) AS
SELECT
    minute, tenant, stream,
    sum(accepted) AS accepted,
    sum(delivered) AS delivered,
    sum(deferred) AS deferred,
    sum(first_deferred) AS first_deferred,
    sum(recovered) AS recovered,
    sum(hard) AS hard,
    sum(soft) AS soft,
    sum(block) AS block,
    sum(other) AS other,
    sum(expired) AS expired,
    sum(complained) AS complained,
    sum(unsubscribed) AS unsubscribed,
    sum(suppressed) AS suppressed,
    sum(rejected) AS rejected
FROM @table(events_minute)
GROUP BY minute, tenant, stream;

@distributed(totals_minute, rand());

CREATE TABLE IF NOT EXISTS @table(events_hour)
(
    hour             DateTime('UTC'),
    tenant           LowCardinality(String),
    stream           LowCardinality(String),
    mailbox_provider LowCardinality(String),
    pool             LowCardinality(String),
    sending_ip       IPv6,
    env_from_domain  LowCardinality(String),
    accepted         SimpleAggregateFunction(sum, UInt64),
    delivered        SimpleAggregateFunction(sum, UInt64),
    deferred         SimpleAggregateFunction(sum, UInt64),
    first_deferred   SimpleAggregateFunction(sum, UInt64),
    recovered        SimpleAggregateFunction(sum, UInt64),
    hard             SimpleAggregateFunction(sum, UInt64),
    soft             SimpleAggregateFunction(sum, UInt64),
    block            SimpleAggregateFunction(sum, UInt64),
    other            SimpleAggregateFunction(sum, UInt64),
    expired          SimpleAggregateFunction(sum, UInt64),
    complained       SimpleAggregateFunction(sum, UInt64),
    unsubscribed     SimpleAggregateFunction(sum, UInt64),
    suppressed       SimpleAggregateFunction(sum, UInt64),
    rejected         SimpleAggregateFunction(sum, UInt64)
)
ENGINE = @engine(AggregatingMergeTree)
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, tenant, stream, mailbox_provider, pool, sending_ip, env_from_domain)
SETTINGS @durable;

CREATE MATERIALIZED VIEW IF NOT EXISTS @table(events_hour_view) TO @table(events_hour) AS
SELECT
    toStartOfHour(minute) AS hour,
    tenant, stream, mailbox_provider, pool, sending_ip, env_from_domain,
    sum(accepted) AS accepted,
    sum(delivered) AS delivered,
    sum(deferred) AS deferred,
    sum(first_deferred) AS first_deferred,
    sum(recovered) AS recovered,
    sum(hard) AS hard,
    sum(soft) AS soft,
    sum(block) AS block,
    sum(other) AS other,
    sum(expired) AS expired,
    sum(complained) AS complained,
    sum(unsubscribed) AS unsubscribed,
    sum(suppressed) AS suppressed,
    sum(rejected) AS rejected
FROM @table(events_minute)
GROUP BY hour, tenant, stream, mailbox_provider, pool, sending_ip, env_from_domain;

@distributed(events_hour, rand());

-- The hours again with the campaign: ten times the rows of `events_hour`.
CREATE TABLE IF NOT EXISTS @table(campaigns_hour)
(
    hour             DateTime('UTC'),
    tenant           LowCardinality(String),
    stream           LowCardinality(String),
    campaign         LowCardinality(String),
    mailbox_provider LowCardinality(String),
    pool             LowCardinality(String),
    sending_ip       IPv6,
    env_from_domain  LowCardinality(String),
    accepted         SimpleAggregateFunction(sum, UInt64),
    delivered        SimpleAggregateFunction(sum, UInt64),
    deferred         SimpleAggregateFunction(sum, UInt64),
    first_deferred   SimpleAggregateFunction(sum, UInt64),
    recovered        SimpleAggregateFunction(sum, UInt64),
    hard             SimpleAggregateFunction(sum, UInt64),
    soft             SimpleAggregateFunction(sum, UInt64),
    block            SimpleAggregateFunction(sum, UInt64),
    other            SimpleAggregateFunction(sum, UInt64),
    expired          SimpleAggregateFunction(sum, UInt64),
    complained       SimpleAggregateFunction(sum, UInt64),
    unsubscribed     SimpleAggregateFunction(sum, UInt64),
    suppressed       SimpleAggregateFunction(sum, UInt64),
    rejected         SimpleAggregateFunction(sum, UInt64)
)
ENGINE = @engine(AggregatingMergeTree)
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, tenant, stream, mailbox_provider, pool, sending_ip, env_from_domain, campaign)
SETTINGS @durable;

CREATE MATERIALIZED VIEW IF NOT EXISTS @table(campaigns_hour_view) TO @table(campaigns_hour) AS
SELECT
    toStartOfHour(event_time) AS hour,
    tenant, stream, campaign, mailbox_provider, pool, sending_ip, env_from_domain,
    countIf(event_type = 'accepted') AS accepted,
    countIf(event_type = 'delivered') AS delivered,
    countIf(event_type = 'deferred') AS deferred,
    countIf(event_type = 'deferred' AND attempt <= 1) AS first_deferred,
    countIf(event_type = 'delivered' AND attempt > 1) AS recovered,
    countIf(event_type = 'bounced' AND bounce_type = 'hard') AS hard,
    countIf(event_type = 'bounced' AND bounce_type = 'soft') AS soft,
    countIf(event_type = 'bounced' AND bounce_type = 'block') AS block,
    countIf(event_type = 'bounced' AND bounce_type NOT IN ('hard', 'soft', 'block')) AS other,
    countIf(event_type = 'expired') AS expired,
    countIf(event_type = 'complained') AS complained,
    countIf(event_type = 'unsubscribed') AS unsubscribed,
    countIf(event_type = 'suppressed') AS suppressed,
    countIf(event_type = 'rejected') AS rejected
FROM @table(events)
WHERE NOT is_notification AND NOT is_repeat AND trust != 'unverified'
GROUP BY hour, tenant, stream, campaign, mailbox_provider, pool, sending_ip, env_from_domain;

@distributed(campaigns_hour, rand());

-- The hours again, one dimension at a time: a row for each value of each dimension, and one of the dimension '' for all
-- mail. A question about one dimension, as most are, then costs as many rows as the dimension has values, where the
-- others have one for each combination that sent. Also what the filter bar offers.
CREATE TABLE IF NOT EXISTS @table(values_hour)
(
    dimension      LowCardinality(String),
    hour           DateTime('UTC'),
    value          LowCardinality(String),
    accepted       SimpleAggregateFunction(sum, UInt64),
    delivered      SimpleAggregateFunction(sum, UInt64),
    deferred       SimpleAggregateFunction(sum, UInt64),
    first_deferred SimpleAggregateFunction(sum, UInt64),
    recovered      SimpleAggregateFunction(sum, UInt64),
    hard           SimpleAggregateFunction(sum, UInt64),
    soft           SimpleAggregateFunction(sum, UInt64),
    block          SimpleAggregateFunction(sum, UInt64),
    other          SimpleAggregateFunction(sum, UInt64),
    expired        SimpleAggregateFunction(sum, UInt64),
    complained     SimpleAggregateFunction(sum, UInt64),
    unsubscribed   SimpleAggregateFunction(sum, UInt64),
    suppressed     SimpleAggregateFunction(sum, UInt64),
    rejected       SimpleAggregateFunction(sum, UInt64)
)
ENGINE = @engine(AggregatingMergeTree)
PARTITION BY toYYYYMM(hour)
ORDER BY (dimension, hour, value)
SETTINGS @durable;

CREATE MATERIALIZED VIEW IF NOT EXISTS @table(values_hour_view) TO @table(values_hour) AS
SELECT
    multiIf(grouping(mailbox_provider) = 0, 'provider', grouping(sending_ip) = 0, 'ip', grouping(pool) = 0, 'pool',
            grouping(stream) = 0, 'stream', grouping(tenant) = 0, 'tenant', grouping(env_from_domain) = 0, 'domain',
            grouping(campaign) = 0, 'campaign', '') AS dimension,
    hour,
    multiIf(dimension = 'provider', mailbox_provider, dimension = 'ip', toString(sending_ip), dimension = 'pool', pool,
            dimension = 'stream', stream, dimension = 'tenant', tenant, dimension = 'domain', env_from_domain,
            campaign) AS value,
    sum(accepted) AS accepted,
    sum(delivered) AS delivered,
    sum(deferred) AS deferred,
    sum(first_deferred) AS first_deferred,
    sum(recovered) AS recovered,
    sum(hard) AS hard,
    sum(soft) AS soft,
    sum(block) AS block,
    sum(other) AS other,
    sum(expired) AS expired,
    sum(complained) AS complained,
    sum(unsubscribed) AS unsubscribed,
    sum(suppressed) AS suppressed,
    sum(rejected) AS rejected
FROM @table(campaigns_hour)
GROUP BY GROUPING SETS
(
    (hour), (hour, mailbox_provider), (hour, sending_ip), (hour, pool), (hour, stream), (hour, tenant),
    (hour, env_from_domain), (hour, campaign)
);

@distributed(values_hour, rand());

-- How fresh each source is: `events` is not ordered by source, so its newest row is dear to find.
CREATE TABLE IF NOT EXISTS @table(sources_hour)
(
    hour          DateTime('UTC'),
    source_kind   LowCardinality(String),
    source        LowCardinality(String),
    last_event    SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    last_received SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    events        SimpleAggregateFunction(sum, UInt64)
)
ENGINE = @engine(AggregatingMergeTree)
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, source_kind, source)
SETTINGS @durable;

CREATE MATERIALIZED VIEW IF NOT EXISTS @table(sources_hour_view) TO @table(sources_hour) AS
SELECT
    toStartOfHour(event_time) AS hour,
    source_kind, source,
    max(event_time) AS last_event,
    max(received_time) AS last_received,
    count() AS events
FROM @table(events)
GROUP BY hour, source_kind, source;

@distributed(sources_hour, rand());

-- What receivers answered when they did not take the mail: one row per hour and kind of reply. `kind` is a hash of what
-- makes one kind (see the view): the commonest kinds are found by one number instead of eight columns.
CREATE TABLE IF NOT EXISTS @table(responses_hour)
(
    hour             DateTime('UTC'),
    event_type       LowCardinality(String),
    tenant           LowCardinality(String),
    stream           LowCardinality(String),
    campaign         LowCardinality(String),
    mailbox_provider LowCardinality(String),
    pool             LowCardinality(String),
    sending_ip       IPv6,
    env_from_domain  LowCardinality(String),
    bounce_type      LowCardinality(String),
    bounce_group     LowCardinality(String),
    bounce_reason    LowCardinality(String),
    smtp_code        UInt16,
    enhanced_code    LowCardinality(String),
    response_tmpl    UInt64,
    kind             UInt64,
    events           SimpleAggregateFunction(sum, UInt64),
    sample           SimpleAggregateFunction(any, String)
)
ENGINE = @engine(AggregatingMergeTree)
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, event_type, mailbox_provider, bounce_reason, smtp_code, response_tmpl, tenant, stream, campaign, pool,
          sending_ip, env_from_domain, bounce_type, bounce_group, enhanced_code, kind)
SETTINGS @durable;

CREATE MATERIALIZED VIEW IF NOT EXISTS @table(responses_hour_view) TO @table(responses_hour) AS
SELECT
    toStartOfHour(event_time) AS hour,
    toString(event_type) AS event_type,
    tenant, stream, campaign, mailbox_provider, pool, sending_ip, env_from_domain,
    toString(bounce_type) AS bounce_type,
    bounce_group, bounce_reason, smtp_code, enhanced_code, response_tmpl,
    cityHash64(toString(events.event_type), mailbox_provider, toString(events.bounce_type), bounce_group, bounce_reason,
               smtp_code, enhanced_code, response_tmpl) AS kind,
    count() AS events,
    any(response_text) AS sample
FROM @table(events) AS events
WHERE events.event_type IN ('deferred', 'bounced', 'expired', 'rejected') AND NOT is_notification
    AND NOT is_repeat AND trust != 'unverified'
GROUP BY hour, event_type, tenant, stream, campaign, mailbox_provider, pool, sending_ip, env_from_domain, bounce_type,
         bounce_group, bounce_reason, smtp_code, enhanced_code, response_tmpl, kind;

@distributed(responses_hour, rand());

-- The replies again by their kind alone, for questions about all mail or a provider's.
CREATE TABLE IF NOT EXISTS @table(kinds_hour)
(
    hour             DateTime('UTC'),
    event_type       LowCardinality(String),
    mailbox_provider LowCardinality(String),
    bounce_type      LowCardinality(String),
    bounce_group     LowCardinality(String),
    bounce_reason    LowCardinality(String),
    smtp_code        UInt16,
    enhanced_code    LowCardinality(String),
    response_tmpl    UInt64,
    kind             UInt64,
    events           SimpleAggregateFunction(sum, UInt64),
    sample           SimpleAggregateFunction(any, String)
)
ENGINE = @engine(AggregatingMergeTree)
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, event_type, mailbox_provider, bounce_reason, smtp_code, response_tmpl, bounce_type, bounce_group,
          enhanced_code, kind)
SETTINGS @durable;

CREATE MATERIALIZED VIEW IF NOT EXISTS @table(kinds_hour_view) TO @table(kinds_hour) AS
SELECT
    hour, event_type, mailbox_provider, bounce_type, bounce_group, bounce_reason, smtp_code, enhanced_code, response_tmpl,
    kind,
    sum(replies.events) AS events,
    any(replies.sample) AS sample
FROM @table(responses_hour) AS replies
GROUP BY hour, event_type, mailbox_provider, bounce_type, bounce_group, bounce_reason, smtp_code, enhanced_code,
         response_tmpl, kind;

@distributed(kinds_hour, rand());

-- Time from injection to delivery as a histogram: bucket b holds latencies from 2^(b/4) to 2^((b+1)/4) ms, so a
-- quantile read from it is at most 19 % off, and plain sums merge much faster than sketches.
CREATE TABLE IF NOT EXISTS @table(latency_hour)
(
    hour             DateTime('UTC'),
    tenant           LowCardinality(String),
    stream           LowCardinality(String),
    mailbox_provider LowCardinality(String),
    pool             LowCardinality(String),
    sending_ip       IPv6,
    env_from_domain  LowCardinality(String),
    bucket           UInt8,
    delivered        SimpleAggregateFunction(sum, UInt64)
)
ENGINE = @engine(AggregatingMergeTree)
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, tenant, stream, mailbox_provider, pool, sending_ip, env_from_domain, bucket)
SETTINGS @durable;

CREATE MATERIALIZED VIEW IF NOT EXISTS @table(latency_hour_view) TO @table(latency_hour) AS
SELECT
    toStartOfHour(event_time) AS hour,
    tenant, stream, mailbox_provider, pool, sending_ip, env_from_domain,
    toUInt8(floor(4 * log2(greatest(assumeNotNull(latency_ms), 1)))) AS bucket,
    count() AS delivered
FROM @table(events)
WHERE event_type = 'delivered' AND latency_ms IS NOT NULL AND NOT is_notification
GROUP BY hour, tenant, stream, mailbox_provider, pool, sending_ip, env_from_domain, bucket;

@distributed(latency_hour, rand());

-- The histograms again, one dimension at a time, as `values_hour`; there is no campaign to take.
CREATE TABLE IF NOT EXISTS @table(values_latency_hour)
(
    dimension LowCardinality(String),
    hour      DateTime('UTC'),
    value     LowCardinality(String),
    bucket    UInt8,
    delivered SimpleAggregateFunction(sum, UInt64)
)
ENGINE = @engine(AggregatingMergeTree)
PARTITION BY toYYYYMM(hour)
ORDER BY (dimension, hour, value, bucket)
SETTINGS @durable;

CREATE MATERIALIZED VIEW IF NOT EXISTS @table(values_latency_hour_view) TO @table(values_latency_hour) AS
SELECT
    multiIf(grouping(mailbox_provider) = 0, 'provider', grouping(sending_ip) = 0, 'ip', grouping(pool) = 0, 'pool',
            grouping(stream) = 0, 'stream', grouping(tenant) = 0, 'tenant', grouping(env_from_domain) = 0, 'domain',
            '') AS dimension,
    hour,
    multiIf(dimension = 'provider', mailbox_provider, dimension = 'ip', toString(sending_ip), dimension = 'pool', pool,
            dimension = 'stream', stream, dimension = 'tenant', tenant, env_from_domain) AS value,
    bucket,
    sum(delivered) AS delivered
FROM @table(latency_hour)
GROUP BY GROUPING SETS
(
    (hour, bucket), (hour, bucket, mailbox_provider), (hour, bucket, sending_ip), (hour, bucket, pool),
    (hour, bucket, stream), (hour, bucket, tenant), (hour, bucket, env_from_domain)
);

@distributed(values_latency_hour, rand());
