//! The certificates of SNS: got, checked, remembered.
//!
//! Way: `check` asks for the certificate behind a URL that `sns` found to be one of SNS. It comes over HTTPS from
//! there, or from a folder in which the operator put it.
//!
//! Its chain is not checked: the server that hands it out proves who it is by its own certificate, and who can write
//! into the folder can do more. Its time is.

use crate::call::Line;
use crate::ingest::webhook::signed::RSA;
use crate::ingest::webhook::sns::SnsUrl;
use crate::model::Timestamp;
use axum::http::{Request, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::Full;
use lru::LruCache;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::sync::Semaphore;
use x509_cert::der::DecodePem as _;

/// Largest answer, in bytes: thirty times a certificate.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How long an answer may take. SNS itself waits 15 seconds for ours.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);

/// Certificates remembered. SNS has one for each region, and a new one now and then.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(32).expect("not zero");

/// For how long, in seconds, a certificate that could not be got is not asked for again: whoever posts nonsense must not
/// make us ask for each.
const PAUSE_SECONDS: i64 = 30;

/// Most questions under way.
const QUESTIONS_MAX: usize = 4;

/// What a [`Fetch`] comes back with.
pub type Fetched<'f> = Pin<Box<dyn Future<Output = Result<Bytes, FetchError>> + Send + 'f>>;

/// Gets what stands behind a URL of SNS.
pub trait Fetch: Send + Sync {
    fn get<'f>(&'f self, url: &'f Uri) -> Fetched<'f>;
}

/// Why something could not be got, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FetchError(pub String);

/// From the host that the URL names.
pub struct HttpsFetch(Line);

/// From files in a folder, named as the last part of the URL.
pub struct FolderFetch(pub PathBuf);

impl HttpsFetch {
    /// With the roots and versions of `tls`.
    pub fn new(tls: rustls::ClientConfig) -> Self {
        Self(Line::new(tls, ANSWER_TIMEOUT))
    }
}

impl Fetch for HttpsFetch {
    fn get<'f>(&'f self, url: &'f Uri) -> Fetched<'f> {
        Box::pin(async move {
            let failed = |fault: &dyn std::fmt::Display| FetchError(format!("SNS: {fault}"));
            let request = Request::get(url).body(Full::default()).map_err(|fault| failed(&fault))?;
            let answer = self.0.call(request).await.map_err(|fault| failed(&fault))?;
            if answer.status != StatusCode::OK {
                return Err(FetchError(format!("SNS answers {}", answer.status)));
            }
            answer.bytes(ANSWER_BYTES_MAX).await.map_err(|fault| failed(&fault))
        })
    }
}

impl Fetch for FolderFetch {
    fn get<'f>(&'f self, url: &'f Uri) -> Fetched<'f> {
        Box::pin(async move {
            // `sns` lets names of letters, digits and hyphens pass alone
            let Some(name) = url.path().rsplit('/').next().filter(|name| !name.is_empty()) else {
                let message =
                    "`webhooks.ses.certificates_dir` is set, so nothing is fetched: confirm it by hand";
                return Err(FetchError(message.to_owned()));
            };
            let path = self.0.join(name);
            let failed = |fault: std::io::Error| {
                FetchError(format!("{} cannot be read: {fault}; put the certificate there", path.display()))
            };
            let file = tokio::fs::File::open(&path).await.map_err(failed)?;
            let mut bytes = Vec::new();
            file.take(ANSWER_BYTES_MAX as u64).read_to_end(&mut bytes).await.map_err(failed)?;
            Ok(bytes.into())
        })
    }
}

/// A certificate of SNS.
#[derive(Debug)]
pub(super) struct Certificate {
    /// An RSA key in DER.
    public_key: Vec<u8>,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Certificate {
    pub(super) fn read(pem: &[u8]) -> Result<Self, String> {
        let certificate =
            x509_cert::Certificate::from_pem(pem).map_err(|fault| format!("no PEM: {fault}"))?;
        let inner = certificate.tbs_certificate;
        let key = inner.subject_public_key_info;
        if key.algorithm.oid.to_string() != RSA {
            return Err(format!("its key is of the kind {}, not RSA", key.algorithm.oid));
        }
        let time = |time: x509_cert::time::Time| {
            Timestamp::from_seconds(i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX))
        };
        Ok(Self {
            public_key: key.subject_public_key.raw_bytes().to_vec(),
            not_before: time(inner.validity.not_before),
            not_after: time(inner.validity.not_after),
        })
    }

    pub(super) fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// Says what is wrong with using it at that time.
    pub(super) fn check_time(&self, now: Timestamp) -> Result<(), String> {
        if now < self.not_before || now > self.not_after {
            return Err(format!("it is valid from {} to {}", self.not_before, self.not_after));
        }
        Ok(())
    }
}

/// The certificates seen so far, and those that could not be got.
pub(super) struct Certificates {
    fetch: Arc<dyn Fetch>,
    known: Mutex<LruCache<String, Known>>,
    questions: Semaphore,
}

#[derive(Clone)]
enum Known {
    Good(Arc<Certificate>),
    /// Why not, and until when nobody asks again.
    Bad(String, Timestamp),
}

impl Certificates {
    pub(super) fn new(fetch: Arc<dyn Fetch>) -> Self {
        let known = Mutex::new(LruCache::new(REMEMBERED));
        Self { fetch, known, questions: Semaphore::new(QUESTIONS_MAX) }
    }

    /// The certificate behind that URL.
    pub(super) async fn get(&self, url: &SnsUrl, now: Timestamp) -> Result<Arc<Certificate>, String> {
        let name = url.uri().to_string();
        match self.remembered(&name) {
            Some(Known::Good(certificate)) => return Ok(certificate),
            Some(Known::Bad(why, until)) if now < until => return Err(why),
            _ => {}
        }
        let got = self.ask(url).await.and_then(|pem| Certificate::read(&pem)).map(Arc::new);
        let known = match &got {
            Ok(certificate) => Known::Good(Arc::clone(certificate)),
            Err(why) => {
                Known::Bad(why.clone(), Timestamp::from_seconds(now.seconds().saturating_add(PAUSE_SECONDS)))
            }
        };
        self.known.lock().unwrap_or_else(PoisonError::into_inner).put(name, known);
        got
    }

    /// Confirms a subscription by asking for its URL.
    pub(super) async fn confirm(&self, url: &SnsUrl) -> Result<(), String> {
        self.ask(url).await.map(drop)
    }

    async fn ask(&self, url: &SnsUrl) -> Result<Bytes, String> {
        let _place = self.questions.try_acquire().map_err(|_| "too many are asked for already".to_owned())?;
        self.fetch.get(url.uri()).await.map_err(|fault| fault.to_string())
    }

    fn remembered(&self, name: &str) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    /// A server of `localhost` that answers every request with these bytes; its URL, and a client that trusts it.
    async fn serve(answer: Vec<u8>) -> (Uri, HttpsFetch) {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let chain = vec![made.cert.der().clone()];
        let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::from(Arc::new(server));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
            }
        });
        (format!("https://localhost:{port}/a.pem").parse().unwrap(), HttpsFetch::new(client))
    }

    fn answer(head: &str, body: &[u8]) -> Vec<u8> {
        let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    }

    #[tokio::test]
    async fn an_answer_comes_over_tls() {
        let (url, fetch) = serve(answer("200 OK", b"pem")).await;
        assert_eq!(fetch.get(&url).await.unwrap(), "pem");
    }

    #[tokio::test]
    async fn an_answer_that_is_too_long_or_elsewhere_is_none() {
        let (url, fetch) = serve(answer("200 OK", &vec![b'x'; ANSWER_BYTES_MAX + 1])).await;
        let fault = fetch.get(&url).await.unwrap_err();
        assert!(fault.0.contains("length limit exceeded"), "{fault}");
        let (url, fetch) = serve(answer("302 Found\r\nLocation: https://evil.example/", b"")).await;
        assert_eq!(fetch.get(&url).await.unwrap_err().0, "SNS answers 302 Found");
    }

    #[tokio::test]
    async fn a_server_that_cannot_prove_its_name_is_not_believed() {
        let (url, _) = serve(answer("200 OK", b"pem")).await;
        let (_, stranger) = serve(Vec::new()).await;
        let fault = stranger.get(&url).await.unwrap_err();
        assert!(fault.0.contains("invalid peer certificate"), "{fault}");
    }

    #[tokio::test]
    async fn a_folder_gives_certificates_and_confirms_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("SimpleNotificationService-a.pem"), "pem").unwrap();
        let fetch = FolderFetch(folder.path().to_owned());
        let get = async |path: &str| {
            let url = format!("https://sns.us-east-1.amazonaws.com/{path}").parse().unwrap();
            fetch.get(&url).await.map_err(|fault| fault.0)
        };
        assert_eq!(get("SimpleNotificationService-a.pem").await.unwrap(), "pem");
        assert!(
            get("SimpleNotificationService-b.pem").await.unwrap_err().contains("put the certificate there")
        );
        assert!(get("?Action=ConfirmSubscription").await.unwrap_err().contains("confirm it by hand"));
    }

    #[test]
    fn a_certificate_of_another_kind_of_key_is_refused() {
        let made = rcgen::generate_simple_self_signed(["sns.amazonaws.com".to_owned()]).unwrap();
        let fault = Certificate::read(made.cert.pem().as_bytes()).unwrap_err();
        assert!(fault.ends_with("not RSA"), "{fault}");
        assert!(Certificate::read(b"-----BEGIN CERTIFICATE-----\n").unwrap_err().starts_with("no PEM"));
    }
}
