(
    -- As the views of the rollups count.
    countIf(event_type = 'accepted'),
    countIf(event_type = 'delivered'),
    countIf(event_type = 'deferred'),
    countIf(event_type = 'deferred' AND attempt <= 1),
    countIf(event_type = 'delivered' AND attempt > 1),
    countIf(event_type = 'bounced' AND bounce_type = 'hard'),
    countIf(event_type = 'bounced' AND bounce_type = 'soft'),
    countIf(event_type = 'bounced' AND bounce_type = 'block'),
    countIf(event_type = 'bounced' AND bounce_type NOT IN ('hard', 'soft', 'block')),
    countIf(event_type = 'expired'),
    countIf(event_type = 'complained'),
    countIf(event_type = 'unsubscribed'),
    countIf(event_type = 'suppressed'),
    countIf(event_type = 'rejected')
)
