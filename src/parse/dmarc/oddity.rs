//! What was odd about a report, as bounded warnings.
//!
//! Way: `head` and `record` tell what they could not read as it stands; the warnings stay with the report or record.

use crate::model::{Text, Warning};

/// Most warnings kept of one record or one head; what else is odd is most likely the same again.
const WARNINGS_MAX: usize = 16;

/// Longest part of a value that a warning shows, in bytes.
const SHOWN_BYTES_MAX: usize = 64;

/// Adds a warning, once, as long as there is room.
pub(in crate::parse) fn warn(warnings: &mut Vec<Warning>, text: impl Into<Text>) {
    if warnings.len() < WARNINGS_MAX {
        let warning = Warning(text.into());
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
}

/// Adds a warning on the value of an element.
#[cold]
pub(in crate::parse) fn warn_value(warnings: &mut Vec<Warning>, element: &str, value: &str, what: &str) {
    if value.is_empty() {
        return warn(warnings, format!("`{element}` is empty"));
    }
    let shown = &value[..value.floor_char_boundary(SHOWN_BYTES_MAX)];
    let rest = if shown.len() < value.len() { "…" } else { "" };
    warn(warnings, format!("`{element}` {what}: `{}{rest}`", shown.escape_debug()));
}
