//! The alerts in `/metrics`: what each rule saw last, and how many incidents are open. Prometheus rules and dashboards
//! (`dashboards/`) read these.

use crate::alert::{Board, RuleView, Verdict, Watched};
use crate::model::alert::IncidentState;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use std::sync::Arc;

/// A board as gauges. Values of a rule are bounded by what the board shows of them.
#[derive(Debug)]
pub(super) struct AlertGauges {
    pub(super) board: Arc<Board>,
}

type Label = (String, String);

impl AlertGauges {
    /// Labels and value of each reading that `of` has a value for.
    fn readings(&self, of: impl Fn(&Watched) -> Option<f64>) -> Vec<(Vec<Label>, f64)> {
        let of = &of;
        let rules = self.board.rules.iter();
        let all = rules.flat_map(|rule| {
            rule.shown.iter().filter_map(move |watched| {
                let own = watched.labels.iter().map(|(name, value)| (name.clone(), value.clone()));
                let labels = std::iter::once(("rule".to_owned(), rule.name.clone())).chain(own);
                Some((labels.collect(), of(watched)?))
            })
        });
        all.collect()
    }

    fn incidents(&self, state: IncidentState) -> Vec<(Vec<Label>, f64)> {
        let of = |rule: &RuleView| {
            let open = self.board.open.iter().filter(|i| i.rule == rule.name && i.state == state).count();
            let labels = [("rule", rule.name.as_str()), ("severity", rule.severity.name())];
            let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            (labels, f64::from(u32::try_from(open).unwrap_or(u32::MAX)))
        };
        self.board.rules.iter().map(of).collect()
    }
}

impl Collector for AlertGauges {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let expected = |watched: &Watched| watched.finding.expected;
        let finite = |value: f64| (value < f64::MAX / 2.0).then_some(value);
        let families = [
            ("alert_value", "What a rule saw last", self.readings(|watched| Some(watched.finding.value))),
            (
                "alert_expected_low",
                "Lower end of what a rule expects",
                self.readings(|watched| expected(watched).map(|band| band.low)),
            ),
            (
                "alert_expected_high",
                "Upper end of what a rule expects",
                self.readings(|watched| expected(watched).and_then(|band| finite(band.high))),
            ),
            (
                "alert_breach",
                "1 where a rule's condition holds",
                self.readings(|watched| Some(if watched.verdict == Verdict::Breach { 1.0 } else { 0.0 })),
            ),
            ("alerts_firing", "Incidents that fire", self.incidents(IncidentState::Firing)),
            ("alerts_pending", "Incidents that are pending", self.incidents(IncidentState::Pending)),
        ];
        for (name, help, rows) in families {
            if rows.is_empty() {
                continue;
            }
            let kind = ConstGauge::new(0.0).metric_type();
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (labels, value) in rows {
                ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
            }
        }
        if let Some(at) = self.board.at {
            let gauge = ConstGauge::new(at.seconds());
            let help = "When the rules were evaluated last, in seconds since 1970";
            gauge.encode(encoder.encode_descriptor(
                "alerts_evaluated_at",
                help,
                None,
                gauge.metric_type(),
            )?)?;
        }
        Ok(())
    }
}
