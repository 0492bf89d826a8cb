//! What a channel says of a step of an incident: the same words for all, in the shape of none.

use crate::alert::incident::{Contributor, Finding, Incident};
use crate::alert::judge::{Expected, Labels};
use crate::alert::rules::Rules;
use crate::model::Timestamp;
use crate::model::alert::{IncidentState, IncidentStep, Measure, Metric};

/// A message about one step of one incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub incident: Incident,
    pub step: IncidentStep,
    pub at: Timestamp,
    /// Where the incident is shown; `None` without `alerts.external_url`.
    pub link: Option<String>,
    /// The same for one step however often it is sent: receivers may know a repetition by it.
    pub id: String,
}

impl Message {
    pub fn new(incident: Incident, step: IncidentStep, at: Timestamp, external_url: Option<&str>) -> Self {
        let link = external_url
            .map(|url| format!("{}/alerts/incidents/{:032x}", url.trim_end_matches('/'), incident.id));
        let id = format!("{:032x}-{}", incident.id, incident.seq);
        Self { incident, step, at, link, id }
    }

    /// An example, for trying channels out: its incident has ended, so that no pager stays open.
    pub(super) fn test(now: Timestamp, external_url: Option<&str>) -> Self {
        let rules = Rules::shipped();
        let rule = rules.get("deferral_spike").expect("a shipped rule");
        let labels = Labels::from([("provider".to_owned(), "example".to_owned())]);
        let note = "This is a test of the channel. Nothing is wrong.".to_owned();
        let finding = Finding { value: 0.42, volume: 1_000.0, note, ..Finding::default() };
        let mut incident = Incident::begin(uuid::Uuid::new_v4().as_u128(), rule, labels, finding, now);
        "Test".clone_into(&mut incident.title);
        incident.state = IncidentState::Resolved;
        incident.ended = Some(now);
        incident.seq = 1;
        Self::new(incident, IncidentStep::Resolved, now, external_url)
    }

    /// The key by which a receiver keeps the messages of one incident together.
    pub fn key(&self) -> String {
        format!("relaylens-{:032x}", self.incident.id)
    }

    pub const fn is_resolved(&self) -> bool {
        matches!(self.incident.state, IncidentState::Resolved)
    }

    /// `[critical] Mail is blocked: provider google, block rate 34.2 %`.
    pub fn subject(&self) -> String {
        let incident = &self.incident;
        let value = written(incident.metric, incident.finding.value);
        let what = match self.step {
            IncidentStep::Resolved => "resolved".to_owned(),
            IncidentStep::Acknowledged => "acknowledged".to_owned(),
            IncidentStep::Reminder => format!("{}, reminder {}", incident.severity, incident.reminders),
            IncidentStep::Reopened => format!("{}, again", incident.severity),
            _ => incident.severity.to_string(),
        };
        format!("[{what}] {}: {}{} {value}", incident.title, self.entity(), incident.metric.words())
    }

    /// `firing: provider google, block rate 34.2 %`, as a line among others.
    pub fn line(&self) -> String {
        let value = written(self.incident.metric, self.incident.finding.value);
        format!("{}: {}{} {value}", self.step, self.entity(), self.incident.metric.words())
    }

    /// The labels in words, with a comma behind; empty for all mail.
    fn entity(&self) -> String {
        let words = labels_words(&self.incident.labels);
        if words.is_empty() { words } else { words + ", " }
    }

    /// What there is to say, a line each.
    pub fn lines(&self) -> Vec<String> {
        let incident = &self.incident;
        let finding = &incident.finding;
        let of = volume_words(incident.metric, finding.volume).map(|of| format!(" of {of}"));
        let value = written(incident.metric, finding.value);
        let mut lines = vec![format!("{}: {value}{}", incident.metric.words(), of.unwrap_or_default())];
        if let Some(expected) = finding.expected {
            lines.push(format!("expected: {}", band_words(incident.metric, expected)));
        }
        lines.extend(finding.contributors.iter().map(contributor_words));
        if !finding.note.is_empty() {
            lines.push(finding.note.clone());
        }
        lines.push(format!("since {} UTC", minute(incident.began)));
        if let Some(ended) = incident.ended {
            lines.push(format!("ended {} UTC", minute(ended)));
        }
        if let Some(acknowledged) = &incident.acknowledged {
            lines.push(format!("acknowledged by {}: {}", acknowledged.by, acknowledged.comment));
        }
        if !incident.advice.is_empty() && !self.is_resolved() {
            lines.push(incident.advice.clone());
        }
        lines
    }
}

/// A figure of a metric as people read it.
pub fn written(metric: Metric, value: f64) -> String {
    match metric.measure() {
        // A complaint rate is some tenths of a percent, a deferral rate some tens.
        Measure::Share if value < 0.02 => format!("{:.2} %", value * 100.0),
        Measure::Share => format!("{:.1} %", value * 100.0),
        Measure::Count => format!("{value:.0}"),
        Measure::Seconds if value < 120.0 => format!("{value:.1} s"),
        Measure::Seconds if value < 7_200.0 => format!("{:.0} min", value / 60.0),
        Measure::Seconds => format!("{:.1} h", value / 3_600.0),
        Measure::Grade => grade_word(value).to_owned(),
    }
}

/// A state of the DNS, by the number that [`Metric::DnsChange`] gives it.
const fn grade_word(value: f64) -> &'static str {
    match value {
        3.0.. => "broken",
        2.0.. => "doubtful",
        1.0.. => "changed",
        _ => "as before",
    }
}

/// What is behind a value; `None` where the value is all there is.
fn volume_words(metric: Metric, volume: f64) -> Option<String> {
    let of = match metric {
        Metric::Deferral => "attempts",
        Metric::RejectRate => "items",
        Metric::TlsFailure => "sessions",
        Metric::OldestMessage => "waiting messages",
        Metric::Listing => return Some("the mail of the 30 days before".to_owned()),
        Metric::SourceSilence | Metric::IngestLag => return None,
        _ if matches!(metric.measure(), Measure::Count | Measure::Grade) => return None,
        _ => "messages",
    };
    Some(format!("{volume:.0} {of}"))
}

pub fn band_words(metric: Metric, expected: Expected) -> String {
    let (low, high) = (written(metric, expected.low), written(metric, expected.high));
    if expected.low <= 0.0 {
        format!("at most {high}")
    } else if expected.high >= f64::MAX / 2.0 {
        format!("at least {low}")
    } else {
        format!("{low} to {high}")
    }
}

pub fn contributor_words(contributor: &Contributor) -> String {
    let Contributor { dimension, value, share } = contributor;
    let of = if dimension == "response" { "of the replies" } else { "of what is beyond the expected" };
    format!("{dimension} {value}: {:.0} % {of}", share * 100.0)
}

/// `provider google, ip 192.0.2.1`; a value that the source does not say is `(none)`.
pub fn labels_words(labels: &Labels) -> String {
    let word = |(name, value): (&String, &String)| {
        format!("{} {}", name.replace('_', " "), if value.is_empty() { "(none)" } else { value })
    };
    labels.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// `2026-01-31 12:05`.
pub fn minute(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..16).map_or(text.clone(), |text| text.replace('T', " "))
}

#[cfg(test)]
pub(super) fn example(step: IncidentStep, state: IncidentState) -> Message {
    let rule = Rules::shipped().get("deferral_spike").expect("a shipped rule").clone();
    let labels = Labels::from([("provider".to_owned(), "google".to_owned())]);
    let finding = Finding {
        value: 0.342,
        volume: 1_310.0,
        expected: Some(Expected { low: 0.0, middle: 0.02, high: 0.04 }),
        contributors: vec![Contributor { dimension: "ip".into(), value: "192.0.2.7".into(), share: 0.93 }],
        note: String::new(),
        series: (0..96)
            .map(|step| (1_794_268_800 + step * 900, if step < 90 { 0.02 } else { 0.3 }))
            .collect(),
    };
    let at = Timestamp::from_seconds(1_794_268_800);
    let mut incident = Incident::begin(0x0123_4567_89ab_cdef, &rule, labels, finding, at);
    incident.seq = 2;
    incident.state = state;
    incident.fired = Some(at);
    Message::new(incident, step, at, Some("https://relaylens.example.com/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_says_how_bad_what_and_how_much() {
        let fires = example(IncidentStep::Firing, IncidentState::Firing);
        assert_eq!(fires.subject(), "[warning] Deferrals spike: provider google, deferral rate 34.2 %");
        let ended = example(IncidentStep::Resolved, IncidentState::Resolved);
        assert!(ended.subject().starts_with("[resolved] Deferrals spike"), "{}", ended.subject());
        assert_eq!(fires.key(), ended.key());
    }

    #[test]
    fn the_text_names_the_band_and_what_contributes() {
        let text = example(IncidentStep::Firing, IncidentState::Firing).lines().join("\n");
        for part in [
            "34.2 % of 1310 attempts",
            "expected: at most 4.0 %",
            "ip 192.0.2.7: 93 %",
            "since 2026-11-10 00:00 UTC",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn figures_are_written_as_people_read_them() {
        assert_eq!(written(Metric::Complaint, 0.0034), "0.34 %");
        assert_eq!(written(Metric::Volume, 1_200.0), "1200");
        assert_eq!(written(Metric::LatencyP95, 400.0), "7 min");
        assert_eq!(written(Metric::SourceSilence, 30_000.0), "8.3 h");
    }
}
