//! Commands and settings, as a person meets them.

use crate::support::{Place, free_port, relaylens, text};
use std::fs;
use std::net::TcpListener;

#[test]
fn help_names_every_command_and_version_is_told() {
    let help = relaylens().arg("--help").output().unwrap();
    assert!(help.status.success());
    let help = text(&help.stdout);
    for command in [
        "serve",
        "import",
        "migrate",
        "replay",
        "check-config",
        "classify",
        "suppress",
        "alerts",
        "unsubscribe-link",
        "token",
        "demo",
    ] {
        assert!(help.contains(&format!("\n  {command}")), "`{command}` is missing in:\n{help}");
    }
    let version = relaylens().arg("--version").output().unwrap();
    assert_eq!(text(&version.stdout), format!("relaylens {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn check_config_prints_what_is_in_force_and_opens_nothing() {
    let place = Place::new("");
    let printed = place.run_well("check-config", &[]);
    assert!(printed.contains("batch_wait_ms = 100"), "{printed}");
    assert!(!place.data_dir().exists(), "a check must not make the data folder");
    // What it prints is a settings file.
    fs::write(place.file("relaylens.toml"), &printed).unwrap();
    assert_eq!(place.run_well("check-config", &[]), printed);
}

/// Wrong settings: what is in the file, and what the error must name.
#[test]
fn wrong_settings_are_told_with_their_name() {
    let cases = [
        ("[spool]\nbyte_max = 5\n", "byte_max"),
        ("[web]\n", "web"),
        ("[spool]\nbytes_max = \"much\"\n", "spool.bytes_max"),
        ("[spool]\nbytes_max = 1\n", "spool.bytes_max"),
        ("[spool]\nbytes_max = 64000000\nsegment_bytes = 1000000\n", "spool.segment_bytes"),
        ("[pipeline]\nbatch_rows_max = 0\n", "pipeline.batch_rows_max"),
        ("[[sources.postfix]]\nname = \"mx1\"\n", "path"),
        ("[[sources.postfix]]\nname = \"mx1\"\npath = \"/x\"\ntime_zone = \"Europe/Nowhere\"\n", "mx1"),
        ("[classify]\nrules_file = \"/nowhere/rules.toml\"\n", "/nowhere/rules.toml"),
        ("[clickhouse]\nurl = \"http://127.0.0.1:9\"\ncluster = \"c\"\n", "clickhouse.nodes"),
    ];
    for (settings, named) in cases {
        let place = Place::new(settings);
        let error = place.run_badly("check-config", &[]);
        assert!(error.contains(named), "{settings}\nsays: {error}\nand does not name `{named}`");
    }
}

#[test]
fn a_settings_file_that_is_missing_is_named() {
    let missing = relaylens().args(["check-config", "--config", "/nowhere/relaylens.toml"]).output().unwrap();
    assert!(!missing.status.success());
    assert!(text(&missing.stderr).contains("/nowhere/relaylens.toml"), "{}", text(&missing.stderr));
}

#[test]
fn settings_come_from_the_environment_and_its_other_variables_do_no_harm() {
    let place = Place::new("");
    let run = |name: &str, value: &str| place.command("check-config", &[]).env(name, value).output().unwrap();
    let printed = run("RELAYLENS_HTTP__LISTEN", "127.0.0.1:9001");
    assert!(text(&printed.stdout).contains("127.0.0.1:9001"), "{}", text(&printed.stderr));
    let logged = run("RELAYLENS_LOG", "debug");
    assert!(logged.status.success(), "RELAYLENS_LOG is documented: {}", text(&logged.stderr));
    let wrong = run("RELAYLENS_HTTP__LISTEN", "somewhere");
    assert!(
        !wrong.status.success() && text(&wrong.stderr).to_lowercase().contains("http.listen"),
        "{}",
        text(&wrong.stderr)
    );
}

#[test]
fn a_port_in_use_is_told_with_its_number() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = Place::new("").run_badly("serve", &["--listen", &address]);
    assert!(error.contains(&address) && error.contains("--listen"), "{error}");
}

#[test]
fn an_open_address_without_a_token_is_refused() {
    let error = Place::new("").run_badly("serve", &["--listen", "0.0.0.0:0"]);
    assert!(error.contains("http.token_file"), "{error}");
}

#[test]
fn a_missing_library_is_told_with_what_to_do() {
    let place = Place::new("");
    let mut command = place.command("migrate", &[]);
    let output = command.env("RELAYLENS_CHDB", place.file("nowhere.so")).output().unwrap();
    let error = text(&output.stderr);
    assert!(!output.status.success());
    assert!(error.contains("nowhere.so") && error.contains("RELAYLENS_CHDB"), "{error}");
}

#[test]
fn a_database_that_cannot_be_reached_is_told_with_its_address() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("http://127.0.0.1:{}", free_port());
    let output = relaylens().current_dir(&dir).args(["migrate", "--clickhouse-url", &url]).output().unwrap();
    let error = text(&output.stderr);
    assert!(!output.status.success() && error.contains(&url), "{error}");
}

#[tokio::test]
async fn migrate_can_be_repeated_and_a_running_server_keeps_its_data_folder() {
    let place = Place::new("");
    let first = place.run_well("migrate", &[]);
    assert_eq!(place.run_well("migrate", &[]), first);
    let server = place.serve().await;
    let second = place.run_badly("serve", &[]);
    assert!(
        second.contains(&server.pid().to_string()) && second.contains("data folder"),
        "the error must say who holds what: {second}"
    );
    server.stop().await;
    assert!(!place.data_dir().join("serve.json").exists());
}
