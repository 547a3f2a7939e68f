//! Builds that run too long, are silent or take too much memory, with real Zig.

use crate::common::server::{Server, archive};
use crate::common::zig::{build_zig, containers_of};
use crate::exclusive::shared;
use crate::packages::*;
use serde_json::Value;

fn submit(server: &Server, name: &str, build_zig: &str) -> i64 {
    let tree = archive(&format!("own-{name}"), &[("build.zig", build_zig)]);
    server.upload(&tree, &format!("name={name}"))
}

fn one_on(server: &Server, name: &str, build_zig: &str) -> Value {
    let check = submit(server, name, build_zig);
    server.finished(check).remove(0)
}

#[test]
fn a_build_that_never_ends_is_ended_on_time_and_nothing_is_left() {
    let _machine = shared();
    let start = |name: &str, timeout: &str| {
        let flags = ["--zig-versions", "0.16.0", "--max-builds", "2"];
        Server::start(name, &[&flags[..], &["--build-timeout", timeout]].concat())
    };
    // Side by side: they do little but wait for their end.
    let short = start("timeout", "25");
    let sleep = submit(&short, "sleep", &install_zig("sleep 1000"));
    let flood = upload(
        "flood",
        "zig_versions=0.16.0",
        &[(
            "build.zig",
            &install_zig("exec yes a flood that never ends"),
        )],
    );
    let tests = build_zig("while sleep 1; do echo working; done");
    // The build itself is good, and it is the tests that never end. A machine that is too slow to come to them has longer.
    let mut limits_s = [60, 180, 540].into_iter();
    loop {
        let limit_s = limits_s
            .next()
            .expect("no build comes to its tests")
            .to_string();
        let long = start("timeout-tests", &limit_s);
        let tests = one_on(&long, "tests", &tests);
        if said(&tests) == ("failed", "null", "timeout") {
            continue;
        }
        assert_eq!(said(&tests), ("success", "failed", "timeout"), "{tests}");
        long.wait_for("/api/health", |_| our_containers(&long).is_empty());
        break;
    }
    let flood = server().finished(flood).remove(0);
    assert_eq!(said(&flood), ("failed", "null", "output_limit"), "{flood}");
    assert_eq!(flood["log_truncated"], true, "{flood}");
    let sleep = short.finished(sleep).remove(0);
    assert_eq!(said(&sleep), ("failed", "null", "timeout"), "{sleep}");
    // Asked just before its container was ended.
    let peak = sleep["peak_memory_bytes"].as_u64();
    assert!(peak > Some(1 << 20), "{sleep}");
    short.wait_for("/api/health", |_| our_containers(&short).is_empty());
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
