//! The suppression list: rules that fill it, the log that it is, and the ways in which relays and people ask it.
//!
//! Way: the [`runner`] has the [`rules::Engine`] look at stored events; its proposals become records of the log by the
//! [`list::List`], as do the changes of people and programs. Every process folds the log into an [`index::Index`],
//! which answers [`postfix`], the HTTP interface and the pages; the whole story of one address is folded by [`fold`]
//! from its records.
//!
//! Decided: **to deny wins** (any matching entry suppresses, none allows), and **a fault lets mail through** (an
//! index that is not loaded, a question that cannot be read): a sender notices mail that should not have gone out in
//! a day, mail that did not go out in a quarter.
//! Not here: tables (`store`); pages and endpoints (`web`); which part runs where (`app`).

pub mod feed;
pub mod fold;
pub mod hooks;
pub mod imports;
pub mod index;
pub mod list;
pub mod postfix;
pub mod rules;
pub mod runner;
pub mod sequence;
pub mod simulate;
pub mod unsubscribe;
pub mod walk;
