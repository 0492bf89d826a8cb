-- What is believed now of each subject (an address or a domain) on each blocklist, and what its last answer was. An
-- answer that cannot be believed leaves `state` as it is and makes `seen` unknown. `pending` counts the answers in a row
-- that differ from `state`: two change it.
CREATE TABLE IF NOT EXISTS @table(listings)
(
    list         LowCardinality(String),
    subject      String,
    kind         LowCardinality(String),
    state        Enum8('unknown' = 0, 'clean' = 1, 'listed' = 2),
    seen         Enum8('unknown' = 0, 'clean' = 1, 'listed' = 2),
    pending      UInt8,
    codes        Array(LowCardinality(String)),
    reason       String,
    text         String,
    since        DateTime('UTC'),
    checked_time DateTime('UTC')
)
ENGINE = @engine(ReplacingMergeTree, checked_time)
ORDER BY (subject, list)
SETTINGS @durable;

@distributed(listings, sipHash64(subject));

-- One row is one change of what is believed. `is_first` marks what was found by the first check of a subject on a list:
-- it is history, not news. `tier` is that of the list (1 is alerted on), `share_ppm` the subject's share of all mail of
-- the 30 days before, in millionths.
CREATE TABLE IF NOT EXISTS @table(listing_changes)
(
    change_time DateTime('UTC'),
    list        LowCardinality(String),
    subject     String,
    kind        LowCardinality(String),
    state       Enum8('unknown' = 0, 'clean' = 1, 'listed' = 2),
    is_first    Bool,
    codes       Array(LowCardinality(String)),
    text        String,
    tier        UInt8,
    sent        UInt64,
    share_ppm   UInt32
)
ENGINE = @engine(MergeTree)
PARTITION BY toYYYYMM(change_time)
ORDER BY (change_time, list, subject)
SETTINGS @durable;

@distributed(listing_changes, sipHash64(subject));

-- One row is one round of one list: how its test came out, what was asked. What the registry says of
-- the list stands beside it: pages and alerts need no registry.
CREATE TABLE IF NOT EXISTS @table(list_tests)
(
    test_time  DateTime('UTC'),
    list       LowCardinality(String),
    kind       LowCardinality(String),
    title      LowCardinality(String),
    tier       UInt8,
    delist     LowCardinality(String),
    expires    LowCardinality(String),
    result     LowCardinality(String),
    detail     String,
    subjects   UInt32,
    listed     UInt32,
    unknown    UInt32,
    queries    UInt32,
    budget     UInt32
)
ENGINE = @engine(MergeTree)
PARTITION BY toYYYYMM(test_time)
ORDER BY (list, kind, test_time)
SETTINGS @durable;

@distributed(list_tests, sipHash64(list));

-- What people write down about a listing: asked to be delisted, answered, a ticket's number.
CREATE TABLE IF NOT EXISTS @table(listing_notes)
(
    note_time DateTime('UTC'),
    list      LowCardinality(String),
    subject   String,
    author    String,
    text      String
)
ENGINE = @engine(MergeTree)
ORDER BY (subject, list, note_time)
SETTINGS @durable;

@distributed(listing_notes, sipHash64(subject));

-- One row is one check of one subject in one snapshot of its DNS. `about` tells checks of one kind apart (a selector, a
-- server, a path); `value` is the record as it stood, `told` the judgement in words, `detail` more of it as JSON (the tree
-- of an SPF record).
CREATE TABLE IF NOT EXISTS @table(dns_findings)
(
    taken_time DateTime('UTC'),
    subject    String,
    kind       LowCardinality(String),
    check      LowCardinality(String),
    about      String,
    state      Enum8('unknown' = 0, 'pass' = 1, 'info' = 2, 'warn' = 3, 'fail' = 4),
    value      String,
    told       String,
    detail     String
)
ENGINE = @engine(MergeTree)
PARTITION BY toYYYYMM(taken_time)
ORDER BY (subject, taken_time, check, about)
SETTINGS @durable;

@distributed(dns_findings, sipHash64(subject));

-- One row is one difference between a snapshot and what was known before. What nobody could say is no difference.
CREATE TABLE IF NOT EXISTS @table(dns_changes)
(
    change_time  DateTime('UTC'),
    subject      String,
    kind         LowCardinality(String),
    check        LowCardinality(String),
    about        String,
    state_before Enum8('unknown' = 0, 'pass' = 1, 'info' = 2, 'warn' = 3, 'fail' = 4),
    state        Enum8('unknown' = 0, 'pass' = 1, 'info' = 2, 'warn' = 3, 'fail' = 4),
    value_before String,
    value        String,
    told         String
)
ENGINE = @engine(MergeTree)
PARTITION BY toYYYYMM(change_time)
ORDER BY (change_time, subject, check, about)
SETTINGS @durable;

@distributed(dns_changes, sipHash64(subject));
