//! Why the embedded engine or its listener could not be started.
//!
//! Not here: failures of single statements, which reach the client as ClickHouse exceptions (`exception`).

use super::{library, listen::TOKEN_BYTES_MIN, lock};
use std::{io, net::SocketAddr, path::PathBuf};

/// What went wrong, where, and what to change.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error(
        "the engine's library {name} was not found; looked at: {looked}; run `make engine` (it fetches the library with \
         npm), set {env} to its path, or use a ClickHouse server with `--clickhouse-url`",
        name = library::FILE_NAME,
        env = library::PATH_ENV,
        looked = list(looked)
    )]
    LibraryNotFound { looked: Vec<PathBuf> },

    #[error(
        "the engine's library {} cannot be loaded; it must be the linux-x64-gnu build for a glibc system: run \
         `make engine` to fetch it anew",
        path.display()
    )]
    LibraryUnusable { path: PathBuf, source: libloading::Error },

    #[error(
        "{} is not the engine's library: it lacks the function `{symbol}`; chDB {wanted} is needed, run `make engine`",
        path.display(),
        wanted = library::VERSION
    )]
    LibraryLacksSymbol { path: PathBuf, symbol: &'static str },

    #[error(
        "the engine's library {} has version {found}, this program is made for {wanted}; run `make engine`, or point \
         {env} to a library of version {wanted}",
        path.display(),
        wanted = library::VERSION,
        env = library::PATH_ENV
    )]
    WrongVersion { path: PathBuf, found: String },

    #[error("engine setting `{name}` is {value}, the least is {least}")]
    SettingTooSmall { name: &'static str, value: u64, least: u64 },

    #[error(
        "this process has the engine open on {}, and cannot open {} too: one process holds one data folder",
        open.display(),
        wanted.display()
    )]
    AlreadyOpen { open: PathBuf, wanted: PathBuf },

    #[error(
        "data folder {} is in use by {}; stop that one first, or give this one another data folder",
        data_dir.display(),
        holder(*pid)
    )]
    Locked { data_dir: PathBuf, pid: Option<u32> },

    #[error("cannot {doing} {}; check that the folder exists, is writable and belongs to this user", path.display())]
    DataDir { doing: &'static str, path: PathBuf, source: io::Error },

    #[error("the disk that holds {} is full; free space there, or move the data folder to a larger disk", path.display())]
    DiskFull { path: PathBuf },

    #[error(
        "the engine did not start on data folder {}; it has printed its reason on standard error, often one of these: \
         another chDB program has the folder open, the disk is full, files belong to another user",
        data_dir.display()
    )]
    Refused { data_dir: PathBuf },

    #[error("the engine started on data folder {} but failed to answer: {message}", data_dir.display())]
    FirstStatement { data_dir: PathBuf, message: String },

    #[error(
        "refusing to listen on {address}: the embedded engine is offered on loopback only, such as 127.0.0.1:8123; for \
         other machines run a ClickHouse server"
    )]
    NotLoopback { address: SocketAddr },

    #[error(
        "the token for the embedded engine's listener has {bytes} bytes, the least is {TOKEN_BYTES_MIN}; make one with \
         `openssl rand -hex 32`"
    )]
    TokenTooShort { bytes: usize },

    #[error("the embedded engine's listener has no address; open it anew")]
    Listener { source: io::Error },
}

impl EmbeddedError {
    /// A failed file operation in the data folder; a full disk is told apart, since the advice differs.
    pub(super) fn data_dir(doing: &'static str, path: PathBuf, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::DataDir { doing, path, source },
        }
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn holder(pid: Option<u32>) -> String {
    match pid {
        Some(pid) if pid == std::process::id() => "this process itself".to_owned(),
        Some(pid) => format!("another relaylens (process {pid})"),
        None => format!("another process (the holder of {})", lock::FILE_NAME),
    }
}
