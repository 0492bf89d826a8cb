//! Settings of the mailboxes that mail is fetched from: IMAP accounts, Maildir folders, mbox files.
//!
//! ```toml
//! [[sources.imap]]
//! name = "reports"
//! host = "imap.example.com"
//! user = "dmarc@example.com"
//! password_file = "/etc/relaylens/imap.password"
//! folders = ["INBOX", "Junk"]
//! after = { report = { move = "Archive" }, bounce = "delete" }
//!
//! [[sources.imap]]
//! name = "m365"
//! host = "outlook.office365.com"
//! user = "bounces@example.com"
//!
//! [sources.imap.oauth2]
//! token_url = "https://login.microsoftonline.com/TENANT/oauth2/v2.0/token"
//! client_id = "…"
//! client_secret_file = "/etc/relaylens/m365.secret"
//! scope = "https://outlook.office365.com/.default"
//!
//! [[sources.maildir]]
//! name = "bounces"
//! dir = "/var/mail/bounces/Maildir"
//! after = "delete"
//!
//! [[sources.mbox]]
//! name = "root"
//! path = "/var/mail/root"
//! ```

use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::PathBuf;

/// Folders of one account. Each has a connection of its own, and servers allow few: Dovecot's
/// `mail_max_userip_connections` is 10, Gmail's limit 15.
const FOLDERS_MAX: usize = 8;

/// Largest mail that any door takes, see `parse::mail`.
const MAIL_BYTES_CEILING: u64 = 50 << 20;

/// An account on an IMAP server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImapAccount {
    /// Your name for it; unique among the sources of mail.
    pub name: String,
    /// Such as `imap.example.com`.
    pub host: String,
    /// Default 993 with `tls`, else 143.
    #[serde(default)]
    pub port: Option<u16>,
    /// `tls` (default), `starttls`, or `plain`, which is for loopback alone.
    #[serde(default)]
    pub security: ImapSecurity,
    /// File with certificates (PEM) that are trusted in place of the system's. Default none.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    pub user: String,
    /// File with the password. It is read for each connection. One of this and the three ways to a token must be set.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// File with an access token for XOAUTH2, which another program renews. It is read for each connection.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// Command, with its arguments, that prints an access token for XOAUTH2. It is run for each connection.
    #[serde(default)]
    pub token_command: Vec<String>,
    /// Gets access tokens itself.
    #[serde(default)]
    pub oauth2: Option<Oauth2>,
    /// Folders to read, 1 to 8. Default `INBOX`.
    #[serde(default = "inbox")]
    pub folders: Vec<String>,
    /// Seconds after which a folder is looked at that tells nothing by itself: its server has no IDLE, or lost a notice.
    /// Default 60, 1 to 86 400.
    #[serde(default = "poll_seconds")]
    pub poll_seconds: u32,
    /// Bytes of the largest mail that is fetched. A larger one is told among the rejects with its beginning, and stays
    /// where it is. Default 50 MiB, which is the most.
    #[serde(default = "mail_bytes_max")]
    pub mail_bytes_max: u64,
    /// Changes nothing in the mailbox, whatever `after` says: for a trial. Default false.
    #[serde(default)]
    pub read_only: bool,
    /// What becomes of a mail once it is in the spool.
    #[serde(default)]
    pub after: AfterMail,
}

fn inbox() -> Vec<String> {
    vec!["INBOX".to_owned()]
}

const fn poll_seconds() -> u32 {
    60
}

const fn mail_bytes_max() -> u64 {
    MAIL_BYTES_CEILING
}

/// See [`ImapAccount::security`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImapSecurity {
    #[default]
    Tls,
    Starttls,
    Plain,
}

/// A Maildir that a delivery agent fills: `new/` is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaildirFolder {
    /// Your name for it; unique among the sources of mail.
    pub name: String,
    /// The folder with `new`, `cur` and `tmp` in it.
    pub dir: PathBuf,
    /// What becomes of a mail once it is in the spool: `cur` (default) moves it there, `delete` deletes it.
    #[serde(default)]
    pub after: MaildirAction,
}

/// See [`MaildirFolder::after`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MaildirAction {
    #[default]
    Cur,
    Delete,
}

/// An mbox file that mail is appended to. It is read and never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MboxFile {
    /// Your name for it; unique among the sources of mail.
    pub name: String,
    pub path: PathBuf,
}

/// Access tokens by the client credentials flow (Microsoft 365), or by a refresh token (Gmail, which has no such flow for
/// mailboxes).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oauth2 {
    /// `https://login.microsoftonline.com/TENANT/oauth2/v2.0/token`, `https://oauth2.googleapis.com/token`. `http` is for
    /// loopback alone.
    pub token_url: String,
    pub client_id: String,
    pub client_secret_file: PathBuf,
    /// `https://outlook.office365.com/.default` for Microsoft 365. Default none.
    #[serde(default)]
    pub scope: Option<String>,
    /// File with a refresh token, which is then exchanged instead. Default none.
    #[serde(default)]
    pub refresh_token_file: Option<PathBuf>,
}

/// What becomes of a mail, by what it is. A mail that cannot be read is left where it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AfterMail {
    /// DMARC and TLS reports.
    pub report: MailAction,
    /// Bounces, delays and other delivery notices.
    pub bounce: MailAction,
    /// Complaints of feedback loops.
    pub complaint: MailAction,
    /// All other mail: auto-replies, answers of people.
    pub other: MailAction,
}

/// `"leave"` (default), `"seen"`, `"delete"`, `{ move = "FOLDER" }` or `{ flag = "$Keyword" }`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailAction {
    #[default]
    Leave,
    /// Marks it as seen.
    Seen,
    /// Takes it out of the folder. A server without UIDPLUS (RFC 4315) only marks it as deleted.
    Delete,
    /// Moves it to this folder of the account, which is made if need be.
    Move(String),
    /// Sets this flag: a keyword, or one of `\Seen`, `\Flagged`, `\Answered`.
    Flag(String),
}

impl AfterMail {
    pub fn actions(&self) -> [&MailAction; 4] {
        [&self.report, &self.bounce, &self.complaint, &self.other]
    }

    /// Whether every mail is left as it is.
    pub fn leaves_all(&self) -> bool {
        self.actions().into_iter().all(|action| *action == MailAction::Leave)
    }
}

impl ImapAccount {
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.security == ImapSecurity::Tls { 993 } else { 143 })
    }

    /// Says what is wrong and what to change.
    pub(super) fn check(&self) -> Result<(), String> {
        let ways = [
            self.password_file.is_some(),
            self.token_file.is_some(),
            !self.token_command.is_empty(),
            self.oauth2.is_some(),
        ];
        if ways.into_iter().filter(|is_set| *is_set).count() != 1 {
            return Err("set one of `password_file`, `token_file`, `token_command` and `oauth2`".to_owned());
        }
        if self.security == ImapSecurity::Plain && !is_loopback(&self.host) {
            return Err(format!(
                "`security = \"plain\"` shows the password to all between here and {}: use `tls` or `starttls`",
                self.host
            ));
        }
        if let Some(oauth2) = &self.oauth2 {
            check_token_url(&oauth2.token_url)?;
        }
        if self.folders.is_empty() || self.folders.len() > FOLDERS_MAX {
            return Err(format!(
                "`folders` names {}, it must be 1 to {FOLDERS_MAX}: each has a connection of its own",
                self.folders.len()
            ));
        }
        if self.poll_seconds == 0 || self.poll_seconds > 86_400 {
            return Err("`poll_seconds` must be 1 to 86400".to_owned());
        }
        if self.mail_bytes_max == 0 || self.mail_bytes_max > MAIL_BYTES_CEILING {
            return Err(format!("`mail_bytes_max` must be 1 to {MAIL_BYTES_CEILING}"));
        }
        self.after.actions().into_iter().try_for_each(|action| self.check_action(action))
    }

    fn check_action(&self, action: &MailAction) -> Result<(), String> {
        match action {
            MailAction::Move(folder) if folder.is_empty() || self.folders.contains(folder) => Err(format!(
                "`after` moves mail to `{folder}`, which is read as well: name a folder that is not among `folders`"
            )),
            MailAction::Flag(flag) if !is_flag(flag) => Err(format!(
                "`{flag}` is no flag: use a keyword of letters, digits, `$`, `-` and `_`, or `\\Seen`, `\\Flagged`, `\\Answered`"
            )),
            _ => Ok(()),
        }
    }
}

/// A part of the flags of RFC 3501 section 9: a keyword that needs no thought, or a flag that harms nothing.
fn is_flag(flag: &str) -> bool {
    let is_keyword = |byte: u8| byte.is_ascii_alphanumeric() || b"$-_".contains(&byte);
    ["\\Seen", "\\Flagged", "\\Answered"].contains(&flag)
        || !flag.is_empty() && flag.len() <= 64 && flag.bytes().all(is_keyword)
}

fn check_token_url(url: &str) -> Result<(), String> {
    let plain_host =
        url.strip_prefix("http://").map(|rest| rest.split(['/', ':']).next().unwrap_or_default());
    match plain_host {
        Some(host) if is_loopback(host) => Ok(()),
        None if url.starts_with("https://") => Ok(()),
        _ => Err(format!(
            "`oauth2.token_url` {url} must begin with `https://`: the client secret is sent there"
        )),
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "name = \"a\"\nhost = \"imap.example.com\"\nuser = \"u\"\npassword_file = \"p\"\n";

    fn check(settings: &str) -> Result<(), String> {
        let account: ImapAccount =
            toml::from_str(&format!("{ACCOUNT}{settings}")).map_err(|error| error.to_string())?;
        account.check()
    }

    #[test]
    fn an_account_needs_little() {
        assert_eq!(check(""), Ok(()));
        let account: ImapAccount = toml::from_str(ACCOUNT).unwrap();
        assert_eq!(
            (account.port(), account.folders, account.poll_seconds),
            (993, vec!["INBOX".to_owned()], 60)
        );
    }

    #[test]
    fn every_action_can_be_written() {
        let actions = "after = { report = { move = \"Archive\" }, bounce = \"delete\", complaint = \"seen\", other = { flag = \"$read\" } }";
        assert_eq!(check(actions), Ok(()));
        assert!(check("after = { report = { move = \"INBOX\" } }").unwrap_err().contains("is read as well"));
        assert!(check("after = { other = { flag = \"a b\" } }").unwrap_err().contains("no flag"));
        assert!(check("after = { spam = \"delete\" }").is_err());
    }

    #[test]
    fn what_would_show_a_password_is_refused() {
        assert!(check("security = \"plain\"").unwrap_err().contains("tls"));
        assert!(check("token_file = \"t\"").unwrap_err().contains("one of"));
        let oauth2 = |url: &str| {
            let account = ACCOUNT.replace("password_file = \"p\"\n", "");
            let text = format!(
                "{account}[oauth2]\ntoken_url = \"{url}\"\nclient_id = \"c\"\nclient_secret_file = \"s\"\n"
            );
            toml::from_str::<ImapAccount>(&text).unwrap().check()
        };
        assert_eq!(oauth2("https://login.example.com/token"), Ok(()));
        assert_eq!(oauth2("http://127.0.0.1:99/token"), Ok(()));
        assert!(oauth2("http://login.example.com/token").unwrap_err().contains("https://"));
    }

    #[test]
    fn limits_are_told() {
        assert!(check("folders = []").unwrap_err().contains("1 to 8"));
        assert!(check("poll_seconds = 0").unwrap_err().contains("86400"));
        assert!(check("mail_bytes_max = 99999999999").unwrap_err().contains("52428800"));
    }
}
