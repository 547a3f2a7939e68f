//! Builds on another machine over ssh, whose line is cut, under a server that is killed.
//!
//! Needs root, `dockerd`, `sshd` and the toolchain image 0.16.0, and fails without: `make test` has them all.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::git::{Git, git_server, repository};
use crate::common::server::{PATIENCE, Server, archive, scratch};
use crate::common::toy_server::wait_until;
use crate::common::zig::{Numbers, build_zig, containers_of, of_last_attempt, stands_once};
use crate::exclusive::shared;
use crate::own_node::OwnNode;
use serde_json::{Value, json};

/// What a package says of itself: numbers, until somebody lets it go.
const WORD: &str = "number";

fn speaks() -> String {
    build_zig(&format!(
        "n=0; until [ -e /work/go ]; do n=$((n + 1)); printf '{WORD} %04d \\377\\000\\n' $n; sleep 0.1; done >&2; \
         printf '{WORD} ends' >&2"
    ))
}

/// How many lines its log has, of which the last is whole.
fn lines_of(data: &Path, build: i64) -> usize {
    let path = data.join(format!("logs/{build}.log"));
    let log = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&log)
        .matches(&format!("{WORD} 0"))
        .count()
}

fn wait_for_lines(data: &Path, build: i64, lines: usize) {
    let start = Instant::now();
    while lines_of(data, build) < lines {
        assert!(start.elapsed() < PATIENCE, "build {build} says no more");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until the health has that status; gives what it says.
fn wait_for_health(server: &Server, status: u16) -> Value {
    let start = Instant::now();
    loop {
        let answer = server.curl(&[], "/api/health");
        if answer.status == status {
            return answer.json();
        }
        assert!(start.elapsed() < PATIENCE, "{}", answer.body);
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn build_of(server: &Server, check: i64) -> Value {
    server.get(&format!("/api/checks/{check}"))["builds"][0].clone()
}

fn is_under_way(server: &Server, check: i64) {
    let build = build_of(server, check);
    assert_eq!(build["build_status"], "pending", "{build}");
    assert_eq!(build["attempt"], 1, "{build}");
}

/// Asks for a package that only a fetch on this machine can reach: containers on the other one have no network.
fn submit_from_git(server: &Server, root: &Path, git: &Git) -> i64 {
    let build = build_zig("true");
    let _repository = repository(root, "fetched", &[("build.zig", build.as_str())]);
    let url = format!("{}/fetched", git.url);
    let answer = server.post_json("/api/packages", &json!({ "url": url }));
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.json()["check"].as_i64().expect("a check")
}

fn succeeds(server: &Server, check: i64) -> Value {
    let build = server.finished(check).remove(0);
    assert_eq!(build["build_status"], "success", "{build}");
    assert_eq!(build["attempt"], 1, "{build}");
    build
}

/// One machine for all: its image takes its time to be loaded.
#[test]
#[ignore = "takes two minutes: make test-all"]
fn builds_on_another_machine_outlive_its_line_and_the_server() {
    let _machine = shared();
    let node = OwnNode::start();
    node.load("zigcheck:0.16.0");
    let launcher = node.launcher();
    let words = ["--zig-versions", "0.16.0", "--max-builds", "2"];
    let fetches = ["--fetch-network", "host", "--allow-hosts", "*"];
    let flags = [&["--launcher", &*launcher][..], &words, &fetches].concat();
    let data = scratch("launcher");
    let _ = std::fs::remove_dir_all(&data);
    node.introduce(&data);
    let server = Server::restart(data, &flags);
    wait_for_health(&server, 200);
    let root = scratch("launcher-git");
    let _ = std::fs::remove_dir_all(&root);
    let git = git_server(&root);
    let fetched = submit_from_git(&server, &root, &git);
    let tree = archive("launcher-speaks", &[("build.zig", &*speaks())]);
    let check = server.upload(&tree, "name=numbers");
    let build = build_of(&server, check)["id"].as_i64().expect("an id");
    wait_for_lines(&server.data, build, 10);
    succeeds(&server, fetched);
    // The other container goes a moment after its client.
    wait_until("one container is there", || {
        containers_of(&server.data, node.command()).lines().count() == 1
    });
    let there = containers_of(&server.data, node.command());
    assert_eq!(containers_of(&server.data, "docker"), "");

    node.cut_line();
    let health = wait_for_health(&server, 503);
    let why = health["error"].as_str().expect("a reason");
    assert!(
        why.starts_with(&format!("node {}: ", node.address())),
        "{why}"
    );
    is_under_way(&server, check);
    let before = lines_of(&server.data, build);
    node.mend_line();
    wait_for_health(&server, 200);
    wait_for_lines(&server.data, build, before + 10);
    is_under_way(&server, check);

    let before = lines_of(&server.data, build);
    let server = Server::restart(server.crash(), &flags);
    wait_for_lines(&server.data, build, before + 10);
    is_under_way(&server, check);
    let container = containers_of(&server.data, node.command());
    assert_eq!(container, there, "it is the same container");
    let exec = ["exec", container.trim(), "touch", "/work/go"];
    let gone = Command::new(node.command()).args(exec).status();
    assert!(gone.expect("docker is installed").success());
    let build = succeeds(&server, check);
    let log = server.data.join(format!("logs/{}.log", build["id"]));
    let log = std::fs::read(log).expect("its log");
    let numbers = Numbers {
        name: WORD,
        lines: String::from_utf8_lossy(&log)
            .matches(&format!("{WORD} 0"))
            .count(),
        pause_s: 0.1,
    };
    assert_eq!(of_last_attempt(&log), log);
    let first = format!("[zigcheck: on node {}]\n", node.address());
    assert!(log.starts_with(first.as_bytes()), "{first}");
    assert_eq!(build["node"], node.address(), "{build}");
    assert!(stands_once(&log, &numbers.said(), WORD));
    let start = Instant::now();
    while !containers_of(&server.data, node.command()).is_empty() {
        assert!(start.elapsed() < PATIENCE, "containers are left");
        std::thread::sleep(Duration::from_millis(100));
    }
}
