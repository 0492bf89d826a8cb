//! The rules of the house that no compiler keeps: who may lean on whom, what pure floors leave alone, where things
//! stand. Each fault is told with its file, what is wrong and what to do.

use crate::support::repository;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Which floor may lean on which. A floor that is not here is a fault, so that a new one is thought about.
const FLOORS: [(&str, &[&str]); 14] = [
    ("model", &[]),
    ("parse", &["model"]),
    ("classify", &["model"]),
    ("config", &["model"]),
    ("call", &["model"]),
    ("spool", &["model"]),
    ("store", &["model", "config"]),
    ("suppression", &["model", "config", "call", "store"]),
    ("reputation", &["model", "config", "call", "store"]),
    ("alert", &["model", "config", "call", "store", "reputation"]),
    ("ingest", &["model", "config", "call", "spool", "parse"]),
    ("pipeline", &["model", "config", "parse", "classify", "spool", "store", "suppression"]),
    ("web", &["model", "config", "parse", "store", "suppression", "reputation", "alert"]),
    (
        "app",
        &[
            "model",
            "config",
            "parse",
            "classify",
            "call",
            "spool",
            "store",
            "suppression",
            "reputation",
            "alert",
            "ingest",
            "pipeline",
            "web",
        ],
    ),
];

/// Commands may use everything.
const FREE_FLOORS: [&str; 1] = ["cli"];

/// Floors that do no I/O, read no clock and log nothing.
const PURE: [&str; 3] = ["model", "parse", "classify"];
const IMPURE_WORDS: [&str; 12] = [
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "TcpStream",
    "UdpSocket",
    "std::process",
    "std::env",
    "tokio::",
    "tracing::",
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
];

/// Only here may a compiler's guard be off, and a statement be written.
const UNSAFE_HOME: &str = "src/store/embedded/";
const SQL_HOME: &str = "src/store/";
const SQL_WORDS: [&str; 4] = ["SELECT ", "INSERT INTO", "CREATE TABLE", "ALTER TABLE"];

const FILE_LINES_MAX: usize = 500;
/// A table of cases may be long.
const TEST_FILE_LINES_MAX: usize = 800;

/// Paths of somebody's machine. Cut in two, so that this file does not hold them.
const MACHINE_PATHS: [[&str; 2]; 4] = [["/wo", "rk/"], ["/ho", "me/"], ["/ro", "ot/"], ["/tm", "p/w-"]];

/// A text file of the repository, by its path in it.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The lines above the tests in the file, with their numbers.
    fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = self.text.find("#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        (1..).zip(self.text[..tests].lines())
    }

    /// Code without comments: what a doc comment names, it does not use.
    fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.product_lines().filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || ["/tests.rs", "/traps.rs", "/testing.rs"].iter().any(|end| self.path.ends_with(end))
            || self.path.contains("/tests/")
    }

    fn floor(&self) -> Option<&str> {
        self.path.strip_prefix("src/")?.split_once('/').map(|(floor, _)| floor)
    }
}

fn sources(folder: &str, endings: &[&str]) -> Vec<Source> {
    fn collect(dir: &Path, endings: &[&str], found: &mut Vec<Source>) {
        let Ok(entries) = fs::read_dir(dir) else { return };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                collect(&path, endings, found);
            } else if path
                .extension()
                .is_some_and(|ending| endings.contains(&ending.to_str().unwrap_or_default()))
            {
                let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                let path = path.strip_prefix(repository("")).unwrap().to_str().unwrap().to_owned();
                found.push(Source { path, text });
            }
        }
    }
    let mut found = Vec::new();
    collect(&repository(folder), endings, &mut found);
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

#[track_caller]
fn none(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn floors_lean_only_on_those_below() {
    let mut faults = Vec::new();
    for source in sources("src", &["rs"]) {
        let Some(floor) = source.floor() else { continue };
        if FREE_FLOORS.contains(&floor) || source.is_test() {
            continue;
        }
        let Some((_, allowed)) = FLOORS.iter().find(|(name, _)| *name == floor) else {
            faults.push(format!(
                "{}: floor `{floor}` is not in the table: say what it may lean on",
                source.path
            ));
            continue;
        };
        for (number, line) in source.code_lines() {
            if line.contains("crate::{") {
                faults.push(format!(
                    "{}:{number}: write one `use` for each floor, so that this test sees it",
                    source.path
                ));
            }
            for used in line.split("crate::").skip(1) {
                let used =
                    used.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
                let is_floor = FLOORS.iter().any(|(name, _)| *name == used) || FREE_FLOORS.contains(&used);
                if is_floor && used != floor && !allowed.contains(&used) {
                    faults.push(format!(
                        "{}:{number}: `{floor}` must not lean on `{used}`: move the thing down, or hand it in from `app`",
                        source.path
                    ));
                }
            }
        }
    }
    none(&faults);
}

/// Whether a floor of the table is there at all is not asked: some come later.
#[test]
fn pure_floors_do_no_io_and_read_no_clock() {
    let mut faults = Vec::new();
    for source in sources("src", &["rs"]).iter().filter(|source| !source.is_test()) {
        if !source.floor().is_some_and(|floor| PURE.contains(&floor)) {
            continue;
        }
        for (number, line) in source.code_lines() {
            for word in IMPURE_WORDS.iter().filter(|word| line.contains(**word)) {
                faults.push(format!(
                    "{}:{number}: `{word}` on a pure floor: take the value as an argument",
                    source.path
                ));
            }
        }
    }
    none(&faults);
}

#[test]
fn unsafe_and_sql_stay_in_their_rooms() {
    let mut faults = Vec::new();
    for source in sources("src", &["rs"]).iter().filter(|source| !source.is_test()) {
        for (number, line) in source.code_lines() {
            let is_unsafe = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"]
                .iter()
                .any(|word| line.contains(word));
            if is_unsafe && !source.path.starts_with(UNSAFE_HOME) {
                faults.push(format!("{}:{number}: `unsafe` stands in {UNSAFE_HOME} alone", source.path));
            }
            if SQL_WORDS.iter().any(|word| line.contains(word)) && !source.path.starts_with(SQL_HOME) {
                faults.push(format!(
                    "{}:{number}: SQL stands in {SQL_HOME} alone: add a query there",
                    source.path
                ));
            }
        }
    }
    none(&faults);
}

#[test]
fn every_module_says_what_it_is_and_none_is_too_long() {
    let mut faults = Vec::new();
    for source in sources("src", &["rs"]).iter().chain(&sources("tests", &["rs"])) {
        if !source.text.starts_with("//!") {
            faults.push(format!("{}: begins without `//!`: say in a line what the module is", source.path));
        }
        let most = if source.is_test() { TEST_FILE_LINES_MAX } else { FILE_LINES_MAX };
        let lines = source.text.lines().count();
        if lines > most {
            faults.push(format!(
                "{}: {lines} lines, the most is {most}: split it by what it does",
                source.path
            ));
        }
    }
    none(&faults);
}

#[test]
fn no_statement_and_no_page_is_an_orphan() {
    let mut faults = Vec::new();
    let rust: String = sources("src", &["rs"]).iter().map(|source| source.text.as_str()).collect();
    let sql = sources("src/store", &["sql"]);
    let texts: String = sql.iter().map(|source| source.text.as_str()).collect::<String>() + &rust;
    for Source { path, .. } in &sql {
        let name = path.rsplit('/').next().unwrap();
        if !texts.contains(&format!("{name}\"")) {
            faults.push(format!("{path}: no Rust file includes it: delete it, or ask it"));
        }
    }
    let pages: String = sources("src/web", &["rs"]).iter().map(|source| source.text.as_str()).collect();
    for Source { path, .. } in sources("templates/pages", &["html"]) {
        let template = path.strip_prefix("templates/").unwrap();
        if !pages.contains(&format!("\"{template}\"")) {
            faults.push(format!("{path}: no file of src/web draws it"));
        }
    }
    let tested = fs::read_to_string(repository("tests/browser/pages.mjs")).unwrap();
    let pages: String = sources("src/web/pages", &["rs"]).iter().map(|source| source.text.as_str()).collect();
    let routes: BTreeSet<&str> = pages
        .split(".route(\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|route| !route.contains('{'))
        .collect();
    assert!(!routes.is_empty(), "no `.route(\"…\")` was found in src/web/pages: mend this test");
    for route in routes {
        if !tested.contains(&format!("\"{route}\"")) && !tested.contains(&route.replace('/', "\\/")) {
            faults.push(format!("`{route}` is not opened by tests/browser/pages.mjs: add it there"));
        }
    }
    none(&faults);
}

#[test]
fn the_repository_names_no_machine_of_its_authors() {
    let mut faults = Vec::new();
    let endings =
        ["rs", "toml", "md", "sql", "html", "css", "js", "mjs", "py", "sh", "lua", "json", "yml", "yaml"];
    let folders =
        ["src", "tests", "migrations", "templates", "integrations", "dashboards", "benches", ".ci", "docs"];
    for source in folders.iter().flat_map(|folder| sources(folder, &endings)) {
        for (number, line) in (1..).zip(source.text.lines()) {
            for path in
                MACHINE_PATHS.map(|halves| halves.concat()).iter().filter(|path| line.contains(path.as_str()))
            {
                faults.push(format!(
                    "{}:{number}: `{path}` is a path of one machine: make it relative",
                    source.path
                ));
            }
        }
    }
    none(&faults);
}
