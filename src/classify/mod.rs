//! PURE: what a reply means, and whose mailbox it came from. No I/O, no clock, no log.
//!
//! * [`provider`](ProviderTable): MX host or recipient domain → mailbox provider (`providers.toml`);
//! * [`template`](template()): a reply's text without what changes from message to message;
//! * [`bounce`](BounceRules): code, status and words → reason and kind of failure (`rules/*.toml`, first match wins);
//! * [`Classifier`]: all three over an event or over a recipient of a notice, with a memory.
//!
//! Way: `pipeline` calls [`Classifier::apply`] on every event that `parse` has read.
//! Not here: deciding what to do about a failure (`suppression`), counting (`store`).

mod bounce;
mod classifier;
mod load;
mod needles;
mod notice;
mod pattern;
mod provider;
mod reply;
mod rules;
mod template;
#[cfg(test)]
mod tests;
mod word;

pub use bounce::{Outcome, Permanence, ReplyView, Verdict};
pub use classifier::{CACHE_ENTRIES, Classifier};
pub use load::{PATTERN_BYTES_MAX, RULES_MAX, RuleError};
pub use provider::{LOCAL, OTHER, Provider, ProviderKind, ProviderTable};
pub use rules::{BounceRules, OVERLAY_BYTES_MAX, Rule, RuleId};
pub use template::{template, template_hash};
