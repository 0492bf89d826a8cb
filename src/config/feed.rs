//! Settings for those who follow the suppression list.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Receivers that are told of every change of the suppression list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Feed {
    pub webhooks: Vec<FeedWebhook>,
}

/// One receiver. It gets signed posts, as the Standard Webhooks specification has them, from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedWebhook {
    /// Your name for it: letters, digits, `-` and `_`; unique. Its state is kept under this name in the data folder.
    pub name: String,
    /// Such as `https://crm.example.com/hooks/suppressions`.
    pub url: String,
    /// File with the secret of the signature, at least 24 bytes: as it is, or as `whsec_` and base 64.
    pub secret_file: PathBuf,
    /// Hours for which a post is tried before it becomes a dead letter. Default 24: a receiver that fell over at night
    /// is mended by the next evening. 0 tries once. At most 720.
    #[serde(default = "give_up_hours")]
    pub give_up_hours: u16,
}

const fn give_up_hours() -> u16 {
    24
}

/// Most hours for which a post is tried; those behind it wait as long.
pub(super) const GIVE_UP_HOURS_MAX: u16 = 720;

impl FeedWebhook {
    /// Whether the name can be that of a folder.
    pub(super) fn has_name(&self) -> bool {
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        (1..=64).contains(&self.name.len()) && self.name.chars().all(is_letter)
    }
}
