//! Builds that run too long, are silent or take too much memory, with real Zig.

use crate::common::server::{Server, archive};
use crate::common::zig::{build_zig, containers_of};
use crate::exclusive::shared;
use crate::packages::*;
use serde_json::Value;

/// A server for one test, and the build of a tree on it.
fn one_on(server: &Server, name: &str, build_zig: &str) -> Value {
    let tree = archive(&format!("own-{name}"), &[("build.zig", build_zig)]);
    let check = server.upload(&tree, &format!("name={name}"));
    server.finished(check).remove(0)
}

#[test]
fn a_build_that_never_ends_is_ended_on_time_and_nothing_is_left() {
    let _machine = shared();
    let server = Server::start(
        "timeout",
        &["--build-timeout", "25", "--zig-versions", "0.16.0"],
    );
    let flood = one_on(
        &server,
        "flood",
        &install_zig("exec yes a flood that never ends"),
    );
    // Whichever comes first.
    let ends = [
        ("failed", "null", "timeout"),
        ("failed", "null", "output_limit"),
    ];
    assert!(ends.contains(&said(&flood)), "{flood}");
    assert_eq!(flood["log_truncated"], true, "{flood}");
    let sleep = one_on(&server, "sleep", &install_zig("sleep 1000"));
    assert_eq!(said(&sleep), ("failed", "null", "timeout"), "{sleep}");
    // Asked just before its container was ended.
    let peak = sleep["peak_memory_bytes"].as_u64();
    assert!(peak > Some(1 << 20), "{sleep}");
    server.wait_for("/api/health", |_| our_containers(&server).is_empty());
    // The build itself was good, on the slowest of machines: it is the tests that never end.
    let server = Server::start(
        "timeout-tests",
        &["--build-timeout", "60", "--zig-versions", "0.16.0"],
    );
    let tests = one_on(
        &server,
        "tests",
        &build_zig("while sleep 1; do echo working; done"),
    );
    assert_eq!(said(&tests), ("success", "failed", "timeout"), "{tests}");
    server.wait_for("/api/health", |_| our_containers(&server).is_empty());
}

#[test]
fn a_build_that_says_nothing_for_too_long_is_ended() {
    let _machine = shared();
    let server = Server::start(
        "silence",
        &["--silence-timeout", "20", "--zig-versions", "0.16.0"],
    );
    let silent = one_on(&server, "silent", &install_zig("sleep 1000"));
    assert_eq!(said(&silent), ("failed", "null", "silent"), "{silent}");
}

/// Containers of that server's data directory, as the engine has them.
fn our_containers(server: &Server) -> String {
    containers_of(&server.data, "docker")
}

#[test]
fn a_build_that_takes_too_much_memory_is_ended() {
    let _machine = shared();
    let server = Server::start("memory", &["--memory", "512m", "--zig-versions", "0.16.0"]);
    let hungry = install_zig("x=$(head -c 900000000 /dev/zero | tr '\\0' x); echo ${#x}");
    let build = one_on(&server, "hungry", &hungry);
    assert_eq!(said(&build), ("failed", "null", "out_of_memory"), "{build}");
}
