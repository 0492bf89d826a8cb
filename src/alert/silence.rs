//! Silences and inhibitions: why an incident that fires is not told.
//!
//! Source: matchers with the operators of Alertmanager (`=`, `!=`, `=~`, `!~`; expressions are anchored at both ends).

use crate::alert::judge::Labels;
use crate::alert::rules::Inhibition;
use crate::model::Timestamp;
use crate::store::SilenceRow;
use crate::store::query::SilenceOf;
use regex::{Regex, RegexBuilder};
use std::collections::BTreeMap;

/// Most matchers of one silence.
const MATCHERS_MAX: usize = 10;

/// Longest text of a matcher, in bytes, and largest expression made of one.
const VALUE_BYTES_MAX: usize = 500;
const EXPRESSION_BYTES_MAX: usize = 100_000;

/// Longest silence, in days: what is silenced for longer should be another rule.
const DAYS_MAX: i64 = 90;

/// Why a silence cannot be made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    #[error("give at least one matcher, such as provider=google, and at most {MATCHERS_MAX}")]
    Matchers,
    #[error("`{0}` is no matcher: write label=value, label!=value, label=~expression or label!~expression")]
    Matcher(String),
    #[error("`{0}` is no regular expression that can be used")]
    Expression(String),
    #[error("a silence ends after it begins, and within {DAYS_MAX} days")]
    Times,
    #[error("say who silences, and why")]
    Nameless,
}

/// One condition on the labels of an incident; `rule` and `severity` count as labels.
#[derive(Debug, Clone)]
pub struct Matcher {
    name: String,
    operator: Operator,
    value: String,
    expression: Option<Regex>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Is,
    IsNot,
    Fits,
    FitsNot,
}

/// Longest first, so that `=~` is not read as `=`.
const OPERATORS: [(&str, Operator); 4] =
    [("!~", Operator::FitsNot), ("=~", Operator::Fits), ("!=", Operator::IsNot), ("=", Operator::Is)];

impl Matcher {
    /// Reads `label=value` and its kin.
    ///
    /// # Errors
    ///
    /// [`SilenceError::Matcher`], [`SilenceError::Expression`].
    pub fn parse(text: &str) -> Result<Self, SilenceError> {
        let wrong = || SilenceError::Matcher(text.to_owned());
        let at = text.find(['=', '!']).ok_or_else(wrong)?;
        let (name, rest) = text.split_at(at);
        let (sign, _) = OPERATORS.into_iter().find(|(sign, _)| rest.starts_with(sign)).ok_or_else(wrong)?;
        Self::new(name.trim(), sign, rest[sign.len()..].trim().trim_matches('"'))
    }

    fn new(name: &str, sign: &str, value: &str) -> Result<Self, SilenceError> {
        let wrong = || SilenceError::Matcher(format!("{name}{sign}{value}"));
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(is_name) || value.len() > VALUE_BYTES_MAX {
            return Err(wrong());
        }
        let (_, operator) = OPERATORS.into_iter().find(|(known, _)| *known == sign).ok_or_else(wrong)?;
        let expression = matches!(operator, Operator::Fits | Operator::FitsNot)
            .then(|| RegexBuilder::new(&format!("^(?:{value})$")).size_limit(EXPRESSION_BYTES_MAX).build())
            .transpose()
            .map_err(|_| SilenceError::Expression(value.to_owned()))?;
        Ok(Self { name: name.to_owned(), operator, value: value.to_owned(), expression })
    }

    /// A label that is missing is empty.
    fn matches(&self, labels: &BTreeMap<&str, &str>) -> bool {
        let found = labels.get(self.name.as_str()).copied().unwrap_or_default();
        let fits = || self.expression.as_ref().is_some_and(|expression| expression.is_match(found));
        match self.operator {
            Operator::Is => found == self.value,
            Operator::IsNot => found != self.value,
            Operator::Fits => fits(),
            Operator::FitsNot => !fits(),
        }
    }

    fn sign(&self) -> &'static str {
        OPERATORS.into_iter().find(|(_, operator)| *operator == self.operator).map_or("=", |(sign, _)| sign)
    }
}

impl std::fmt::Display for Matcher {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}{}\"{}\"", self.name, self.sign(), self.value)
    }
}

/// For some time nobody is told of incidents that fit.
#[derive(Debug, Clone)]
pub struct Silence {
    pub id: u128,
    pub version: u64,
    pub begins: Timestamp,
    pub until: Timestamp,
    pub author: String,
    pub comment: String,
    pub matchers: Vec<Matcher>,
}

impl Silence {
    /// A new one.
    ///
    /// # Errors
    ///
    /// [`SilenceError`].
    pub fn new(
        id: u128,
        matchers: Vec<Matcher>,
        begins: Timestamp,
        until: Timestamp,
        author: &str,
        comment: &str,
    ) -> Result<Self, SilenceError> {
        if !(1..=MATCHERS_MAX).contains(&matchers.len()) {
            return Err(SilenceError::Matchers);
        }
        if until <= begins || until.seconds() - begins.seconds() > DAYS_MAX * 86_400 {
            return Err(SilenceError::Times);
        }
        let (author, comment) = (author.trim(), comment.trim());
        if author.is_empty() || comment.is_empty() {
            return Err(SilenceError::Nameless);
        }
        let cut = |text: &str| text.chars().take(VALUE_BYTES_MAX).collect();
        Ok(Self { id, version: 1, begins, until, author: cut(author), comment: cut(comment), matchers })
    }

    /// Of a row; `None` for one that this version cannot read.
    pub fn of_row(row: &SilenceOf) -> Option<Self> {
        let matchers = row.names.iter().zip(&row.operators).zip(&row.values);
        let matchers = matchers.map(|((name, sign), value)| Matcher::new(name, sign, value).ok());
        Some(Self {
            id: row.silence_id.parse::<uuid::Uuid>().ok()?.as_u128(),
            version: row.version,
            begins: Timestamp(row.begins_us),
            until: Timestamp(row.until_us),
            author: row.author.clone(),
            comment: row.comment.clone(),
            matchers: matchers.collect::<Option<Vec<_>>>()?,
        })
    }

    pub fn row(&self) -> SilenceRow {
        let of = |m: &Matcher| (m.name.clone(), m.sign().to_owned(), m.value.clone());
        SilenceRow {
            silence_id: self.id,
            version: self.version,
            begins: self.begins,
            until: self.until,
            author: self.author.clone(),
            comment: self.comment.clone(),
            matchers: self.matchers.iter().map(of).collect(),
        }
    }

    pub fn is_active(&self, now: Timestamp) -> bool {
        self.begins <= now && now < self.until
    }

    fn fits(&self, labels: &BTreeMap<&str, &str>) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches(labels))
    }
}

/// What fires: the rule and its labels.
type Fires<'f> = (&'f str, &'f Labels);

/// Says why nobody is to be told of an incident, if so.
pub(super) fn muted(
    rule: &str,
    severity: &str,
    labels: &Labels,
    silences: &[Silence],
    inhibitions: &[Inhibition],
    firing: &[Fires<'_>],
    now: Timestamp,
) -> Option<String> {
    let mut all: BTreeMap<&str, &str> =
        labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    all.extend([("rule", rule), ("severity", severity)]);
    if let Some(silence) = silences.iter().find(|silence| silence.is_active(now) && silence.fits(&all)) {
        return Some(format!("silenced by {}: {}", silence.author, silence.comment));
    }
    let inhibits = |inhibition: &&Inhibition| {
        let equal = |other: &Labels| inhibition.equal.iter().all(|name| labels.get(name) == other.get(name));
        inhibition.targets.iter().any(|target| target == rule)
            && firing.iter().any(|(source, other)| *source == inhibition.source && equal(other))
    };
    inhibitions
        .iter()
        .find(inhibits)
        .map(|inhibition| format!("`{}` fires and explains it", inhibition.source))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn fits(matcher: &str, pairs: &[(&str, &str)]) -> bool {
        let labels = labels(pairs);
        let all = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Matcher::parse(matcher).unwrap().matches(&all)
    }

    #[test]
    fn matchers_are_those_of_alertmanager() {
        let google = [("provider", "google")];
        assert!(fits("provider=google", &google) && !fits("provider!=google", &google));
        assert!(fits("provider=~goo.*|yahoo", &google) && !fits("provider=~goo", &google));
        assert!(
            fits("ip=", &google) && fits("provider!~y.*", &google) && fits("provider=\"google\"", &google)
        );
        for nonsense in ["", "provider", "=google", "a b=c", "provider=~("] {
            assert!(Matcher::parse(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn a_silence_needs_a_name_and_an_end() {
        let matchers = || vec![Matcher::parse("rule=block_rate").unwrap()];
        let (now, later) = (Timestamp::from_seconds(0), Timestamp::from_seconds(60));
        assert!(Silence::new(1, matchers(), now, later, "ann", "maintenance").is_ok());
        let fault = |result: Result<Silence, SilenceError>| result.unwrap_err();
        assert_eq!(fault(Silence::new(1, matchers(), now, now, "ann", "x")), SilenceError::Times);
        assert_eq!(fault(Silence::new(1, matchers(), now, later, " ", "x")), SilenceError::Nameless);
        assert_eq!(fault(Silence::new(1, Vec::new(), now, later, "ann", "x")), SilenceError::Matchers);
        let long = Timestamp::from_seconds(91 * 86_400);
        assert_eq!(fault(Silence::new(1, matchers(), now, long, "ann", "x")), SilenceError::Times);
    }

    #[test]
    fn a_cause_that_fires_mutes_its_effects_of_equal_labels() {
        let inhibitions = [Inhibition {
            source: "critical".to_owned(),
            targets: vec!["warning".to_owned()],
            equal: vec!["stream".to_owned()],
        }];
        let (news, shop) = (labels(&[("stream", "news")]), labels(&[("stream", "shop")]));
        let firing = [("critical", &news)];
        let muted = |rule, labels| muted(rule, "warning", labels, &[], &inhibitions, &firing, Timestamp(0));
        assert_eq!(muted("warning", &news), Some("`critical` fires and explains it".to_owned()));
        assert_eq!(muted("warning", &shop), None);
        assert_eq!(muted("critical", &news), None);
    }
}
