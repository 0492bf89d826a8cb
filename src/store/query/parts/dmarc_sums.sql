(
        sum(r.messages),
        sumIf(r.messages, r.is_dkim_aligned OR r.is_spf_aligned),
        sumIf(r.messages, r.is_dkim_aligned),
        sumIf(r.messages, r.is_spf_aligned),
        sumIf(r.messages, r.disposition = 'quarantine'),
        sumIf(r.messages, r.disposition = 'reject')
    )
