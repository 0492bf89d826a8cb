//! ClickHouse: the only floor with table names and SQL.
//!
//! Way: `pipeline` writes batches of rows through [`Store`], `web` asks questions of it, `alert` and `suppression` will.
//! One path for all: the official client speaks HTTP to a server, to a cluster, or over memory to the engine in
//! [`embedded`].

mod alerts;
mod audit;
mod batch;
mod dmarc;
mod dmarc_failure;
pub mod embedded;
mod erase;
mod events;
mod ip_names;
mod mails;
mod migrate;
mod native;
pub mod query;
mod recent;
mod reputation;
mod retention;
mod sent;
mod suppression;
mod tls_report;

pub use alerts::{AnnotationRow, DeliveryRow, SilenceRow, SummaryRow, TransitionRow};
pub use audit::AuditEntry;
pub use batch::{Batch, BatchLabel, LedgerEntry, RejectEntry, Sealed};
pub use dmarc::{
    Authenticity, DmarcBlock, DmarcRecordHead, DmarcRecordRow, DmarcReportRow, ReportOrigin, Standing,
};
pub use dmarc_failure::DmarcFailureRow;
pub use erase::Erased;
pub use events::EventBlock;
pub use ip_names::IpName;
pub use mails::MailEntry;
pub use migrate::{MigrateError, Migrated};
pub use native::Mark as BlockMark;
pub use reputation::{
    DnsChangeEntry, DnsFindingEntry, ListTestEntry, ListingChangeEntry, ListingEntry, ListingNoteEntry,
};
pub use sent::{SentEvent, SentKeys};
pub use suppression::*;
pub use tls_report::{TlsFailureRow, TlsPolicyRow};

use clickhouse::Client;

/// What the store was doing when ClickHouse refused.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("query `{query}` failed")]
    Query {
        query: &'static str,
        #[source]
        source: clickhouse::error::Error,
    },
    #[error("insert into `{table}` failed")]
    Insert {
        table: &'static str,
        #[source]
        source: clickhouse::error::Error,
    },
}

/// On how many machines the tables live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topology {
    /// Embedded, or one server: plain tables.
    Single,
    /// Replicated local tables on every node, and a `Distributed` table over them.
    Cluster {
        /// Name of the cluster in the servers' `remote_servers`.
        name: String,
    },
}

/// A handle on the database; cloning is cheap.
#[derive(Clone)]
pub struct Store {
    pub(crate) client: Client,
    /// Every node: the migrator runs the DDL on each itself. On a single node, the client itself.
    nodes: Vec<Client>,
    topology: Topology,
}

impl Store {
    /// One node: the embedded engine's client, or a server's.
    pub fn single(client: Client) -> Self {
        Self { nodes: vec![client.clone()], client, topology: Topology::Single }
    }

    /// A cluster: `client` reads and writes, `nodes` are all hosts, one client each.
    pub const fn cluster(client: Client, nodes: Vec<Client>, name: String) -> Self {
        Self { client, nodes, topology: Topology::Cluster { name } }
    }

    /// Asks for nothing, to see whether the database answers.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`] when it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let asked = self.client.query("SELECT 1").fetch_one::<u8>().await;
        asked.map(drop).map_err(|source| StoreError::Query { query: "ping", source })
    }
}
