//! What a reader gives back: the record, and what was odd about its source.

use crate::model::Text;

/// Something odd that was read all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning(pub Text);

/// A record with the warnings that came up while it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed<T> {
    pub record: T,
    pub warnings: Vec<Warning>,
}

impl<T> Parsed<T> {
    pub const fn clean(record: T) -> Self {
        Self { record, warnings: Vec::new() }
    }
}
