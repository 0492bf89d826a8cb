//! The list as files: snapshots out, imports in, exports in the shapes of others. Pure: bytes in, bytes out.
//!
//! Way: `web` streams them as HTTP bodies, `cli` as files; entries come from the store, folded per address.
//! Not here: the change feed, which is the log itself by [`crate::suppression::sequence::Cursor`]; who may ask
//! (`web`).

pub mod csv;
pub mod export;
pub mod import;
pub mod line;
mod row;
pub mod snapshot;

#[cfg(test)]
mod tests;
