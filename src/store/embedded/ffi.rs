//! The C interface of the engine's library: the one file that may hold `unsafe`.
//!
//! Way: `library` says which file to load, `engine` opens sessions, the jobs in `query` and `insert` run statements on them.
//! Source: `programs/local/chdb.h` of chDB 26.7; signatures and ownership rules below are that header's.
//! Not here: which file to load, what a statement may do, how an answer travels.

#![expect(unsafe_code, reason = "the engine is a C library; every call into it stands in this file")]

use super::{EmbeddedError, exception::Exception};
use libloading::Library;
use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    marker::PhantomData,
    path::Path,
    ptr::NonNull,
};

/// `chdb_connection`: what statements are run on.
type Connection = *mut c_void;
/// `chdb_result *`: an answer, one piece of it, or the handle of a running stream.
type ResultPtr = *mut c_void;
/// `chdb_insert_stream`.
type InsertPtr = *mut c_void;
/// An array of texts as the header takes it: pointers, then lengths.
type Texts = *const *const u8;
type Lengths = *const usize;

/// `CHDBSuccess` of `chdb_state`.
const SUCCESS: c_int = 0;

/// Makes the table of the library's functions, and the one function that fills it.
macro_rules! c_api {
    ($($name:ident($($argument:ty),*) $(-> $answer:ty)?;)*) => {
        /// The functions of a loaded library. Lives as long as the process.
        pub(super) struct Api { $($name: unsafe extern "C" fn($($argument),*) $(-> $answer)?,)* }

        impl Api {
            fn bind(library: &'static Library, path: &Path) -> Result<Self, EmbeddedError> {
                Ok(Self { $($name: {
                    // SAFETY: the type is the signature that `chdb.h` gives for this name, and the library is
                    // never unloaded, so that the copied pointer stays good.
                    let symbol = unsafe {
                        library.get::<unsafe extern "C" fn($($argument),*) $(-> $answer)?>(stringify!($name))
                    };
                    *symbol.map_err(|_| EmbeddedError::LibraryLacksSymbol {
                        path: path.to_owned(),
                        symbol: stringify!($name),
                    })?
                },)* })
            }
        }
    };
}

c_api! {
    chdb_version() -> *const c_char;
    chdb_set_signal_handlers_enabled(c_int);
    chdb_connect(c_int, *const *const c_char) -> *mut Connection;
    chdb_close_conn(*mut Connection);
    chdb_classify_query_n(Connection, *const u8, usize, *const u8, usize, *mut RawAnalysis) -> c_int;
    chdb_query_with_params_n(Connection, *const u8, usize, *const u8, usize, Texts, Lengths, Texts, Lengths, usize) -> ResultPtr;
    chdb_stream_query_with_params_n(Connection, *const u8, usize, *const u8, usize, Texts, Lengths, Texts, Lengths, usize) -> ResultPtr;
    chdb_stream_fetch_result(Connection, ResultPtr) -> ResultPtr;
    chdb_stream_cancel_query(Connection, ResultPtr);
    chdb_destroy_query_result(ResultPtr);
    chdb_stream_insert_with_params_n(Connection, *const u8, usize, *const u8, usize, Texts, Lengths, Texts, Lengths, usize) -> InsertPtr;
    chdb_stream_append(InsertPtr, *const u8, usize) -> c_int;
    chdb_stream_done(InsertPtr) -> ResultPtr;
    chdb_stream_cancel_insert(InsertPtr);
    chdb_stream_insert_error(InsertPtr) -> *const c_char;
    chdb_destroy_insert_stream(InsertPtr);
    chdb_result_buffer(ResultPtr) -> *const u8;
    chdb_result_length(ResultPtr) -> usize;
    chdb_result_error(ResultPtr) -> *const c_char;
    chdb_result_elapsed(ResultPtr) -> f64;
    chdb_result_rows_read(ResultPtr) -> u64;
    chdb_result_storage_rows_read(ResultPtr) -> u64;
    chdb_result_storage_bytes_read(ResultPtr) -> u64;
    chdb_result_rows_written(ResultPtr) -> u64;
    chdb_result_bytes_written(ResultPtr) -> u64;
}

impl Api {
    /// Loads the library for the rest of the process: unloading it crashes at exit, so it is leaked on purpose.
    ///
    /// The engine's own signal handlers are switched off, since the process has its own.
    ///
    /// # Errors
    ///
    /// [`EmbeddedError::LibraryUnusable`] for a file that is no library of this machine,
    /// [`EmbeddedError::LibraryLacksSymbol`] for one that is no such engine.
    pub(super) fn load(path: &Path) -> Result<&'static Self, EmbeddedError> {
        // SAFETY: loading runs the library's initializers. The operator chose this file to be run in the process.
        let library = unsafe { Library::new(path) }
            .map_err(|source| EmbeddedError::LibraryUnusable { path: path.to_owned(), source })?;
        let api = Box::leak(Box::new(Self::bind(Box::leak(Box::new(library)), path)?));
        // SAFETY: takes a flag only, and is called before the first connect, as the header asks.
        unsafe { (api.chdb_set_signal_handlers_enabled)(0) };
        Ok(api)
    }

    /// The library's version, such as `26.7.3`.
    pub(super) fn version(&self) -> String {
        // SAFETY: takes nothing, returns a static text.
        let version = unsafe { (self.chdb_version)() };
        // SAFETY: as above; null is handled.
        unsafe { text(version) }.unwrap_or_default()
    }
}

/// Copies a text of the engine.
///
/// # Safety
///
/// `pointer` is null or a text that ends in NUL and lives during the call.
unsafe fn text(pointer: *const c_char) -> Option<String> {
    // SAFETY: not null here, the rest is the caller's promise.
    (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned())
}

/// `chdb_query_analysis_v1`.
#[repr(C)]
struct RawAnalysis {
    struct_size: u32,
    statement_count: u32,
    flags: u32,
    query_class: u32,
}

/// What a statement does to state that outlives it (`chdb_query_class`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StatementClass {
    ReadOnly,
    /// Changes a database, or what stands beside the databases.
    Mutating,
    /// Session, system and backup statements, `KILL`, and whatever writes outside the engine (`INTO OUTFILE`).
    Control,
    /// Did not parse, or is unknown to the engine's classifier.
    Unknown,
}

/// The engine's own reading of a text, without running it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Analysis {
    /// Zero when the text did not parse.
    pub(super) statements: u32,
    pub(super) class: StatementClass,
}

/// A statement for the engine: text, output or input format, values of its `{name:Type}` placeholders.
pub(super) struct Statement<'a> {
    pub(super) sql: &'a str,
    pub(super) format: &'a str,
    pub(super) params: &'a [(String, String)],
}

/// Names and values of the placeholders in the arrays that the C functions take. Borrows the statement.
struct ParamArrays {
    names: Vec<*const u8>,
    name_lengths: Vec<usize>,
    values: Vec<*const u8>,
    value_lengths: Vec<usize>,
}

impl ParamArrays {
    fn of(params: &[(String, String)]) -> Self {
        Self {
            names: params.iter().map(|(name, _)| name.as_ptr()).collect(),
            name_lengths: params.iter().map(|(name, _)| name.len()).collect(),
            values: params.iter().map(|(_, value)| value.as_ptr()).collect(),
            value_lengths: params.iter().map(|(_, value)| value.len()).collect(),
        }
    }
}

/// The shape that the three functions that begin a statement share.
type Begin = unsafe extern "C" fn(
    Connection,
    *const u8,
    usize,
    *const u8,
    usize,
    Texts,
    Lengths,
    Texts,
    Lengths,
    usize,
) -> *mut c_void;

/// One connection to the engine. Statements on it are serial, which `&mut self` says; sessions run in parallel.
pub(super) struct Session {
    api: &'static Api,
    connection: NonNull<Connection>,
}

// SAFETY: a connection is not bound to the thread that opened it; the header only asks for one caller at a time.
unsafe impl Send for Session {}

impl Session {
    /// Opens a connection; the first one of the process starts the engine with these arguments.
    ///
    /// `None` when the engine refuses: it prints the reason on standard error and tells the caller nothing.
    pub(super) fn open(api: &'static Api, arguments: &[CString]) -> Option<Self> {
        let texts: Vec<*const c_char> =
            std::iter::once(c"clickhouse".as_ptr()).chain(arguments.iter().map(|a| a.as_ptr())).collect();
        let count = c_int::try_from(texts.len()).ok()?;
        // SAFETY: `texts` holds `count` texts that end in NUL and outlive the call.
        let connection = NonNull::new(unsafe { (api.chdb_connect)(count, texts.as_ptr()) })?;
        // SAFETY: a pointer from `chdb_connect` points to a connection until it is closed.
        if unsafe { *connection.as_ptr() }.is_null() {
            return None;
        }
        #[cfg(target_env = "gnu")]
        exit_hook::session_opened();
        Some(Self { api, connection })
    }

    fn handle(&self) -> Connection {
        // SAFETY: open until `drop`, so that the pointer still points to the connection.
        unsafe { *self.connection.as_ptr() }
    }

    fn begin(&self, begin: Begin, statement: &Statement<'_>) -> *mut c_void {
        let params = ParamArrays::of(statement.params);
        // SAFETY: all pointers come with their lengths, and the texts that they point to outlive the call; the
        // engine copies what it keeps.
        unsafe {
            begin(
                self.handle(),
                statement.sql.as_ptr(),
                statement.sql.len(),
                statement.format.as_ptr(),
                statement.format.len(),
                params.names.as_ptr(),
                params.name_lengths.as_ptr(),
                params.values.as_ptr(),
                params.value_lengths.as_ptr(),
                statement.params.len(),
            )
        }
    }

    /// Runs a statement and waits for the whole answer.
    pub(super) fn query(&mut self, statement: &Statement<'_>) -> Result<Answer, Exception> {
        Answer::new(self.api, self.begin(self.api.chdb_query_with_params_n, statement))
    }

    /// Starts a `SELECT`, to be fetched piece by piece. Every piece starts its format anew, headers included.
    ///
    /// Other statements fail with a text that holds "Streaming query is not supported"; nothing is run then.
    pub(super) fn stream(&mut self, statement: &Statement<'_>) -> Result<Cursor<'_>, Exception> {
        let stream = Answer::new(self.api, self.begin(self.api.chdb_stream_query_with_params_n, statement))?;
        Ok(Cursor { session: self, stream, finished: false })
    }

    /// Starts an `INSERT`, given without its `FORMAT` clause, whose rows follow by [`InsertStream::append`].
    pub(super) fn insert(&mut self, statement: &Statement<'_>) -> Result<InsertStream<'_>, Exception> {
        let handle = self.begin(self.api.chdb_stream_insert_with_params_n, statement);
        let stream = InsertStream { api: self.api, handle, session: PhantomData };
        // SAFETY: the handle is never null (header) and lives until `stream` is dropped.
        match unsafe { text((self.api.chdb_stream_insert_error)(handle)) } {
            Some(error) => Err(Exception::parse(error)),
            None => Ok(stream),
        }
    }

    /// How the engine's parser reads a text. Runs nothing, leaves the session as it was.
    pub(super) fn classify(&mut self, sql: &str) -> Analysis {
        const STRUCT_SIZE: u32 = 16;
        const { assert!(size_of::<RawAnalysis>() == STRUCT_SIZE as usize) };
        let mut raw =
            RawAnalysis { struct_size: STRUCT_SIZE, statement_count: 0, flags: 0, query_class: u32::MAX };
        // SAFETY: `raw` has the size that it states; a null target database is allowed.
        let state = unsafe {
            (self.api.chdb_classify_query_n)(
                self.handle(),
                sql.as_ptr(),
                sql.len(),
                std::ptr::null(),
                0,
                &raw mut raw,
            )
        };
        let class = match raw.query_class {
            0 if state == SUCCESS => StatementClass::ReadOnly,
            1 | 2 if state == SUCCESS => StatementClass::Mutating,
            3 if state == SUCCESS => StatementClass::Control,
            _ => StatementClass::Unknown,
        };
        Analysis { statements: raw.statement_count, class }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: opened by `chdb_connect`, closed here only; cursors and insert streams borrow the session and are gone.
        unsafe { (self.api.chdb_close_conn)(self.connection.as_ptr()) };
        #[cfg(target_env = "gnu")]
        exit_hook::session_closed();
    }
}

/// A finished answer or one piece of a stream. Owns its bytes, also after its session is closed.
pub(super) struct Answer {
    api: &'static Api,
    result: NonNull<c_void>,
}

// SAFETY: a result is a buffer of its own that no other thread of the engine touches once it was handed out.
unsafe impl Send for Answer {}

impl Answer {
    fn new(api: &'static Api, result: ResultPtr) -> Result<Self, Exception> {
        let result = NonNull::new(result).ok_or_else(|| Exception::lost("the engine gave no result"))?;
        let answer = Self { api, result };
        // SAFETY: the result lives until `answer` is dropped, the text as long as the result.
        match unsafe { text((api.chdb_result_error)(answer.result.as_ptr())) } {
            Some(error) => Err(Exception::parse(error)),
            None => Ok(answer),
        }
    }

    /// Counts of the statement so far.
    pub(super) fn counts(&self) -> Counts {
        let (api, result) = (self.api, self.result.as_ptr());
        // SAFETY: getters that read fields of a living result.
        unsafe {
            Counts {
                rows_read: (api.chdb_result_storage_rows_read)(result),
                bytes_read: (api.chdb_result_storage_bytes_read)(result),
                rows_written: (api.chdb_result_rows_written)(result),
                bytes_written: (api.chdb_result_bytes_written)(result),
                result_rows: (api.chdb_result_rows_read)(result),
                result_bytes: (api.chdb_result_length)(result) as u64,
                elapsed_seconds: (api.chdb_result_elapsed)(result),
            }
        }
    }
}

impl AsRef<[u8]> for Answer {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: a getter on a living result.
        let length = unsafe { (self.api.chdb_result_length)(self.result.as_ptr()) };
        // SAFETY: as above.
        let buffer = unsafe { (self.api.chdb_result_buffer)(self.result.as_ptr()) };
        if length == 0 || buffer.is_null() {
            return &[];
        }
        // SAFETY: the result owns `length` bytes at `buffer`, which stay unchanged until it is destroyed.
        unsafe { std::slice::from_raw_parts(buffer, length) }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: destroyed here only.
        unsafe { (self.api.chdb_destroy_query_result)(self.result.as_ptr()) };
    }
}

/// What a statement read and wrote.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counts {
    pub(super) rows_read: u64,
    pub(super) bytes_read: u64,
    /// With the rows that materialized views wrote.
    pub(super) rows_written: u64,
    pub(super) bytes_written: u64,
    pub(super) result_rows: u64,
    pub(super) result_bytes: u64,
    pub(super) elapsed_seconds: f64,
}

/// A running `SELECT`. Dropping it cancels what is left.
pub(super) struct Cursor<'session> {
    session: &'session mut Session,
    stream: Answer,
    finished: bool,
}

impl Cursor<'_> {
    /// The next piece; `None` at the end. May wait as long as the engine computes.
    pub(super) fn next(&mut self) -> Result<Option<Answer>, Exception> {
        if self.finished {
            return Ok(None);
        }
        let api = self.session.api;
        // SAFETY: the stream lives, its session is borrowed by the cursor, and nobody else fetches from it.
        let piece =
            unsafe { (api.chdb_stream_fetch_result)(self.session.handle(), self.stream.result.as_ptr()) };
        let piece = Answer::new(api, piece);
        self.finished = piece.as_ref().map_or(true, |piece| piece.as_ref().is_empty());
        piece.map(|piece| (!self.finished).then_some(piece))
    }
}

impl Drop for Cursor<'_> {
    fn drop(&mut self) {
        if !self.finished {
            let api = self.session.api;
            // SAFETY: as in `next`; the stream itself is destroyed after this, with its field.
            unsafe { (api.chdb_stream_cancel_query)(self.session.handle(), self.stream.result.as_ptr()) };
        }
    }
}

/// An open `INSERT`. Dropping it unfinished commits nothing.
pub(super) struct InsertStream<'session> {
    api: &'static Api,
    handle: InsertPtr,
    /// The connection takes no other statement while the stream is open.
    session: PhantomData<&'session mut Session>,
}

impl InsertStream<'_> {
    /// Hands over rows in the insert's format, cut anywhere; waits while the engine is behind.
    ///
    /// False when the engine has failed: [`finish`](Self::finish) then has the reason.
    pub(super) fn append(&mut self, rows: &[u8]) -> bool {
        // SAFETY: the handle lives; the engine copies the bytes.
        unsafe { (self.api.chdb_stream_append)(self.handle, rows.as_ptr(), rows.len()) == SUCCESS }
    }

    /// Commits what was appended.
    pub(super) fn finish(self) -> Result<Answer, Exception> {
        // SAFETY: the handle lives until the end of this function, which destroys it.
        Answer::new(self.api, unsafe { (self.api.chdb_stream_done)(self.handle) })
    }

    /// Gives the insert up; rows of blocks that are not yet full are not committed.
    pub(super) fn cancel(self) {
        // SAFETY: as in `finish`.
        unsafe { (self.api.chdb_stream_cancel_insert)(self.handle) };
    }
}

impl Drop for InsertStream<'_> {
    fn drop(&mut self) {
        // SAFETY: destroyed here only, while its session is still open; cancels by itself when not finished.
        unsafe { (self.api.chdb_destroy_insert_stream)(self.handle) };
    }
}

/// Ends a process whose engine is still open without running the library's own end.
///
/// At a normal exit the C library destroys the library's objects while the engine's threads still use them: a process
/// that exits with an open engine may die of SIGSEGV (seen in 3 of 25 runs) and lose its exit status. Dropping the
/// engine first is the proper way; this is for `std::process::exit` and for engines held in statics. The data is as
/// safe as after any crash.
#[cfg(target_env = "gnu")]
mod exit_hook {
    use std::{
        ffi::{c_int, c_void},
        ptr,
        sync::atomic::{AtomicU64, Ordering},
    };

    static OPENED: AtomicU64 = AtomicU64::new(0);
    static CLOSED: AtomicU64 = AtomicU64::new(0);

    pub(super) fn session_opened() {
        let opened = OPENED.fetch_add(1, Ordering::Relaxed) + 1;
        // Hooks run last in, first out. The library adds its own as its parts are first used, so this one is added
        // anew as sessions go by: at the 1st, 2nd, 4th, 8th …, which keeps their number small.
        if opened.is_power_of_two() {
            // SAFETY: the function has the type that on_exit(3) takes, and never reads its argument.
            unsafe { on_exit(end_at_once, ptr::null_mut()) };
        }
    }

    pub(super) fn session_closed() {
        CLOSED.fetch_add(1, Ordering::Relaxed);
    }

    extern "C" fn end_at_once(status: c_int, _argument: *mut c_void) {
        if OPENED.load(Ordering::Relaxed) != CLOSED.load(Ordering::Relaxed) {
            // SAFETY: ends the process, and may be called from any thread.
            unsafe { libc::_exit(status) };
        }
    }

    // SAFETY: the declaration of on_exit(3), which glibc has, as the engine's library needs glibc.
    unsafe extern "C" {
        fn on_exit(function: extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
    }
}
