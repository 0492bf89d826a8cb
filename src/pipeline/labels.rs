//! Fills in what a relay's log does not say: sending IP, pool, tenant, stream, campaign, by rules of the user's.

use crate::config::{Label, LabelValues};
use crate::model::{Event, Text};
use regex::{Captures, Regex};

#[derive(Debug, thiserror::Error)]
#[error("`labels` rule {number}: `{field}` is no regular expression")]
pub struct LabelError {
    /// Counted from 1, in the order of the settings file.
    number: usize,
    field: &'static str,
    #[source]
    source: Box<regex::Error>,
}

/// The rules, ready for use.
#[derive(Debug, Clone, Default)]
pub struct Labels(Vec<Rule>);

#[derive(Debug, Clone)]
struct Rule {
    egress_source: Option<String>,
    env_from: Option<Regex>,
    message_id: Option<Regex>,
    set: LabelValues,
}

impl Labels {
    /// # Errors
    ///
    /// [`LabelError`] for a regular expression that is none.
    pub fn new(labels: &[Label]) -> Result<Self, LabelError> {
        let compile = |number: usize, field, text: &Option<String>| {
            let compiled = text.as_deref().map(Regex::new).transpose();
            compiled.map_err(|source| LabelError { number, field, source: Box::new(source) })
        };
        let rules = labels.iter().zip(1..).map(|(label, number)| {
            Ok(Rule {
                egress_source: label.egress_source.clone(),
                env_from: compile(number, "env_from", &label.env_from)?,
                message_id: compile(number, "message_id", &label.message_id)?,
                set: label.set.clone(),
            })
        });
        rules.collect::<Result<_, _>>().map(Self)
    }

    /// Fills what is empty in an event.
    pub fn apply(&self, event: &mut Event) {
        for rule in &self.0 {
            rule.apply(event);
        }
    }
}

impl Rule {
    fn apply(&self, event: &mut Event) {
        if self.egress_source.as_ref().is_some_and(|wanted| event.egress_source != wanted.as_str()) {
            return;
        }
        let (env_from, message_id) = (event.env_from.clone(), event.message_id.clone());
        let mut groups: Vec<Captures<'_>> = Vec::new();
        for (expression, text) in [(&self.env_from, &env_from), (&self.message_id, &message_id)] {
            match expression.as_ref().map(|expression| expression.captures(text)) {
                None => {}
                Some(None) => return,
                Some(Some(found)) => groups.push(found),
            }
        }
        event.sending_ip = event.sending_ip.or(self.set.sending_ip);
        let fields = [
            (&mut event.pool, &self.set.pool),
            (&mut event.tenant, &self.set.tenant),
            (&mut event.stream, &self.set.stream),
            (&mut event.campaign, &self.set.campaign),
        ];
        for (field, value) in fields {
            if let Some(value) = value
                && field.is_empty()
            {
                *field = expand(value, &groups);
            }
        }
    }
}

/// Puts groups in for `$1` and `$name`; the first expression that has such a group gives it.
fn expand(value: &str, groups: &[Captures<'_>]) -> Text {
    if !value.contains('$') || groups.is_empty() {
        return value.into();
    }
    let mut text = String::new();
    for found in groups {
        text.clear();
        found.expand(value, &mut text);
        if !text.is_empty() {
            break;
        }
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Result<Labels, LabelError> {
        #[derive(serde::Deserialize)]
        struct File {
            labels: Vec<Label>,
        }
        Labels::new(&toml::from_str::<File>(text).unwrap().labels)
    }

    #[test]
    fn what_matches_is_labelled_and_what_is_set_stays() {
        let labels = labels(
            r#"
            [[labels]]
            egress_source = "out-1"
            set = { sending_ip = "192.0.2.11", pool = "transactional" }
            [[labels]]
            env_from = '^(?<stream>[a-z]+)\+'
            message_id = '^(?<campaign>[a-z]+)\.'
            set = { stream = "$stream", pool = "rest" }
            "#,
        )
        .unwrap();
        let mut event = Event {
            egress_source: "out-1".into(),
            env_from: "news+1@shop.example".into(),
            message_id: "spring.1@shop.example".into(),
            ..Event::default()
        };
        labels.apply(&mut event);
        assert_eq!((event.pool.as_str(), event.stream.as_str()), ("transactional", "news"));
        assert_eq!(event.sending_ip, Some("192.0.2.11".parse().unwrap()));

        let mut other = Event { egress_source: "out-2".into(), ..Event::default() };
        labels.apply(&mut other);
        assert_eq!(other, Event { egress_source: "out-2".into(), ..Event::default() });
    }

    #[test]
    fn a_broken_expression_is_an_error_that_names_the_rule() {
        let error = labels("[[labels]]\nenv_from = '('\n").unwrap_err().to_string();
        assert_eq!(error, "`labels` rule 1: `env_from` is no regular expression");
    }
}
