//! `relaylens import --format mail|report`: mail and reports from files, folders and mailboxes.
//!
//! Way: `input` finds them, the spool takes them in, a group with each sync; the pipeline finds out what is known.

use crate::app::{Core, Handover, local_intake};
use crate::cli::input::{Bytes, Input, each_input};
use crate::cli::remote::Remote;
use crate::cli::{say, say_error};
use crate::config::Config;
use crate::ingest::{Batch, Intake};
use crate::model::{SourceKind, SourceRef, Text};
use crate::spool::SpoolError;
use bytes::Bytes as Payload;
use futures_util::future::try_join_all;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;

/// Mails handed in together: they share a sync of the spool.
const GROUP_ITEMS: usize = 64;

/// Bytes of a group: a few large mails, or one of the largest.
const GROUP_BYTES: usize = 32 << 20;

/// Pause before a full spool is asked again.
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// What an import did.
#[derive(Debug, Default)]
struct Done {
    items: u64,
    unreadable: u64,
}

pub(super) async fn run(paths: &[PathBuf], source: &str, config: &Config) -> anyhow::Result<()> {
    let (found, groups) = mpsc::channel(2);
    let (paths, source) = (paths.to_vec(), Text::from(source));
    let finding = tokio::task::spawn_blocking(move || find(&paths, &source, &found));
    let taken = match Handover::find(&config.data_dir) {
        Some(server) => remote(&Remote::to(config, server)?, groups).await,
        None => local(config, groups).await,
    };
    let unreadable = finding.await?;
    let items = taken?;
    let done = Done { items, unreadable: unreadable? };
    say(&format!("{} mails and reports taken in", done.items));
    if done.unreadable > 0 {
        say(&format!("{} could not be taken in, see above", done.unreadable));
    }
    Ok(())
}

/// Walks the paths and hands on groups; returns how many inputs could not be read.
fn find(
    paths: &[PathBuf],
    source: &Text,
    groups: &mpsc::Sender<Vec<(SourceRef, Payload)>>,
) -> anyhow::Result<u64> {
    let style = ProgressStyle::with_template("{spinner} {pos} mails and reports {per_sec} {msg}");
    let bar = ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let (mut group, mut group_bytes, mut unreadable) = (Vec::new(), 0, 0);
    let send = |group: &mut Vec<_>| {
        let group = std::mem::take(group);
        groups.blocking_send(group).map_err(|_| anyhow::anyhow!("the import was stopped"))
    };
    each_input(paths, &mut |input: Input| {
        let (kind, bytes) = match input.bytes {
            Ok(Bytes::Mail(bytes)) => (SourceKind::Mail, bytes),
            Ok(Bytes::Report(bytes)) => (SourceKind::Report, bytes),
            Err(why) => {
                unreadable += 1;
                bar.suspend(|| say_error(&format!("{}: {why}", input.file)));
                return Ok(());
            }
        };
        bar.inc(1);
        group_bytes += bytes.len();
        group.push((SourceRef { kind, name: source.clone() }, Payload::from(bytes)));
        if group.len() >= GROUP_ITEMS || group_bytes >= GROUP_BYTES {
            group_bytes = 0;
            send(&mut group)?;
        }
        Ok(())
    })?;
    if !group.is_empty() {
        send(&mut group)?;
    }
    bar.finish_and_clear();
    Ok(unreadable)
}

async fn local(
    config: &Config,
    mut groups: mpsc::Receiver<Vec<(SourceRef, Payload)>>,
) -> anyhow::Result<u64> {
    let core = Core::open(config, Duration::ZERO).await?;
    let intake = local_intake(&core);
    let before = totals(&core);
    let mut items = 0;
    while let Some(group) = groups.recv().await {
        let accepts = group.into_iter().map(|(source, payload)| accept(&intake, source, payload));
        items += try_join_all(accepts).await?.into_iter().sum::<u64>();
    }
    core.drain().await?;
    let after = totals(&core);
    say(&format!(
        "{} brought something new, {} were known already, {} held nothing to store, {} could not be read (`rejects`)",
        after.stored - before.stored,
        after.duplicate - before.duplicate,
        after.no_event - before.no_event,
        after.rejected - before.rejected,
    ));
    drop(intake);
    core.close().await?;
    Ok(items)
}

fn totals(core: &Core) -> crate::model::ItemCounts {
    let mut sum = crate::model::ItemCounts::default();
    for (source, totals) in core.pipeline.progress().now().sources {
        if matches!(source.kind, SourceKind::Mail | SourceKind::Report) {
            sum.add(&totals.counts);
        }
    }
    sum
}

/// Waits for room while the spool is full: the pipeline makes some.
async fn accept(intake: &Intake, source: SourceRef, payload: Payload) -> anyhow::Result<u64> {
    let batch = Batch { source, received: intake.now(), file: Text::default(), offset: 0, payload };
    loop {
        match intake.accept(&batch).await {
            Ok(items) => return Ok(items),
            Err(SpoolError::Full { .. }) => tokio::time::sleep(TRY_AGAIN).await,
            Err(error) => return Err(error.into()),
        }
    }
}

async fn remote(
    server: &Remote,
    mut groups: mpsc::Receiver<Vec<(SourceRef, Payload)>>,
) -> anyhow::Result<u64> {
    let mut items = 0;
    while let Some(group) = groups.recv().await {
        let posts = group.into_iter().map(|(source, payload)| {
            let path = format!("/v1/in/{}?source={}", source.kind, source.name);
            async move { server.post(&path, payload).await }
        });
        items += try_join_all(posts).await?.len() as u64;
    }
    Ok(items)
}
