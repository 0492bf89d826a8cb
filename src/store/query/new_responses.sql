-- One row is one kind of reply that came in a half-open range of hours and not in the weeks before, most events first.
SELECT
    toString(mailbox_provider) AS provider, toString(response_tmpl) AS template, smtp_code,
    toString(enhanced_code) AS enhanced_code,
    any(kinds_hour.sample) AS sample,
    sum(kinds_hour.events) AS events
FROM kinds_hour
WHERE hour >= toDateTime({from_unix:Int64}) AND hour < toDateTime({to_unix:Int64})
  AND (mailbox_provider, response_tmpl) NOT IN
  (
      SELECT mailbox_provider, response_tmpl FROM kinds_hour
      WHERE hour >= toDateTime({back_unix:Int64}) AND hour < toDateTime({from_unix:Int64})
  )
  AND (SELECT min(hour) FROM kinds_hour) < toDateTime({from_unix:Int64})
GROUP BY provider, template, smtp_code, enhanced_code
ORDER BY events DESC, provider, template, smtp_code, enhanced_code
LIMIT {limit:UInt32}
