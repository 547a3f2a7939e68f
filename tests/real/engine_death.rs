//! The engine itself, ended by SIGKILL under running builds and started again: it is one of the test's
//! own, beside the machine's, so that nobody else's containers are in it.
//!
//! Needs root, `dockerd` and the toolchain image 0.16.0, and fails without: `make test` makes the image.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::common::server::{PATIENCE, Server, archive};
use crate::common::zig::{Numbers, build_zig, containers_of, of_last_attempt, stands_once};
use crate::exclusive::shared;
use crate::own_engine::OwnEngine;
use serde_json::Value;

/// What a package says of itself: numbers, until somebody lets it go.
const WORD: &str = "number";

fn speaks() -> String {
    build_zig(&format!(
        "n=0; until [ -e /work/go ]; do n=$((n + 1)); printf '{WORD} %04d \\377\\000\\n' $n; sleep 0.1; done >&2; \
         printf '{WORD} ends' >&2"
    ))
}

fn said(lines: usize) -> Vec<u8> {
    let numbers = Numbers {
        name: WORD,
        lines,
        pause_s: 0.1,
    };
    numbers.said()
}

fn flags(engine: &OwnEngine) -> [&str; 6] {
    let versions = ["--zig-versions", "0.16.0", "--max-builds", "2"];
    let [a, b, c, d] = versions;
    ["--docker", engine.command(), a, b, c, d]
}

/// Two builds whose packages speak, on a fresh server.
fn two_speak(engine: &OwnEngine, name: &str) -> (Server, [i64; 2]) {
    let server = Server::start(name, &flags(engine));
    let submit = |nth: &str| {
        let files = [("build.zig", &*speaks()), ("readme", nth)];
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

/// Lets what runs go on to its end, until no build is left that runs.
fn let_go(server: &Server, engine: &OwnEngine) {
    server.wait_for("/api/queue", |queue| {
        for container in containers_of(&server.data, engine.command()).lines() {
            // One that has ended meanwhile needs no word.
            engine.ask(&["exec", container, "touch", "/work/go"]);
        }
        let empty = |list: &str| queue[list].as_array().is_some_and(Vec::is_empty);
        empty("running") && empty("waiting")
    });
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
        let lines = shown.matches(&format!("{WORD} 0")).count();
        assert!(stands_once(last, &said(lines), WORD), "{shown}");
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
    let _machine = shared();
    let mut engine = OwnEngine::new("engine-death");
    engine.start(true);
    engine.load("zigcheck:0.16.0");
    // Containers go on without it.
    dies(&mut engine, true);
    engine.stop();
    engine.start(false);
    // Without live restore it ends them when it is back.
    dies(&mut engine, false);
}

/// Under builds of two servers that speak, which then come to their verdicts. One of the servers dies as well, and is back
/// before the engine is.
fn dies(engine: &mut OwnEngine, live_restore: bool) {
    let name = |server: &str| format!("engine-death-{server}-{live_restore}");
    let (lives, its_checks) = two_speak(engine, &name("lives"));
    let (dies, other_checks) = two_speak(engine, &name("dies"));
    engine.kill();
    let dies = Server::restart(dies.crash(), &flags(engine));
    std::thread::sleep(Duration::from_secs(2));
    let servers = [(&lives, its_checks), (&dies, other_checks)];
    for (server, checks) in servers {
        for check in checks {
            is_under_way(&build_of(server, check));
        }
    }
    engine.start(live_restore);
    let attempt = if live_restore { 1 } else { 2 };
    for (server, checks) in servers {
        let_go(server, engine);
        come_to_their_verdicts(server, checks, attempt);
        nothing_is_left(server, engine);
    }
}
