//! What receivers find in the DNS of a domain or address, and whether it is as it must be.
//!
//! Way: [`look_at_domain`] and [`look_at_ip`] ask and hand over facts; `spf`, `dkim`, `dmarc` … read records (pure) and
//! make [`Finding`]s of them; `diff` compares a snapshot with what was known.
//! Not here: who must pass what (`compliance`), and when to look (`app`).

mod bimi;
mod dane;
mod diff;
mod dkim;
mod dmarc;
mod domain;
mod finding;
mod ip;
mod mta_sts;
mod path;
mod policy_fetch;
mod spf;
mod spf_sender;
mod spf_tree;
mod tags;
mod tls_rpt;

pub use diff::{Change, Known, changes};
pub use domain::{DomainQuestion, look_at_domain};
pub use finding::{Finding, worst};
pub use ip::look_at_ip;
pub use path::PathNeeds;
pub use policy_fetch::PolicyFetch;
pub use spf_sender::SpfSender;
pub use spf_tree::{SpfNode, SpfTree};
