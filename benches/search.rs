//! What a search for a commit that works costs over its builds: each try against the same container by hand.
//!
//! Prints ratios and seconds, and asserts nothing about time.

#[path = "../tests/common/mod.rs"]
mod common;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::by_hand;
use common::git::{Repository, git_server, repository};
use common::server::{Server, scratch};
use common::zig::zig_init;
use serde_json::{Value, json};
use zigcheck::app::domain::ids::BuildId;
use zigcheck::app::engine::docker::{ContainerInput, Docker};

const VERSION: &str = "0.16.0";
const WORKING: usize = 6;
const FAILING: usize = 11;

fn main() {
    // `cargo bench` passes --bench; `cargo test` must not run this.
    if std::env::args().any(|arg| arg == "--bench") {
        println!(
            "a search of {WORKING} commits that work and {FAILING} that fail, against docker run of its tries:"
        );
        for keep_caches in ["off", "on"] {
            search(keep_caches);
        }
    }
}

fn search(keep_caches: &str) {
    let root = scratch("bench-search-git");
    let _ = std::fs::remove_dir_all(&root);
    let git = git_server(&root);
    let repository = history(&root);
    let flags = [
        "--zig-versions",
        VERSION,
        "--max-builds",
        "1",
        "--keep-caches",
        keep_caches,
    ];
    let network = ["--fetch-network", "host", "--allow-hosts", "*"];
    let server = Server::start("bench-search", &[&flags[..], &network[..]].concat());
    let answer = server.post_json("/api/packages", &json!({ "url": format!("{}/p", git.url) }));
    assert_eq!(answer.status, 201, "{}", answer.body);
    until(|| known(&server)["state"] == "unknown" && first_build(&server)["state"] == "finished");

    let start = Instant::now();
    let answer = server.post_json("/api/packages/p/compat", &json!({}));
    assert_eq!(answer.status, 202, "{}", answer.body);
    until(|| {
        !["searching", "unknown"].contains(&known(&server)["state"].as_str().expect("a state"))
    });
    let seconds = start.elapsed().as_secs_f64();

    let line = known(&server);
    assert_eq!(
        (&line["state"], &line["behind"]),
        (&json!("works"), &json!(FAILING)),
        "{line}"
    );
    let tries = tries(&server);
    let plain: f64 = tries
        .iter()
        .map(|commit| by_hand(&root, &repository, commit))
        .sum();
    let count = tries.len() as f64;
    println!(
        "  --keep-caches {keep_caches}: {count} tries, {:.2} s each, {:.2} s by hand: ratio {:.3}",
        seconds / count,
        plain / count,
        seconds / plain
    );
}

/// Commits of a package that works until its source no longer compiles.
fn history(root: &Path) -> Repository {
    let tree = zig_init(VERSION);
    std::fs::rename(&tree, root.join("p")).expect("a directory");
    let repository = repository(root, "p", &[("nth", "0")]);
    repository.git(&["config", "uploadpack.allowFilter", "true"]);
    let source = root.join("p/src/root.zig");
    let text = std::fs::read_to_string(&source).expect("zig init makes it");
    for nth in 1..WORKING + FAILING {
        let error = if nth < WORKING {
            ""
        } else {
            "comptime { @compileError(\"it is broken\"); }\n"
        };
        std::fs::write(&source, format!("{text}// number {nth}\n{error}")).expect("a file");
        repository.git(&["commit", "-qam", &format!("number {nth}")]);
    }
    repository
}

/// Seconds of the container that builds that commit.
fn by_hand(root: &Path, repository: &Repository, commit: &str) -> f64 {
    let settings = by_hand::settings();
    let docker = Docker::new(&settings, "benchsearch", "");
    let tree: PathBuf = root.join("tree.tar.gz");
    let output = format!("--output={}", tree.display());
    repository.git(&["archive", "--format=tar.gz", &output, commit]);
    let source = by_hand::source_of(&tree);
    let name = docker.build_container(BuildId(1), 1);
    by_hand::remove(&docker, std::slice::from_ref(&name)); // that of an interrupted run
    let input = ContainerInput {
        record_id: docker.record_id(BuildId(1), 1),
        package: "p",
        zig_version: VERSION,
        image: &format!("zigcheck:{VERSION}"),
        source: &source,
        dependencies: None,
        kept: None,
        kept_limit_bytes: 0,
        dir: None,
    };
    let start = Instant::now();
    let mut child = by_hand::spawn(docker.build(&name, &input));
    assert!(child.wait().expect("it is ours").success());
    let seconds = start.elapsed().as_secs_f64();
    by_hand::remove(&docker, &[name]);
    seconds
}

fn known(server: &Server) -> Value {
    server.get("/api/packages/p/compat")["compat"][0].clone()
}

fn first_build(server: &Server) -> Value {
    server.get("/api/builds/1")
}

/// The commits that the search tried, in order.
fn tries(server: &Server) -> Vec<String> {
    let list = server.get("/api/builds?package=p&sort=id&limit=100");
    let builds = list["builds"].as_array().expect("a list").iter();
    let commit = |build: &Value| build["commit"].as_str().expect("a commit").to_string();
    builds.skip(1).map(commit).collect()
}

fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        std::thread::sleep(Duration::from_millis(20));
    }
}
