//! Where both protocols ask: from a question to the words for Postfix.

use crate::model::Timestamp;
use crate::model::suppression::{Question, Reason};
use crate::suppression::index::Index;
use crate::suppression::postfix::{Context, PolicyRequest, ReturnPaths};
use std::sync::Arc;

/// What is answered when the list is not loaded yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trouble {
    /// Mail goes through: the default. A suppressed recipient may get one more message.
    #[default]
    LetThrough,
    /// Mail waits: 450, tried again.
    Defer,
}

/// Finds tenant and stream of mail from what Postfix tells of it, where the context does not say them.
pub type Labels = Arc<dyn Fn(&PolicyRequest<'_>, &mut Context) + Send + Sync>;

/// The time of day.
pub type Clock = fn() -> Timestamp;

/// The list, and how it is spoken of.
#[derive(Clone)]
pub struct Desk {
    pub index: Arc<Index>,
    pub labels: Labels,
    pub clock: Clock,
    pub trouble: Trouble,
    /// For the map `return-path`; without it that is refused.
    pub return_paths: Option<ReturnPaths>,
}

/// The answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Suppressed(Reason),
    Free,
    /// Wait, see [`Trouble::Defer`].
    NotLoaded,
}

impl Desk {
    pub(super) fn answer(&self, question: &Question) -> Answer {
        match self.index.check(question, (self.clock)()) {
            // What is known so far counts even before all is.
            Some(hit) => Answer::Suppressed(hit.reason),
            None if self.index.is_loaded() || self.trouble == Trouble::LetThrough => Answer::Free,
            None => Answer::NotLoaded,
        }
    }
}

/// The reply's words. Postfix puts `<address>: Recipient address rejected: ` before them. `suppressed` is the word by
/// which the relay's log line and its notices are known as ours, so that no bounce is made of them.
pub(super) fn words(reason: Reason) -> String {
    format!("Recipient suppressed: {reason}")
}

/// What a client is told to wait for.
pub(super) const NOT_LOADED: &str = "Suppression list not loaded yet";
