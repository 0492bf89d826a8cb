//! Conditions of a rule on codes: `550`, `5xx`, `none`; `5.1.1`, `x.7.26`, `5.7.606-649`, `x.1.x`.
//!
//! Way: `load` reads them, `rules` asks them.
//! Not here: conditions on the words (`rules` tries them).

use crate::model::EnhancedCode;

/// A reply code, a class of codes, or no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CodePattern {
    None,
    One(u16),
    Class(u16),
}

impl CodePattern {
    pub(super) fn read(text: &str) -> Option<Self> {
        if text == "none" {
            return Some(Self::None);
        }
        let digit = |digit: &str| digit.parse().ok().filter(|class| (2..=5).contains(class));
        match text.strip_suffix("xx") {
            Some(class) => digit(class).map(Self::Class),
            None => text.parse().ok().filter(|code| (200..600).contains(code)).map(Self::One),
        }
    }

    pub(super) fn matches(self, code: u16) -> bool {
        match self {
            Self::None => code == 0,
            Self::One(one) => code == one,
            Self::Class(class) => code / 100 == class,
        }
    }
}

/// `5.1.1`, `x.7.26`, `5.7.606-649`, `x.1.x`: `x` stands for any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EnhancedPattern {
    class: Option<u8>,
    subject: Option<u16>,
    /// First and last detail.
    detail: (u16, u16),
}

impl EnhancedPattern {
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        Some(Self {
            class: if class == "x" {
                None
            } else {
                Some(class.parse().ok().filter(|class| [2, 4, 5].contains(class))?)
            },
            subject: if subject == "x" { None } else { Some(subject.parse().ok()?) },
            detail: match detail.split_once('-') {
                Some((first, last)) => (first.parse().ok()?, last.parse().ok()?),
                None if detail == "x" => (0, u16::MAX),
                None => detail.parse().ok().map(|detail| (detail, detail))?,
            },
        })
    }

    pub(super) fn matches(self, code: EnhancedCode) -> bool {
        self.class.is_none_or(|class| class == code.class)
            && self.subject.is_none_or(|subject| subject == code.subject)
            && (self.detail.0..=self.detail.1).contains(&code.detail)
    }
}
