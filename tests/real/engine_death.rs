//! The engine itself, ended by SIGKILL under running builds and started again: it is one of the test's
//! own, beside the machine's, so that nobody else's containers are in it.
//!
//! Needs root, `dockerd` and the toolchain image 0.16.0, and fails without: `make test` makes the image.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::common::server::{PATIENCE, Server, archive};
use crate::common::zig::{Numbers, containers_of, of_last_attempt, stands_once};
use crate::exclusive::alone;
use crate::own_engine::OwnEngine;
use serde_json::Value;

const NUMBERS: Numbers = Numbers {
    name: "numbers",
    lines: 80,
    pause_s: 0.1,
};

fn flags(engine: &OwnEngine) -> [&str; 6] {
    let versions = ["--zig-versions", "0.16.0", "--max-builds", "2"];
    let [a, b, c, d] = versions;
    ["--docker", engine.command(), a, b, c, d]
}

/// Two builds whose packages speak, on a fresh server.
fn two_speak(engine: &OwnEngine, name: &str) -> (Server, [i64; 2]) {
    let server = Server::start(name, &flags(engine));
    let submit = |nth: &str| {
        let files = [("build.zig", &*NUMBERS.build_zig()), ("readme", nth)];
        let tree = archive(&format!("{name}-{nth}"), &files);
        server.upload(&tree, "name=numbers")
    };
    let checks = [submit("one"), submit("two")];
    for check in checks {
        wait_until_said(
            &server.data,
            build_of(&server, check)["id"].as_i64(),
            "0010",
        );
    }
    (server, checks)
}

fn wait_until_said(data: &Path, build: Option<i64>, word: &str) {
    let path = data.join(format!("logs/{}.log", build.expect("an id")));
    let start = Instant::now();
    let said = || std::fs::read(&path).unwrap_or_default();
    while !String::from_utf8_lossy(&said()).contains(word) {
        assert!(start.elapsed() < PATIENCE, "{path:?} never says {word}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn build_of(server: &Server, check: i64) -> Value {
    server.get(&format!("/api/checks/{check}"))["builds"][0].clone()
}

/// What is shown of a build for as long as nobody knows what became of its container.
fn is_under_way(build: &Value) {
    let state = build["state"].as_str();
    assert!(matches!(state, Some("building" | "testing")), "{build}");
    assert_eq!(build["build_status"], "pending", "{build}");
    assert_eq!(build["attempt"], 1, "{build}");
}

fn come_to_their_verdicts(server: &Server, checks: [i64; 2], attempt: i64) {
    for check in checks {
        let build = server.finished(check).remove(0);
        assert_eq!(build["build_status"], "success", "{build}");
        assert_eq!(build["test_status"], "success", "{build}");
        assert_eq!(build["attempt"], attempt, "{build}");
        let path = format!("logs/{}.log", build["id"].as_i64().expect("an id"));
        let log = std::fs::read(server.data.join(path)).expect("its log");
        let last = of_last_attempt(&log);
        assert_eq!(last.len() < log.len(), attempt > 1);
        let shown = String::from_utf8_lossy(last);
        assert!(stands_once(last, &NUMBERS.said(), NUMBERS.name), "{shown}");
    }
}

fn nothing_is_left(server: &Server, engine: &OwnEngine) {
    let start = Instant::now();
    while !containers_of(&server.data, engine.command()).is_empty() {
        assert!(start.elapsed() < PATIENCE, "containers are left");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// One engine for all, as its image takes its time to be loaded.
#[test]
fn an_engine_that_is_killed_under_running_builds_costs_no_verdict() {
    let _machine = alone();
    let mut engine = OwnEngine::new("engine-death");
    engine.start(true);
    engine.load("zigcheck:0.16.0");
    // Containers go on without it, whether or not their server does.
    dies(&mut engine, "engine-death-live", true, false);
    dies(&mut engine, "engine-death-both", true, true);
    engine.stop();
    engine.start(false);
    // Without live restore it ends them when it is back.
    dies(&mut engine, "engine-death-off", false, false);
}

/// Under two builds that speak, which then come to their verdicts; its server may die as well, and is
/// back before it is.
fn dies(engine: &mut OwnEngine, name: &str, live_restore: bool, and_server: bool) {
    let (mut server, checks) = two_speak(engine, name);
    engine.kill();
    if and_server {
        let data = server.crash();
        server = Server::restart(data, &flags(engine));
    }
    std::thread::sleep(Duration::from_secs(2));
    for check in checks {
        is_under_way(&build_of(&server, check));
    }
    engine.start(live_restore);
    let attempt = if live_restore { 1 } else { 2 };
    come_to_their_verdicts(&server, checks, attempt);
    nothing_is_left(&server, engine);
}
