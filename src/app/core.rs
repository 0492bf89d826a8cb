//! Database, spool and pipeline: all but doors and pages.

use crate::app::database::read_secret;
use crate::app::reputation::{chosen_lists, warmups};
use crate::app::resolver::resolver;
use crate::app::status::now;
use crate::app::{Database, alerts, feed, mailboxes, suppression, tokens, unsubscribe};
use crate::classify::{BounceRules, CACHE_ENTRIES, Classifier};
use crate::config::{Authentication, Config, ReturnPath, Sources};
use crate::model::{Keyring, SourceRef};
use crate::parse::archive::Limits;
use crate::parse::relay::log::LogOptions;
use crate::pipeline::{
    Authenticator, Labels, Marks, Pipeline, PipelineOptions, ReaderOptions, ReportOptions, StoreAccess,
};
use crate::spool::{Recovery, Spool, SpoolLimits};
use anyhow::Context;
use jiff::tz::TimeZone;
use mail_auth::MessageAuthenticator;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;

/// The running heart of the program.
pub struct Core {
    pub database: Database,
    pub spool: Spool,
    pub pipeline: Pipeline,
    /// Turns true when the database answers and its tables are up to date.
    pub is_ready: watch::Receiver<bool>,
    stop: watch::Sender<bool>,
}

impl Core {
    /// Opens everything in the data folder and starts the pipeline. `second_look` is how long feedback waits for the log
    /// to tell of its message: not at all where no log is followed.
    ///
    /// # Errors
    ///
    /// When a part cannot be opened; the message says which, why and what to do.
    pub async fn open(config: &Config, second_look: Duration) -> anyhow::Result<Self> {
        let data_dir = &config.data_dir;
        std::fs::create_dir_all(data_dir)
            .with_context(|| format!("data folder {} cannot be made", data_dir.display()))?;
        // Read before anything is opened: a typing error must not cost a start of the engine.
        let rules = bounce_rules(config)?;
        let readers = reader_options(&config.sources)?;
        let labels = Labels::new(&config.labels)?;
        let marks = Marks { unsubscribe_keys: unsubscribe::keys(config)?, ..marks(config)? };
        let (database, is_ready) = Database::open_when_it_answers(config).await?;
        let spool = open_spool(config).await?;
        let options = PipelineOptions {
            dir: data_dir.clone(),
            batch_rows_max: config.pipeline.batch_rows_max,
            batch_bytes_max: config.pipeline.batch_bytes_max,
            batch_wait: Duration::from_millis(config.pipeline.batch_wait_ms),
            second_look,
            clock: now,
            recent_ids_max: config.pipeline.recent_ids_max,
            readers,
            labels,
            marks,
            reports: report_options(config),
            authenticator: authenticator(&config.authentication)?,
        };
        let classifier = Classifier::new(rules, CACHE_ENTRIES);
        let (stop, stopped) = watch::channel(false);
        let store = StoreAccess { store: database.store.clone(), is_ready: is_ready.clone() };
        let pipeline = Pipeline::start(options, spool.clone(), store, classifier, stopped)?;
        Ok(Self { database, spool, pipeline, is_ready, stop })
    }

    /// Waits until everything that is in the spool now has been stored.
    ///
    /// # Errors
    ///
    /// When the pipeline ends before that.
    pub async fn drain(&self) -> anyhow::Result<()> {
        let last_seq = self.spool.stats().last_seq;
        while self.pipeline.progress().now().stored_seq < last_seq {
            anyhow::ensure!(!self.pipeline.has_ended(), "the pipeline has ended; the log tells why");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Ends in order: the pipeline writes what it has begun, then the engine closes.
    ///
    /// # Errors
    ///
    /// The fault that had ended the pipeline, if one had.
    pub async fn close(self) -> anyhow::Result<()> {
        let Self { database, spool, pipeline, stop, .. } = self;
        stop.send_replace(true);
        let ended = pipeline.join().await;
        drop(spool);
        database.close().await;
        Ok(ended?)
    }
}

async fn open_spool(config: &Config) -> anyhow::Result<Spool> {
    let dir = config.data_dir.join("spool");
    let limits = SpoolLimits {
        segment_bytes: config.spool.segment_bytes,
        total_bytes_max: config.spool.bytes_max,
        ..SpoolLimits::default()
    };
    let (spool, recovery) = tokio::task::spawn_blocking(move || Spool::open(&dir, limits)).await??;
    report(&recovery);
    Ok(spool)
}

fn report(recovery: &Recovery) {
    for cut in &recovery.cuts {
        if recovery.is_complete() {
            tracing::info!(%cut, "the spool was left in the middle of a write; nothing that was accepted is lost");
        } else {
            tracing::error!(%cut, "the spool is damaged");
        }
    }
    for missing in &recovery.missing {
        tracing::error!(
            first_seq = missing.start(),
            last_seq = missing.end(),
            "records are missing in the spool"
        );
    }
}

/// The shipped rules, with the user's own before them.
pub(crate) fn bounce_rules(config: &Config) -> anyhow::Result<BounceRules> {
    let Some(file) = &config.classify.rules_file else { return Ok(BounceRules::shipped()) };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("`classify.rules_file` {} cannot be read", file.display()))?;
    BounceRules::with_overlay(&text).with_context(|| format!("`classify.rules_file` {}", file.display()))
}

/// Checks mails by the DNS of the settings, or the system's.
fn authenticator(settings: &Authentication) -> anyhow::Result<Authenticator> {
    let dns = settings.verify_dkim.then(|| resolver(settings.resolver)).transpose();
    let dns = dns.context("no DNS can be asked; `authentication.verify_dkim = false` goes on without")?;
    Ok(Authenticator::new(
        dns.map(MessageAuthenticator),
        settings.authserv_ids.clone(),
        &settings.feedback_loops,
    ))
}

fn report_options(config: &Config) -> ReportOptions {
    let reports = &config.reports;
    ReportOptions {
        limits: Limits {
            bytes_out_max: reports.unpacked_bytes_max,
            ratio_max: reports.ratio_max,
            members_max: reports.members_max,
            depth_max: reports.depth_max,
        },
        domains: reports.domains.iter().map(|domain| domain.to_lowercase()).collect(),
    }
}

/// The keys by which our own return paths are known.
pub(crate) fn marks(config: &Config) -> anyhow::Result<Marks> {
    let ReturnPath { days, domain, keys_file } = &config.return_path;
    let domain = domain.as_ref().map(|domain| domain.to_lowercase().into());
    let marks = Marks { days: *days, domain, ..Marks::default() };
    let Some(file) = keys_file else { return Ok(marks) };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("`return_path.keys_file` {} cannot be read", file.display()))?;
    let keys =
        Keyring::parse(&text).with_context(|| format!("`return_path.keys_file` {}", file.display()))?;
    Ok(Marks { keys: Some(keys), ..marks })
}

pub(crate) fn reader_options(sources: &Sources) -> anyhow::Result<ReaderOptions> {
    let mut log_by_source = BTreeMap::new();
    for (kind, log) in sources.logs() {
        let Some(name) = &log.time_zone else { continue };
        let options = log_options(Some(name))
            .with_context(|| format!("`time_zone` of {kind} source `{}`", log.name))?;
        log_by_source.insert(SourceRef { kind, name: log.name.as_str().into() }, options);
    }
    Ok(ReaderOptions { log: log_options(None)?, log_by_source })
}

/// How logs are read whose stamps are of this time zone, or of the system's.
pub(crate) fn log_options(time_zone: Option<&str>) -> anyhow::Result<LogOptions> {
    let time_zone = match time_zone {
        None => TimeZone::system(),
        Some(name) => TimeZone::get(name)
            .with_context(|| format!("time zone `{name}`: use a name such as `Europe/Berlin`"))?,
    };
    Ok(LogOptions { time_zone, ..LogOptions::default() })
}

/// Checks what can be checked without opening anything: folder, rules, time zones, secrets.
pub(crate) fn check_settings(config: &Config) -> anyhow::Result<()> {
    check_data_dir(&config.data_dir)?;
    bounce_rules(config)?;
    reader_options(&config.sources)?;
    Labels::new(&config.labels)?;
    marks(config)?;
    mailboxes::check(&config.sources)?;
    suppression::check(&config.suppression)?;
    unsubscribe::keys(config)?;
    tokens::load(&config.http)?;
    feed::settings(&config.feed.webhooks)?;
    chosen_lists(&config.reputation.blocklists)?;
    warmups(config)?;
    alerts::check(&config.alerts)?;
    for file in [&config.embedded.token_file, &config.clickhouse.password_file] {
        file.as_deref().map(read_secret).transpose()?;
    }
    Ok(())
}

/// Whether the path can hold the data: it, or the folder it will be made in, must be writable.
fn check_data_dir(dir: &Path) -> anyhow::Result<()> {
    let existing = dir.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    let metadata =
        existing.metadata().with_context(|| format!("{} cannot be looked at", existing.display()))?;
    anyhow::ensure!(metadata.is_dir(), "`data_dir`: {} is no folder", existing.display());
    anyhow::ensure!(
        !metadata.permissions().readonly(),
        "`data_dir`: {} cannot be written",
        existing.display()
    );
    Ok(())
}
