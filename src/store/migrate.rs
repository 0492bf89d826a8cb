//! Brings the tables to the shape that this version needs: numbered files, forward only.
//!
//! Way: `app` calls [`Store::migrate`] before anything else touches the database.
//! A file is applied statement by statement, each of which may be repeated, and is recorded with its checksum when the
//! last one is done. On a cluster every node gets the statements over a connection of its own: `ON CLUSTER` would need
//! a working distributed DDL queue just when one sets a cluster up.
//! Not here: retention (`retention`), which follows the settings and not the version.

use crate::store::{Store, Topology};
use clickhouse::{Client, Row};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// In order of their numbers. A file that has been released is never changed: its checksum is kept in the database.
const FILES: [(u32, &str, &str); 13] = [
    (1, "events", include_str!("../../migrations/0001_events.sql")),
    (2, "rollups", include_str!("../../migrations/0002_rollups.sql")),
    (3, "rejects", include_str!("../../migrations/0003_rejects.sql")),
    (4, "ledger", include_str!("../../migrations/0004_ledger.sql")),
    (5, "mails", include_str!("../../migrations/0005_mails.sql")),
    (6, "dmarc", include_str!("../../migrations/0006_dmarc.sql")),
    (7, "tls_reports", include_str!("../../migrations/0007_tls_reports.sql")),
    (8, "dmarc_failures", include_str!("../../migrations/0008_dmarc_failures.sql")),
    (9, "suppression", include_str!("../../migrations/0009_suppression.sql")),
    (10, "audit", include_str!("../../migrations/0010_audit.sql")),
    (11, "reputation", include_str!("../../migrations/0011_reputation.sql")),
    (12, "alerts", include_str!("../../migrations/0012_alerts.sql")),
    (13, "alert_summaries", include_str!("../../migrations/0013_alert_summaries.sql")),
];

/// What every table needs to survive a crash.
///
/// The deduplication window holds the tokens of the last 10,000 inserts, far more than can be repeated after a crash.
/// The other settings sync parts to disk before an insert is acknowledged, and keep merged parts until that is safe.
const DURABLE: &str = "non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000, \
     fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480";

const APPLIED_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations \
     (version UInt32, name String, checksum String, applied_at DateTime64(6, 'UTC') DEFAULT now64(6)) \
     ENGINE = MergeTree ORDER BY version";

#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error("the database cannot be asked for its migrations")]
    Read(#[source] clickhouse::error::Error),
    #[error("migration {version} ({name}), statement {statement}, failed")]
    Statement {
        version: u32,
        name: &'static str,
        statement: usize,
        #[source]
        source: clickhouse::error::Error,
    },
    #[error(
        "migration {version} ({name}) was applied with checksum {applied}, but this program has {shipped}: a released \
         migration file must not change; use the program version that made the database, or one after it"
    )]
    Changed { version: u32, name: String, applied: String, shipped: String },
    #[error(
        "the database has migration {version} ({name}), which this program does not know: it was made by a newer \
         version; use that one"
    )]
    Newer { version: u32, name: String },
}

/// What [`Store::migrate`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Migrated {
    /// Names of the files applied now, over all nodes.
    pub applied: Vec<String>,
}

#[derive(Row, Serialize, Deserialize)]
struct Applied {
    version: u32,
    name: String,
    checksum: String,
}

impl Store {
    /// The version that a migrated database has.
    pub const SCHEMA_VERSION: u32 = FILES[FILES.len() - 1].0;

    /// Applies what is missing, on every node.
    ///
    /// # Errors
    ///
    /// [`MigrateError`]; what was applied before the error stays, and the next call goes on from there.
    pub async fn migrate(&self) -> Result<Migrated, MigrateError> {
        let mut migrated = Migrated::default();
        for node in &self.nodes {
            node.query(APPLIED_TABLE).execute().await.map_err(MigrateError::Read)?;
            let known = applied_on(node).await?;
            check(&known)?;
            for (version, name, text) in
                FILES.iter().filter(|file| known.iter().all(|row| row.version != file.0))
            {
                self.apply(node, *version, name, text).await?;
                migrated.applied.push(format!("{version:04}_{name}"));
            }
        }
        Ok(migrated)
    }

    async fn apply(
        &self,
        node: &Client,
        version: u32,
        name: &'static str,
        text: &str,
    ) -> Result<(), MigrateError> {
        for (at, sql) in statements(text, &self.topology).into_iter().enumerate() {
            let failed = |source| MigrateError::Statement { version, name, statement: at + 1, source };
            node.query_raw(&sql).execute().await.map_err(failed)?;
        }
        let record = "INSERT INTO schema_migrations (version, name, checksum) VALUES (?, ?, ?)";
        let recorded = node.query(record).bind(version).bind(name).bind(checksum(text)).execute().await;
        recorded.map_err(|source| MigrateError::Statement { version, name, statement: 0, source })
    }

    /// The name of the table that holds the rows on each node.
    pub(super) fn local(&self, table: &str) -> String {
        local_name(table, &self.topology)
    }

    pub(super) fn nodes(&self) -> &[Client] {
        &self.nodes
    }
}

async fn applied_on(node: &Client) -> Result<Vec<Applied>, MigrateError> {
    let sql = "SELECT version, name, checksum FROM schema_migrations ORDER BY version, applied_at";
    node.query(sql).fetch_all().await.map_err(MigrateError::Read)
}

/// Compares what was applied with what this program ships.
fn check(known: &[Applied]) -> Result<(), MigrateError> {
    for row in known {
        let Some((version, name, text)) = FILES.iter().find(|file| file.0 == row.version) else {
            return Err(MigrateError::Newer { version: row.version, name: row.name.clone() });
        };
        let shipped = checksum(text);
        if shipped != row.checksum {
            let applied = row.checksum.clone();
            return Err(MigrateError::Changed {
                version: *version,
                name: (*name).to_owned(),
                applied,
                shipped,
            });
        }
    }
    Ok(())
}

/// The first 16 hex digits of the text's SHA-256: enough to tell two versions of a file apart.
fn checksum(text: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(text).into();
    format!("{:016x}", digest[..8].iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte)))
}

fn local_name(table: &str, topology: &Topology) -> String {
    match topology {
        Topology::Single => table.to_owned(),
        Topology::Cluster { .. } => format!("{table}_local"),
    }
}

/// Cuts a file into statements and writes its `@` words out for the topology.
///
/// `@table(t)` is the table with the rows, `@engine(E, arguments)` its engine, `@durable` its settings, and
/// `@distributed(t, key)` the table over all nodes, which a single node does not have.
fn statements(text: &str, topology: &Topology) -> Vec<String> {
    let bare: String =
        text.lines().filter(|line| !line.starts_with("--")).flat_map(|line| [line, "\n"]).collect();
    let filled = bare.split(";\n").map(str::trim).filter(|statement| !statement.is_empty());
    filled.filter_map(|statement| render(statement, topology)).collect()
}

fn render(statement: &str, topology: &Topology) -> Option<String> {
    if let Some(arguments) = statement.strip_prefix("@distributed(") {
        let Topology::Cluster { name } = topology else { return None };
        let (table, key) = arguments.trim_end_matches(')').split_once(", ").unwrap_or((arguments, "rand()"));
        // The key's own closing bracket was cut with the marker's.
        let key = if key.contains('(') { format!("{key})") } else { key.to_owned() };
        let local = local_name(table, topology);
        return Some(format!(
            "CREATE TABLE IF NOT EXISTS {table} AS {local} ENGINE = Distributed('{name}', currentDatabase(), '{local}', {key})"
        ));
    }
    let tables = replace_calls(statement, "@table(", |table| local_name(table, topology));
    let engines = replace_calls(&tables, "@engine(", |engine| engine_text(engine, topology));
    Some(engines.replace("@durable", DURABLE))
}

fn engine_text(engine: &str, topology: &Topology) -> String {
    let (name, arguments) = engine.split_once(", ").unwrap_or((engine, ""));
    match topology {
        Topology::Single => format!("{name}({arguments})"),
        Topology::Cluster { .. } => {
            let more = if arguments.is_empty() { String::new() } else { format!(", {arguments}") };
            format!(
                "Replicated{name}('/clickhouse/tables/{{shard}}/{{database}}/{{table}}', '{{replica}}'{more})"
            )
        }
    }
}

/// Replaces each `marker…)` by what `write` makes of the text between.
fn replace_calls(text: &str, marker: &str, write: impl Fn(&str) -> String) -> String {
    let mut out = String::with_capacity(text.len() + 128);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(marker) {
        let (inside, behind) = after.split_once(')').unwrap_or((after, ""));
        out.push_str(before);
        out.push_str(&write(inside));
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster() -> Topology {
        Topology::Cluster { name: "mail".to_owned() }
    }

    #[test]
    fn every_file_is_rendered_without_a_marker_left() {
        for topology in [Topology::Single, cluster()] {
            for (_, name, text) in FILES {
                for sql in statements(text, &topology) {
                    assert!(!sql.contains('@'), "{name}: {sql}");
                }
            }
        }
    }

    #[test]
    fn a_single_node_has_plain_tables() {
        let sql = statements(
            "CREATE TABLE @table(t) ENGINE = @engine(MergeTree)\nSETTINGS a = 1;\n\n@distributed(t, rand());\n",
            &Topology::Single,
        );
        assert_eq!(sql, ["CREATE TABLE t ENGINE = MergeTree()\nSETTINGS a = 1"]);
    }

    #[test]
    fn a_cluster_has_replicated_tables_and_one_over_them() {
        let text = "CREATE TABLE @table(t) ENGINE = @engine(ReplacingMergeTree, version);\n@distributed(t, rand());\n";
        assert_eq!(
            statements(text, &cluster()),
            [
                "CREATE TABLE t_local ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', version)",
                "CREATE TABLE IF NOT EXISTS t AS t_local ENGINE = Distributed('mail', currentDatabase(), 't_local', rand())",
            ]
        );
    }

    #[test]
    fn a_changed_file_is_an_error_that_names_it() {
        let row = Applied { version: 1, name: "events".to_owned(), checksum: "0000000000000000".to_owned() };
        let error = check(&[row]).unwrap_err().to_string();
        assert!(
            error.starts_with("migration 1 (events) was applied with checksum 0000000000000000"),
            "{error}"
        );
    }

    #[test]
    fn a_newer_database_is_an_error() {
        let row = Applied { version: 99, name: "later".to_owned(), checksum: String::new() };
        assert!(matches!(check(&[row]), Err(MigrateError::Newer { version: 99, .. })));
    }
}
