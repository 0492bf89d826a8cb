    review,
    receiver,
    toUnixTimestamp64Micro(begun) AS begun_us,
    failing, outcomes, held, left_out, is_open,
    CAST(state, 'Int8') AS state,
    decided_by,
    toUnixTimestamp64Micro(decided) AS decided_us,
    note
