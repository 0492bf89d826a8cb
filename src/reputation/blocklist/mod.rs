//! DNS blocklists: which there are, whether they can be believed, what they say, what changed.
//!
//! Way: a [`Registry`] (data) is narrowed by the settings; [`Round`] tests each list and asks it; `judge` says what an
//! answer means; `track` makes changes of answers, and believes nothing that was seen once.
//! Source: RFC 5782 for names, answers and tests; each list's own page for its codes, beside them in `registry.toml`.
//! Not here: when to ask (`app`), and whom to tell (`alert`).

mod budget;
mod judge;
mod registry;
mod round;
mod track;

pub use budget::{Budget, interval_minutes};
pub use judge::{Verdict, judge, question, test_names};
pub use registry::{BlockList, Registry, RegistryError, Retired};
pub use round::{ListRound, Round, RoundSubject};
pub use track::{Heard, Standing, Turn, turn};
