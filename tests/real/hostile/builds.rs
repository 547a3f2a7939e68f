//! Packages that mean harm, built by real Zig under the real engine: each comes to the verdict that it
//! should, nothing of it is left on the machine, and the server answers all the while.
//!
//! Needs docker and the toolchain image 0.16.0, and fails without: `make test` makes it.

use super::host::{self, Guarded, Host};
use super::packages::{ENDLESS, FORGED_BUILD, PACKAGES, Package};
use crate::common::server::{Server, archive};
use crate::exclusive::alone;
use serde_json::Value;

const FLAGS: [&str; 8] = [
    "--zig-versions",
    "0.16.0",
    "--max-builds",
    "2",
    "--memory",
    "768m",
    "--cpus",
    "1",
];
/// The limits of the server whose packages come to no end. The other server has all the time that a busy machine takes.
const HASTY: [&str; 4] = ["--build-timeout", "60", "--silence-timeout", "20"];
/// What the server itself may take at most while it is flooded, in KiB: far above its buffers and
/// far below what it is sent.
const SERVER_LIMIT_KIB: u64 = 96 << 10;

fn submit(server: &Server, package: &Package) -> i64 {
    let files = [("build.zig", &*package.build_zig())];
    let tree = archive(&format!("hostile-{}", package.name), &files);
    server.upload(&tree, &format!("name={}", package.name))
}

fn words(build: &Value) -> String {
    let word = |name: &str| build[name].as_str().unwrap_or("null").to_string();
    ["build_status", "test_status", "reason"]
        .map(word)
        .join("/")
}

fn check(server: &Server, package: &Package, build: &Value) {
    let name = package.name;
    let found = words(build);
    assert!(package.ends.contains(&&*found), "{name}: {found}\n{build}");
    // What was reached is said on lines of its own; what is tried stands in the command as well.
    let log = server.build_log(build);
    let reached = log.lines().filter(|line| line.starts_with("REACHED "));
    let reached: Vec<&str> = reached.collect();
    assert!(reached.is_empty(), "{name}: {reached:?}");
    if package.tries {
        assert!(log.lines().any(|line| line == "TRIED"), "{name}: {log}");
    }
}

#[test]
fn whatever_a_package_does_its_verdict_is_right_and_nothing_is_left_of_it() {
    let _machine = alone();
    let guarded = Guarded::start("hostile-packages", &FLAGS);
    let hasty = Guarded::start("hostile-endless", &[&FLAGS[..], &HASTY].concat());
    let (server, hasty) = (&guarded.server, &hasty.server);
    let host = Host::watch([server, hasty]);
    let all = || {
        let endless = ENDLESS.iter().map(|package| (hasty, package));
        endless.chain(PACKAGES.iter().map(|package| (server, package)))
    };
    let checks: Vec<i64> = all()
        .map(|(server, package)| submit(server, package))
        .collect();
    for ((server, package), check_id) in all().zip(checks) {
        let build = server.finished(check_id).remove(0);
        check(server, package, &build);
        assert_ne!(
            build["id"], FORGED_BUILD,
            "{} is what it forges",
            package.name
        );
    }
    let said = host.ends([server, hasty]);
    println!("{} packages; {said}", all().count());
    let taken = host::peak_kib(server.child.id());
    assert!(taken < SERVER_LIMIT_KIB, "the server took {taken} KiB");
}
