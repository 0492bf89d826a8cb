//! Rules, incidents, and those who are told.
//!
//! Way: `evaluate` asks for the figures of each rule (`rules`), `judge` compares them with limits and past weeks,
//! `incident` and `standing` make incidents of what was found, `contribute` explains them, `notify` tells people, `desk`
//! holds it together and answers the pages.
//! Not here: what is counted, which `store` knows; blocklists and DNS, which `reputation` watches.

mod chart;
mod contribute;
mod desk;
mod evaluate;
mod figures;
mod incident;
mod judge;
pub mod notify;
mod rules;
mod signals;
mod silence;
mod standing;

pub use chart::Picture;
pub use desk::{Alerts, Board, DeskError, NewAnnotation, RuleView, SilenceView, Watched};
pub use evaluate::{Evaluated, Evaluator, Found, Unusual};
pub use figures::{Figures, StoreFigures};
pub use incident::{Acknowledgement, Advanced, Contributor, Finding, Incident};
pub use judge::{Expected, Labels, Reading, Sample, Verdict};
pub use rules::{Baseline, Direction, Rule, Rules, RulesError, Span};
pub use silence::{Matcher, Silence, SilenceError};
pub use standing::Standing;
