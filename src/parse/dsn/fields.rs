//! Groups of `Name: value` lines, as a `message/delivery-status` part holds them, or a text that repeats them.
//!
//! Way: `status` reads the fields by name.
//! Source: RFC 3464 section 2.1.2: groups are divided by blank lines, long values go on in lines that begin with a blank.
//! Read beyond it: blanks before the colon, lines that were broken without a blank, text between the groups.

use crate::parse::text::{at_colon, lines};

/// Fields read of one part. A group has about ten, and 500 recipients in a notice are beyond all that relays send.
const FIELDS_MAX: usize = 20_000;

/// Longest field name, in bytes; the longest that is known has 27.
const NAME_BYTES_MAX: usize = 48;

/// One field, its value on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::parse) struct Field<'t> {
    pub(in crate::parse) name: &'t str,
    pub(in crate::parse) value: std::borrow::Cow<'t, str>,
    /// Counts the groups from 0.
    pub(in crate::parse) group: usize,
}

/// The fields of a text, in order.
pub(in crate::parse) fn read(text: &str) -> Vec<Field<'_>> {
    let mut fields: Vec<Field<'_>> = Vec::new();
    let (mut group, mut is_open) = (0, false);
    for line in lines(text) {
        if line.trim().is_empty() {
            // Several blank lines divide no more than one does.
            group += usize::from(std::mem::take(&mut is_open));
            continue;
        }
        let is_folded = line.starts_with([' ', '\t']) && is_open;
        match (split(line), fields.last_mut()) {
            (Some((name, value)), _) if !is_folded => {
                if fields.len() == FIELDS_MAX {
                    break;
                }
                is_open = true;
                fields.push(Field { name, value: value.into(), group });
            }
            // A value that was broken without a blank at the front of its second line.
            (_, Some(last)) if is_open => {
                let value = last.value.to_mut();
                if !value.is_empty() {
                    value.push(' ');
                }
                value.push_str(line.trim());
            }
            _ => {}
        }
    }
    fields
}

/// Splits `Name : value`; a name has letters, digits and hyphens alone.
fn split(line: &str) -> Option<(&str, &str)> {
    let (name, value) = at_colon(line)?;
    let name = name.trim();
    let is_name = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    is_name.then_some((name, value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &[(&str, &str, usize)]) {
        let got = read(text);
        let got: Vec<_> = got.iter().map(|field| (field.name, &*field.value, field.group)).collect();
        assert_eq!(got, want, "text was {text:?}");
    }

    #[test]
    fn groups_are_divided_by_blank_lines() {
        check("A: 1\nB: 2\n\n\nC: 3\n", &[("A", "1", 0), ("B", "2", 0), ("C", "3", 1)]);
    }

    #[test]
    fn values_are_unfolded() {
        check("A: one\n  two\n\tthree: 3\n", &[("A", "one two three: 3", 0)]);
        check("A:\n one\n", &[("A", "one", 0)]);
    }

    #[test]
    fn loose_forms_are_read() {
        check("A : 1\r\nnot a field\r\n", &[("A", "1 not a field", 0)]);
        check("just prose\n\nA: 1", &[("A", "1", 0)]);
    }
}
