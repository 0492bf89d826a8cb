//! What a door lets in: everything from inside the process, reading only from loopback.
//!
//! Way: `service` takes the settings from here, the jobs in `query` and `insert` ask before they run a statement.
//! Source: what each guard stops was tried on chDB 26.7.3; `readonly`, clickhouse.com/docs/operations/settings/permissions-for-queries.
//! Not here: who may come in (`listen`).

use super::{
    Engine,
    exception::{Code, Exception},
    ffi::{Session, Statement, StatementClass},
    listen::ListenToken,
    statement::Shape,
};
use std::sync::Arc;

/// The rights of everyone who comes through one door.
#[derive(Clone)]
pub(super) enum Access {
    /// The product itself: statements that change data too.
    Full,
    /// One reading statement at a time, for those who have the token.
    ReadOnly(Arc<ListenToken>),
}

/// The control statements that a server takes (`ALTER` for its `DELETE`). What else the engine counts as control writes outside of it, as
/// `INTO OUTFILE` does: a server leaves that to its client, the library does it itself.
const CONTROL_WORDS: [&str; 9] =
    ["ALTER", "ATTACH", "BACKUP", "DETACH", "KILL", "RESTORE", "SET", "SYSTEM", "USE"];

/// What a reader may set: limits and the look of the answer. `readonly=1` guards the statement's own `SETTINGS` only.
const READER_SETTINGS: [&str; 12] = [
    "add_http_cors_header",
    "date_time_output_format",
    "enable_http_compression",
    "extremes",
    "max_block_size",
    "max_result_bytes",
    "max_result_rows",
    "max_rows_to_read",
    "max_threads",
    "result_overflow_mode",
    "send_progress_in_http_headers",
    "session_timezone",
];
const READER_SETTINGS_PREFIX: &str = "output_format_";
/// Settings that clients send by habit, and that are fixed for readers: dropped, not refused.
const READER_FIXED: [&str; 3] = ["max_execution_time", "max_memory_usage", "readonly"];
/// Longest statement of a reader, in seconds.
const READER_SECONDS_MAX: u32 = 60;

impl Access {
    pub(super) fn is_read_only(&self) -> bool {
        matches!(self, Self::ReadOnly(_))
    }

    /// The settings that a request runs with.
    pub(super) fn settings(
        &self,
        engine: &Engine,
        mut asked: Vec<(String, String)>,
    ) -> Result<Vec<(String, String)>, Exception> {
        if self.is_read_only() {
            asked.retain(|(name, _)| !READER_FIXED.contains(&name.as_str()));
            let allowed =
                |name: &str| READER_SETTINGS.contains(&name) || name.starts_with(READER_SETTINGS_PREFIX);
            if let Some((name, _)) = asked.iter().find(|(name, _)| !allowed(name)) {
                return Err(not_allowed(format_args!("a reader cannot change setting '{name}'")));
            }
            let fixed = [
                ("readonly", "1".to_owned()),
                ("max_execution_time", READER_SECONDS_MAX.to_string()),
                ("max_memory_usage", engine.reader_memory_bytes_max().to_string()),
            ];
            asked.extend(fixed.map(|(name, value)| (name.to_owned(), value)));
        }
        Ok(asked)
    }

    /// Refuses what this door does not let in. Judged by the engine's own parser, with the session that will run it.
    pub(super) fn check(&self, session: &mut Session, sql: &str) -> Result<(), Exception> {
        let analysis = session.classify(sql);
        if analysis.statements > 1 {
            let message = "multi-statements are not allowed: send one statement for each request";
            return Err(Exception::new(Code::SyntaxError, message));
        }
        let shape = Shape::of(sql);
        match (self, analysis.class) {
            (Self::Full, StatementClass::Control) if !starts_with_control_word(&shape) => {
                Err(not_allowed("the statement writes outside of the engine (INTO OUTFILE or INTO FUNCTION)"))
            }
            (Self::ReadOnly(_), StatementClass::ReadOnly) if shape.describes_function => Err(not_allowed(
                "a reader cannot describe a table function, since that opens its file or address",
            )),
            (Self::ReadOnly(_), StatementClass::Unknown) => Err(why_unknown(session, sql)),
            (Self::ReadOnly(_), StatementClass::Mutating | StatementClass::Control) => {
                Err(not_allowed("readers can only run statements that read (SELECT, SHOW, EXPLAIN …)"))
            }
            // From inside, a text that does not parse is left to fail with the engine's own words.
            (Self::ReadOnly(_), StatementClass::ReadOnly) | (Self::Full, _) => Ok(()),
        }
    }
}

fn starts_with_control_word(shape: &Shape<'_>) -> bool {
    CONTROL_WORDS.iter().any(|word| shape.first_word.eq_ignore_ascii_case(word))
}

fn not_allowed(message: impl std::fmt::Display) -> Exception {
    Exception::new(Code::Readonly, message)
}

/// Lets the engine say what is wrong with a text, without running it.
fn why_unknown(session: &mut Session, sql: &str) -> Exception {
    let params = [("text".to_owned(), sql.to_owned())];
    let statement = Statement { sql: "SELECT formatQuery({text:String})", format: "Null", params: &params };
    match session.query(&statement) {
        Err(exception) => exception,
        Ok(_) => not_allowed("the engine cannot tell what this statement does, so readers cannot run it"),
    }
}
