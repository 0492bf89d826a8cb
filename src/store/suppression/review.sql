-- One row is the review of that id.
SELECT
@review
FROM suppression_reviews FINAL
WHERE suppression_reviews.review = {review:UUID}
LIMIT {limit:UInt32}
