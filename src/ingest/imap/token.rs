//! Access tokens for XOAUTH2: from a file, from a command, or by OAuth 2.0.
//!
//! Source: RFC 6749 section 4.4 (client credentials) and 6 (refresh tokens);
//! <https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth>,
//! <https://developers.google.com/identity/protocols/oauth2/web-server#offline> (both seen November 2026).

use crate::call::{CallError, Line};
use crate::ingest::imap::login::{Secret, read_secret};
use axum::http::header;
use http_body_util::Full;
use hyper::Request;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Largest answer of a token server, in bytes: tokens have 2 to 4 KB.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// How long a token server or a command may take.
const TOKEN_WAIT: Duration = Duration::from_secs(30);

/// A token is got anew when it has less than this left: it must outlast the login.
const SPARE: Duration = Duration::from_mins(1);

/// How long a token counts whose server does not say: RFC 6749 section 5.1 has 3600 seconds as its example, which is
/// also what Microsoft and Google give.
const LIFE_DEFAULT_S: u64 = 3600;

/// Where access tokens come from.
#[derive(Debug)]
pub enum TokenSource {
    File(PathBuf),
    /// A program with its arguments.
    Command(Vec<String>),
    Oauth(Box<OauthClient>),
}

/// Gets access tokens from a token server.
#[derive(Debug)]
pub struct OauthClient {
    url: String,
    client_id: String,
    secret_file: PathBuf,
    scope: Option<String>,
    refresh_token_file: Option<PathBuf>,
    line: Line,
    /// The last token, and until when it counts.
    kept: Mutex<Option<(Secret, Instant)>>,
}

impl TokenSource {
    /// A token that counts now. `Err` says in words why there is none.
    pub(super) async fn token(&self) -> Result<Secret, String> {
        match self {
            Self::File(path) => read_secret(path).await,
            Self::Command(command) => {
                let command = command.clone();
                let run = tokio::task::spawn_blocking(move || run(&command)).await;
                run.map_err(|_| "the token command was given up".to_owned())?
            }
            Self::Oauth(client) => client.token().await,
        }
    }

    /// The server refused the token: the next one must be another.
    pub(super) async fn forget(&self) {
        if let Self::Oauth(client) = self {
            *client.kept.lock().await = None;
        }
    }
}

impl OauthClient {
    pub fn new(
        url: String,
        client_id: String,
        secret_file: PathBuf,
        scope: Option<String>,
        refresh_token_file: Option<PathBuf>,
        tls: rustls::ClientConfig,
    ) -> Self {
        let line = Line::new(tls, TOKEN_WAIT);
        Self { url, client_id, secret_file, scope, refresh_token_file, line, kept: Mutex::new(None) }
    }

    /// Held while a token is got: all folders of the account ask at once after a restart.
    async fn token(&self) -> Result<Secret, String> {
        let mut kept = self.kept.lock().await;
        if let Some((token, until)) = &*kept
            && *until > Instant::now() + SPARE
        {
            return Ok(token.clone());
        }
        let (token, life) = self.ask().await?;
        *kept = Some((token.clone(), Instant::now() + life));
        Ok(token)
    }

    async fn ask(&self) -> Result<(Secret, Duration), String> {
        let body = self.form().await?;
        let request = Request::post(&self.url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .body(Full::from(body))
            .map_err(|error| format!("`oauth2.token_url`: {error}"))?;
        let failed = |error: CallError| format!("{}: {error}", self.url);
        let answer = self.line.call(request).await.map_err(failed)?;
        let status = answer.status;
        let body = answer.bytes(ANSWER_BYTES_MAX).await.map_err(failed)?;
        read_answer(&body).map_err(|told| format!("{} answers {status}: {told}", self.url))
    }

    async fn form(&self) -> Result<String, String> {
        let secret = read_secret(&self.secret_file).await?;
        let refresh_token = match &self.refresh_token_file {
            Some(path) => Some(read_secret(path).await?),
            None => None,
        };
        let mut form = form_urlencoded::Serializer::new(String::new());
        match &refresh_token {
            None => form.append_pair("grant_type", "client_credentials"),
            Some(token) => {
                form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", token.show())
            }
        };
        form.append_pair("client_id", &self.client_id).append_pair("client_secret", secret.show());
        if let Some(scope) = &self.scope {
            form.append_pair("scope", scope);
        }
        Ok(form.finish())
    }
}

/// The token, or what the server says is wrong: RFC 6749 sections 5.1 and 5.2.
fn read_answer(body: &[u8]) -> Result<(Secret, Duration), String> {
    #[derive(serde::Deserialize)]
    struct Answer {
        access_token: Option<String>,
        expires_in: Option<u64>,
        error: Option<String>,
        error_description: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|_| "no JSON of a token server".to_owned())?;
    match answer.access_token {
        Some(token) if !token.is_empty() => {
            Ok((Secret::new(token), Duration::from_secs(answer.expires_in.unwrap_or(LIFE_DEFAULT_S))))
        }
        _ => {
            Err([answer.error, answer.error_description].into_iter().flatten().collect::<Vec<_>>().join(": "))
        }
    }
}

/// Runs a command to its end; it is ended when that takes too long. This blocks.
fn run(command: &[String]) -> Result<Secret, String> {
    let (program, arguments) = command.split_first().ok_or("`token_command` is empty")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("`token_command` {program} cannot be started: {error}"))?;
    let deadline = Instant::now() + TOKEN_WAIT;
    // A token fits into the pipe, so that nobody has to read while the command runs.
    while child.try_wait().map_err(|error| error.to_string())?.is_none() {
        if Instant::now() > deadline {
            drop((child.kill(), child.wait()));
            return Err(format!("`token_command` {program} did not end within {} s", TOKEN_WAIT.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("`token_command` {program} ended with {}", output.status));
    }
    let token = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if token.is_empty() {
        return Err(format!("`token_command` {program} printed no token"));
    }
    Ok(Secret::new(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_prints_a_token_or_tells_why_not() {
        let sh = |script: &str| run(&["sh".to_owned(), "-c".to_owned(), script.to_owned()]);
        assert_eq!(sh("echo ' abc '").unwrap().show(), "abc");
        assert!(sh("exit 3").unwrap_err().contains("ended with exit status: 3"));
        assert!(sh("true").unwrap_err().contains("printed no token"));
        assert!(run(&["/no/such/program".to_owned()]).unwrap_err().contains("cannot be started"));
    }

    #[test]
    fn the_answer_of_a_token_server_is_read() {
        let (token, life) =
            read_answer(br#"{"access_token":"abc","token_type":"Bearer","expires_in":3599}"#).unwrap();
        assert_eq!((token.show(), life), ("abc", Duration::from_secs(3599)));
        let told =
            read_answer(br#"{"error":"invalid_client","error_description":"AADSTS7000215"}"#).unwrap_err();
        assert_eq!(told, "invalid_client: AADSTS7000215");
        assert!(read_answer(b"<html>").is_err());
    }
}
