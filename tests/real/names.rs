//! A name stands for a package: what people submit, with the script and without, and what an admin removes.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::git::{Git, git_server, repository};
use crate::common::server::{PATIENCE, Server, archive, scratch};
use crate::common::zig::containers_of;
use crate::exclusive::shared;
use crate::packages::{OPEN, said, server};
use serde_json::{Value, json};

const BUILD: &str = "const std = @import(\"std\");
pub fn build(b: *std.Build) void {
    const target = b.standardTargetOptions(.{});
    const optimize = b.standardOptimizeOption(.{});
    const mod = b.createModule(.{ .root_source_file = b.path(\"src/root.zig\"), .target = target,
        .optimize = optimize, .link_libc = true });
    const tests = b.addTest(.{ .root_module = mod });
    const run = b.addRunArtifact(tests);
    b.step(\"test\", \"Run tests\").dependOn(&run.step);
}
";
const FINE: &str = "test \"fine\" { try @import(\"std\").testing.expect(1 + 1 == 2); }\n";
const WRONG: &str = "test \"wrong\" { try @import(\"std\").testing.expect(1 + 1 == 3); }\n";

/// A new directory with a server of its repositories.
fn place(name: &str) -> (PathBuf, Git) {
    let root = scratch(name);
    let _ = std::fs::remove_dir_all(&root);
    let git = git_server(&root);
    (root, git)
}

/// A package whose tests are in `root`; gives its commit.
fn package(root: &Path, name: &str, text: &str) -> String {
    std::fs::create_dir_all(root.join(name).join("src")).expect("a directory");
    let files = [("build.zig", BUILD), ("src/root.zig", text)];
    repository(root, name, &files).git(&["rev-parse", "HEAD"])
}

/// What the script prints, and its exit code.
fn script(url: &str) -> (i32, String) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/test_package_submission.sh");
    let output = Command::new(script)
        .arg(url)
        .env("ZIGCHECK_URL", &server().url)
        .output()
        .expect("the script runs");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    (output.status.code().expect("an exit code"), text)
}

fn submit(body: &Value) -> (u16, Value) {
    let answer = server().post_json("/api/packages", body);
    (answer.status, answer.json())
}

#[test]
#[ignore = "takes minutes: make test-all"]
fn the_script_tells_of_the_package_whose_url_it_was_given() {
    let _machine = shared();
    let (root, git) = place("names-script");
    let ann = package(&root, "ann/script-leaf", FINE);
    let bob = package(&root, "bob/script-leaf", WRONG);
    let (code, text) = script(&format!("{}/ann/script-leaf", git.url));
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(&ann[..12]), "{text}");
    let (code, text) = script(&format!("{}/bob/script-leaf", git.url));
    assert_eq!(code, 0, "{text}");
    let (_, matrix) = text.rsplit_once("  check ").expect("a matrix");
    assert!(text.contains("bob-script-leaf"), "{text}");
    assert!(
        matrix.contains(&bob[..12]) && !matrix.contains(&ann[..12]),
        "{text}"
    );
    assert_eq!(matrix.matches("tests failed").count(), 4, "{text}");
    // A known repository is checked again, under its own name and by another of its URLs.
    let (code, text) = script(&format!("{}/bob/script-leaf/", git.url));
    let (_, matrix) = text.rsplit_once("  check ").expect("a matrix");
    assert_eq!(code, 0, "{text}");
    assert!(matrix.contains(&bob[..12]), "{text}");
    let all = server().get("/api/packages?search=script-leaf");
    assert_eq!(all["total"], 2, "{all}");
    let (code, text) = script(&format!("{}/bob", git.url.replace("git://", "file://")));
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("must start with https://"), "{text}");
}

#[test]
fn a_name_that_another_repository_has_is_refused_with_its_url() {
    let _machine = shared();
    let (root, git) = place("names-taken");
    for owner in ["ann", "bob"] {
        package(&root, &format!("{owner}/taken-leaf"), FINE);
    }
    let url = |owner: &str| format!("{}/{owner}/taken-leaf", git.url);
    let (status, first) = submit(&json!({"url": url("ann"), "zig_versions": ["0.16.0"]}));
    assert_eq!(
        (status, &first["name"]),
        (201, &json!("taken-leaf")),
        "{first}"
    );
    let named = json!({"url": url("bob"), "name": "taken-leaf", "zig_versions": ["0.16.0"]});
    let (status, answer) = submit(&named);
    assert_eq!(
        (status, &answer["url"]),
        (409, &json!(url("ann"))),
        "{answer}"
    );
    let (status, second) = submit(&json!({"url": url("bob"), "zig_versions": ["0.16.0"]}));
    assert_eq!(
        (status, &second["name"]),
        (201, &json!("bob-taken-leaf")),
        "{second}"
    );
    let (status, again) = submit(&json!({"url": format!("{}.git", url("bob"))}));
    assert_eq!(
        (status, &again["name"]),
        (409, &json!("bob-taken-leaf")),
        "{again}"
    );
    assert_eq!(again["id"], second["id"]);
    let by_path = server().get("/api/packages/bob/taken-leaf");
    assert_eq!(by_path["id"], second["id"]);
}

#[test]
fn a_typo_takes_neither_name_nor_branch() {
    let _machine = shared();
    let (root, git) = place("names-typo");
    let commit = package(&root, "ann/typo-leaf", FINE);
    let submit_one = |owner: &str, reference: Option<&str>| {
        let url = format!("{}/{owner}/typo-leaf", git.url);
        submit(&json!({"url": url, "ref": reference, "zig_versions": ["0.16.0"]}))
    };
    let lost = |answer: &Value| {
        let check = answer["check"].as_i64().expect("a check");
        let build = server().finished(check).remove(0);
        assert_eq!(
            said(&build),
            ("error", "null", "source_unavailable"),
            "{build}"
        );
        build
    };
    let (status, typo) = submit_one("anne", None);
    assert_eq!(
        (status, &typo["name"]),
        (201, &json!("typo-leaf")),
        "{typo}"
    );
    let first = lost(&typo);
    // The right repository has the name now, and a wrong branch does not hold that either.
    let (status, branch) = submit_one("ann", Some("mian"));
    assert_eq!(
        (status, &branch["name"]),
        (201, &json!("typo-leaf")),
        "{branch}"
    );
    lost(&branch);
    let (status, right) = submit_one("ann", None);
    assert_eq!(
        (status, &right["name"]),
        (201, &json!("typo-leaf")),
        "{right}"
    );
    let check = right["check"].as_i64().expect("a check");
    let build = server().finished(check).remove(0);
    assert_eq!(said(&build), ("success", "success", "null"), "{build}");
    assert_eq!(build["commit"], commit.as_str());
    // What ran is there still, and is not that package's.
    assert!(!server().build_log(&first).is_empty());
    let builds = server().get("/api/builds?package=typo-leaf");
    assert_eq!(
        (&builds["total"], &builds["builds"][0]["id"]),
        (&json!(1), &build["id"])
    );
    assert_eq!(submit_one("ann", None).0, 409);
}

#[test]
fn the_url_of_a_page_is_understood_or_refused() {
    let _machine = shared();
    let (root, git) = place("names-pages");
    package(&root, "ann/page-leaf", WRONG);
    std::fs::create_dir_all(root.join("ann/page-leaf/lib/src")).expect("a directory");
    let files = [("lib/build.zig", BUILD), ("lib/src/root.zig", FINE)];
    let leaf = repository(&root, "ann/page-leaf", &files);
    leaf.git(&["branch", "feature/x"]);
    leaf.git(&["rm", "-rq", "lib"]);
    leaf.git(&["commit", "-qm", "without it"]);
    let url = format!("{}/ann/page-leaf", git.url);
    for page in [
        "issues/5",
        "releases",
        "pull/7/files",
        "tree/main?tab=readme",
        "#readme",
    ] {
        let (status, answer) = submit(&json!({"url": format!("{url}/{page}")}));
        let sentence = answer["error"].as_str().expect("a sentence");
        assert_eq!(status, 400, "{answer}");
        assert!(sentence.contains(&format!("send {url}")), "{sentence}");
    }
    let (status, answer) = submit(&json!({"url": "https://github.com/ann"}));
    assert_eq!(status, 400, "{answer}");
    let page = format!("{url}/tree/feature/x/lib");
    let body = json!({"url": page, "ref": "feature/x", "zig_versions": ["0.16.0"]});
    let (status, answer) = submit(&body);
    assert_eq!(
        (status, &answer["name"]),
        (201, &json!("page-leaf")),
        "{answer}"
    );
    let row = server().get("/api/packages/page-leaf");
    assert_eq!(
        [&row["url"], &row["ref"], &row["dir"]],
        [&json!(url), &json!("feature/x"), &json!("lib")]
    );
    let check = answer["check"].as_i64().expect("a check");
    let build = server().finished(check).remove(0);
    assert_eq!(said(&build), ("success", "success", "null"), "{build}");
}

#[test]
fn an_upload_is_not_mixed_into_the_package_whose_name_it_bears() {
    let _machine = shared();
    let (root, git) = place("names-upload");
    package(&root, "ann/mixed-leaf", FINE);
    let url = format!("{}/ann/mixed-leaf", git.url);
    let (status, answer) = submit(&json!({"url": url, "zig_versions": ["0.16.0"]}));
    assert_eq!(status, 201, "{answer}");
    let package = server()
        .finished(answer["check"].as_i64().expect("a check"))
        .remove(0);
    let files = [("build.zig", BUILD), ("src/root.zig", WRONG)];
    let tree = archive("names-mixed", &files);
    let check = server().upload(&tree, "name=mixed-leaf&zig_versions=0.16.0");
    let upload = server().finished(check).remove(0);
    assert_eq!(
        (&upload["uploaded"], &package["uploaded"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(
        said(&upload),
        ("success", "failed", "test_failure"),
        "{upload}"
    );
    let list = |query: &str| {
        let list = server().get(&format!("/api/builds?package=mixed-leaf{query}"));
        let builds = list["builds"].as_array().expect("a list").iter();
        builds
            .map(|build| build["id"].clone())
            .collect::<Vec<Value>>()
    };
    assert_eq!(list(""), [package["id"].clone()]);
    assert_eq!(
        list("&uploads"),
        [upload["id"].clone(), package["id"].clone()]
    );
    let row = server().get("/api/packages/mixed-leaf");
    let result = row["build_results"].as_array().expect("a list").iter();
    let mut result = result.filter(|result| result["zig_version"] == "0.16.0");
    assert_eq!(result.next().expect("a verdict")["test_status"], "success");
}

#[test]
fn an_admin_deletes_a_package_while_it_is_built() {
    let _machine = shared();
    let (root, git) = place("names-deleted");
    let token = root.join("token");
    std::fs::write(&token, "0123456789abcdef0123456789abcdef\n").expect("a file");
    let only_mine = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&token, only_mine).expect("its mode");
    let token_flag = token.display().to_string();
    let flags = [&OPEN[..], &["--admin-token-file", &token_flag]].concat();
    let server = Server::start("real-names", &flags);
    let files = [("build.zig", BUILD), ("src/root.zig", FINE)];
    std::fs::create_dir_all(root.join("ann/gone/src")).expect("a directory");
    repository(&root, "ann/gone", &files);
    let url = format!("{}/ann/gone", git.url);
    let answer = server.post_json("/api/packages", &json!({ "url": url }));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let check = answer.json()["check"].as_i64().expect("a check");
    let running = |check: &Value| {
        let builds = check["builds"].as_array().expect("a list").iter();
        builds.filter(|build| build["state"] == "building").count() > 0
    };
    server.wait_for(&format!("/api/checks/{check}"), running);
    let bearer = "Authorization: Bearer 0123456789abcdef0123456789abcdef";
    let answer = server.curl(&["-X", "DELETE", "-H", bearer], "/api/packages/gone");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let left = || {
        let db = rusqlite::Connection::open(server.data.join("zigcheck.db")).expect("a database");
        let tables = [
            "packages",
            "checks",
            "builds",
            "build_results",
            "queue",
            "sources",
        ];
        let counts = tables.map(|table| {
            let sql = format!("SELECT count(*) FROM {table}");
            db.query_row(&sql, [], |row| row.get::<_, i64>(0))
                .expect("a count")
        });
        let files = |folder: &str| {
            let files = std::fs::read_dir(server.data.join(folder)).expect("a folder");
            files
                .map(|file| file.expect("a file").file_name())
                .collect::<Vec<_>>()
        };
        let containers = containers_of(&server.data, "docker");
        (counts, files("logs"), files("sources"), containers)
    };
    let nothing = ([0; 6], Vec::new(), Vec::new(), String::new());
    let start = Instant::now();
    while left() != nothing {
        assert!(start.elapsed() < PATIENCE, "{:?}", left());
        std::thread::sleep(Duration::from_millis(50));
    }
    let answer = server.curl(&[], "/api/packages/gone");
    assert_eq!(answer.status, 404, "{}", answer.body);
    // The repository may be submitted again.
    let answer = server.post_json("/api/packages", &json!({ "url": url }));
    assert_eq!(
        (answer.status, &answer.json()["name"]),
        (201, &json!("gone"))
    );
}
