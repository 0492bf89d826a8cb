//! The LMTP and SMTP doors of the settings.

use crate::app::board::Board;
use crate::config::{MailDoor as Settings, MailProtocol};
use crate::ingest::Intake;
use crate::ingest::lmtp::{self, MailDoor, MailDoorLimits, MailListener, Protocol};
use crate::model::{SourceKind, SourceRef};
use anyhow::Context;
use std::path::PathBuf;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Opens all doors; when it returns, they answer.
pub(super) async fn open(
    doors: &[Settings],
    intake: &Intake,
    stopped: &watch::Receiver<bool>,
    board: &mut Board,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<()> {
    for settings in doors {
        let listener = bind(&settings.listen).await.with_context(|| {
            format!("mail door `{}`: {} cannot be listened on", settings.name, settings.listen)
        })?;
        let door = MailDoor {
            protocol: match settings.protocol {
                MailProtocol::Lmtp => Protocol::Lmtp,
                MailProtocol::Smtp => Protocol::Smtp,
            },
            source: settings.name.as_str().into(),
            hostname: settings.hostname.clone().unwrap_or_else(|| "localhost".to_owned()),
            recipients: settings.recipients.iter().map(|text| text.to_lowercase()).collect(),
            limits: MailDoorLimits::default(),
        };
        let source = SourceRef { kind: SourceKind::Mail, name: door.source.clone() };
        let protocol = if door.protocol == Protocol::Lmtp { "LMTP" } else { "SMTP" };
        let status = board.door(source, format!("{protocol} on {}", settings.listen));
        let (intake, stopped) = (intake.clone(), stopped.clone());
        tasks.spawn(async move {
            lmtp::listen(listener, door, intake, status, stopped).await;
            Ok(())
        });
    }
    Ok(())
}

async fn bind(listen: &str) -> anyhow::Result<MailListener> {
    let Some(path) = listen.strip_prefix("unix:") else {
        return Ok(MailListener::Tcp(TcpListener::bind(listen).await?));
    };
    let path = PathBuf::from(path);
    // A socket that a killed process left behind; one that answers is another's.
    if tokio::net::UnixStream::connect(&path).await.is_err() {
        let _ = std::fs::remove_file(&path);
    }
    Ok(MailListener::Unix(UnixListener::bind(&path)?, path))
}
