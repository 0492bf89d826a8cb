//! What Postfix asks: its policy protocol at RCPT TO, its socketmap for access and transport lookups.
//!
//! ```text
//! # main.cf: 550 at RCPT TO, for the suppressed recipient alone. Fail-open: with us down, mail goes through.
//! smtpd_recipient_restrictions =
//!     check_policy_service { inet:127.0.0.1:9998, timeout=2s, try_limit=1, default_action=DUNNO,
//!                            policy_context=tenant=acme;type=marketing }, …
//! # Mail that is deferred already stops at its next retry. Fail-closed: with us down, all mail waits.
//! transport_maps = socketmap:inet:127.0.0.1:9997:transport
//! # Ten refusals in a session slow it down otherwise, twenty end it.
//! smtpd_soft_error_limit = 1000
//! smtpd_hard_error_limit = 1000
//! ```
//!
//! Only the policy protocol tells sender, login and context, so it alone can answer for a tenant or stream; a
//! socketmap's name can carry a fixed context (`suppress;tenant=acme`).
//!
//! What lets mail through, by choice ([`Trouble`]): a list that is not loaded yet, a question without a recipient.
//! Postfix itself lets it through when the policy server is down and `default_action=DUNNO` is set. A socketmap that
//! is down makes Postfix answer 451 to all mail, whatever the policy server says, and there is no setting against it:
//! use the transport map where the relay and relaylens live and die together, or write an lmdb map.
//!
//! The queue manager remembers the last address that it resolved, so the only message of an idle queue may be tried
//! again for up to half a minute; with any other mail between, the next retry is the last (measured: 1.1 s).
//!
//! `DISCARD` is never answered: from a policy or access map it drops the whole message, other recipients included.
//! Source: `SMTPD_POLICY_README`, `socketmap_table(5)`, access(5), transport(5) of Postfix 3.7.
//! Way: `app` starts a [`Server`] on each listener; it asks [`crate::suppression::index::Index`].

mod context;
mod desk;
mod map;
mod policy;
mod return_path;
mod server;
mod socketmap;

pub use context::Context;
pub use desk::{Clock, Desk, Labels, Trouble};
pub use map::{MapAnswer, MapError, MapFile, MapWriter};
pub use policy::PolicyRequest;
pub use return_path::ReturnPaths;
pub use server::{CONNECTIONS_MAX, IDLE, Listener, Protocol, Server};

#[cfg(test)]
mod tests;
