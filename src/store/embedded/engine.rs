//! The engine of this process: opened once on a data folder, then sessions on demand.
//!
//! Way: `app` opens it, [`super::client`] and [`super::serve_tcp`] share it, each request takes a session from it.
//! Source: what the engine does with its arguments was measured on chDB 26.7.3; `system.server_settings` shows them.
//! Not here: what a request may do (`request`, `query`, `insert`).

use super::{
    EmbeddedError,
    exception::{Code, Exception},
    ffi::{Answer, Api, Session, Statement},
    gate::{Gate, GateStats},
    library,
    lock::DataLock,
};
use std::{
    collections::HashSet,
    ffi::CString,
    fs::{self, DirBuilder, File},
    io::Write,
    os::unix::{ffi::OsStrExt, fs::DirBuilderExt},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Least memory that the engine is given, in bytes: the open engine alone holds about 200 MB.
const MEMORY_BYTES_MIN: u64 = 256 * MIB;
const MIB: u64 = 1024 * 1024;
/// How long [`Engine::close`] waits for what runs, and how often it looks.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(5);
const CLOSE_LOOK: Duration = Duration::from_millis(20);
/// Threads that remove merged parts. The engine's own default is 128: it starts them all at once (65 threads became 178).
const CLEANING_THREADS: u32 = 4;

/// What an engine is opened with. Start from [`EngineSettings::new`].
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// The engine's library file. Default none: the usual places are searched (`RELAYLENS_CHDB`, beside the executable,
    /// `node_modules` below the current directory, `/usr/lib/relaylens`).
    pub library: Option<PathBuf>,
    /// Where the data is kept; made when missing, readable by its owner alone, since it holds recipient addresses. A
    /// relative path counts from the current directory (the engine itself breaks on one, so it gets the absolute form).
    pub data_dir: PathBuf,
    /// Most memory the engine takes in all, in bytes; a statement that needs more fails (code 241). Default 2 GiB, least
    /// 256 MiB. The process stays about a third above it at its peak (measured: 1.32 GB with a limit of 1 GB).
    pub memory_bytes_max: u64,
    /// Cache of the marks that find a column's place in a file, in bytes. Default 256 MiB: the engine's own default is
    /// 5 GiB, more than its whole memory here.
    pub mark_cache_bytes_max: u64,
    /// Each of the index caches (primary key, marks of indexes, and the three of text indexes), in bytes. Default
    /// 128 MiB: the engine's own defaults are 1 to 5 GiB each.
    pub index_cache_bytes_max: u64,
    /// Statements that run at once, inserts not counted. Default twice the cores, at least 4: more only share the cores.
    pub queries_max: usize,
    /// Inserts that run at once. Default as `queries_max`, and apart from it, so that slow pages never stop the intake.
    pub inserts_max: usize,
    /// Statements from [`super::serve_tcp`] that run at once. Default the cores, at least 2; apart from the others, so
    /// that an outside reader never takes their places.
    pub reader_queries_max: usize,
    /// Requests that may wait for a place, for each of the three kinds; the next is refused (code 202). Default 256.
    pub waiting_max: usize,
    /// How long a reader may leave an answer untouched, or a writer an insert, before it is given up and its place
    /// freed. Default 300 s, as `send_timeout` of a server.
    pub stall_max: Duration,
}

impl EngineSettings {
    /// The defaults, for a data folder.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        let cores = thread::available_parallelism().map_or(2, usize::from).max(2);
        Self {
            library: None,
            data_dir: data_dir.into(),
            memory_bytes_max: 2048 * MIB,
            mark_cache_bytes_max: 256 * MIB,
            index_cache_bytes_max: 128 * MIB,
            queries_max: 2 * cores,
            inserts_max: 2 * cores,
            reader_queries_max: cores,
            waiting_max: 256,
            stall_max: Duration::from_mins(5),
        }
    }

    fn check(&self) -> Result<(), EmbeddedError> {
        let places = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let least = [
            ("memory_bytes_max", self.memory_bytes_max, MEMORY_BYTES_MIN),
            ("queries_max", places(self.queries_max), 1),
            ("inserts_max", places(self.inserts_max), 1),
            ("reader_queries_max", places(self.reader_queries_max), 1),
        ];
        match least.into_iter().find(|(_, value, least)| value < least) {
            Some((name, value, least)) => Err(EmbeddedError::SettingTooSmall { name, value, least }),
            None => Ok(()),
        }
    }

    /// Arguments of the first connect: taken by the engine as a server takes its configuration.
    fn server_arguments(&self) -> Vec<String> {
        let index = self.index_cache_bytes_max;
        vec![
            format!("--max_server_memory_usage={}", self.memory_bytes_max),
            format!("--mark_cache_size={}", self.mark_cache_bytes_max),
            format!("--primary_index_cache_size={index}"),
            format!("--index_mark_cache_size={index}"),
            format!("--text_index_tokens_cache_size={index}"),
            format!("--text_index_header_cache_size={index}"),
            format!("--text_index_postings_cache_size={index}"),
            format!("--max_parts_cleaning_thread_pool_size={CLEANING_THREADS}"),
        ]
    }
}

/// What the engine is doing at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineStats {
    pub queries: GateStats,
    pub inserts: GateStats,
    pub reader_queries: GateStats,
}

/// A ClickHouse engine in this process. Share it by `Arc`; the last owner's drop closes it (5 to 14 ms).
///
/// At the end of the process: stop the doors, [`close`](Self::close), let the clients go, then the last owner.
pub struct Engine {
    // Fields are dropped in this order: the last session first, so that the engine has closed before the locks open.
    root: Mutex<Session>,
    _claim: ProcessClaim,
    _lock: DataLock,
    api: &'static Api,
    data_dir: PathBuf,
    version: String,
    /// `--path` and the database, as every connect needs them.
    arguments: Vec<CString>,
    /// Names the engine knows: it ignores unknown ones in silence, and a typing error must not.
    setting_names: HashSet<String>,
    serial: AtomicU64,
    memory_bytes_max: u64,
    pub(super) stall_max: Duration,
    pub(super) queries: Gate,
    pub(super) inserts: Gate,
    pub(super) reader_queries: Gate,
}

impl Engine {
    /// Finds the library, locks the data folder and starts the engine on it. Blocks: 0.1 to 0.5 s.
    ///
    /// # Errors
    ///
    /// Any [`EmbeddedError`] except those of the listener.
    pub fn open(settings: &EngineSettings) -> Result<Self, EmbeddedError> {
        settings.check()?;
        let (api, library_path) = library::load(settings.library.as_deref())?;
        let data_dir = prepare_data_dir(&settings.data_dir)?;
        let lock = DataLock::take(&data_dir)?;
        let claim = ProcessClaim::take(&data_dir)?;
        write_default_database(&data_dir)?;
        let refused = || EmbeddedError::Refused { data_dir: data_dir.clone() };
        let mut path = b"--path=".to_vec();
        path.extend_from_slice(data_dir.as_os_str().as_bytes());
        let path = CString::new(path).map_err(|_nul| refused())?;
        let arguments = vec![path, c"--default_database=".to_owned(), c"--database=default".to_owned()];
        let server =
            settings.server_arguments().into_iter().filter_map(|argument| CString::new(argument).ok());
        let first: Vec<CString> = arguments.iter().cloned().chain(server).collect();
        let mut root = Session::open(api, &first).ok_or_else(refused)?;
        let mut first_text = |sql| {
            text(&mut root, sql)
                .map_err(|e| EmbeddedError::FirstStatement { data_dir: data_dir.clone(), message: e.text })
        };
        let version = first_text("SELECT version()")?;
        library::check_version(&library_path, &version)?;
        let setting_names =
            first_text("SELECT name FROM system.settings")?.lines().map(str::to_owned).collect();
        tracing::info!(version, data_dir = %data_dir.display(), library = %library_path.display(), "embedded engine is open");
        Ok(Self {
            root: Mutex::new(root),
            _claim: claim,
            _lock: lock,
            api,
            data_dir,
            version,
            arguments,
            setting_names,
            serial: AtomicU64::new(1),
            memory_bytes_max: settings.memory_bytes_max,
            stall_max: settings.stall_max,
            queries: Gate::new("queries", settings.queries_max, settings.waiting_max),
            inserts: Gate::new("inserts", settings.inserts_max, settings.waiting_max),
            reader_queries: Gate::new(
                "queries of readers",
                settings.reader_queries_max,
                settings.waiting_max,
            ),
        })
    }

    /// The ClickHouse version, such as `26.7.2.1`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Running and waiting requests.
    pub fn gate_stats(&self) -> EngineStats {
        EngineStats {
            queries: self.queries.stats(),
            inserts: self.inserts.stats(),
            reader_queries: self.reader_queries.stats(),
        }
    }

    /// Lets no statement in any more and ends those that run, for an orderly end of the process: otherwise the runtime
    /// waits at its end for a long statement. Inserts are let to their end. Blocks: at most 5 s.
    ///
    /// The engine itself closes with its last owner.
    pub fn close(&self) {
        let gates = [&self.queries, &self.inserts, &self.reader_queries];
        for gate in gates {
            gate.close();
        }
        let end = Instant::now() + CLOSE_TIME_MAX;
        while gates.iter().any(|gate| gate.stats().running > 0) && Instant::now() < end {
            self.kill_where("query_kind != 'Insert' AND Settings['log_comment'] != ''");
            thread::sleep(CLOSE_LOOK);
        }
    }

    pub(super) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Most memory for one statement of an outside reader, in bytes: a quarter, so that the intake always has room.
    pub(super) fn reader_memory_bytes_max(&self) -> u64 {
        self.memory_bytes_max / 4
    }

    /// A number that no other request of this process has.
    pub(super) fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    /// A fresh session (0.15 ms): the only thing that keeps settings, `USE` and the leftovers of a failed statement
    /// from reaching the next request.
    ///
    /// Of a setting given twice the last counts.
    pub(super) fn session(
        &self,
        settings: &[(String, String)],
        database: Option<&str>,
    ) -> Result<Session, Exception> {
        let mut arguments = self.arguments.clone();
        for (name, value) in settings {
            if !self.setting_names.contains(name) {
                return Err(Exception::new(Code::UnknownSetting, format_args!("unknown setting '{name}'")));
            }
            let argument = CString::new(format!("--{name}={value}"));
            arguments.push(argument.map_err(|_nul| {
                Exception::new(
                    Code::BadArguments,
                    format_args!("the value of setting '{name}' holds a NUL byte"),
                )
            })?);
        }
        let Some(mut session) = Session::open(self.api, &arguments) else {
            return Err(self.refusal(settings));
        };
        if let Some(database) = database {
            let quoted = database.replace('\\', "\\\\").replace('`', "\\`");
            text(&mut session, &format!("USE `{quoted}`"))?;
        }
        Ok(session)
    }

    /// Why a connect with these settings failed: the engine tells that on standard error only, `SET` tells it here.
    fn refusal(&self, settings: &[(String, String)]) -> Exception {
        let Some(mut plain) = Session::open(self.api, &self.arguments) else {
            return Exception::lost("the engine opens no more sessions; its reason stands on standard error");
        };
        let mut set =
            settings.iter().map(|(name, value)| text(&mut plain, &format!("SET {name} = {}", quoted(value))));
        set.find_map(Result::err).unwrap_or_else(|| {
            Exception::lost("the engine refused these settings; its reason stands on standard error")
        })
    }

    /// Ends the statement that carries this `log_comment`. Blocks for milliseconds.
    pub(super) fn kill(&self, log_comment: &str) {
        self.kill_where(&format!("Settings['log_comment'] = {}", quoted(log_comment)));
    }

    /// `ASYNC`, since a killed session keeps its entry until its next statement, and `SYNC` would wait for that.
    fn kill_where(&self, condition: &str) {
        let sql = format!("KILL QUERY WHERE {condition} ASYNC");
        if let Err(exception) = text(&mut self.root(), &sql) {
            tracing::warn!(exception = exception.text, "an abandoned query could not be ended");
        }
    }

    fn root(&self) -> MutexGuard<'_, Session> {
        self.root.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a statement of our own and returns its answer, tab separated, without the last line end.
fn text(session: &mut Session, sql: &str) -> Result<String, Exception> {
    let statement = Statement { sql, format: "TabSeparated", params: &[] };
    let answer: Answer = session.query(&statement)?;
    Ok(String::from_utf8_lossy(answer.as_ref()).trim_end().to_owned())
}

/// A value as a string literal of ClickHouse.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Makes the folder and returns its real path, so that two names of one folder count as one.
fn prepare_data_dir(wanted: &Path) -> Result<PathBuf, EmbeddedError> {
    let failed = |doing| move |source| EmbeddedError::data_dir(doing, wanted.to_owned(), source);
    DirBuilder::new().recursive(true).mode(0o700).create(wanted).map_err(failed("make the data folder"))?;
    fs::canonicalize(wanted).map_err(failed("find the data folder"))
}

/// Makes `default` a plain `Atomic` database, as on a server, before the engine's first start here.
///
/// The engine's own `default` is an overlay that also serves every file of the machine as a table, and cannot hold
/// refreshable views. Written beside and renamed, so that a crash leaves no half file that the engine cannot read.
fn write_default_database(data_dir: &Path) -> Result<(), EmbeddedError> {
    let metadata = data_dir.join("metadata");
    let (file, half) = (metadata.join("default.sql"), metadata.join("default.sql.new"));
    if file.exists() {
        return Ok(());
    }
    let sql = format!("ATTACH DATABASE _ UUID '{}' ENGINE = Atomic\n", uuid::Uuid::new_v4());
    let write = || {
        fs::create_dir_all(&metadata)?;
        let mut new = File::create(&half)?;
        new.write_all(sql.as_bytes())?;
        new.sync_all()?;
        fs::rename(&half, &file)
    };
    write().map_err(|source| EmbeddedError::data_dir("write the default database", file.clone(), source))
}

/// The engine holds one data folder for each process; this is the process's record of it.
static CLAIMED: Mutex<Option<PathBuf>> = Mutex::new(None);

struct ProcessClaim;

impl ProcessClaim {
    fn take(data_dir: &Path) -> Result<Self, EmbeddedError> {
        let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = &*claimed {
            return Err(EmbeddedError::AlreadyOpen { open: open.clone(), wanted: data_dir.to_owned() });
        }
        *claimed = Some(data_dir.to_owned());
        Ok(Self)
    }
}

impl Drop for ProcessClaim {
    fn drop(&mut self) {
        *CLAIMED.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
