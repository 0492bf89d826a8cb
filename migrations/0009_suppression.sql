-- The suppression list is its log: one row is one record, in its place `seq` (`model::suppression::Seq`), and rows are
-- never changed. It has no retention: an entry without an end is kept until a person lifts it, and then its story is.
-- Rows lie by address, for the story of one and for snapshots; the projection has them by place, for those who follow
-- the log. Both are in one part, so that a record is in both or in none.
CREATE TABLE IF NOT EXISTS @table(suppression_log)
(
    seq         UInt64,
    action      Enum8('add' = 1, 'extend' = 2, 'remove' = 3, 'expire' = 4, 'import' = 5, 'withdraw' = 6),
    address     String,
    scope       LowCardinality(String),
    tenant      LowCardinality(String),
    scope_name  LowCardinality(String),
    type        Enum8('all' = 0, 'marketing' = 1, 'transactional' = 2),
    reason      LowCardinality(String),
    observed    DateTime64(6, 'UTC'),
    expires     Nullable(DateTime64(6, 'UTC')),
    origin      Enum8('rule' = 1, 'actor' = 2),
    origin_name LowCardinality(String),
    run         UUID,
    evidence    Array(UUID),
    note        String,
    PROJECTION by_seq (SELECT * ORDER BY seq)
)
ENGINE = @engine(MergeTree)
ORDER BY (address, seq)
SETTINGS @durable;

@distributed(suppression_log, sipHash64(address));

-- Runs: what can be undone as a whole. The newest `version` counts. `target` is the run that an undo takes back, or
-- the review that a release lets go.
CREATE TABLE IF NOT EXISTS @table(suppression_runs)
(
    run     UUID,
    version UInt64,
    kind    Enum8('rule' = 1, 'import' = 2, 'bulk' = 3, 'undo' = 4, 'release' = 5),
    name    String,
    actor   String,
    state   Enum8('running' = 1, 'done' = 2, 'failed' = 3),
    begun   DateTime64(6, 'UTC'),
    changed DateTime64(6, 'UTC'),
    target  UUID,
    rows    UInt64,
    faults  UInt64,
    note    String
)
ENGINE = @engine(ReplacingMergeTree, version)
ORDER BY run
SETTINGS @durable;

@distributed(suppression_runs, sipHash64(run));

-- Bursts of failures at one receiver that wait for a person, and what he decided. A decision outranks by its
-- `version` whatever the rules still say of the burst.
CREATE TABLE IF NOT EXISTS @table(suppression_reviews)
(
    review     UUID,
    version    UInt64,
    receiver   String,
    begun      DateTime64(6, 'UTC'),
    failing    UInt32,
    outcomes   UInt32,
    held       UInt64,
    left_out   UInt64,
    is_open    Bool,
    state      Enum8('waiting' = 0, 'released' = 1, 'dismissed' = 2),
    decided_by String,
    decided    DateTime64(6, 'UTC'),
    note       String
)
ENGINE = @engine(ReplacingMergeTree, version)
ORDER BY review
SETTINGS @durable;

@distributed(suppression_reviews, sipHash64(review));

-- What a review holds: what would be added to the list.
CREATE TABLE IF NOT EXISTS @table(suppression_held)
(
    review     UUID,
    address    String,
    scope      LowCardinality(String),
    tenant     LowCardinality(String),
    scope_name LowCardinality(String),
    type       Enum8('all' = 0, 'marketing' = 1, 'transactional' = 2),
    reason     LowCardinality(String),
    rule       LowCardinality(String),
    observed   DateTime64(6, 'UTC'),
    expires    Nullable(DateTime64(6, 'UTC')),
    evidence   Array(UUID)
)
ENGINE = @engine(ReplacingMergeTree)
ORDER BY (review, address, scope, tenant, scope_name, type, reason)
SETTINGS @durable;

@distributed(suppression_held, sipHash64(address));

-- Which process writes under which number of places, and when it was last there.
CREATE TABLE IF NOT EXISTS @table(suppression_writers)
(
    writer  UInt16,
    node    String,
    claimed DateTime64(6, 'UTC'),
    seen    DateTime64(6, 'UTC')
)
ENGINE = @engine(ReplacingMergeTree, seen)
ORDER BY (writer, node, claimed)
SETTINGS @durable;

@distributed(suppression_writers, sipHash64(writer));
