//! The mailboxes of the settings, each collected by a task of its own.

use crate::app::Core;
use crate::app::board::Board;
use crate::app::tls::client_tls;
use crate::config::{self, ImapAccount, ImapSecurity, MailAction};
use crate::ingest::Intake;
use crate::ingest::imap::{
    self, Account, Action, After, Credentials, FolderOptions, OauthClient, Security, TokenSource,
};
use crate::ingest::mailbox::{Mailbox, Room};
use crate::model::{FilePosition, SourceKind, SourceRef};
use anyhow::Context;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Starts a task for each folder.
pub(super) fn collect(
    sources: &config::Sources,
    core: &Core,
    intake: &Intake,
    stopped: &watch::Receiver<bool>,
    board: &mut Board,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let room = Room::default();
    for settings in &sources.imap {
        let account =
            Arc::new(account(settings).with_context(|| format!("IMAP account `{}`", settings.name))?);
        let source = SourceRef { kind: SourceKind::Mail, name: settings.name.as_str().into() };
        let positions: Vec<FilePosition> = core.pipeline.files().get(&source).cloned().unwrap_or_default();
        for folder in &settings.folders {
            let place = format!("IMAP folder {folder} at {}", settings.host);
            let status = board.door(source.clone(), place);
            let mailbox = Mailbox::new(&settings.name, intake.clone(), room.clone(), status, stopped.clone());
            let options = FolderOptions {
                account: Arc::clone(&account),
                folder: folder.clone(),
                poll: Duration::from_secs(settings.poll_seconds.into()),
                mail_bytes_max: settings.mail_bytes_max,
                after: after(settings),
            };
            let positions = positions.clone();
            tasks.spawn(async move { Ok(imap::collect(options, mailbox, &positions).await?) });
        }
    }
    Ok(())
}

fn account(settings: &ImapAccount) -> anyhow::Result<Account> {
    let tls = || client_tls(settings.ca_file.as_deref());
    let security = match settings.security {
        ImapSecurity::Tls => Security::Tls(Arc::new(tls()?)),
        ImapSecurity::Starttls => Security::Starttls(Arc::new(tls()?)),
        ImapSecurity::Plain => Security::Plain,
    };
    let credentials = if let Some(path) = &settings.password_file {
        Credentials::Password(path.clone())
    } else if let Some(path) = &settings.token_file {
        Credentials::Token(TokenSource::File(path.clone()))
    } else if let Some(oauth2) = &settings.oauth2 {
        Credentials::Token(TokenSource::Oauth(Box::new(OauthClient::new(
            oauth2.token_url.clone(),
            oauth2.client_id.clone(),
            oauth2.client_secret_file.clone(),
            oauth2.scope.clone(),
            oauth2.refresh_token_file.clone(),
            client_tls(None)?,
        ))))
    } else {
        Credentials::Token(TokenSource::Command(settings.token_command.clone()))
    };
    let (host, user) = (settings.host.clone(), settings.user.clone());
    Ok(Account { host, port: settings.port(), security, user, credentials })
}

/// `None` where nothing is to be changed: the folder is then opened for reading alone.
fn after(settings: &ImapAccount) -> Option<After> {
    if settings.read_only || settings.after.leaves_all() {
        return None;
    }
    let after = &settings.after;
    Some(After {
        report: action(&after.report),
        bounce: action(&after.bounce),
        complaint: action(&after.complaint),
        other: action(&after.other),
    })
}

fn action(setting: &MailAction) -> Action {
    match setting {
        MailAction::Leave => Action::Leave,
        MailAction::Seen => Action::Flag("\\Seen".to_owned()),
        MailAction::Delete => Action::Delete,
        MailAction::Move(folder) => Action::Move(folder.clone()),
        MailAction::Flag(flag) => Action::Flag(flag.clone()),
    }
}
