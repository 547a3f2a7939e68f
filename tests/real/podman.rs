//! The real server on rootful podman in place of docker, with real Zig.
//!
//! Needs root, podman and the image zigcheck:0.16.0 in it, and fails without: `make test-all` provides both. `make test`
//! leaves these tests out.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::git::{git_server, repository};
use crate::common::server::{PATIENCE, Server, archive, scratch};
use crate::common::zig::{Numbers, build_zig, containers_of, packed, stands_once, zig_init};
use crate::exclusive::shared;
use crate::packages::{install_zig, said};
use serde_json::{Value, json};

const IMAGE: &str = "zigcheck:0.16.0";
const FLAGS: [&str; 10] = [
    "--docker",
    "podman",
    "--zig-versions",
    "0.16.0",
    "--max-builds",
    "2",
    "--fetch-network",
    "host",
    "--allow-hosts",
    "*",
];

/// A server on podman, which has the image that docker has.
fn start(name: &str, flags: &[&str]) -> Server {
    let id = |engine: &str| {
        let format = "--format={{.ID}}";
        let args = ["images", "--no-trunc", format, IMAGE];
        let asked = Command::new(engine).args(args).output();
        let text = asked.map(|asked| String::from_utf8_lossy(&asked.stdout).into_owned());
        // Podman has a line for each tag of the image.
        let id = text.unwrap_or_default();
        id.lines().next().unwrap_or_default().to_string()
    };
    let (image, wanted) = (id("podman"), id("docker"));
    assert!(
        !wanted.is_empty() && image == wanted,
        "podman is missing or lacks {IMAGE} as docker has it; run as root: make test-all"
    );
    Server::start(&format!("podman-{name}"), &[&FLAGS, flags].concat())
}

fn submit(server: &Server, name: &str, build_zig: &str) -> i64 {
    let tree = archive(&format!("podman-{name}"), &[("build.zig", build_zig)]);
    server.upload(&tree, &format!("name={name}"))
}

fn one(server: &Server, name: &str, build_zig: &str) -> Value {
    let check = submit(server, name, build_zig);
    server.finished(check).remove(0)
}

fn log_of(data: &Path, build: &Value) -> Vec<u8> {
    let id = build["id"].as_i64().expect("an id");
    std::fs::read(data.join(format!("logs/{id}.log"))).unwrap_or_default()
}

fn build_of(server: &Server, check: i64) -> Value {
    server.get(&format!("/api/checks/{check}"))["builds"][0].clone()
}

fn wait_until_logged(server: &Server, check: i64, text: &str) {
    let start = Instant::now();
    let log = || log_of(&server.data, &build_of(server, check));
    while !String::from_utf8_lossy(&log()).contains(text) {
        assert!(start.elapsed() < PATIENCE, "it never logs {text}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn nothing_is_left(server: &Server) {
    server.wait_for("/api/health", |_| {
        containers_of(&server.data, "podman").is_empty()
    });
}

#[test]
#[ignore = "make test-all"]
fn packages_come_to_their_verdicts_under_podman() {
    let _machine = shared();
    let server = start("verdicts", &[]);
    let hello = server.upload(&packed(&zig_init("0.16.0")), "name=hello");
    let broken = submit(&server, "broken", "pub fn build(b: *Nothing) void {}\n");
    let failing = build_zig("echo this test fails >&2; exit 1");
    let failing = submit(&server, "failing", &failing);

    let root = scratch("podman-git");
    let _ = std::fs::remove_dir_all(&root);
    let git = git_server(&root);
    let build = build_zig("git rev-parse HEAD");
    let repository = repository(&root, "cloned", &[("build.zig", build.as_str())]);
    let url = format!("{}/cloned", git.url);
    let answer = server.post_json("/api/packages", &json!({ "url": url }));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let cloned = answer.json()["check"].as_i64().expect("a check");

    let build = server.finished(hello).remove(0);
    assert_eq!(said(&build), ("success", "success", "null"), "{build}");
    assert_eq!(build["import_status"], "success", "{build}");
    let toolchain = build["toolchain"].as_str().expect("it ran");
    assert!(toolchain.starts_with("zigcheck:0.16.0-"), "{build}");
    assert!(build["tests_total"].as_u64() > Some(0), "{build}");
    assert!(
        build["peak_memory_bytes"].as_u64() > Some(1 << 20),
        "{build}"
    );
    let build = server.finished(broken).remove(0);
    assert_eq!(said(&build), ("failed", "null", "compile_error"), "{build}");
    let build = server.finished(failing).remove(0);
    assert_eq!(build["test_status"], "failed", "{build}");
    assert!(server.build_log(&build).contains("this test fails"));
    let build = server.finished(cloned).remove(0);
    assert_eq!(said(&build), ("success", "success", "null"), "{build}");
    let commit = repository.git(&["rev-parse", "HEAD"]);
    assert_eq!(build["commit"], commit.as_str());
    assert!(server.build_log(&build).contains(&commit));
    nothing_is_left(&server);
}

/// What podman would have otherwise: file systems without a limit, a `localhost` that is IPv4 alone, a network.
#[test]
#[ignore = "make test-all"]
fn a_container_of_podman_is_like_one_of_docker() {
    let _machine = shared();
    let server = start("container", &[]);
    let script = "set -e; \
        [ \"$(id -u)\" = 1000 ]; touch /tmp/x /var/tmp/x /dev/shm/x ~/x; \
        for dir in /run /usr /dev; do if touch $dir/x 2>/dev/null; then exit 1; fi; done; \
        [ \"$(stat -f -c %b /tmp)\" = \"$(stat -f -c %b /var/tmp)\" ]; \
        [ \"$(stat -c %d /tmp/)\" = \"$(stat -c %d /work)\" ]; \
        getent ahosts localhost | grep -q '^127.0.0.1 '; getent ahosts localhost | grep -q '^::1 '; \
        [ \"$(cat /sys/class/net/*/ifindex | wc -l)\" = 1 ]; \
        grep -q 'CapBnd:.0*$' /proc/self/status; grep -q 'NoNewPrivs:.1' /proc/self/status; \
        grep -q 'Seccomp:.2' /proc/self/status; [ \"$(ulimit -n)\" = 4096 ]; \
        [ \"$(cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null)\" = 512 ]; \
        [ \"$(env | grep -ci podman)\" = 0 ]";
    let build = one(&server, "container", &build_zig(script));
    assert_eq!(said(&build), ("success", "success", "null"), "{build}");
    nothing_is_left(&server);
}

fn is_of_one_attempt(build: &Value) {
    let status = (&build["build_status"], &build["reason"]);
    assert_eq!(status, (&"success".into(), &Value::Null), "{build}");
    assert_eq!(build["attempt"], 1, "{build}");
}

#[test]
#[ignore = "make test-all"]
fn a_build_under_podman_is_adopted_and_its_log_has_every_byte_once() {
    let _machine = shared();
    let numbers = Numbers {
        name: "numbers",
        lines: 120,
        pause_s: 0.1,
    };
    let mut server = start("adopted", &[]);
    let check = submit(&server, numbers.name, &numbers.build_zig());
    for text in ["numbers 0010", "numbers 0050"] {
        wait_until_logged(&server, check, text);
        let data = server.crash();
        std::thread::sleep(Duration::from_secs(1));
        server = Server::restart(data, &FLAGS);
    }
    let build = server.finished(check).remove(0);
    is_of_one_attempt(&build);
    let log = log_of(&server.data, &build);
    let shown = String::from_utf8_lossy(&log);
    assert!(stands_once(&log, &numbers.said(), numbers.name), "{shown}");

    // Undisturbed, and ended while no server runs.
    let quick = Numbers {
        name: "quick",
        lines: 40,
        pause_s: 0.05,
    };
    let whole = submit(&server, quick.name, &quick.build_zig());
    let build = server.finished(whole).remove(0);
    let log = log_of(&server.data, &build);
    assert!(stands_once(&log, &quick.said(), quick.name));
    let late = Numbers {
        name: "late",
        ..quick
    };
    let check = submit(&server, late.name, &late.build_zig());
    wait_until_logged(&server, check, "late 0003");
    let data = server.crash();
    std::thread::sleep(Duration::from_secs(20));
    let server = Server::restart(data, &FLAGS);
    let build = server.finished(check).remove(0);
    is_of_one_attempt(&build);
    let log = log_of(&server.data, &build);
    assert!(stands_once(&log, &late.said(), late.name));
    nothing_is_left(&server);
}

/// A file with an admin token, and the header that has it.
fn token() -> (PathBuf, &'static str) {
    let file = scratch("podman-token");
    std::fs::write(&file, "0123456789abcdef0123").expect("a file");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("its owner");
    (file, "Authorization: Bearer 0123456789abcdef0123")
}

#[test]
#[ignore = "make test-all"]
fn a_build_under_podman_is_ended_when_it_is_cancelled_or_too_long() {
    let _machine = shared();
    let (file, header) = token();
    let file = file.display().to_string();
    let flags = ["--admin-token-file", &file, "--build-timeout", "40"];
    let server = start("ended", &flags);
    let endless = "trap '' TERM; while true; do echo still here >&2; sleep 1; done";
    let cancelled = submit(&server, "cancelled", &install_zig(endless));
    let sleep = submit(&server, "sleep", &install_zig("sleep 1000"));
    wait_until_logged(&server, cancelled, "still here");
    let id = build_of(&server, cancelled)["id"].as_i64().expect("an id");
    let args = ["-X", "DELETE", "-H", header];
    let answer = server.curl(&args, &format!("/api/builds/{id}"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let build = server.finished(cancelled).remove(0);
    assert_eq!(build["state"], "cancelled", "{build}");
    let build = server.finished(sleep).remove(0);
    assert_eq!(said(&build), ("failed", "null", "timeout"), "{build}");
    assert!(
        build["peak_memory_bytes"].as_u64() > Some(1 << 20),
        "{build}"
    );
    nothing_is_left(&server);
}

#[test]
#[ignore = "make test-all"]
fn a_build_under_podman_has_its_memory_and_no_more() {
    let _machine = shared();
    let server = start("memory", &["--memory", "512m"]);
    let hungry = install_zig("x=$(head -c 900000000 /dev/zero | tr '\\0' x); echo ${#x}");
    let build = one(&server, "hungry", &hungry);
    assert_eq!(said(&build), ("failed", "null", "out_of_memory"), "{build}");
    // Files are memory too: the disk is half of it.
    let full = install_zig("head -c 400000000 /dev/zero >/tmp/large");
    let build = one(&server, "full", &full);
    assert_eq!(said(&build), ("failed", "null", "disk_limit"), "{build}");
    nothing_is_left(&server);
    // With cgroups version 1 conmon notes the memory limit in the directory that the server was started in.
    let _ = std::fs::remove_file("oom");
}
