multiIf(known.name != '', known.name, known.base_domain != '', known.base_domain, toString(sums.ip))
