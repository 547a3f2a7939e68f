//! The Debian package in bare trees of Debian, each under a systemd and an engine of its own.

use std::process::Command;

use crate::exclusive::shared;

fn run(script: &str, suite: &str) {
    let _machine = shared();
    let path = format!("{}/tests/package/{script}", env!("CARGO_MANIFEST_DIR"));
    let status = Command::new(path).arg(suite).status();
    assert!(status.expect("the script").success(), "{script} {suite}");
}

#[test]
#[ignore = "takes ten minutes, and needs make deb: make test-all"]
fn the_package_lives_from_installation_to_purge_on_debian_12() {
    run("lifecycle", "bookworm");
}

#[test]
#[ignore = "takes ten minutes, and needs make deb: make test-all"]
fn the_package_lives_from_installation_to_purge_on_debian_13() {
    run("lifecycle", "trixie");
}

#[test]
#[ignore = "takes ten minutes, and needs make deb: make test-all"]
fn a_bare_debian_comes_to_a_verdict_as_the_readme_says() {
    run("first-verdict", "bookworm");
}

#[test]
#[ignore = "takes minutes, and needs make deb: make test-all"]
fn a_server_moves_to_another_machine() {
    run("restore", "bookworm");
}

#[test]
#[ignore = "needs make deb: make test-all"]
fn the_packages_have_no_error_for_lintian() {
    let packages = format!("{}/target/deb/zigcheck_*.deb", env!("CARGO_MANIFEST_DIR"));
    let script = format!("lintian --allow-root --fail-on error --tag-display-limit 0 {packages}");
    let status = Command::new("sh").args(["-c", &script]).status();
    assert!(status.expect("a shell").success());
}
