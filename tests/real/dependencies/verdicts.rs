//! What the server makes of a dependency that is missing.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::*;
use crate::common::server::{Server, archive, scratch};
use crate::exclusive::shared;
use crate::host::Host;
use crate::packages::{said, server};

/// The build of a tree that uses the dependency `twig` at that URL, by its name or, if it is not `used`, not at all.
fn build_with(server: &Server, name: &str, dependencies: &str, uses: bool) -> Value {
    let build = match uses {
        true => {
            "pub fn build(b: *@import(\"std\").Build) void { _ = b.dependency(\"twig\", .{}); }\n"
        }
        false => LEAF_BUILD,
    };
    build_of(server, name, dependencies, build)
}

/// The build of a tree with that `build.zig` and those dependencies.
fn build_of(server: &Server, name: &str, dependencies: &str, build: &str) -> Value {
    let zon = manifest("asks", dependencies);
    let tree = archive(
        &format!("real-{name}"),
        &[("build.zig", build), ("build.zig.zon", &zon)],
    );
    let check = server.upload(&tree, &format!("name={name}&zig_versions=0.16.0"));
    server.finished(check).remove(0)
}

#[test]
fn a_verdict_says_what_the_fetch_was_told() {
    let _machine = shared();
    let host = Host::new(scratch("told"));
    publish(&host, "twig", &manifest("twig", ""));
    publish(
        &host,
        "bad",
        &manifest("bad", "").replace("= 0x", "= 0x1, .x = 0x"),
    );
    for (name, words) in [
        ("twig", "hash mismatch: manifest declares twig-0.0.1-"),
        ("gone", "404 Not Found"),
        ("bad", "invalid fingerprint: 0x1"),
    ] {
        let url = host.url(&format!("{name}.tar.gz"));
        let build = build_with(
            server(),
            &format!("wants-{name}"),
            &dependency("twig", &url, &format!("twig-0.0.1-{NOBODY}")),
            false,
        );
        assert_eq!(
            said(&build),
            ("failed", "null", "dependency_unavailable"),
            "{build}"
        );
        let detail = build["detail"].as_str().unwrap_or("");
        assert!(
            detail.starts_with("dependency twig: ") && detail.contains(words),
            "{build}"
        );
        let log = build["error_log"].as_str().unwrap_or("");
        assert!(log.contains(words) && log.contains(&url), "{build}");
    }
}

#[test]
fn a_host_that_is_not_allowed_is_named_and_counted() {
    let _machine = shared();
    let token = scratch("hosts-token");
    std::fs::write(&token, "0123456789abcdef\n").expect("a file");
    std::fs::set_permissions(&token, Permissions::from_mode(0o600)).expect("its owner");
    let token = token.display().to_string();
    let flags = [
        "--fetch-network",
        "host",
        "--allow-hosts",
        "127.0.0.1",
        "--zig-versions",
        "0.16.0",
    ];
    let flags = [&flags[..], &["--admin-token-file", &token]].concat();
    let server = Server::start("hosts", &flags);
    let host = Host::new(scratch("hosts-www"));
    publish(&host, "twig", &manifest("twig", ""));
    let twig = hash_of("0.16.0", &host.url("twig.tar.gz"), false);
    let allowed = dependency("twig", &host.url("twig.tar.gz"), &twig);
    let foreign = format!("http://localhost:{}/foreign.tar.gz", host.port);
    let other = lazy("other", &foreign, &format!("other-0.0.1-{NOBODY}"));
    let build = build_with(&server, "unused", &format!("{allowed}{other}"), true);
    assert_eq!(said(&build).0, "success", "{build}");
    let build = build_with(
        &server,
        "used",
        &dependency("twig", &foreign, &format!("twig-0.0.1-{NOBODY}")),
        true,
    );
    assert_eq!(
        said(&build),
        ("error", "null", "host_not_allowed"),
        "{build}"
    );
    assert_eq!(
        build["detail"],
        "needs host localhost, which this server does not allow"
    );
    assert_eq!(build["attempt"], 1, "{build}");
    let header = "Authorization: Bearer 0123456789abcdef";
    let status = server.curl(&["-H", header], "/admin/status").json();
    let hosts = &status["hosts_refused"];
    assert_eq!(
        (&hosts[0]["host"], &hosts[0]["count"]),
        (&json!("localhost"), &json!(2)),
        "{status}"
    );
    assert_eq!(host.asked("/foreign.tar.gz"), 0);
}

/// One that is gone is the package's doing, and one that is busy is not: what counts is which one the build wants.
#[test]
fn the_verdict_is_that_of_the_dependency_that_the_build_wants() {
    let _machine = shared();
    let host = Host::new(scratch("blamed"));
    let hash = |name: &str| format!("{name}-0.0.1-{NOBODY}");
    // The URL of one begins with that of another.
    let gone = host.url("status/404/0/twig.tar.gz");
    let busy = host.url("status/503/1/twig.tar.gz");
    let all = [
        lazy("other", &host.url("status/503/1/twig"), &hash("other")),
        lazy("gone", &gone, &hash("gone")),
        lazy("busy", &busy, &hash("busy")),
    ];
    let build = |used: &str| {
        format!(
            "pub fn build(b: *@import(\"std\").Build) void {{ _ = b.lazyDependency(\"{used}\", .{{}}); }}\n"
        )
    };
    for (used, status, attempts, words) in [
        ("gone", "failed", 1, "404 Not Found"),
        ("busy", "error", 4, "503"),
    ] {
        let name = format!("wants-the-{used}");
        let build = build_of(server(), &name, &all.concat(), &build(used));
        assert_eq!(
            said(&build),
            (status, "null", "dependency_unavailable"),
            "{build}"
        );
        assert_eq!(build["attempt"], attempts, "{build}");
        let detail = build["detail"].as_str().unwrap_or("");
        let begin = format!("dependency {used}: ");
        assert!(
            detail.starts_with(&begin) && detail.contains(words),
            "{build}"
        );
    }
}

#[test]
fn a_busy_host_of_a_dependency_is_asked_again_until_it_answers() {
    let _machine = shared();
    let host = Host::new(scratch("busy-dependency"));
    publish(&host, "twig", &manifest("twig", ""));
    let twig = hash_of("0.16.0", &host.url("twig.tar.gz"), false);
    // An attempt asks twice: for the archive, and how long the host wants to be left alone.
    let url = host.url("busy/4/1/twig.tar.gz");
    let build = build_with(
        server(),
        "busy-twig",
        &dependency("twig", &url, &twig),
        true,
    );
    assert_eq!(said(&build).0, "success", "{build}");
    assert_eq!(build["attempt"], 3, "{build}");
    // It costs nothing where nothing uses it.
    let url = host.url("status/503/1/twig.tar.gz");
    let build = build_with(
        server(),
        "busy-unused",
        &dependency("twig", &url, &twig),
        false,
    );
    assert_eq!(
        (said(&build).0, &build["attempt"]),
        ("success", &json!(1)),
        "{build}"
    );
}
