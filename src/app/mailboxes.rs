//! The mailboxes of the settings, each collected by a task of its own.

use crate::app::Core;
use crate::app::board::Board;
use crate::app::tls::client_tls;
use crate::config::{self, ImapAccount, ImapSecurity, MailAction, MaildirAction};
use crate::ingest::imap::{
    self, Account, Action, After, Credentials, FolderOptions, OauthClient, Security, TokenSource,
};
use crate::ingest::mailbox::{Mailbox, Room};
use crate::ingest::maildir::{self, AfterSpool};
use crate::ingest::{Intake, mbox};
use crate::model::{FilePosition, SourceKind, SourceRef};
use anyhow::Context;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Whatever the tasks of all mailboxes share.
struct Collecting<'a> {
    core: &'a Core,
    intake: &'a Intake,
    stopped: &'a watch::Receiver<bool>,
    board: &'a mut Board,
    room: Room,
}

/// Starts a task for each folder and file.
pub(super) fn collect(
    sources: &config::Sources,
    core: &Core,
    intake: &Intake,
    stopped: &watch::Receiver<bool>,
    board: &mut Board,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let mut collecting = Collecting { core, intake, stopped, board, room: Room::default() };
    for settings in &sources.imap {
        let account =
            Arc::new(account(settings).with_context(|| format!("IMAP account `{}`", settings.name))?);
        for folder in &settings.folders {
            let place = format!("IMAP folder {folder} at {}", settings.host);
            let (mailbox, positions) = collecting.mailbox(&settings.name, place);
            let options = FolderOptions {
                account: Arc::clone(&account),
                folder: folder.clone(),
                poll: Duration::from_secs(settings.poll_seconds.into()),
                mail_bytes_max: settings.mail_bytes_max,
                after: after(settings),
            };
            tasks.spawn(async move { Ok(imap::collect(options, mailbox, &positions).await?) });
        }
    }
    for settings in &sources.maildir {
        let place = format!("Maildir {}", settings.dir.display());
        let (mailbox, _) = collecting.mailbox(&settings.name, place);
        let after = match settings.after {
            MaildirAction::Cur => AfterSpool::MoveToCur,
            MaildirAction::Delete => AfterSpool::Delete,
        };
        let dir = settings.dir.clone();
        tasks.spawn(async move { Ok(maildir::watch(dir, after, mailbox).await?) });
    }
    for settings in &sources.mbox {
        let place = format!("mbox {}", settings.path.display());
        let (mailbox, positions) = collecting.mailbox(&settings.name, place);
        let path = settings.path.clone();
        tasks.spawn(async move { Ok(mbox::watch(path, mailbox, positions).await?) });
    }
    Ok(())
}

impl Collecting<'_> {
    /// A mailbox of this name, and how far its folders were read.
    fn mailbox(&mut self, name: &str, place: String) -> (Mailbox, Vec<FilePosition>) {
        let source = SourceRef { kind: SourceKind::Mail, name: name.into() };
        let positions = self.core.pipeline.files().get(&source).cloned().unwrap_or_default();
        let status = self.board.door(source, place);
        let mailbox =
            Mailbox::new(name, self.intake.clone(), self.room.clone(), status, self.stopped.clone());
        (mailbox, positions)
    }
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
