//! Reads bounce rules from TOML and checks them.
//!
//! A rule file holds two kinds of tables:
//!
//! ```toml
//! [[rule]]
//! name = "google-no-such-user"      # unique; shown with every verdict
//! providers = ["google"]            # names of providers.toml; any when left out
//! code = ["550", "4xx", "none"]     # reply codes, a class of them, or no code at all
//! enhanced = ["5.1.1", "x.7.26", "5.7.606-649", "x.1.x"]
//! stage = ["rcpt"]                  # connect banner ehlo tls auth mail rcpt data dot unknown
//! outcome = ["expired"]             # unknown deferred delayed failed expired
//! format = ["qmail"]                # form of the notice that tells it, as `relaylens parse` names it; none in a log
//! text = 'p=NoSuchUser'             # regular expression over the reply's template, case does not matter
//! reason = "userunknown"
//! type = "hard"                     # only where the table in `bounce` says otherwise
//! source = "where this is documented"
//! example = ["550 5.1.1 …"]         # each must be classified by this very rule
//!
//! [[wording]]                       # expressions that several rules share, by `wording = "name"`
//! name = "user-unknown"
//! text = '…'
//! ```
//!
//! Way: [`crate::classify::BounceRules`] reads the shipped files and the user's overlay through [`Loader`].
//! Not here: reading the overlay's file (the caller does that); matching (`rules`).

use crate::classify::bounce::Outcome;
use crate::classify::needles::Needles;
use crate::classify::pattern::{CodePattern, EnhancedPattern};
use crate::classify::rules::{Conditions, Rule};
use crate::model::{BounceReason, BounceType, SmtpStage, Text};
use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;
use std::collections::HashMap;
use toml::Spanned;

/// Most rules, shipped ones included: a rule's number is a `u16`, and each costs a check per new template.
pub const RULES_MAX: usize = 4_000;
/// Longest expression, in bytes. The longest shipped one has about 1,300.
pub const PATTERN_BYTES_MAX: usize = 4_000;
/// Largest compiled expression, in bytes, several times the largest shipped one; guards against `(a{999}){999}` in an
/// overlay.
const COMPILED_BYTES_MAX: usize = 1024 * 1024;

/// Why a rule file is refused: where, and what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bounce rules, {file} line {line}{}: {message}", if rule.is_empty() { String::new() } else { format!(", rule `{rule}`") })]
pub struct RuleError {
    /// `overlay`, or the name of a shipped file.
    pub file: Text,
    /// Counted from 1.
    pub line: usize,
    /// Empty when the file is no TOML at all.
    pub rule: Text,
    pub message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    wording: Vec<Spanned<RawWording>>,
    #[serde(default)]
    rule: Vec<Spanned<RawRule>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWording {
    name: Text,
    text: String,
    #[expect(dead_code, reason = "for the reader of the file, like a comment that cannot be left out")]
    source: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    name: Text,
    #[serde(default)]
    providers: Vec<Text>,
    #[serde(default)]
    code: Vec<Text>,
    #[serde(default)]
    enhanced: Vec<Text>,
    #[serde(default)]
    stage: Vec<SmtpStage>,
    #[serde(default)]
    outcome: Vec<Outcome>,
    #[serde(default)]
    format: Vec<Text>,
    text: Option<String>,
    wording: Option<Text>,
    reason: BounceReason,
    #[serde(rename = "type")]
    bounce_type: Option<BounceType>,
    #[serde(default)]
    source: Text,
    #[serde(default)]
    example: Vec<String>,
}

/// Rules and expressions while files are read.
#[derive(Default)]
pub(super) struct Loader {
    pub(super) rules: Vec<Rule>,
    patterns: Vec<String>,
    /// Where each expression stands, as an error without a message.
    places: Vec<RuleError>,
    wordings: HashMap<Text, Vec<usize>>,
    names: HashMap<Text, Text>,
}

/// Where in which file a fault is.
struct Place<'a> {
    file: &'a str,
    line: usize,
    rule: &'a Text,
}

impl Place<'_> {
    fn error(&self, message: String) -> RuleError {
        RuleError { file: self.file.into(), line: self.line, rule: self.rule.clone(), message }
    }
}

impl Loader {
    /// Reads one file; its rules come behind those read before.
    pub(super) fn file(&mut self, file: &str, text: &str) -> Result<(), RuleError> {
        let raw: RawFile = toml::from_str(text).map_err(|error| RuleError {
            file: file.into(),
            line: error.span().map_or(1, |span| line_of(text, span.start)),
            rule: Text::default(),
            message: error.message().to_owned(),
        })?;
        for wording in raw.wording {
            let line = line_of(text, wording.span().start);
            let wording = wording.into_inner();
            let index = self.pattern(wording.text, &Place { file, line, rule: &wording.name })?;
            self.wordings.entry(wording.name).or_default().push(index);
        }
        for rule in raw.rule {
            let line = line_of(text, rule.span().start);
            self.rule(file, line, rule.into_inner())?;
        }
        Ok(())
    }

    fn rule(&mut self, file: &str, line: usize, raw: RawRule) -> Result<(), RuleError> {
        let name = raw.name;
        let place = Place { file, line, rule: &name };
        if self.rules.len() >= RULES_MAX {
            return Err(place.error(format!("more than {RULES_MAX} rules; leave some out")));
        }
        if let Some(other) = self.names.insert(name.clone(), file.into()) {
            return Err(
                place.error(format!("a rule of this name is in {other} already; choose another name"))
            );
        }
        let conditions = Conditions {
            codes: read_all(&raw.code, CodePattern::read)
                .map_err(|bad| place.error(format!("`code` has `{bad}`; write `550`, `5xx` or `none`")))?,
            enhanced: read_all(&raw.enhanced, EnhancedPattern::read).map_err(|bad| {
                place.error(format!(
                    "`enhanced` has `{bad}`; write `5.1.1`, `x.7.26`, `5.7.606-649` or `x.1.x`"
                ))
            })?,
            patterns: match (raw.text, raw.wording) {
                (None, None) => Vec::new(),
                (Some(text), None) => vec![self.pattern(text, &place)?],
                (None, Some(wording)) => self.wordings.get(&wording).cloned().ok_or_else(|| {
                    place.error(format!(
                        "there is no `[[wording]]` named `{wording}` before it; add one, or use `text`"
                    ))
                })?,
                (Some(_), Some(_)) => {
                    return Err(place.error("has `text` and `wording`; keep one of them".into()));
                }
            },
            providers: raw.providers,
            stages: raw.stage,
            outcomes: raw.outcome,
            formats: raw.format,
        };
        self.rules.push(Rule {
            reason: raw.reason,
            file: file.into(),
            line,
            bounce_type: raw.bounce_type,
            source: raw.source,
            examples: raw.example,
            conditions,
            name,
        });
        Ok(())
    }

    /// Takes an expression in; returns its index.
    fn pattern(&mut self, text: String, place: &Place<'_>) -> Result<usize, RuleError> {
        if text.len() > PATTERN_BYTES_MAX {
            let message =
                format!("`text` has {} bytes, limit is {PATTERN_BYTES_MAX}; split the rule", text.len());
            return Err(place.error(message));
        }
        self.patterns.push(text);
        self.places.push(place.error(String::new()));
        Ok(self.patterns.len() - 1)
    }

    /// Compiles all expressions, and takes the words out of them by which they are found.
    pub(super) fn compile(&self) -> Result<(Vec<Regex>, Needles), RuleError> {
        let mut compiled = Vec::with_capacity(self.patterns.len());
        for (pattern, place) in self.patterns.iter().zip(&self.places) {
            compiled.push(compile(pattern).map_err(|error| {
                let message = format!("`text` is no regular expression that can be used: {error}");
                RuleError { message, ..place.clone() }
            })?);
        }
        let needles = Needles::of(&self.patterns).map_err(|error| {
            let message =
                format!("the expressions are too large together: {error}; make them simpler or fewer");
            // the overlay is the first file
            RuleError { line: 1, rule: Text::default(), message, ..self.places[0].clone() }
        })?;
        Ok((compiled, needles))
    }
}

/// Reads every item, or returns the one that cannot be read.
fn read_all<T>(items: &[Text], read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, &Text> {
    items.iter().map(|item| read(item).ok_or(item)).collect()
}

/// The line of a byte offset, counted from 1.
fn line_of(text: &str, at: usize) -> usize {
    memchr::memchr_iter(b'\n', &text.as_bytes()[..at.min(text.len())]).count() + 1
}

fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern)
        .case_insensitive(true)
        // Bytes, not characters: half the automaton, and replies are mostly ASCII. `.` is one byte of a letter.
        .unicode(false)
        .size_limit(COMPILED_BYTES_MAX)
        .build()
}
