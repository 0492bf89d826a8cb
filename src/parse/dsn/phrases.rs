//! The words of notices, in the languages that they come in.
//!
//! Way: `prose` marks the lines of a page by them, `parse::mail` reads subjects by them.
//! Source: the texts that mail servers and providers write; each is a few words that their authors repeat. No list is
//! complete, so a phrase is as short as it can be without being said in other mail.
//! Not here: what follows from a line's marks (`prose`).

mod words;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use std::sync::LazyLock;

/// What a phrase says of its line. One line may have several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::parse) struct Marks(u8);

impl Marks {
    /// A message was not delivered.
    pub(in crate::parse) const FAIL: Self = Self(1);
    /// Recipients follow.
    pub(in crate::parse) const LIST: Self = Self(2);
    /// It is still tried.
    pub(in crate::parse) const DELAY: Self = Self(4);
    /// It did arrive.
    pub(in crate::parse) const SUCCESS: Self = Self(8);
    /// Whom to ask: an address here is no recipient.
    pub(in crate::parse) const CONTACT: Self = Self(16);
    /// It is not tried any more.
    pub(in crate::parse) const FINAL: Self = Self(32);
    /// Why: the mailbox, its owner, the host.
    pub(in crate::parse) const REASON: Self = Self(64);
    /// Asks the reader to prove that he is a person.
    pub(in crate::parse) const PROOF: Self = Self(128);

    pub(in crate::parse) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(in crate::parse) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

static SEARCH: LazyLock<(AhoCorasick, Vec<Marks>)> = LazyLock::new(|| {
    let phrases = words::ALL.iter().flat_map(|(mark, phrases)| phrases.iter().map(|phrase| (*mark, *phrase)));
    let (marks, phrases): (Vec<_>, Vec<_>) = phrases.unzip();
    let search = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .build(phrases)
        .expect("a fixed list of short phrases is a small automaton");
    (search, marks)
});

/// Calls `each` with the mark and the place of every phrase in a text whose blanks are single.
pub(in crate::parse) fn scan(text: &str, mut each: impl FnMut(Marks, std::ops::Range<usize>)) {
    let (search, marks) = &*SEARCH;
    for found in search.find_overlapping_iter(text) {
        each(marks[found.pattern().as_usize()], found.range());
    }
}

/// All marks of a text.
pub(in crate::parse) fn marks(text: &str) -> Marks {
    let mut all = Marks::default();
    scan(text, |mark, _| all = all.with(mark));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_found_in_any_case() {
        assert!(marks("Your message COULD NOT BE DELIVERED to").has(Marks::FAIL));
        assert!(marks("次のあて先へのメッセージはエラーのため送信できませんでした。").has(Marks::FAIL));
        assert!(marks("Message will be retried for 2 more day(s)").has(Marks::DELAY));
        assert!(!marks("I will deliver the parcel tomorrow").has(Marks::FAIL));
    }

    #[test]
    fn phrases_over_each_other_are_all_found() {
        let both = marks("could not be delivered to the following recipients:");
        assert!(both.has(Marks::FAIL) && both.has(Marks::LIST));
    }
}
