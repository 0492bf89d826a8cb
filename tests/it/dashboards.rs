//! Dashboards and Prometheus rules name what there is: each statement runs on a real engine with all tables, each metric
//! stands in `/metrics`, each shipped rule has its Prometheus rule.

use crate::support::{PATIENCE, Place, repository};
use relaylens::alert::Rules;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

fn read(name: &str) -> String {
    fs::read_to_string(repository("dashboards").join(name)).unwrap()
}

/// All texts under a key, wherever it stands.
fn texts(value: &Value, key: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                match value {
                    Value::String(text) if name == key => found.push(text.clone()),
                    _ => texts(value, key, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| texts(value, key, found)),
        _ => {}
    }
}

#[tokio::test]
async fn each_statement_of_the_clickhouse_dashboard_runs() {
    let (_, client) = crate::support::store().await;
    let dashboard: Value = serde_json::from_str(&read("grafana-clickhouse.json")).unwrap();
    let mut statements = Vec::new();
    texts(&dashboard, "rawSql", &mut statements);
    assert!(statements.len() > 10);
    for sql in statements {
        // What the data source puts in for its macro.
        let (mut filled, mut rest) = (String::new(), sql.as_str());
        while let Some((before, after)) = rest.split_once("$__timeFilter(") {
            let mut depth = 1;
            let end = after
                .find(|c| {
                    depth += match c {
                        '(' => 1,
                        ')' => -1,
                        _ => 0,
                    };
                    depth == 0
                })
                .unwrap();
            let column = &after[..end];
            let range =
                [before, "(", column, " >= toDateTime(0) AND ", column, " <= toDateTime(2000000000))"];
            filled += &range.concat();
            rest = &after[end + 1..];
        }
        filled += rest;
        let ran = client.query_raw(&format!("SELECT count() FROM ({filled})")).fetch_one::<u64>().await;
        assert!(ran.is_ok(), "{filled}: {ran:?}");
    }
}

/// Words that begin with our prefix.
fn metrics(text: &str) -> BTreeSet<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !is_name(c)).filter(|word| word.starts_with("relaylens_")).collect()
}

#[tokio::test]
async fn each_metric_is_exported() {
    let place = Place::new("[alerts]\nevaluate_seconds = 10\n");
    let log = repository("tests/data/postfix/mx.maillog");
    place.run_well("import", &["--format", "postfix", "--source", "lab", log.to_str().unwrap()]);
    let server = place.serve().await;
    server
        .post("/v1/in/postfix?source=lab", "Nov 21 18:00:00 mx1 postfix/qmgr[1]: 0123456789: removed\n")
        .await;
    let begun = Instant::now();
    let shown = loop {
        let shown = server.text("/metrics").await;
        if shown.contains("relaylens_alert_value{") && shown.contains("relaylens_items_accepted_total{") {
            break shown;
        }
        assert!(begun.elapsed() < PATIENCE, "no evaluation is exported:\n{shown}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let exported: BTreeSet<&str> = shown
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let dashboard: Value = serde_json::from_str(&read("grafana-prometheus.json")).unwrap();
    let mut used = Vec::new();
    texts(&dashboard, "expr", &mut used);
    let rules = read("prometheus-rules.yaml");
    used.extend(rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).map(str::to_owned));
    assert!(used.len() > 40);
    for expression in &used {
        for name in metrics(expression) {
            assert!(exported.contains(name), "`{name}` of `{expression}` is not in /metrics:\n{shown}");
        }
    }
    server.stop().await;
}

#[test]
fn each_shipped_rule_has_its_prometheus_rule_and_panel() {
    let (yaml, panels) = (read("prometheus-rules.yaml"), read("grafana-prometheus.json"));
    for rule in Rules::shipped().rules {
        let wanted = format!(
            "      - alert: {name}\n        expr: relaylens_alert_breach{{rule=\"{name}\"}} == 1\n        for: {hold}\n        labels: {{ severity: {severity} }}\n",
            name = rule.name,
            hold = rule.hold,
            severity = rule.severity
        );
        assert!(yaml.contains(&wanted), "prometheus-rules.yaml misses, or has otherwise:\n{wanted}");
        assert!(panels.contains(&format!("rule=\\\"{}\\\"", rule.name)), "no panel for `{}`", rule.name);
    }
}
