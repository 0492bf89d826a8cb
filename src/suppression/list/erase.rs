//! Forgetting an address, and not that it must not be mailed.

use crate::model::normalize_address;
use crate::model::suppression::{Action, Change, Entry};
use crate::store::Erased;
use crate::suppression::fold::entries;
use crate::suppression::index::sha256_of;
use crate::suppression::list::{Actor, List, ListError};

/// What stands with the entry that stays.
const NOTE: &str = "the address was erased";

impl List {
    /// Deletes every row that names the address. What suppresses it goes on doing so under the SHA-256 of the address,
    /// which tells nobody who it was and still knows him when mail to him is asked about.
    ///
    /// One that was interrupted is finished by erasing again.
    ///
    /// # Errors
    ///
    /// [`ListError::NeedsAdmin`], [`ListError::Bad`] for what is no address, and as [`List::write`].
    pub async fn erase(&self, actor: &Actor, address: &str) -> Result<Erased, ListError> {
        if !actor.is_admin {
            return Err(ListError::NeedsAdmin);
        }
        let address = normalize_address(address);
        let hashed = sha256_of(&address);
        let living =
            entries(&self.store().suppressions_of(std::slice::from_ref(&address)).await?, self.now());
        let change = |entry: &Entry, action, name: &str| Change {
            action,
            key: crate::model::suppression::Key { address: name.into(), ..entry.key.clone() },
            observed: entry.observed,
            expires: entry.expires,
            origin: actor.origin(),
            run: None,
            evidence: Vec::new(),
            note: NOTE.into(),
        };
        // The hash first: at no moment is the address free.
        let kept = living.iter().map(|entry| change(entry, Action::Import, &hashed));
        let lifted = living.iter().map(|entry| change(entry, Action::Withdraw, &address));
        self.write_as(actor, kept.chain(lifted).collect()).await?;
        Ok(self.store().erase(&address).await?)
    }
}
