//! Which value of which dimension contributes most to an incident: the address, the reply, the campaign.
//!
//! Way: `desk` asks for it when an incident fires, not at every evaluation.
//! Each dimension's values are compared by their excess over what was expected. A value that has much more of the excess
//! than of the mail explains it; one that has just as much is only large.

use crate::alert::evaluate::{Evaluator, Window};
use crate::alert::figures::{Figures, sample};
use crate::alert::incident::{Contributor, Finding};
use crate::alert::judge::Labels;
use crate::alert::rules::Rule;
use crate::model::alert::{Measure, Metric};
use crate::store::StoreError;
use crate::store::query::{Dimension, Filter, ResponseRow, TimeRange};

/// A value with less of the excess explains nothing.
const SHARE_MIN: f64 = 0.4;

/// A value that has hardly more of the excess than of the mail is only large; an address is told all the same, since it is
/// what one acts on.
const LIFT_MIN: f64 = 0.05;

/// Most contributors told.
const CONTRIBUTORS_MAX: usize = 4;

/// Longest reply told, in characters.
const REPLY_CHARS_MAX: usize = 200;

/// The chart of an incident: a day before it, in steps of a quarter of an hour.
const CHART_S: i64 = 86_400;
const CHART_STEP_S: u32 = 900;

impl<F: Figures> Evaluator<F> {
    /// Adds contributors, the commonest reply and the chart to a finding.
    ///
    /// # Errors
    ///
    /// [`StoreError`], when a figure cannot be had.
    pub async fn explain(
        &self,
        rule: &Rule,
        labels: &Labels,
        finding: &mut Finding,
        now_unix: i64,
    ) -> Result<(), StoreError> {
        if !rule.metric.has_dimensions() {
            return Ok(());
        }
        let window = Window::of(rule, now_unix);
        let Some(mut filter) = self.filter(rule.metric, window.range).await? else { return Ok(()) };
        for dimension in rule.by.iter().copied() {
            let value = labels.get(dimension.name()).cloned().unwrap_or_default();
            *filter.values_mut(dimension) = vec![value];
        }
        if rule.metric != Metric::LatencyP95 {
            let mut ranked = Vec::new();
            for dimension in Dimension::ALL.into_iter().filter(|dimension| !rule.by.contains(dimension)) {
                ranked.extend(self.of_dimension(rule, &filter, dimension, &window, finding).await?);
            }
            ranked.retain(|(lift, contributor)| {
                *lift >= LIFT_MIN || contributor.dimension == Dimension::Ip.name()
            });
            ranked.sort_by(|one, other| other.0.total_cmp(&one.0));
            finding.contributors = ranked.into_iter().map(|(_, contributor)| contributor).collect();
        }
        if let Some(reply) = self.reply(rule.metric, &filter).await? {
            finding.contributors.insert(0, reply);
        }
        finding.contributors.truncate(CONTRIBUTORS_MAX);
        if rule.metric != Metric::LatencyP95 {
            finding.series = self.series(rule, filter, now_unix).await?;
        }
        Ok(())
    }

    /// The value of a dimension that has most of the excess, with how much more that is than its part of the mail.
    async fn of_dimension(
        &self,
        rule: &Rule,
        filter: &Filter,
        dimension: Dimension,
        window: &Window,
        finding: &Finding,
    ) -> Result<Option<(f64, Contributor)>, StoreError> {
        if dimension == Dimension::Campaign && !rule.is_hourly() {
            return Ok(None);
        }
        let by = [dimension];
        let now = self.now(filter, &by, window).await?;
        let expected = finding.expected.map_or(0.0, |expected| expected.middle);
        let mut rows: Vec<(String, f64, f64)> = Vec::new();
        if rule.metric.measure() == Measure::Count {
            let usual = self.usual_counts(rule, filter, &by, window).await?;
            let is_fall = finding.value < expected;
            let keys: std::collections::BTreeSet<_> = now.keys().chain(usual.keys()).collect();
            for key in keys {
                let is = now.get(key).map_or(0.0, |outcomes| sample(rule.metric, outcomes).part);
                let was = usual.get(key).copied().unwrap_or_default();
                let excess = if is_fall { was - is } else { is - was };
                rows.push((key.concat(), excess.max(0.0), if is_fall { was } else { is }));
            }
        } else {
            let is_fall = finding.value < expected;
            for (key, outcomes) in now {
                let sample = sample(rule.metric, &outcomes);
                let over = sample.part - expected * sample.whole;
                rows.push((key.concat(), if is_fall { -over } else { over }.max(0.0), sample.whole));
            }
        }
        Ok(best(dimension, &rows))
    }

    async fn reply(&self, metric: Metric, filter: &Filter) -> Result<Option<Contributor>, StoreError> {
        let (event_type, bounce_type) = match metric {
            Metric::Deferral => ("deferred", None),
            Metric::Block => ("bounced", Some("block")),
            Metric::HardBounce => ("bounced", Some("hard")),
            _ => return Ok(None),
        };
        let mut replies: Vec<ResponseRow> = self.figures().replies(filter, event_type).await?;
        replies.retain(|row| bounce_type.is_none_or(|wanted| row.bounce_type == wanted));
        let all: u64 = replies.iter().map(|row| row.events).sum();
        let Some(top) = replies.into_iter().max_by_key(|row| row.events) else { return Ok(None) };
        let share = crate::alert::figures::float(top.events) / crate::alert::figures::float(all.max(1));
        let value = top.sample.chars().take(REPLY_CHARS_MAX).collect();
        Ok((share >= SHARE_MIN).then(|| Contributor { dimension: "response".to_owned(), value, share }))
    }

    async fn series(
        &self,
        rule: &Rule,
        filter: Filter,
        now_unix: i64,
    ) -> Result<Vec<(i64, f64)>, StoreError> {
        let range = TimeRange { from_unix: now_unix - CHART_S, to_unix: now_unix };
        let rows = self.figures().series(&Filter { range, ..filter }, CHART_STEP_S).await?;
        let measure = rule.metric.measure();
        let point = |row: crate::store::query::OutcomesAt| {
            Some((row.at_unix, sample(rule.metric, &row.outcomes).value(measure)?))
        };
        Ok(rows.into_iter().filter_map(point).collect())
    }
}

/// Of rows of value, excess and mail: the value with most excess, ranked by how little its mail alone explains it.
fn best(dimension: Dimension, rows: &[(String, f64, f64)]) -> Option<(f64, Contributor)> {
    let (excess, mail) = rows.iter().fold((0.0, 0.0), |sums, row| (sums.0 + row.1, sums.1 + row.2));
    let (value, of_excess, of_mail) = rows.iter().max_by(|one, other| one.1.total_cmp(&other.1))?;
    if excess <= 0.0 || value.is_empty() || of_excess / excess < SHARE_MIN {
        return None;
    }
    let share = of_excess / excess;
    let lift = share - of_mail / mail.max(1.0);
    let contributor = Contributor { dimension: dimension.name().to_owned(), value: value.clone(), share };
    Some((lift, contributor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_that_explains_ranks_before_the_one_that_is_only_large() {
        let row = |value: &str, excess, mail| (value.to_owned(), excess, mail);
        let (guilty, ip) =
            best(Dimension::Ip, &[row("192.0.2.1", 90.0, 100.0), row("192.0.2.2", 10.0, 900.0)]).unwrap();
        let (large, _) =
            best(Dimension::Stream, &[row("news", 95.0, 950.0), row("shop", 5.0, 50.0)]).unwrap();
        assert!(guilty > large, "{guilty} {large}");
        assert_eq!((ip.value.as_str(), ip.share), ("192.0.2.1", 0.9));
    }

    #[test]
    fn an_excess_that_is_spread_has_no_contributor() {
        let rows: Vec<_> = (0..10).map(|n| (n.to_string(), 1.0, 1.0)).collect();
        assert_eq!(best(Dimension::Ip, &rows), None);
        assert_eq!(best(Dimension::Ip, &[("a".to_owned(), 0.0, 9.0)]), None);
    }
}
