//! Settings for links by which recipients unsubscribe.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Unsubscribe links, by one click (RFC 8058), on a page, or by mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Unsubscribe {
    /// Where recipients reach `/unsubscribe` of this server, such as `https://mail.example.com/unsubscribe`: your proxy
    /// hands that path on, and no other. Default none: links are not made.
    pub url: Option<String>,
    /// Address whose mail comes to a door of relaylens, for programs that unsubscribe by mail. Default none.
    pub mailto: Option<String>,
    /// File with the keys, the signing one first: a line `NAME SECRET` each. Default that of `return_path.keys_file`.
    /// A key must stay for `days` after its last link.
    pub keys_file: Option<PathBuf>,
    /// Days for which a link counts. Default 365: mail is found and read long after it was sent. At least 30, which
    /// 16 CFR 316.5 (CAN-SPAM) asks for.
    pub days: u16,
}

/// Least days for which a link must count (16 CFR 316.5).
pub(super) const DAYS_MIN: u16 = 30;

impl Default for Unsubscribe {
    fn default() -> Self {
        Self { url: None, mailto: None, keys_file: None, days: 365 }
    }
}
