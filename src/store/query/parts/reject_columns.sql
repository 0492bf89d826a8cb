toString(reject_id) AS reject_id,
    toString(state) AS state,
    toUnixTimestamp64Micro(received_time) AS received_time_us,
    source_kind, source, reason, message, size_bytes, file_offset
