//! The metrics of a real server, and what is made for them, judged by Prometheus' own tool, which `tests/setup` fetches.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::exposition::parse;
use crate::common::server::curl;
use crate::common::standin::{check, start};

/// Runs promtool, which has to succeed, on a text; what it says.
#[track_caller]
fn promtool(args: &[&str], input: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tool: PathBuf = root.join("target/test-tools/promtool");
    assert!(tool.exists(), "{}: make setup-tests", tool.display());
    let mut command = Command::new(tool);
    command.args(args).current_dir(root);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.stderr(Stdio::piped()).spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{args:?}: {said}");
    said
}

#[test]
fn the_metrics_of_a_server_at_work_are_what_prometheus_takes() {
    let (server, _dir) = start("metrics", &[]);
    let builds = server.finished(check(&server, "good")).len();
    let answer = server.curl(&[], "/metrics");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let metrics = parse(&answer.body).unwrap();
    assert_eq!(metrics.sum("zigcheck_builds_total", &[]), builds as f64);
    let value = |name: &str| metrics.sum(name, &[]);
    assert!(value("zigcheck_turn_duration_seconds_count") > 10.0);
    assert!(value("zigcheck_received_bytes_total") > 100.0);
    assert!(value("zigcheck_sent_bytes_total") > 500.0);
    assert!(value("zigcheck_disk_free_bytes") > value("zigcheck_disk_floor_bytes"));
    assert_eq!(value("zigcheck_engine_up"), 1.0);
    assert_eq!(value("zigcheck_connections_dropped_total"), 0.0);
    assert_eq!(
        promtool(&["check", "metrics"], &answer.body),
        "",
        "it finds nothing to say"
    );
    // The same compressed, as Prometheus asks for it.
    let url = format!("{}/metrics", server.url);
    let compressed = curl(&["--compressed"], &url);
    assert!(parse(&compressed.body).is_ok());
    let proxied = curl(&["-H", "X-Forwarded-For: 192.0.2.1"], &url);
    assert_eq!(proxied.status, 403, "there is no token");
}

#[test]
fn the_alerts_fire_when_they_should() {
    promtool(&["check", "rules", "systemd/monitoring/alerts.yml"], "");
    promtool(&["test", "rules", "tests/server/alerts.yml"], "");
}
