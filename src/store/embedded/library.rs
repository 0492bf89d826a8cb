//! Where the engine's library is, and whether it is the right one.
//!
//! Way: `engine` asks before it opens a data folder.
//! Source: the npm package `@chdb/lib-linux-x64-gnu` 26.7.3 (566 MB, glibc only); there is none for musl or arm64.
//! Not here: loading and calling it (`ffi`).

use super::{EmbeddedError, ffi::Api};
use std::{
    env,
    path::{Path, PathBuf},
};

/// The library's file name.
pub(super) const FILE_NAME: &str = "libchdb.so";
/// Names the library's path, when no setting does.
pub(super) const PATH_ENV: &str = "RELAYLENS_CHDB";
/// ClickHouse version, major and minor, that this program is made for. Others may store or say things differently.
pub(super) const VERSION: &str = "26.7";

/// Below the executable's folder: beside it, and where an installed tree keeps libraries.
const BESIDE_EXECUTABLE: [&str; 2] = ["libchdb.so", "../lib/relaylens/libchdb.so"];
/// Below the current directory: where `make engine` puts it.
const NODE_MODULES: &str = "node_modules/@chdb/lib-linux-x64-gnu/libchdb.so";
const SYSTEM: &str = "/usr/lib/relaylens/libchdb.so";

/// Finds, loads and checks the library; `named` is the operator's setting.
///
/// # Errors
///
/// [`EmbeddedError::LibraryNotFound`], [`EmbeddedError::LibraryUnusable`], [`EmbeddedError::LibraryLacksSymbol`] or
/// [`EmbeddedError::WrongVersion`].
pub(super) fn load(named: Option<&Path>) -> Result<(&'static Api, PathBuf), EmbeddedError> {
    let from_env = env::var_os(PATH_ENV).map(PathBuf::from);
    let exe = env::current_exe().ok();
    let candidates =
        candidates(named.or(from_env.as_deref()), exe.as_deref(), env::current_dir().ok().as_deref());
    let Some(path) = candidates.iter().find(|path| path.is_file()).cloned() else {
        return Err(EmbeddedError::LibraryNotFound { looked: candidates });
    };
    let api = Api::load(&path)?;
    // Asked before the data folder is touched, so that another version cannot change what is stored there.
    check_version(&path, &api.version())?;
    Ok((api, path))
}

/// Where to look, in order. A named library is the only place: a missing one is told, and not replaced by another.
fn candidates(named: Option<&Path>, exe: Option<&Path>, current_dir: Option<&Path>) -> Vec<PathBuf> {
    if let Some(named) = named {
        return vec![named.to_owned()];
    }
    let beside =
        exe.and_then(Path::parent).into_iter().flat_map(|dir| BESIDE_EXECUTABLE.map(|file| dir.join(file)));
    let below = current_dir.map(|dir| dir.join(NODE_MODULES));
    beside.chain(below).chain([PathBuf::from(SYSTEM)]).collect()
}

/// Compares major and minor of `found`, such as `26.7.2.1`, with [`VERSION`].
pub(super) fn check_version(path: &Path, found: &str) -> Result<(), EmbeddedError> {
    match found.strip_prefix(VERSION) {
        Some(rest) if rest.is_empty() || rest.starts_with('.') => Ok(()),
        _ => Err(EmbeddedError::WrongVersion { path: path.to_owned(), found: found.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_library_is_the_only_place() {
        let looked =
            candidates(Some(Path::new("/a/b.so")), Some(Path::new("/bin/relaylens")), Some(Path::new("/w")));
        assert_eq!(looked, [PathBuf::from("/a/b.so")]);
    }

    #[test]
    fn without_a_name_the_places_come_in_order() {
        let looked = candidates(None, Some(Path::new("/opt/bin/relaylens")), Some(Path::new("/w")));
        let expect = [
            "/opt/bin/libchdb.so",
            "/opt/bin/../lib/relaylens/libchdb.so",
            "/w/node_modules/@chdb/lib-linux-x64-gnu/libchdb.so",
            "/usr/lib/relaylens/libchdb.so",
        ];
        assert_eq!(looked, expect.map(PathBuf::from));
    }

    #[test]
    fn a_missing_library_names_the_places_and_the_ways_out() {
        let error = load(Some(Path::new("/nowhere/libchdb.so"))).err().unwrap().to_string();
        for part in ["/nowhere/libchdb.so", "make engine", "RELAYLENS_CHDB", "--clickhouse-url"] {
            assert!(error.contains(part), "{part} is not in: {error}");
        }
    }

    #[test]
    fn a_file_that_is_no_library_is_unusable() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = load(Some(file.path())).err().unwrap();
        assert!(matches!(error, EmbeddedError::LibraryUnusable { .. }), "{error}");
    }

    #[test]
    fn a_library_of_something_else_lacks_the_functions() {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let libc = maps.split_whitespace().find(|word| word.ends_with("libc.so.6")).unwrap();
        let error = load(Some(Path::new(libc))).err().unwrap();
        assert!(matches!(error, EmbeddedError::LibraryLacksSymbol { symbol: "chdb_version", .. }), "{error}");
    }

    #[test]
    fn only_major_and_minor_of_the_version_count() {
        for (found, right) in [
            ("26.7", true),
            ("26.7.3", true),
            ("26.7.2.1", true),
            ("26.70.1", false),
            ("26.8.1", false),
            ("", false),
        ] {
            assert_eq!(check_version(Path::new("/l.so"), found).is_ok(), right, "{found}");
        }
        let error = check_version(Path::new("/l.so"), "25.3.1").unwrap_err().to_string();
        assert!(error.contains("25.3.1") && error.contains("made for 26.7"), "{error}");
    }
}
