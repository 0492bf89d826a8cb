(sum(delivered) + sum(hard) + sum(soft) + sum(block) + sum(other) + sum(expired))
