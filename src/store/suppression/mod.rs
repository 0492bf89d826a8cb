//! The suppression log and what belongs to it: runs, reviews, writers, and the events that rules look at.
//!
//! Way: `suppression` appends records and follows those of other processes; `web` asks for the story of an address,
//! streams snapshots and lists runs.
//! Not here: what the records mean (`suppression::fold`).

mod log;
mod reviews;
mod rule_events;
mod runs;
mod writers;

pub use log::SuppressionStream;
pub use reviews::{HeldRow, ReviewRow};
pub use rule_events::{RULE_EVENTS_MAX, RuleEventStream, RuleEvents, RuleHistory};
pub use runs::{RunEntry, RunRow};
pub use writers::WriterClaim;

use crate::model::suppression::{Key, MailType, Reason, Scope};
use crate::model::{Text, Timestamp};

/// A key from its columns. A word that this version does not know is read as what suppresses most: a newer version
/// may have written it, and an entry must not be lost by going back.
fn key_of(address: Text, (scope, tenant, name): (&str, &str, &str), mail_type: i8, reason: &str) -> Key {
    Key {
        address,
        scope: Scope::from_parts(scope, tenant, name).unwrap_or_default(),
        mail_type: MailType::ALL.iter().copied().find(|known| *known as i8 == mail_type).unwrap_or_default(),
        reason: Reason::from_name(reason).unwrap_or(Reason::Manual),
    }
}

/// A `Nullable` time column.
fn time_of(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(Timestamp)
}
