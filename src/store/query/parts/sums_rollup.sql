(
    sum(accepted), sum(delivered), sum(deferred), sum(first_deferred), sum(recovered), sum(hard), sum(soft), sum(block),
    sum(other), sum(expired), sum(complained), sum(unsubscribed), sum(suppressed), sum(rejected)
)
