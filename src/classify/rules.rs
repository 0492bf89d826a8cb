//! The bounce rules: finds the first that matches a reply. Their format is described in `load`.
//!
//! All conditions of a rule must hold; a list holds when one of its items does. The first rule that matches wins.
//!
//! Way: [`crate::classify::Classifier`] holds one [`BounceRules`].
//! Not here: what is made of the reason (`bounce`); reading the overlay's file (the caller does that).

use crate::classify::bounce::{Facts, Outcome, ReplyView, Verdict};
use crate::classify::load::{Loader, RuleError};
use crate::classify::needles::Needles;
use crate::classify::pattern::{CodePattern, EnhancedPattern};
use crate::model::{BounceReason, BounceType, SmtpStage, Text};
use regex::bytes::Regex;

/// Largest overlay read, in bytes: ten times the shipped rules.
pub const OVERLAY_BYTES_MAX: usize = 1024 * 1024;

/// What the overlay is called in errors and in [`Rule::file`].
const OVERLAY: &str = "overlay";

const SHIPPED: [(&str, &str); 5] = [
    ("mailbox.toml", include_str!("rules/mailbox.toml")),
    ("regional.toml", include_str!("rules/regional.toml")),
    ("filters.toml", include_str!("rules/filters.toml")),
    ("wording.toml", include_str!("rules/wording.toml")),
    ("codes.toml", include_str!("rules/codes.toml")),
];

/// Which rule; its name is [`BounceRules::rule`]`(id).name`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(u16);

/// One rule, as it is shown beside a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub name: Text,
    pub reason: BounceReason,
    /// Says otherwise than the table by reason and permanence.
    pub bounce_type: Option<BounceType>,
    /// The file and line that it stands in; `overlay` for the user's own.
    pub file: Text,
    pub line: usize,
    /// Where the meaning of the reply is documented.
    pub source: Text,
    pub examples: Vec<String>,
    pub(super) conditions: Conditions,
}

/// What must hold for a rule; an empty list always does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Conditions {
    pub(super) providers: Vec<Text>,
    pub(super) codes: Vec<CodePattern>,
    pub(super) enhanced: Vec<EnhancedPattern>,
    pub(super) stages: Vec<SmtpStage>,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) formats: Vec<Text>,
    /// Indices of expressions; one of them must match.
    pub(super) patterns: Vec<usize>,
}

/// All rules in order, with their expressions.
#[derive(Debug, Clone)]
pub struct BounceRules {
    rules: Vec<Rule>,
    patterns: Vec<Regex>,
    needles: Needles,
}

impl BounceRules {
    /// The rules that come with the program. Compiling them takes some hundredths of a second: once per process.
    ///
    /// # Panics
    ///
    /// Never: a test reads the same files.
    pub fn shipped() -> Self {
        Self::load(&SHIPPED).expect("the shipped rules are checked by a test")
    }

    /// The rules of `overlay` (TOML, as `load` describes it), then the shipped ones.
    ///
    /// # Errors
    ///
    /// When the overlay is no such TOML, breaks a limit, repeats a name, has an expression that does not compile,
    /// or has an example that another of the rules takes first.
    pub fn with_overlay(overlay: &str) -> Result<Self, RuleError> {
        if overlay.len() > OVERLAY_BYTES_MAX {
            let message = format!("{} bytes, limit is {OVERLAY_BYTES_MAX}; leave rules out", overlay.len());
            return Err(RuleError { file: OVERLAY.into(), line: 1, rule: Text::default(), message });
        }
        let mut files = vec![(OVERLAY, overlay)];
        files.extend(SHIPPED);
        let rules = Self::load(&files)?;
        rules.check_examples()?;
        Ok(rules)
    }

    /// All rules, in the order in which they are tried.
    pub fn all(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule of a verdict that these rules gave.
    ///
    /// # Panics
    ///
    /// When the verdict comes from other rules that are more.
    pub fn rule(&self, id: RuleId) -> &Rule {
        &self.rules[usize::from(id.0)]
    }

    /// Finds the first rule for the reply, and what follows from it. `template` is the reply's template.
    pub(super) fn verdict(&self, view: &ReplyView<'_>, facts: &Facts, template: &str) -> Verdict {
        let text = template.as_bytes();
        let possible = self.needles.possible(text);
        let matches = |index: &usize| possible.contains(*index) && self.patterns[*index].is_match(text);
        let first = self.rules.iter().position(|rule| {
            rule.conditions.hold(view, facts) && any_or_empty(&rule.conditions.patterns, matches)
        });
        // The last shipped rule has no condition, so a rule is always found.
        let index = first.unwrap_or(self.rules.len() - 1);
        let rule = &self.rules[index];
        let id = RuleId(u16::try_from(index).expect("RULES_MAX fits into u16"));
        facts.verdict(rule.reason, rule.bounce_type, id)
    }

    fn load(files: &[(&str, &str)]) -> Result<Self, RuleError> {
        let mut loader = Loader::default();
        for (name, text) in files {
            loader.file(name, text)?;
        }
        let (patterns, needles) = loader.compile()?;
        Ok(Self { rules: loader.rules, patterns, needles })
    }

    /// Checks that every example of the overlay's rules is classified by its own rule. The shipped rules may lose
    /// theirs: to be in front of them is what an overlay is for.
    fn check_examples(&self) -> Result<(), RuleError> {
        let Some((rule, example, winner)) = self.misled_examples().find(|(rule, ..)| rule.file == OVERLAY)
        else {
            return Ok(());
        };
        let message = format!(
            "its example `{example}` is classified by rule `{winner}`; change `text` or the conditions so that this \
             rule matches, or move it in front of the other"
        );
        Err(RuleError { file: rule.file.clone(), line: rule.line, rule: rule.name.clone(), message })
    }

    /// The examples that another rule takes: the rule, its example, the name of the rule that wins.
    pub(super) fn misled_examples(&self) -> impl Iterator<Item = (&Rule, &str, &str)> {
        let examples =
            self.rules.iter().flat_map(|rule| rule.examples.iter().map(move |example| (rule, example)));
        examples.filter_map(|(rule, example)| {
            let view = ReplyView {
                provider: rule.conditions.providers.first().map_or("", Text::as_str),
                stage: rule.conditions.stages.first().copied().unwrap_or_default(),
                outcome: rule.conditions.outcomes.first().copied().unwrap_or_default(),
                format: rule.conditions.formats.first().map_or("", Text::as_str),
                ..ReplyView::of(example)
            };
            let winner = self.rule(self.classify(&view).rule);
            (winner.name != rule.name).then_some((rule, example.as_str(), winner.name.as_str()))
        })
    }

    /// The providers that a rule names, for the test that they exist.
    #[cfg(test)]
    pub(super) fn provider_names(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().flat_map(|rule| &rule.conditions.providers).map(Text::as_str)
    }
}

impl Conditions {
    fn hold(&self, view: &ReplyView<'_>, facts: &Facts) -> bool {
        any_or_empty(&self.codes, |pattern| pattern.matches(facts.code))
            && any_or_empty(&self.enhanced, |pattern| {
                facts.enhanced.is_some_and(|code| pattern.matches(code))
            })
            && any_or_empty(&self.stages, |stage| *stage == view.stage)
            && any_or_empty(&self.outcomes, |outcome| *outcome == facts.outcome)
            && any_or_empty(&self.providers, |name| name == view.provider)
            && any_or_empty(&self.formats, |format| format == view.format)
    }
}

fn any_or_empty<T>(list: &[T], test: impl Fn(&T) -> bool) -> bool {
    list.is_empty() || list.iter().any(test)
}
