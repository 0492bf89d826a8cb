//! From nothing to a connection that is logged in.
//!
//! Source: RFC 3501 sections 6.2.1 (STARTTLS) and 6.2.3 (LOGIN); RFC 8314 section 3.2 (TLS on port 993);
//! <https://developers.google.com/workspace/gmail/imap/xoauth2-protocol> (XOAUTH2, seen November 2026).

use crate::ingest::imap::Fault;
use crate::ingest::imap::connection::{Connection, in_words};
use crate::ingest::imap::token::TokenSource;
use async_imap::{Authenticator, Client};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long the way to a login may take: RFC 5321 has five minutes for a greeting, a person gives up after one.
const LOGIN_WAIT: Duration = Duration::from_mins(1);

/// How a connection is protected.
#[derive(Debug, Clone)]
pub enum Security {
    Tls(Arc<ClientConfig>),
    Starttls(Arc<ClientConfig>),
    /// The settings allow it for loopback alone.
    Plain,
}

/// An account on a server.
#[derive(Debug)]
pub struct Account {
    pub host: String,
    pub port: u16,
    pub security: Security,
    pub user: String,
    pub credentials: Credentials,
}

/// How an account proves who it is.
#[derive(Debug)]
pub enum Credentials {
    /// File with the password.
    Password(PathBuf),
    Token(TokenSource),
}

/// A password or token. It is shown to the server alone.
#[derive(Clone)]
pub(super) struct Secret(String);

impl Secret {
    pub(super) const fn new(text: String) -> Self {
        Self(text)
    }

    pub(super) fn show(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Secret")
    }
}

/// Reads a secret, without the line end behind it.
pub(super) async fn read_secret(path: &Path) -> Result<Secret, String> {
    let text = tokio::fs::read_to_string(path).await;
    let text = text.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    Ok(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// A byte stream, protected or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug> Stream for S {}

impl Account {
    /// Connects and logs in.
    pub(super) async fn login(&self) -> Result<Connection, Fault> {
        let place = format!("{}:{}", self.host, self.port);
        let login = async {
            let stream = self.connect().await?;
            self.authenticate(Client::new(stream)).await
        };
        let session = tokio::time::timeout(LOGIN_WAIT, login).await.map_err(|_| {
            Fault::broken("log in", format!("{place} did not let us in within {} s", LOGIN_WAIT.as_secs()))
        })??;
        Connection::new(session).await
    }

    /// A stream on which the greeting has been read.
    async fn connect(&self) -> Result<Box<dyn Stream>, Fault> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await;
        let tcp =
            tcp.map_err(|error| Fault::broken("connect", format!("{}:{}: {error}", self.host, self.port)))?;
        match &self.security {
            Security::Tls(config) => greeted(Box::new(self.protect(tcp, config).await?)).await,
            Security::Plain => greeted(Box::new(tcp)).await,
            Security::Starttls(config) => {
                let mut client = Client::new(tcp);
                read_greeting(&mut client).await?;
                let started = client.run_command_and_check_ok("STARTTLS", None).await;
                started.map_err(|error| Fault::broken("STARTTLS", in_words(&error)))?;
                // What a stranger put behind the answer, in plain text, stays behind with the client.
                Ok(Box::new(self.protect(client.into_inner(), config).await?))
            }
        }
    }

    async fn protect(
        &self,
        tcp: TcpStream,
        config: &Arc<ClientConfig>,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Fault> {
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| Fault::broken("TLS", format!("`{}` is no name of a server", self.host)))?;
        let connector = TlsConnector::from(Arc::clone(config));
        connector.connect(name, tcp).await.map_err(|error| {
            Fault::broken(
                "TLS",
                format!("{}: {error}; a certificate of your own goes into `ca_file`", self.host),
            )
        })
    }

    async fn authenticate(
        &self,
        client: Client<Box<dyn Stream>>,
    ) -> Result<async_imap::Session<Box<dyn Stream>>, Fault> {
        let refused = |error: async_imap::error::Error| {
            Fault::broken("log in", format!("{} refuses `{}`: {}", self.host, self.user, in_words(&error)))
        };
        match &self.credentials {
            Credentials::Password(path) => {
                let password =
                    read_secret(path).await.map_err(|told| Fault::broken("`password_file`", told))?;
                client.login(&self.user, password.show()).await.map_err(|(error, _)| refused(error))
            }
            Credentials::Token(source) => {
                let token = source.token().await.map_err(|told| Fault::broken("get a token", told))?;
                let answer = format!("user={}\x01auth=Bearer {}\x01\x01", self.user, token.show());
                match client.authenticate("XOAUTH2", Xoauth2(Some(answer))).await {
                    Ok(session) => Ok(session),
                    Err((error, _)) => {
                        source.forget().await;
                        Err(refused(error))
                    }
                }
            }
        }
    }
}

async fn greeted(stream: Box<dyn Stream>) -> Result<Box<dyn Stream>, Fault> {
    let mut client = Client::new(stream);
    read_greeting(&mut client).await?;
    Ok(client.into_inner())
}

async fn read_greeting<S: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug>(
    client: &mut Client<S>,
) -> Result<(), Fault> {
    match client.read_response().await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(Fault::broken("greeting", "the server closed the connection")),
        Err(error) => Err(Fault::broken("greeting", error)),
    }
}

/// Answers the first challenge; a second one brings the reason of a refusal, and wants an empty answer.
struct Xoauth2(Option<String>);

impl Authenticator for Xoauth2 {
    type Response = String;

    fn process(&mut self, _challenge: &[u8]) -> String {
        self.0.take().unwrap_or_default()
    }
}
