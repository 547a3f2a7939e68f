//! Searches through the commits of real repositories, with real git and Zig.

use serde_json::{Value, json};

use crate::common::git::{git_server, repository};
use crate::common::server::{PATIENCE, Server, scratch};
use crate::common::zig::build_zig;
use crate::exclusive::shared;

const FLAGS: [&str; 8] = [
    "--zig-versions",
    "0.16.0",
    "--fetch-network",
    "host",
    "--allow-hosts",
    "*",
    "--commit-search",
    "on",
];

/// What is known of the commits of a package, once no search is under way.
fn compat(server: &Server, package: &str) -> Value {
    let begin = std::time::Instant::now();
    loop {
        let line = server.get(&format!("/api/packages/{package}/compat"))["compat"][0].clone();
        if !["searching", "unknown"].contains(&line["state"].as_str().expect("a state")) {
            return line;
        }
        assert!(begin.elapsed() < PATIENCE, "{line}");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

#[test]
fn the_newest_commit_that_works_is_found_in_a_repository() {
    let _machine = shared();
    let root = scratch("git-searches");
    let _ = std::fs::remove_dir_all(&root);
    let git = git_server(&root);
    let good = build_zig("true");
    let broken = good.replacen(
        "pub fn",
        "comptime { @compileError(\"it is broken\"); }\npub fn",
        1,
    );
    let manifest = |minimum: &str| {
        format!(
            ".{{ .name = .p, .version = \"0.0.0\", .minimum_zig_version = \"{minimum}\", .paths = .{{\"\"}} }}\n"
        )
    };
    let p = repository(
        &root,
        "p",
        &[("build.zig", &good), ("notes", &manifest("0.15.1"))],
    );
    p.git(&["config", "uploadpack.allowFilter", "true"]);
    let mut commits = Vec::new();
    for nth in 0..8 {
        let is_broken = nth >= 5;
        std::fs::write(
            root.join("p/build.zig"),
            if is_broken { &broken } else { &good },
        )
        .expect("a file");
        std::fs::write(root.join("p/nth"), nth.to_string()).expect("a file");
        p.git(&["add", "."]);
        p.git(&["commit", "-qm", &format!("number {nth}")]);
        if nth == 3 {
            p.git(&["tag", "-a", "v0.3", "-m", "a release"]);
        }
        commits.push(p.git(&["rev-parse", "HEAD"]));
    }
    let server = Server::start("searches", &FLAGS);
    let url = format!("{}/p", git.url);
    let answer = server.post_json("/api/packages", &json!({ "url": url }));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let line = compat(&server, "p");
    assert_eq!(line["state"], "works", "{line}");
    assert_eq!(line["commit"], commits[4].as_str(), "{line}");
    assert_eq!(
        (&line["behind"], &line["is_head"]),
        (&json!(3), &json!(false))
    );
    assert_eq!(line["next_failing"]["commit"], commits[5].as_str());
    let key = line["next_failing"]["error_key"]
        .as_str()
        .expect("an error");
    assert!(key.contains("it is broken"), "{line}");
    // Zig fetches from no such URL.
    assert_eq!(line["fetch"], Value::Null);
    // It began with the tag, and each try is an ordinary build with its log.
    let builds = server.get("/api/builds?package=p&sort=id");
    let builds = builds["builds"].as_array().expect("a list");
    assert_eq!(builds[0]["commit"], commits[7].as_str());
    assert_eq!(builds[1]["commit"], commits[3].as_str());
    assert!(
        builds
            .iter()
            .all(|build| build["priority"] == if build == &builds[0] { 0 } else { 4 })
    );
    assert!(server.build_log(&builds[1]).contains("Build Summary"));
    let history = server.get("/api/packages/p/history");
    let rows = history["history"].as_array().expect("a list").iter();
    let tag = rows
        .clone()
        .find(|row| row["commit"] == commits[3].as_str());
    assert_eq!(tag.expect("a row")["tag"], "v0.3");
    // One curl tells a person.
    let text = server.curl(&[], "/packages/p").body;
    assert!(
        text.contains("3 commits behind the latest; the next one, "),
        "{text}"
    );
}
