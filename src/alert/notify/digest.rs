//! Several incidents of one rule as one message: five hundred addresses that break at once are one piece of news.
//!
//! Way: `parcel` says what is told together, `post` and `email` write a [`Notice`] of either kind.
//! Source: Alertmanager's groups (`group_wait`, `group_interval`), which this does by rule.

use crate::alert::notify::Message;
use crate::model::Timestamp;
use crate::model::alert::{IncidentState, Metric, Severity};

/// What a channel is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    One(Box<Message>),
    Many(Digest),
}

/// Steps of several incidents of one rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Digest {
    /// At least one.
    messages: Vec<Message>,
    /// Incidents that this message leaves firing: of a summary those that it summed up before, too.
    open: usize,
    link: Option<String>,
}

impl Digest {
    /// Of messages that are told together.
    pub(super) fn together(messages: Vec<Message>, external_url: Option<&str>) -> Self {
        let open = messages.iter().filter(|message| fires(message)).count();
        Self::summary(messages, open, external_url)
    }

    /// Of those that a channel learns of by a summary alone, `open` of which fire afterwards.
    pub(super) fn summary(messages: Vec<Message>, open: usize, external_url: Option<&str>) -> Self {
        let link = external_url.map(|url| format!("{}/alerts", url.trim_end_matches('/')));
        Self { messages, open, link }
    }

    fn first(&self) -> &Message {
        self.messages.first().expect("a digest is made of at least one message")
    }

    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    pub fn rule(&self) -> &str {
        &self.first().incident.rule
    }

    pub fn title(&self) -> &str {
        &self.first().incident.title
    }

    pub fn metric(&self) -> Metric {
        self.first().incident.metric
    }

    fn severity(&self) -> Severity {
        self.messages.iter().map(|message| message.incident.severity).max().unwrap_or(Severity::Info)
    }

    fn counts(&self) -> String {
        let firing = self.messages.iter().filter(|message| fires(message)).count();
        match (firing, self.messages.len() - firing) {
            (firing, 0) => format!("{firing} incidents fire"),
            (0, ended) => format!("{ended} incidents ended"),
            (firing, ended) => format!("{firing} incidents fire, {ended} ended"),
        }
    }
}

const fn fires(message: &Message) -> bool {
    matches!(message.incident.state, IncidentState::Firing)
}

impl Notice {
    pub fn one(message: Message) -> Self {
        Self::One(Box::new(message))
    }

    pub fn subject(&self) -> String {
        match self {
            Self::One(message) => message.subject(),
            Self::Many(digest) => {
                let what = if self.is_resolved() { "resolved" } else { digest.severity().name() };
                format!("[{what}] {}: {}", digest.title(), digest.counts())
            }
        }
    }

    /// What there is to say, a line each; of many incidents at most `most`.
    pub fn lines(&self, most: usize) -> Vec<String> {
        match self {
            Self::One(message) => message.lines(),
            Self::Many(digest) => {
                let mut lines = vec![format!("{} of rule `{}`:", digest.counts(), digest.rule())];
                lines.extend(digest.messages.iter().take(most).map(Message::line));
                let left = digest.messages.len().saturating_sub(most);
                lines.extend((left > 0).then(|| format!("and {left} more")));
                lines.push(format!("{} of them fire now", digest.open));
                let advice = &digest.first().incident.advice;
                lines.extend(Some(advice.clone()).filter(|advice| !advice.is_empty() && digest.open > 0));
                lines
            }
        }
    }

    pub const fn is_resolved(&self) -> bool {
        match self {
            Self::One(message) => message.is_resolved(),
            Self::Many(digest) => digest.open == 0,
        }
    }

    pub fn severity(&self) -> Severity {
        match self {
            Self::One(message) => message.incident.severity,
            Self::Many(digest) => digest.severity(),
        }
    }

    pub fn link(&self) -> Option<&str> {
        match self {
            Self::One(message) => message.link.as_deref(),
            Self::Many(digest) => digest.link.as_deref(),
        }
    }

    /// By which a receiver keeps messages together: those of an incident, or the digests of a rule.
    pub fn key(&self) -> String {
        match self {
            Self::One(message) => message.key(),
            Self::Many(digest) => format!("relaylens-rule-{}", digest.rule()),
        }
    }

    /// The same for the same steps, however often they are sent.
    pub fn id(&self) -> String {
        match self {
            Self::One(message) => message.id.clone(),
            Self::Many(digest) => format!("{}-and-{}", digest.first().id, digest.messages.len() - 1),
        }
    }

    pub fn at(&self) -> Timestamp {
        match self {
            Self::One(message) => message.at,
            Self::Many(digest) => digest.messages.iter().map(|message| message.at).max().unwrap_or_default(),
        }
    }

    /// As a colour of red, green and blue.
    pub fn colour(&self) -> [u8; 3] {
        match (self.is_resolved(), self.severity()) {
            (true, _) => [0x2e, 0x7d, 0x32],
            (false, Severity::Critical) => [0xc6, 0x28, 0x28],
            (false, Severity::Warning) => [0xe6, 0x8a, 0x00],
            (false, Severity::Info) => [0x15, 0x65, 0xc0],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::notify::message::example;
    use crate::model::alert::IncidentStep;

    fn digest(fire: usize, ended: usize) -> Notice {
        let fires = || example(IncidentStep::Firing, IncidentState::Firing);
        let ends = || example(IncidentStep::Resolved, IncidentState::Resolved);
        let messages = (0..fire).map(|_| fires()).chain((0..ended).map(|_| ends())).collect();
        Notice::Many(Digest::together(messages, Some("https://relaylens.example.com")))
    }

    #[test]
    fn many_are_counted_and_listed_up_to_a_limit() {
        let notice = digest(298, 2);
        assert_eq!(notice.subject(), "[warning] Deferrals spike: 298 incidents fire, 2 ended");
        let lines = notice.lines(20);
        assert_eq!(lines[1], "firing: provider google, deferral rate 34.2 %");
        assert!(lines.contains(&"and 280 more".to_owned()) && lines.len() < 25, "{lines:#?}");
        assert_eq!(notice.link(), Some("https://relaylens.example.com/alerts"));
    }

    #[test]
    fn a_digest_has_ended_when_it_leaves_nothing_firing() {
        assert!(digest(0, 3).is_resolved() && !digest(1, 3).is_resolved());
        assert_eq!(digest(0, 3).subject(), "[resolved] Deferrals spike: 3 incidents ended");
        let ended = digest(0, 3);
        let Notice::Many(Digest { messages, .. }) = ended else { panic!("it is a digest") };
        let summary = Notice::Many(Digest::summary(messages, 4, None));
        assert!(!summary.is_resolved(), "others of the summary fire");
    }
}
