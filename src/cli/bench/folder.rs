//! A folder for the data of a measurement, which goes away with its owner.

use anyhow::Context;
use std::fs;
use std::path::{Path, PathBuf};

pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes a folder that did not exist before.
    pub(super) fn new(path: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Self(path))
    }

    /// Makes one that is named by this process, in `parent` or beside other temporary files.
    pub(super) fn of_this_process(parent: Option<&Path>) -> anyhow::Result<Self> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        Self::new(parent.join(format!("relaylens-bench-{}", std::process::id())))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays behind lies among other temporary files, and names its process.
        let _ = fs::remove_dir_all(&self.0);
    }
}
