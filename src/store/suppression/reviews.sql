-- One row is a review; those that wait first, then the newest.
SELECT
@review
FROM suppression_reviews FINAL
ORDER BY suppression_reviews.state != 'waiting', begun DESC, review
LIMIT {limit:UInt32}
