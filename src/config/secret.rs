//! Secrets that the settings only point to.

use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;

/// Longest secret, in bytes: a public key of 8192 bits takes 1.5 kB.
const SECRET_BYTES_MAX: u64 = 16 * 1024;

/// Where a secret stands. It is never written into the settings themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretFrom {
    /// A file that holds it, and line ends around it.
    File(PathBuf),
    /// A variable of the environment.
    Env(String),
}

/// Why there is no secret where the settings point.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("secret file {} cannot be read: {fault}", path.display())]
    File { path: PathBuf, fault: io::Error },
    #[error("{} is empty, no text, or longer than {SECRET_BYTES_MAX} bytes", path.display())]
    NoSecret { path: PathBuf },
    #[error("the variable {name} is not set, or empty")]
    NoVariable { name: String },
}

impl SecretFrom {
    /// Reads it, without the line end that editors put behind it.
    ///
    /// # Errors
    ///
    /// [`SecretError`], which says where it looked.
    pub fn read(&self) -> Result<String, SecretError> {
        match self {
            Self::File(path) => {
                let failed = |fault| SecretError::File { path: path.clone(), fault };
                let length = std::fs::metadata(path).map_err(failed)?.len();
                if length > SECRET_BYTES_MAX {
                    return Err(SecretError::NoSecret { path: path.clone() });
                }
                let text = String::from_utf8(std::fs::read(path).map_err(failed)?).unwrap_or_default();
                bare(&text).ok_or_else(|| SecretError::NoSecret { path: path.clone() })
            }
            Self::Env(name) => std::env::var(name)
                .ok()
                .and_then(|text| bare(&text))
                .ok_or_else(|| SecretError::NoVariable { name: name.clone() }),
        }
    }
}

fn bare(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
