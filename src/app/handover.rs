//! How a second command finds the running server: the data folder has one owner, so `import` and `replay` hand their
//! work to it.

use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const FILE: &str = "serve.json";

/// Where the server that owns a data folder listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// Such as `http://127.0.0.1:8080`.
    pub url: String,
    pub pid: u32,
}

impl Handover {
    /// Returns the server of a data folder, when one runs.
    pub fn find(data_dir: &Path) -> Option<Self> {
        let text = std::fs::read(data_dir.join(FILE)).ok()?;
        let found: Self = serde_json::from_slice(&text).ok()?;
        // A server that was killed left its file behind.
        Path::new("/proc").join(found.pid.to_string()).exists().then_some(found)
    }

    /// Announces this process as the owner; the file goes with the returned guard.
    pub(super) fn announce(data_dir: &Path, url: String) -> anyhow::Result<Announced> {
        let file = data_dir.join(FILE);
        let text = serde_json::to_vec(&Self { url, pid: std::process::id() })?;
        std::fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))?;
        Ok(Announced(file))
    }
}

pub(super) struct Announced(PathBuf);

impl Drop for Announced {
    fn drop(&mut self) {
        // A file that stays is recognised by its process id.
        let _ = std::fs::remove_file(&self.0);
    }
}
