//! What the tests of this binary share: a place with settings, a running server, questions to it, and an engine of
//! this process.
//!
//! Way: a test makes a [`Place`], starts the real program in it ([`Place::serve`], [`Place::run`]) and asks the
//! [`Server`] over HTTP: its API, or its engine by SQL, which `embedded.listen` opens for that.
//! A process holds one data folder, so tests with a store of their own run the program as a child; tests in this
//! process share one engine, each with a database of its own ([`store`]).

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use relaylens::store::Store;
use relaylens::store::embedded::{self, Engine, EngineSettings};
use serde_json::Value;
use std::cell::RefCell;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a start, a stop or a drain may take: many times what it takes on a slow machine under load.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// The token for the child's engine.
const TOKEN: &str = "only-for-the-tests-of-this-run";

/// Variables that steer the tests; the program would take them for settings.
pub(crate) const WITHOUT_POSTFIX: &str = "RELAYLENS_TEST_WITHOUT_POSTFIX";
pub(crate) const SEED: &str = "RELAYLENS_TEST_SEED";

/// Captures are of one day, and stay as they are while the years go by: nothing may be too old to be kept.
const RETENTION: &str = "[retention]\nevents_days = 9999\nminutes_days = 9999\nhours_days = 9999\nmails_days = 9999\nreports_days = 9999\nrejects_days = 9999\nledger_days = 9999\n";

/// The path of a file of this repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A data folder with settings, for one test.
pub(crate) struct Place {
    dir: TempDir,
    sql_port: u16,
}

impl Place {
    /// `settings` is TOML that comes after the common ones: tables, not single keys.
    pub(crate) fn new(settings: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder for the test can be made");
        let sql_port = free_port();
        let place = Self { dir, sql_port };
        fs::write(place.file("token"), TOKEN).unwrap();
        place.set(settings);
        place
    }

    /// Replaces the settings that [`Place::new`] was given.
    pub(crate) fn set(&self, settings: &str) {
        let wait = "[pipeline]\nbatch_wait_ms = 100\nsecond_look_s = 0\n";
        let wait = if settings.contains("[pipeline]") { "" } else { wait };
        let (port, token) = (self.sql_port, quoted(&self.file("token")));
        let engine = if settings.contains("[clickhouse]") {
            String::new()
        } else {
            format!("[embedded]\nlisten = \"127.0.0.1:{port}\"\ntoken_file = {token}\n")
        };
        let text = format!(
            "data_dir = {}\n[http]\nlisten = \"127.0.0.1:0\"\n{engine}{RETENTION}{wait}{settings}",
            quoted(&self.data_dir()),
        );
        fs::write(self.file("relaylens.toml"), text).unwrap();
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.file("data")
    }

    /// The path of a file in the test's folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The program with a subcommand, or one of one (`suppress list`), the place's settings, and more arguments.
    pub(crate) fn command(&self, subcommand: &str, arguments: &[&str]) -> Command {
        let mut command = relaylens();
        command.args(subcommand.split(' ')).arg("--config").arg(self.file("relaylens.toml")).args(arguments);
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, subcommand: &str, arguments: &[&str]) -> Output {
        self.command(subcommand, arguments).output().expect("the program can be started")
    }

    /// Runs a command that must do its work; returns what it printed.
    #[track_caller]
    pub(crate) fn run_well(&self, subcommand: &str, arguments: &[&str]) -> String {
        let output = self.run(subcommand, arguments);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(
            output.status.success(),
            "{subcommand} {arguments:?} ended with {}\n{out}\n{err}",
            output.status
        );
        out
    }

    /// Runs a command that must fail; returns what it said.
    #[track_caller]
    pub(crate) fn run_badly(&self, subcommand: &str, arguments: &[&str]) -> String {
        let output = self.run(subcommand, arguments);
        let err = text(&output.stderr);
        assert!(!output.status.success(), "{subcommand} {arguments:?} did not fail\n{err}");
        assert!(!err.contains("panicked"), "{subcommand} {arguments:?} panicked\n{err}");
        err
    }

    /// Starts the server, and does not wait for it.
    pub(crate) fn spawn(&self) -> Spawned {
        let log = File::options().create(true).append(true).open(self.file("serve.log")).unwrap();
        let child = self.command("serve", &[]).stdout(Stdio::null()).stderr(log).stdin(Stdio::null()).spawn();
        Spawned { child: child.expect("the program can be started"), log: self.file("serve.log") }
    }

    /// Starts the server, and waits until it answers.
    pub(crate) async fn serve(&self) -> Server {
        let spawned = self.spawn();
        self.ready(spawned).await
    }

    /// Waits until a started server answers.
    pub(crate) async fn ready(&self, mut child: Spawned) -> Server {
        let announced = self.data_dir().join("serve.json");
        let begun = Instant::now();
        loop {
            let found =
                fs::read(&announced).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
            if let Some(found) = found
                && found["pid"] == child.child.id()
            {
                let url = found["url"].as_str().expect("`url` is text").to_owned();
                let sql_url = format!("http://127.0.0.1:{}", self.sql_port);
                return Server { child, url, sql_url, http: Http::new() };
            }
            if let Some(status) = child.child.try_wait().unwrap() {
                panic!("the server ended with {status} before it was ready\n{}", child.log());
            }
            assert!(begun.elapsed() < PATIENCE, "the server is not ready\n{}", child.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// A path as a value in a settings file.
pub(crate) fn quoted(path: &Path) -> String {
    toml::Value::from(path.to_str().expect("test folders have names of UTF-8")).to_string()
}

/// The settings that follow a Postfix log.
pub(crate) fn follow(name: &str, log: &Path) -> String {
    format!("[[sources.postfix]]\nname = \"{name}\"\npath = {}\n", quoted(log))
}

/// The program, without the variables that steer the tests.
pub(crate) fn relaylens() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relaylens"));
    command.env_remove(WITHOUT_POSTFIX).env_remove(SEED).env("TZ", "UTC").stdin(Stdio::null());
    command
}

/// A child that does not outlive the test.
pub(crate) struct Spawned {
    child: Child,
    log: PathBuf,
}

impl Spawned {
    /// Ends it at once, as a crash or the kernel would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        // It may have ended; either way nothing stays behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running server.
pub(crate) struct Server {
    child: Spawned,
    pub(crate) url: String,
    sql_url: String,
    http: Http,
}

impl Server {
    pub(crate) fn kill(self) {
        self.child.kill();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.child.id()
    }

    pub(crate) fn log(&self) -> String {
        self.child.log()
    }

    /// Ends it in order, by SIGTERM.
    pub(crate) async fn stop(mut self) {
        let pid = self.pid().to_string();
        let signalled = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status().unwrap();
        assert!(signalled.success(), "SIGTERM could not be sent");
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.child.try_wait().unwrap() {
                assert!(status.success(), "the server ended with {status}\n{}", self.log());
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "the server does not end\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// GETs a path; the answer must be well.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.http.get(&format!("{}{path}", self.url)).await.expect("the server answers");
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        answer.json()
    }

    /// GETs a path that answers with text.
    pub(crate) async fn text(&self, path: &str) -> String {
        self.http.get(&format!("{}{path}", self.url)).await.expect("the server answers").text()
    }

    /// POSTs a body.
    pub(crate) async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.post_with(path, &[], body).await
    }

    pub(crate) async fn post_with(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        self.http.post(&format!("{}{path}", self.url), headers, body).await.expect("the server answers")
    }

    /// Sends any request.
    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        self.http.send(request).await.expect("the server answers")
    }

    /// Asks the store; each row is an array of its columns.
    pub(crate) async fn sql(&self, sql: &str) -> Vec<Value> {
        let headers = [("x-clickhouse-key", TOKEN)];
        let asked = format!("{sql} FORMAT JSONCompactEachRow");
        let answer = self.http.post(&self.sql_url, &headers, asked).await.expect("the engine answers");
        assert_eq!(answer.status, StatusCode::OK, "{sql}: {}", answer.text());
        answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Asks the store for one number.
    pub(crate) async fn count(&self, sql: &str) -> u64 {
        let rows = self.sql(sql).await;
        number(&rows[0][0])
    }

    /// Waits until nothing is in the spool, and returns the ledger of every source; it must balance.
    pub(crate) async fn drained(&self) -> Vec<Ledger> {
        let begun = Instant::now();
        loop {
            let ledger = self.ledger().await;
            for source in &ledger {
                assert_eq!(source.accepted, source.accounted(), "the ledger does not balance: {source:?}");
            }
            if ledger.iter().all(|source| source.in_spool == 0) {
                return ledger;
            }
            assert!(begun.elapsed() < PATIENCE, "the spool does not drain: {ledger:?}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The ledger of every source now.
    pub(crate) async fn ledger(&self) -> Vec<Ledger> {
        let answer = self.get("/api/v1/ledger").await;
        let sources = answer["status"]["sources"].clone();
        serde_json::from_value(sources).expect("the ledger has the sources' counts")
    }
}

/// The counts of one source, as the API tells them.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Deserialize)]
pub(crate) struct Ledger {
    pub(crate) source_kind: String,
    pub(crate) source: String,
    pub(crate) accepted: u64,
    pub(crate) stored: u64,
    pub(crate) duplicate: u64,
    pub(crate) no_event: u64,
    pub(crate) rejected: u64,
    pub(crate) in_spool: u64,
    pub(crate) events: u64,
}

impl Ledger {
    pub(crate) fn accounted(&self) -> u64 {
        self.stored + self.duplicate + self.no_event + self.rejected + self.in_spool
    }
}

/// The one source of a ledger.
#[track_caller]
pub(crate) fn only(ledger: &[Ledger]) -> &Ledger {
    assert_eq!(ledger.len(), 1, "{ledger:?}");
    &ledger[0]
}

/// A number of the engine's JSON: 64-bit ones come as text.
pub(crate) fn number(value: &Value) -> u64 {
    let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    text.parse().unwrap_or_else(|_| panic!("{value} is no number"))
}

/// What a server answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        text(&self.body)
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }
}

/// An HTTP client. Clones share their connections.
#[derive(Clone)]
pub(crate) struct Http(Client<HttpConnector, Full<Bytes>>);

impl Http {
    pub(crate) fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    async fn get(&self, url: &str) -> Option<Answer> {
        self.send(Request::get(url).body(Full::default()).unwrap()).await
    }

    pub(crate) async fn post(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Option<Answer> {
        let mut request = Request::post(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Full::new(body.into())).unwrap()).await
    }

    /// `None` when no whole answer came: nobody is there, or the other side died.
    async fn send(&self, request: Request<Full<Bytes>>) -> Option<Answer> {
        let exchange = async {
            let response = self.0.request(request).await.ok()?;
            let (status, headers) = (response.status(), response.headers().clone());
            let body = response.into_body().collect().await.ok()?.to_bytes();
            Some(Answer { status, headers, body })
        };
        tokio::time::timeout(PATIENCE, exchange).await.ok().flatten()
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Whether a program is on the path.
pub(crate) fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(name).is_file())
}

/// A store of this process, with all tables and nothing in them, and its client for SQL. It lasts as long as the test.
pub(crate) async fn store() -> (Store, clickhouse::Client) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let engine = engine();
    let root = embedded::client(&engine);
    // All tables of a store take 40 MB of the engine's memory: those of tests that are over make room.
    let over = std::mem::take(&mut *OVER.lock().unwrap());
    for name in over {
        root.query_raw(&format!("DROP DATABASE {name} SYNC")).execute().await.unwrap();
    }
    let name = format!("t{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    root.query_raw(&format!("CREATE DATABASE {name}")).execute().await.unwrap();
    MADE.with_borrow_mut(|made| made.0.push(name.clone()));
    let client = embedded::client(&engine).with_database(&name);
    let store = Store::single(client.clone());
    store.migrate().await.unwrap();
    (store, client)
}

/// Databases of tests that have ended.
static OVER: Mutex<Vec<String>> = Mutex::new(Vec::new());

thread_local! {
    /// Every test has a thread of its own, which ends with it.
    static MADE: RefCell<Made> = const { RefCell::new(Made(Vec::new())) };
}

/// The databases that a test made.
struct Made(Vec<String>);

impl Drop for Made {
    fn drop(&mut self) {
        OVER.lock().unwrap_or_else(PoisonError::into_inner).append(&mut self.0);
    }
}

/// The engine of this process. Its folder is made anew by every run.
fn engine() -> Arc<Engine> {
    static ENGINE: OnceLock<Arc<Engine>> = OnceLock::new();
    let open = || {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("it-engine");
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        Arc::new(Engine::open(&EngineSettings::new(dir)).expect("the engine can be opened"))
    };
    Arc::clone(ENGINE.get_or_init(open))
}
