//! Opening a data folder: refusals that name their reason, and what a crash leaves.

use super::{ENDLESS, engine, eventually, execute, folder, number};
use crate::store::embedded::{EmbeddedError, Engine, EngineSettings, client, library, lock::DataLock};
use std::{
    env, fs,
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
};

#[test]
fn one_process_holds_one_data_folder() {
    let first = engine();
    let other = tempfile::tempdir().unwrap();
    let error = Engine::open(&EngineSettings::new(other.path())).err().unwrap();
    assert!(matches!(error, EmbeddedError::AlreadyOpen { .. }), "{error}");
    let error = Engine::open(&EngineSettings::new(first.data_dir())).err().unwrap();
    assert!(matches!(error, EmbeddedError::Locked { .. }), "{error}");
    assert!(error.to_string().contains("this process itself"), "{error}");
}

#[test]
fn a_folder_in_use_is_refused_with_the_holder() {
    let held = tempfile::tempdir().unwrap();
    let _lock = DataLock::take(held.path()).unwrap();
    fs::write(held.path().join("relaylens.lock"), "4242").unwrap();
    let error = Engine::open(&EngineSettings::new(held.path())).err().unwrap().to_string();
    assert!(error.contains("another relaylens (process 4242)"), "{error}");
}

#[test]
fn settings_that_cannot_work_are_refused_by_name() {
    for change in [
        (|settings: &mut EngineSettings| settings.memory_bytes_max = 1000) as fn(&mut EngineSettings),
        |settings| settings.queries_max = 0,
        |settings| settings.inserts_max = 0,
        |settings| settings.reader_queries_max = 0,
    ] {
        let mut settings = EngineSettings::new("/nowhere");
        change(&mut settings);
        let error = Engine::open(&settings).err().unwrap();
        assert!(matches!(error, EmbeddedError::SettingTooSmall { .. }), "{error}");
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let below = file.path().join("data");
    let error = Engine::open(&EngineSettings::new(&below)).err().unwrap().to_string();
    assert!(error.contains("make the data folder") && error.contains(below.to_str().unwrap()), "{error}");
}

const CHILD_FOLDER: &str = "RELAYLENS_TEST_CHILD_FOLDER";
const CHILD_TEST: &str = "opening::the_child_writes_until_it_is_killed";
/// Rows of one batch of the child.
const BATCH_ROWS: u64 = 1000;

/// Not a test by itself: the other process of the test below, which starts it with a folder.
#[test]
fn the_child_writes_until_it_is_killed() {
    let Some(folder) = env::var_os(CHILD_FOLDER).map(PathBuf::from) else { return };
    // A relative path must not break anything. The library may be found by the current directory: look before.
    let mut settings = EngineSettings::new(folder.file_name().unwrap());
    settings.library = Some(library::load(None).unwrap().1);
    env::set_current_dir(folder.parent().unwrap()).unwrap();
    let engine = Arc::new(Engine::open(&settings).unwrap());
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = client(&engine);
        execute(
            &client,
            "CREATE TABLE IF NOT EXISTS batches (batch UInt64, n UInt64) ENGINE = MergeTree ORDER BY n \
             SETTINGS non_replicated_deduplication_window = 1000",
        )
        .await;
        for batch in number(&client, "SELECT uniqExact(batch) FROM batches").await.. {
            let rows: Vec<_> = (0..BATCH_ROWS).map(|n| format!("{batch}\t{n}\n")).collect();
            let insert = client.insert_formatted_with("INSERT INTO batches FORMAT TSV");
            let mut insert =
                insert.with_setting("insert_deduplication_token", format!("batch-{batch}")).buffered();
            insert.write_buffered(rows.concat().as_bytes());
            insert.end().await.unwrap();
            let whole = number(
                &client,
                &format!(
                    "SELECT countIf(c != {BATCH_ROWS}) FROM (SELECT count() AS c FROM batches GROUP BY batch)"
                ),
            )
            .await;
            assert_eq!(whole, 0, "a batch is not whole");
            writeln!(io::stdout(), "stored {batch}").unwrap();
        }
    });
}

/// Not a test by itself: the other process of the test below.
#[test]
fn the_child_closes_in_the_middle_of_a_statement() {
    let Some(folder) = env::var_os(CHILD_FOLDER).map(PathBuf::from) else { return };
    for name in ["one", "two", "one"] {
        let engine = Arc::new(Engine::open(&EngineSettings::new(folder.join(name))).unwrap());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let endless = client(&engine).query(ENDLESS).with_setting("query_id", "endless");
        let running = runtime.spawn(endless.execute());
        runtime.block_on(eventually("it runs", async || engine.gate_stats().queries.running == 1));
        engine.close();
        assert_eq!(engine.gate_stats().queries.running, 0);
        let error = runtime.block_on(running).unwrap().unwrap_err().to_string();
        assert!(error.contains("Code: 394."), "{error}");
        let late = runtime.block_on(client(&engine).query("SELECT 1").execute()).unwrap_err().to_string();
        assert!(late.contains("Code: 236."), "{late}");
        drop(runtime);
        assert!(Arc::into_inner(engine).is_some(), "somebody still holds the engine");
    }
}

#[test]
fn a_closed_engine_lets_another_folder_be_opened_and_the_process_end() {
    let folder = tempfile::tempdir().unwrap();
    let child = Command::new(env::current_exe().unwrap())
        .args(["opening::the_child_closes", "--test-threads=1"])
        .env(CHILD_FOLDER, folder.path())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}{}", child.status, String::from_utf8_lossy(&child.stdout));
    assert!(!folder.path().join("one/status").exists(), "the engine did not close its folder");
}

/// Not a test by itself: the other process of the test below.
#[test]
fn the_child_exits_with_an_open_engine() {
    let Some(folder) = env::var_os(CHILD_FOLDER).map(PathBuf::from) else { return };
    let engine = Arc::new(Engine::open(&EngineSettings::new(folder)).unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(execute(&client(&engine), "CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n"));
    runtime.block_on(execute(&client(&engine), "INSERT INTO t SELECT number FROM numbers(1000000)"));
    std::process::exit(7);
}

#[test]
fn a_process_that_exits_with_an_open_engine_keeps_its_status() {
    let folder = tempfile::tempdir().unwrap();
    let child = Command::new(env::current_exe().unwrap())
        .args(["opening::the_child_exits", "--test-threads=1"])
        .env(CHILD_FOLDER, folder.path())
        .output()
        .unwrap();
    assert_eq!(child.status.code(), Some(7), "{}", child.status);
}

/// Starts the child, waits for `batches` of its reports, kills it and returns the last one.
fn run_child(folder: &PathBuf, batches: usize) -> u64 {
    let mut child = Command::new(env::current_exe().unwrap())
        .args([CHILD_TEST, "--nocapture", "--test-threads=1"])
        .env(CHILD_FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let stored: Vec<u64> = lines
        .map_while(Result::ok)
        .filter_map(|line| line.rsplit_once("stored ").and_then(|(_, batch)| batch.parse().ok()))
        .take(batches)
        .collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(stored.len(), batches, "the child ended by itself");
    stored[batches - 1]
}

#[test]
fn a_killed_process_loses_no_acknowledged_batch_and_frees_its_folder() {
    let folder = folder("killed");
    let mut last = None;
    for _ in 0..3 {
        let stored = run_child(&folder, 5);
        // The child goes on after the batches that it finds: a lost one would come a second time.
        assert!(last.is_none_or(|last| stored >= last + 5), "{stored} after {last:?}");
        last = Some(stored);
    }
    fs::remove_dir_all(folder).unwrap();
}
