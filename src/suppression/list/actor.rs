//! Who writes, and what he may.

use crate::model::suppression::{Change, Key, NAME_BYTES_MAX, NOTE_BYTES_MAX, Origin, Reason, RemovalNeeds};
use crate::model::{ADDRESS_BYTES_MAX, Text};
use crate::suppression::index::{MD5_PREFIX, SHA256_PREFIX};
use crate::suppression::list::ListError;

/// A person or an API token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub name: Text,
    pub is_admin: bool,
}

impl Actor {
    pub fn origin(&self) -> Origin {
        Origin::Actor(self.name.clone())
    }

    /// Whether the change may be written for this actor.
    ///
    /// # Errors
    ///
    /// [`ListError::Bad`], [`ListError::NeedsAdmin`], [`ListError::NeedsNote`].
    pub fn may(&self, change: &Change) -> Result<(), ListError> {
        check_key(&change.key)?;
        if change.note.len() > NOTE_BYTES_MAX {
            return Err(bad("note", &change.note, "at most 1024 bytes"));
        }
        if change.key.reason == Reason::Compliance && !self.is_admin {
            return Err(ListError::NeedsAdmin);
        }
        let needs =
            if change.action.adds() { RemovalNeeds::Nothing } else { change.key.reason.removal_needs() };
        if needs > RemovalNeeds::Nothing && change.note.trim().is_empty() {
            return Err(ListError::NeedsNote(change.key.reason));
        }
        Ok(())
    }
}

/// Whether a key is one that the list can hold and find again.
fn check_key(key: &Key) -> Result<(), ListError> {
    let address = key.address.as_str();
    let is_hash = |prefix: &str, digits: usize| {
        address.strip_prefix(prefix).is_some_and(|hash| {
            hash.len() == digits && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        })
    };
    let is_plain = address.len() <= ADDRESS_BYTES_MAX
        && address.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && !address.contains(|c: char| c.is_control() || c == '<' || c == '>')
        && address == crate::model::normalize_address(address);
    if !is_plain && !is_hash(SHA256_PREFIX, 64) && !is_hash(MD5_PREFIX, 32) {
        return Err(bad(
            "address",
            &key.address,
            "write it as `name@domain` in lower case, or as `sha256:` or `md5:` with its hash",
        ));
    }
    let (tenant, name) = key.scope.parts();
    if tenant.len() > NAME_BYTES_MAX || name.len() > NAME_BYTES_MAX {
        return Err(bad(
            "scope",
            key.scope.name(),
            "names of tenants, streams and lists have at most 128 bytes",
        ));
    }
    Ok(())
}

fn bad(what: &'static str, value: &str, wanted: &'static str) -> ListError {
    /// What a person needs to see of a value of any length.
    const SHOWN_CHARS_MAX: usize = 60;
    ListError::Bad { what, value: value.chars().take(SHOWN_CHARS_MAX).collect(), wanted }
}
