//! Changes of the list, posted to receivers that ask to be told: signed, in order, again until they are taken.
//!
//! A post carries the next stretch of the log. Its id and bytes are on disk before it is sent, so that it is the same
//! post whenever it is sent again, also after a kill: a receiver that has seen the id has had it. What is refused for
//! [`HookSettings::give_up_s`] becomes a dead letter, which a person can send again, and the next one goes on.
//!
//! | header | what |
//! | --- | --- |
//! | `webhook-id` | of the post, the same at every try |
//! | `webhook-timestamp` | seconds since 1970, of this try; receivers refuse old ones |
//! | `webhook-signature` | `v1,` and base 64 of HMAC-SHA-256 over `ID.TIMESTAMP.BODY` |
//!
//! Source: the Standard Webhooks specification 1.0 (github.com/standard-webhooks), which several libraries check.
//! Way: `app` starts [`Hook::run`]; pages and API ask for [`HookStatus`].
//! Not here: webhooks that come in (`ingest`).

mod post;
mod state;
mod work;

pub use post::line;
pub use state::{DeadLetter, HookError};

use crate::call::Line;
use crate::model::Text;
use crate::suppression::hooks::state::Folder;
use crate::suppression::list::List;
use hyper::Uri;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Most records of one post: half a megabyte.
pub const RECORDS_MAX: u32 = 500;
/// Most dead letters of one receiver; when it is reached, posts wait instead, and nothing is lost.
pub const DEAD_LETTERS_MAX: usize = 1_000;

/// A receiver.
#[derive(Clone)]
pub struct HookSettings {
    /// Unique; a file name.
    pub name: Text,
    pub url: Uri,
    /// Key of the signature.
    pub secret: Vec<u8>,
    /// Seconds for which a post is tried; 0 tries it once.
    pub give_up_s: i64,
}

/// How a receiver stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct HookStatus {
    pub name: Text,
    /// Without user and password.
    pub url: String,
    /// Posts that it took, since it was set up.
    pub delivered: u64,
    /// Records in them.
    pub records: u64,
    /// Tries of the post that waits; 0 when none failed.
    pub failures: u32,
    pub next_try_unix: Option<i64>,
    /// Why the last try failed; empty when it did not.
    pub last_fault: String,
    pub last_delivered_unix: Option<i64>,
    /// Up to where the log was taken.
    pub cursor: String,
    pub dead_letters: usize,
}

/// One receiver at work. Clones are handles of the same one.
#[derive(Clone)]
pub struct Hook(Arc<Inner>);

struct Inner {
    settings: HookSettings,
    list: List,
    line: Line,
    folder: Folder,
    status: Mutex<HookStatus>,
    /// A dead letter is to be sent again.
    again: Notify,
}

impl Hook {
    /// Opens its folder. A receiver that is new is told what changes from now on: for what stands already it takes a
    /// snapshot.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made, or what is in it not be read.
    pub fn open(settings: HookSettings, dir: &Path, list: List, line: Line) -> Result<Self, HookError> {
        let folder = Folder::open(dir.join(settings.name.as_str()))?;
        let state = folder.load()?;
        let status = HookStatus {
            name: settings.name.clone(),
            url: shown(&settings.url),
            delivered: 0,
            records: 0,
            failures: 0,
            next_try_unix: None,
            last_fault: String::new(),
            last_delivered_unix: None,
            cursor: String::new(),
            dead_letters: folder.dead_letters()?.len(),
        };
        let hook = Self(Arc::new(Inner {
            settings,
            list,
            line,
            folder,
            status: Mutex::new(status),
            again: Notify::new(),
        }));
        if let Some(state) = &state {
            hook.show(state);
        }
        Ok(hook)
    }

    pub fn status(&self) -> HookStatus {
        self.0.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The posts that were given up, the newest first.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn dead_letters(&self) -> Result<Vec<DeadLetter>, HookError> {
        self.0.folder.dead_letters()
    }

    /// Has a dead letter sent again, before what is new. `false` when there is none with this id.
    ///
    /// # Errors
    ///
    /// When its file cannot be renamed.
    pub fn send_again(&self, id: uuid::Uuid) -> Result<bool, HookError> {
        let is_there = self.0.folder.revive(id)?;
        if is_there {
            self.0.again.notify_one();
        }
        Ok(is_there)
    }
}

/// The URL as it may be shown: user and password stand for a secret.
fn shown(url: &Uri) -> String {
    let host = url.host().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{host}{port}{}", url.scheme_str().unwrap_or("http"), url.path())
}
