//! Which of many expressions can match a text at all: those of which a word stands in it that they cannot do without.
//!
//! One automaton of all expressions would grow with every kind of text it meets, by a millisecond for each; looking for
//! the words takes about a microsecond, and leaves some ten expressions of some hundred to be tried.
//!
//! Way: `rules` asks [`Needles`] before it tries its expressions.
//! Source: the idea is that of literal prefilters, which the `regex` crate uses within one expression.
//! Not here: trying the expressions (`rules`).

use aho_corasick::AhoCorasick;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, HirKind};
use std::collections::HashMap;

/// Shortest word worth looking for, in bytes: nearly every text has every pair of letters somewhere.
const WORD_BYTES_MIN: usize = 3;

/// Most words taken from one expression; one that needs one of more is always tried.
const WORDS_MAX: usize = 500;

/// The words of all expressions.
#[derive(Debug, Clone)]
pub(super) struct Needles {
    words: AhoCorasick,
    /// By word: the expressions that can match where it stands.
    owners: Vec<Vec<usize>>,
    /// The expressions that need no word.
    always: Possible,
}

/// A set of expressions, by their indices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Possible(Vec<u64>);

impl Possible {
    fn none(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    fn insert(&mut self, index: usize) {
        self.0[index / 64] |= 1 << (index % 64);
    }

    pub(super) fn contains(&self, index: usize) -> bool {
        self.0[index / 64] & 1 << (index % 64) != 0
    }
}

impl Needles {
    /// Takes the words out of expressions that do not tell case apart.
    ///
    /// # Errors
    ///
    /// When the words are too many for their automaton.
    pub(super) fn of(expressions: &[String]) -> Result<Self, aho_corasick::BuildError> {
        let mut always = Possible::none(expressions.len());
        let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut owners: Vec<Vec<usize>> = Vec::new();
        for (index, expression) in expressions.iter().enumerate() {
            let Some(words) = words_of(expression) else {
                always.insert(index);
                continue;
            };
            for word in words {
                let place = *places.entry(word).or_insert(owners.len());
                if place == owners.len() {
                    owners.push(Vec::new());
                }
                if owners[place].last() != Some(&index) {
                    owners[place].push(index);
                }
            }
        }
        let mut words: Vec<(Vec<u8>, usize)> = places.into_iter().collect();
        words.sort_unstable_by_key(|(_, place)| *place);
        let words = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(words.into_iter().map(|(word, _)| word))?;
        Ok(Self { words, owners, always })
    }

    /// The expressions that may match the text. All others do not.
    pub(super) fn possible(&self, text: &[u8]) -> Possible {
        let mut possible = self.always.clone();
        for found in self.words.find_overlapping_iter(text) {
            for index in &self.owners[found.pattern().as_usize()] {
                possible.insert(*index);
            }
        }
        possible
    }
}

/// The words of which one must stand in every text that the expression matches, in lower case; `None` when there is no
/// such list, or a useless one.
fn words_of(expression: &str) -> Option<Vec<Vec<u8>>> {
    let hir = ParserBuilder::new().unicode(false).utf8(false).build().parse(expression).ok()?;
    let mut words = needed(&hir)?;
    for word in &mut words {
        word.make_ascii_lowercase();
    }
    words.sort_unstable();
    words.dedup();
    Some(words).filter(|words| is_useful(words))
}

fn is_useful(words: &[Vec<u8>]) -> bool {
    words.len() <= WORDS_MAX && shortest(words) >= WORD_BYTES_MIN
}

fn shortest(words: &[Vec<u8>]) -> usize {
    words.iter().map(Vec::len).min().unwrap_or(0)
}

fn needed(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(vec![literal.0.to_vec()]),
        HirKind::Capture(capture) => needed(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => needed(&repetition.sub),
        // all must be there: the part with the longest words is the one to look for
        HirKind::Concat(parts) => parts.iter().filter_map(needed).max_by_key(|words| shortest(words)),
        HirKind::Alternation(ways) => {
            let words: Option<Vec<_>> = ways.iter().map(needed).collect();
            words.map(|words| words.concat()).filter(|words| words.len() <= WORDS_MAX)
        }
        HirKind::Repetition(_) | HirKind::Class(_) | HirKind::Look(_) | HirKind::Empty => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(expression: &str, want: Option<&[&str]>) {
        let words = words_of(expression);
        let words: Option<Vec<&str>> =
            words.as_ref().map(|words| words.iter().map(|word| str::from_utf8(word).unwrap()).collect());
        assert_eq!(words.as_deref(), want, "{expression}");
    }

    #[test]
    fn the_longest_words_that_cannot_be_missing_are_taken() {
        check("Mailbox (is )?full", Some(&["mailbox "]));
        check("(user|account) unknown", Some(&[" unknown"]));
        check("quota|over the limit", Some(&["over the limit", "quota"]));
        check("(mailbox)+", Some(&["mailbox"]));
        check("gr[ae]y.?list", Some(&["list"]));
        check("^\\{num\\}$", Some(&["{num}"]));
    }

    #[test]
    fn an_expression_that_needs_no_word_is_always_tried() {
        for expression in ["^$", ".", "(user)?", "\\d+", "ab", "quota|ab", "quota|"] {
            check(expression, None);
        }
    }

    #[test]
    fn expressions_whose_words_are_missing_are_left_out() {
        let expressions = ["mailbox full", "user", "^$", "unknown user"].map(String::from);
        let needles = Needles::of(&expressions).unwrap();
        let possible = |text: &str| {
            let possible = needles.possible(text.as_bytes());
            (0..4).filter(|index| possible.contains(*index)).collect::<Vec<_>>()
        };
        assert_eq!(possible("Unknown USER here"), [1, 2, 3]);
        assert_eq!(possible("mailbox full"), [0, 2]);
        assert_eq!(possible(""), [2]);
    }

    proptest! {
        #[test]
        fn what_matches_is_possible(
            expression in "(\\^)?[a-c]{0,3}(\\([a-c]{1,4}\\|[a-c]{1,4}\\)[?+*]?)?[a-c]{0,4}(\\[ab\\][a-c]{1,3})?",
            text in "[a-cA-C]{0,20}",
        ) {
            let regex = regex::bytes::RegexBuilder::new(&expression).case_insensitive(true).unicode(false).build().unwrap();
            let needles = Needles::of(std::slice::from_ref(&expression)).unwrap();
            let possible = needles.possible(text.as_bytes()).contains(0);
            prop_assert!(possible || !regex.is_match(text.as_bytes()));
        }
    }
}
