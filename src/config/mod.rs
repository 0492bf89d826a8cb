//! Every setting: unit, default, limit, why.
//!
//! Way: `cli` reads `relaylens.toml` and the environment once, each floor gets its own part.
//! A key that no setting has is an error. `RELAYLENS_HTTP__LISTEN=…` in the environment sets `[http] listen`.
//! Secrets are read from files and never shown.

mod alerts;
mod feed;
mod feedback;
mod load;
mod mailboxes;
mod reputation;
mod secret;
mod suppression;
mod unsubscribe;
mod webhooks;

pub use alerts::{Alerts, Channel, Way};
pub use feed::{Feed, FeedWebhook};
pub use feedback::{Authentication, Reports, ReturnPath};
pub use load::{ConfigError, load};
pub use mailboxes::{
    AfterMail, ImapAccount, ImapSecurity, MailAction, MaildirAction, MaildirFolder, MboxFile, Oauth2,
};
pub use reputation::{Blocklists, EgressPath, Reputation, Warmup};
pub use secret::{SecretError, SecretFrom};
pub use suppression::{MapAnswers, Suppression, SuppressionMap, WhenNotLoaded};
pub use unsubscribe::Unsubscribe;
pub use webhooks::{SecretWebhook, SignedWebhook, SnsWebhook, Webhooks};

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

/// All settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Folder for spool, checkpoint and the embedded database. Default `relaylens-data` in the working directory.
    pub data_dir: PathBuf,
    pub http: Http,
    pub clickhouse: ClickHouse,
    pub embedded: Embedded,
    pub spool: Spool,
    pub pipeline: Pipeline,
    pub retention: Retention,
    pub classify: Classify,
    pub sources: Sources,
    pub return_path: ReturnPath,
    pub reports: Reports,
    pub authentication: Authentication,
    pub webhooks: Webhooks,
    pub suppression: Suppression,
    pub unsubscribe: Unsubscribe,
    pub feed: Feed,
    pub reputation: Reputation,
    pub alerts: Alerts,
    /// What the relay's log does not say itself: which IP, pool, stream, tenant or campaign an event belongs to.
    pub labels: Vec<Label>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: "relaylens-data".into(),
            http: Http::default(),
            clickhouse: ClickHouse::default(),
            embedded: Embedded::default(),
            spool: Spool::default(),
            pipeline: Pipeline::default(),
            retention: Retention::default(),
            classify: Classify::default(),
            sources: Sources::default(),
            return_path: ReturnPath::default(),
            reports: Reports::default(),
            authentication: Authentication::default(),
            webhooks: Webhooks::default(),
            suppression: Suppression::default(),
            unsubscribe: Unsubscribe::default(),
            feed: Feed::default(),
            reputation: Reputation::default(),
            alerts: Alerts::default(),
            labels: Vec::new(),
        }
    }
}

/// The port for pages, API and doors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Address and port. Default `127.0.0.1:8080`; any other than a loopback address needs `token_file`.
    pub listen: SocketAddr,
    /// File with the token that every request must bring: `Authorization: Bearer TOKEN`, or as the password of any
    /// user in a browser. Default none, for loopback alone.
    pub token_file: Option<PathBuf>,
    /// File with further tokens, a line `NAME SCOPE SHA256` each, as `relaylens token` prints it. Scopes are read, write
    /// and admin; `token_file` is admin. At most 1000. Default none.
    pub tokens_file: Option<PathBuf>,
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8080)), token_file: None, tokens_file: None }
    }
}

/// A ClickHouse server or cluster instead of the embedded engine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClickHouse {
    /// Such as `http://127.0.0.1:8123`. Default none: the embedded engine is used.
    pub url: Option<String>,
    pub user: Option<String>,
    pub password_file: Option<PathBuf>,
    /// Default `default`. It must exist.
    pub database: Option<String>,
    /// Name of the cluster in `remote_servers`. Default none: one server.
    pub cluster: Option<String>,
    /// URLs of all nodes of the cluster: the migrator makes the tables on each itself.
    pub nodes: Vec<String>,
}

/// The embedded ClickHouse engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Embedded {
    /// Path of `libchdb.so`. Default none: looked for in the usual places.
    pub library: Option<PathBuf>,
    /// Most memory for the engine's work, in bytes. Default 2 GiB, at least 256 MiB.
    pub memory_bytes_max: u64,
    /// Opens the engine for reading to curl or Grafana, such as `127.0.0.1:8123`. Loopback alone. Default none. Whoever
    /// holds the token can read any file that relaylens can read: SQL has a function for that.
    pub listen: Option<SocketAddr>,
    /// File with the token for `listen`, which needs it.
    pub token_file: Option<PathBuf>,
}

impl Default for Embedded {
    fn default() -> Self {
        Self { library: None, memory_bytes_max: 2 << 30, listen: None, token_file: None }
    }
}

/// The queue on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Spool {
    /// Bytes at which the doors answer "try later". Default 8 GiB: about 15 million events, half a day of a busy relay
    /// without a database.
    pub bytes_max: u64,
    /// Bytes of one file. Default 64 MiB.
    pub segment_bytes: u64,
}

impl Default for Spool {
    fn default() -> Self {
        Self { bytes_max: 8 << 30, segment_bytes: 64 << 20 }
    }
}

/// From the spool into the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pipeline {
    /// Events after which a batch is written. Default 100 000: a larger block gains nothing, and two are in memory.
    pub batch_rows_max: usize,
    /// Bytes of encoded events after which a batch is written. Default 64 MiB.
    pub batch_bytes_max: usize,
    /// Milliseconds for which a batch waits for more. Default 1000: what a person waits for a fresh page.
    pub batch_wait_ms: u64,
    /// Event ids kept in memory to know a repeated event, and 32 times as many in a sieve that tells nearly all new
    /// events. Default 1 000 000, about 70 MB together. Older events are looked up in the database.
    pub recent_ids_max: usize,
    /// Seconds for which a bounce or complaint waits for the log to tell of its message, when that is not known yet.
    /// Default 120: logs that are shipped or rolled over come a minute late. 0 for no waiting, at most 3600: for so long
    /// the spool keeps all that came in since.
    pub second_look_s: u32,
}

impl Default for Pipeline {
    fn default() -> Self {
        Self {
            batch_rows_max: 100_000,
            batch_bytes_max: 64 << 20,
            batch_wait_ms: 1000,
            recent_ids_max: 1_000_000,
            second_look_s: 120,
        }
    }
}

/// What replies mean.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Classify {
    /// TOML file of your own rules; they come before the shipped ones. Default none.
    pub rules_file: Option<PathBuf>,
}

/// Relays whose logs relaylens follows by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sources {
    pub postfix: Vec<LogFile>,
    /// Exim's main logs.
    pub exim: Vec<LogFile>,
    /// Accounting files of PowerMTA.
    pub powermta: Vec<LogFile>,
    pub haraka: Vec<LogFile>,
    pub zonemta: Vec<LogFile>,
    pub kumomta: Vec<KumomtaLog>,
    /// Doors for mail that comes back.
    pub mail: Vec<MailDoor>,
    /// Mailboxes that mail is fetched from.
    pub imap: Vec<ImapAccount>,
    pub maildir: Vec<MaildirFolder>,
    pub mbox: Vec<MboxFile>,
}

impl Sources {
    /// All logs that are followed by lines, with their kind.
    pub fn logs(&self) -> impl Iterator<Item = (crate::model::SourceKind, &LogFile)> {
        use crate::model::SourceKind;
        let kinds = [
            (SourceKind::Postfix, &self.postfix),
            (SourceKind::Exim, &self.exim),
            (SourceKind::Powermta, &self.powermta),
            (SourceKind::Haraka, &self.haraka),
            (SourceKind::Zonemta, &self.zonemta),
        ];
        kinds.into_iter().flat_map(|(kind, logs)| logs.iter().map(move |log| (kind, log)))
    }
}

/// A door that speaks LMTP or SMTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailDoor {
    /// Your name for it; unique.
    pub name: String,
    /// `127.0.0.1:2424`, or `unix:/run/relaylens/lmtp`.
    pub listen: String,
    /// `lmtp` (default), from your own mail server; `smtp`, as the MX of a bounce domain.
    #[serde(default)]
    pub protocol: MailProtocol,
    /// Addresses and domains that mail is taken for. SMTP needs at least one; none means all for LMTP, whose client has
    /// checked them.
    #[serde(default)]
    pub recipients: Vec<String>,
    /// The name in the greeting. Default `localhost`.
    #[serde(default)]
    pub hostname: Option<String>,
}

/// See [`MailDoor::protocol`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailProtocol {
    #[default]
    Lmtp,
    Smtp,
}

/// A log file to follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogFile {
    /// Your name for the relay; unique.
    pub name: String,
    /// Such as `/var/log/mail.log`.
    pub path: PathBuf,
    /// Time zone of stamps that have none, such as `Europe/Berlin`. Default the system's.
    #[serde(default)]
    pub time_zone: Option<String>,
}

/// A folder of KumoMTA log segments to follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KumomtaLog {
    /// Your name for the relay; unique.
    pub name: String,
    /// KumoMTA's `log_dir`.
    pub dir: PathBuf,
}

/// Days that rows are kept after their own time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Single events, with recipient addresses. Default 90: long enough to explain last quarter's bounce.
    pub events_days: u16,
    /// Counts per minute. Default 8: a week and its neighbour, for series finer than an hour.
    pub minutes_days: u16,
    /// Counts per hour. Default 1095: three years of the same season.
    pub hours_days: u16,
    /// Mail that brought feedback or reports, with all its bytes. Default 30.
    pub mails_days: u16,
    /// DMARC and TLS reports with their records; incidents and annotations. Default 400: a year and its neighbour.
    pub reports_days: u16,
    /// Items that could not be read, with their bytes. Default 30.
    pub rejects_days: u16,
    /// The ledger. Default 90.
    pub ledger_days: u16,
    /// The audit log: who changed what. Default 730: two years, in which a dispute comes up.
    pub audit_days: u16,
    /// What was found on blocklists and in the DNS, and how it changed. Default 400: a year and its neighbour.
    pub reputation_days: u16,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            events_days: 90,
            minutes_days: 8,
            hours_days: 1095,
            mails_days: 30,
            reports_days: 400,
            rejects_days: 30,
            ledger_days: 90,
            audit_days: 730,
            reputation_days: 400,
        }
    }
}

/// Labels for the events that match: all conditions given must hold. Rules are tried in order, each fills what is still
/// empty. Values may use groups of the expressions: `$1`, `$name`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Label {
    /// The egress source (with Postfix the service's name, `out-1` in `postfix/out-1/smtp`), whole.
    pub egress_source: Option<String>,
    /// Regular expression for the envelope sender.
    pub env_from: Option<String>,
    /// Regular expression for the message id.
    pub message_id: Option<String>,
    pub set: LabelValues,
}

/// What a [`Label`] sets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabelValues {
    pub sending_ip: Option<std::net::IpAddr>,
    pub pool: Option<String>,
    pub tenant: Option<String>,
    pub stream: Option<String>,
    pub campaign: Option<String>,
}
