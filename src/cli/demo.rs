//! `relaylens demo`: a recorded day of a real Postfix, played into a real server.
//!
//! The recording is moved by one constant, so that its last line is of now; nothing else in it changes (see
//! `tests/data/demo/README.md`). It is written as a log file and followed like any other.

use crate::app;
use crate::cli::serve::stop_signal;
use crate::cli::{Common, Listen, say};
use crate::config::{Config, Label, LabelValues, LogFile};
use crate::model::Timestamp;
use anyhow::Context;
use clap::Args;
use std::io::{BufRead, Read, Write};
use std::path::{Path, PathBuf};

const RECORDING: &[u8] = include_bytes!("../../tests/data/demo/postfix-recording.log.zst");

const BANNER: &str = "This is a recording: a day of a real Postfix in a closed lab, its clock moved to end now. \
     The receivers were scripted and no mail was sent to any provider.";

/// Sending addresses of the recording, as its README lists them.
const EGRESS: [(&str, [u8; 4], &str); 4] = [
    ("out-1", [192, 0, 2, 11], "transactional"),
    ("out-2", [192, 0, 2, 12], "transactional"),
    ("out-3", [198, 51, 100, 23], "marketing"),
    ("out-4", [198, 51, 100, 24], "marketing"),
];

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    listen: Listen,
    /// End when the recording is stored, instead of serving the dashboard
    #[arg(long)]
    once: bool,
}

pub(super) async fn run(args: &DemoArgs) -> anyhow::Result<()> {
    let mut config = args.common.settings_with(|config| {
        config.http.listen = args.listen.listen.unwrap_or(config.http.listen);
    })?;
    if args.common.data_dir.is_none() {
        config.data_dir = PathBuf::from("demo-data");
    }
    clear(&config.data_dir)?;
    let log = config.data_dir.join("recording.log");
    let lines = write_moved(&log, jiff::Timestamp::now().into())?;
    describe(&mut config, &log);

    let served = app::serve(&config, Some(BANNER.to_owned())).await?;
    wait_until_read(&served, lines).await?;
    say(&format!(
        "relaylens {} shows {lines} log lines of a recorded day: {}/",
        env!("CARGO_PKG_VERSION"),
        served.url
    ));
    if args.once {
        return served.run_until(std::future::ready(())).await;
    }
    say("stop it with Ctrl-C");
    served.run_until(stop_signal()?).await
}

/// Removes what an earlier demo left, and nothing that is not a demo's.
fn clear(data_dir: &Path) -> anyhow::Result<()> {
    let is_demo = data_dir.join("recording.log").is_file();
    let is_empty = !data_dir.exists() || data_dir.read_dir()?.next().is_none();
    anyhow::ensure!(
        is_demo || is_empty,
        "{} holds other data; name another folder by --data-dir",
        data_dir.display()
    );
    anyhow::ensure!(
        app::Handover::find(data_dir).is_none(),
        "a demo is running on {} already",
        data_dir.display()
    );
    if is_demo {
        std::fs::remove_dir_all(data_dir)
            .with_context(|| format!("{} cannot be emptied", data_dir.display()))?;
    }
    std::fs::create_dir_all(data_dir).with_context(|| format!("{} cannot be made", data_dir.display()))
}

/// Writes the recording so that its last line is of `now`; returns the number of lines.
fn write_moved(log: &Path, now: Timestamp) -> anyhow::Result<u64> {
    let mut recorded = String::new();
    zstd::Decoder::new(RECORDING)?.read_to_string(&mut recorded)?;
    let last = recorded.lines().next_back().context("the recording is empty")?;
    let shift_us = now.0 - stamp_of(last)?.0.0;
    let mut out = std::io::BufWriter::new(std::fs::File::create(log)?);
    let mut lines = 0;
    for line in recorded.as_bytes().lines() {
        let line = line?;
        let (stamp, rest) = stamp_of(&line)?;
        writeln!(out, "{} {rest}", written(Timestamp(stamp.0 + shift_us))?)?;
        lines += 1;
    }
    out.flush()?;
    Ok(lines)
}

fn stamp_of(line: &str) -> anyhow::Result<(Timestamp, &str)> {
    let (stamp, rest) = line.split_once(' ').context("a line of the recording has no stamp")?;
    Ok((Timestamp::parse_rfc3339(stamp)?, rest))
}

/// As rsyslog writes it: six digits and a numeric offset.
fn written(at: Timestamp) -> anyhow::Result<String> {
    Ok(jiff::Timestamp::from_microsecond(at.0)?.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string())
}

/// Says of the recording what its log does not: addresses, pools, streams and campaigns.
fn describe(config: &mut Config, log: &Path) {
    config.sources.postfix = vec![LogFile {
        name: "recording".to_owned(),
        path: log.to_owned(),
        time_zone: Some("UTC".to_owned()),
    }];
    let egress = EGRESS.into_iter().map(|(name, ip, pool)| Label {
        egress_source: Some(name.to_owned()),
        set: LabelValues {
            sending_ip: Some(ip.into()),
            pool: Some(pool.to_owned()),
            ..LabelValues::default()
        },
        ..Label::default()
    });
    let words = Label {
        env_from: Some(r"^(?<stream>[a-z]+)\+.*@(?<tenant>[a-z]+)\.example$".to_owned()),
        message_id: Some(r"^(?<campaign>[a-z0-9-]+)\.".to_owned()),
        set: LabelValues {
            stream: Some("$stream".to_owned()),
            tenant: Some("$tenant".to_owned()),
            campaign: Some("$campaign".to_owned()),
            ..LabelValues::default()
        },
        ..Label::default()
    };
    config.labels = egress.chain([words]).collect();
    // Nobody's addresses: there is nothing to ask about them.
    config.reputation.blocklists.enabled = false;
    config.reputation.dns_hours = 0;
}

async fn wait_until_read(served: &app::Served, lines: u64) -> anyhow::Result<()> {
    loop {
        let now = served.core().pipeline.progress().now();
        let read: u64 = now.sources.values().map(|totals| totals.counts.total()).sum();
        if read >= lines {
            return Ok(());
        }
        anyhow::ensure!(!served.core().pipeline.has_ended(), "the pipeline has ended; the log tells why");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
