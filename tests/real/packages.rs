//! The real server, the real engine, real Zig: what packages come to, and that nothing is left.
//!
//! These tests need docker and the toolchain images, and fail without: `make test` makes both.

use std::process::Command;
use std::sync::OnceLock;

use crate::common::git::{git_server, repository};
use crate::common::server::{Server, archive, scratch};
use crate::common::zig::{build_zig, packed, zig_init};
use crate::exclusive::shared;
use crate::web::file_server;
use serde_json::{Value, json};
use zigcheck::app::builds::limits::ERRORS_LIMIT;

/// A server that fetches from this machine: any host, without a firewall.
pub const OPEN: [&str; 6] = [
    "--fetch-network",
    "host",
    "--allow-hosts",
    "*",
    "--max-builds",
    "2",
];

/// One server for all tests that need no flags of their own: the machine has few processors.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start("real", &OPEN))
}

pub const VERSIONS: [&str; 4] = ["0.17.1", "0.16.0", "0.15.2", "0.14.1"];

/// A `build.zig` whose install step runs this command of the shell; it has no test step.
pub fn install_zig(command: &str) -> String {
    let of_test = "b.step(\"test\", \"the command\").dependOn(&run.step)";
    build_zig(command).replace(of_test, "b.getInstallStep().dependOn(&run.step)")
}

pub fn one(name: &str, version: &str, files: &[(&str, &str)]) -> Value {
    let check = upload(name, &format!("zig_versions={version}"), files);
    server().finished(check).remove(0)
}

pub fn upload(name: &str, query: &str, files: &[(&str, &str)]) -> i64 {
    let tree = archive(&format!("real-{name}"), files);
    server().upload(&tree, &format!("name={name}&{query}"))
}

pub fn said(build: &Value) -> (&str, &str, &str) {
    let word = |name: &str| build[name].as_str().unwrap_or("null");
    (word("build_status"), word("test_status"), word("reason"))
}

#[test]
#[ignore = "sixteen builds: make test-all"]
fn zig_init_packages_build_under_their_own_version_alone() {
    let _machine = shared();
    let checks = VERSIONS.map(|own| {
        let tree = packed(&zig_init(own));
        (own, server().upload(&tree, "name=hello"))
    });
    for (own, check) in checks {
        let builds = server().finished(check);
        let versions: Vec<&str> = builds
            .iter()
            .filter_map(|b| b["zig_version"].as_str())
            .collect();
        assert_eq!(versions, VERSIONS);
        for build in &builds {
            let version = build["zig_version"].as_str().expect("a version");
            if version == own {
                assert_eq!(said(build), ("success", "success", "null"), "{build}");
                assert!(build["compiled"].as_u64() > Some(0), "{build}");
                assert!(build["tests_total"].as_u64() > Some(0), "{build}");
            } else {
                assert_eq!(
                    said(build),
                    ("failed", "null", "compile_error"),
                    "{own}: {build}"
                );
                let errors = build["error_log"].as_str().expect("a text");
                assert!(errors.contains("error:"), "{own} under {version}: {errors}");
            }
            assert!(
                build["toolchain"]
                    .as_str()
                    .is_some_and(|name| name.starts_with(&format!("zigcheck:{version}-")))
            );
            assert!(
                build["peak_memory_bytes"].as_u64() > Some(1 << 20),
                "{build}"
            );
        }
    }
}

#[test]
fn a_dependency_is_fetched_and_its_build_has_no_network() {
    let _machine = shared();
    let dependency = archive(
        "dep",
        &[
            (
                "dep/build.zig",
                "pub fn build(_: *@import(\"std\").Build) void {}\n",
            ),
            ("dep/build.zig.zon", &manifest("dep", "")),
            ("dep/greeting.txt", "hello from the dependency\n"),
        ],
    );
    let web = file_server(dependency);
    let url = format!("{}/dep.tar.gz", web.url);
    // The hash that Zig itself gives it.
    let hash = Command::new("docker")
        .args([
            "run",
            "--rm",
            "--network=host",
            "--pull=never",
            "--user=0",
            "zigcheck:0.16.0",
        ])
        .args([
            "bash",
            "-c",
            "mkdir -p /work/tmp && mkdir -p /tmp/p && cd /tmp/p && touch build.zig && ZIG_GLOBAL_CACHE_DIR=/tmp/c zig fetch \"$0\"",
            &url,
        ])
        .output()
        .expect("docker is installed");
    let errors = String::from_utf8_lossy(&hash.stderr);
    assert!(hash.status.success(), "{errors}");
    let hash = String::from_utf8_lossy(&hash.stdout).trim().to_string();
    let of_dep = format!(".dep = .{{ .url = \"{url}\", .hash = \"{hash}\" }},");
    let build = "const std = @import(\"std\");\n\
        pub fn build(b: *std.Build) void {\n\
        \x20   const run = b.addSystemCommand(&.{\"cat\"});\n\
        \x20   run.addFileArg(b.dependency(\"dep\", .{}).path(\"greeting.txt\"));\n\
        \x20   run.has_side_effects = true;\n\
        \x20   b.getInstallStep().dependOn(&run.step);\n\
        }\n";
    let manifest_text = manifest("user", &of_dep);
    let files = [
        ("build.zig", build),
        ("build.zig.zon", manifest_text.as_str()),
    ];
    // A package that names the same URL where Zig does not come to it fetches nothing, and spoils nothing.
    let spoils = [
        ("build.zig", &*install_zig("true")),
        ("build.zig.zon", &manifest("spoils", "")),
        ("examples/build.zig.zon", &manifest_text),
    ];
    let spoils = one("spoils", "0.16.0", &spoils);
    assert_eq!(spoils["build_status"], "success", "{spoils}");
    let greets = |name: &str, versions: &str, files: &[(&str, &str)]| {
        let query = format!("zig_versions={versions}");
        for build in server().finished(upload(name, &query, files)) {
            assert_eq!(said(&build), ("success", "no_tests", "null"), "{build}");
            let log = server().build_log(&build);
            assert!(log.contains("hello from the dependency"), "{log}");
        }
    };
    greets("user", &VERSIONS.join(","), &files);

    // The host answers, and what it has is not what the manifest says.
    let other = manifest_text.replace("dep.tar.gz", "gone.tar.gz");
    let gone = one(
        "gone",
        "0.16.0",
        &[("build.zig", build), ("build.zig.zon", &other)],
    );
    assert_eq!(
        said(&gone),
        ("failed", "null", "dependency_unavailable"),
        "{gone}"
    );

    // The host is down: what was fetched is still there, whatever else has changed; all else is not.
    drop(web);
    let changed = [files[0], files[1], ("readme", "another tree\n")];
    greets("again", "0.17.1,0.16.0", &changed);
    let other = manifest_text.replace("dep.tar.gz", "dep.tar.gz?");
    let files = [("build.zig", build), ("build.zig.zon", other.as_str())];
    let nobody = one("nobody", "0.15.2", &files);
    assert_eq!(
        said(&nobody),
        ("error", "null", "dependency_unavailable"),
        "{nobody}"
    );
    assert_eq!(nobody["attempt"], ERRORS_LIMIT);
}

fn manifest(name: &str, dependencies: &str) -> String {
    // The upper half of a fingerprint is the CRC-32 of the name.
    let mut crc = flate2::Crc::new();
    crc.update(name.as_bytes());
    let fingerprint = u64::from(crc.sum()) << 32 | 0x2a;
    format!(
        ".{{ .name = .{name}, .version = \"0.0.1\", .fingerprint = 0x{fingerprint:x},\n\
         .dependencies = .{{ {dependencies} }},\n.paths = .{{\"\"}} }}\n"
    )
}

#[test]
fn a_build_that_tries_the_network_fails_and_says_so() {
    let _machine = shared();
    let web = file_server(archive("net", &[("a", "")]));
    let port = web.url.rsplit(':').next().expect("a port");
    let reach = format!("exec 3<>/dev/tcp/127.0.0.1/{port} && echo reached it");
    let build = one("net", "0.16.0", &[("build.zig", &install_zig(&reach))]);
    assert_eq!(said(&build), ("failed", "null", "step_failure"), "{build}");
    let log = server().build_log(&build);
    assert!(
        log.contains("Connection refused") && !log.lines().any(|l| l == "reached it"),
        "{log}"
    );
    let name = "getent hosts example.com || { echo no such host; exit 1; }";
    let build = one("name", "0.15.2", &[("build.zig", &install_zig(name))]);
    assert_eq!(said(&build), ("failed", "null", "step_failure"), "{build}");
    assert!(server().build_log(&build).contains("no such host"));
}

#[test]
fn a_tree_without_build_zig_is_no_zig_package() {
    let _machine = shared();
    let build = one("empty", "0.17.1", &[("README", "nothing to build\n")]);
    assert_eq!(said(&build), ("failed", "null", "no_build_zig"));
}

#[test]
fn tests_fail_or_do_not_compile_or_are_not_there() {
    let _machine = shared();
    let with_test = |test: &str| {
        let init = zig_init("0.16.0");
        let main = init.join("src/main.zig");
        let text = std::fs::read_to_string(&main).expect("zig init makes it");
        std::fs::write(&main, format!("{text}\n{test}\n")).expect("it is ours");
        let check = server().upload(&packed(&init), "name=tests&zig_versions=0.16.0");
        server().finished(check).remove(0)
    };
    let build = with_test("test \"never\" { return error.Never; }");
    assert_eq!(
        said(&build),
        ("success", "failed", "test_failure"),
        "{build}"
    );
    assert!(
        build["tests_passed"].as_u64() < build["tests_total"].as_u64(),
        "{build}"
    );
    let build = with_test("test \"not Zig\" { const x: u8 = \"text\"; _ = x; }");
    assert_eq!(
        said(&build),
        ("success", "failed", "compile_error"),
        "{build}"
    );
    let install = install_zig("echo installed");
    let build = one("no-tests", "0.17.1", &[("build.zig", &install)]);
    assert_eq!(said(&build), ("success", "no_tests", "null"), "{build}");
}

#[test]
fn the_word_error_says_nothing_where_the_exit_code_is_0() {
    let _machine = shared();
    let loud = build_zig("echo 'error: this is only a word' >&2");
    let build = one("loud", "0.14.1", &[("build.zig", &loud)]);
    assert_eq!(said(&build), ("success", "success", "null"), "{build}");
    assert!(
        server()
            .build_log(&build)
            .contains("error: this is only a word")
    );
}

#[test]
#[ignore = "takes three minutes: make test-all"]
fn a_library_that_compiles_nothing_is_tried_as_a_dependency() {
    let _machine = shared();
    let library = "const std = @import(\"std\");\npub fn build(b: *std.Build) void {\n    \
        _ = b.addModule(\"lib\", .{ .root_source_file = b.path(\"lib.zig\") });\n}\n";
    let nothing = "pub fn build(_: *@import(\"std\").Build) void {}\n";
    for (name, build_zig, verdict, shown) in [
        (
            "library",
            library,
            ("success", "no_tests", "compile_error"),
            "import failed",
        ),
        (
            "nothing",
            nothing,
            ("success", "no_tests", "null"),
            "not exercised",
        ),
    ] {
        let files = [
            ("build.zig", build_zig),
            ("lib.zig", "pub const x: nonsense = 1;\n"),
        ];
        let check = upload(name, "", &files);
        for build in server().finished(check) {
            assert_eq!(said(&build), verdict, "{build}");
            assert_eq!(build["compiled"], 0, "{build}");
        }
        let matrix = server().matrix(check);
        assert_eq!(matrix.matches(shown).count(), 4, "{matrix}");
        assert!(!matrix.contains("success"), "{matrix}");
    }
}

#[test]
fn a_repository_is_cloned_with_its_submodules_at_the_ref_asked_for() {
    let _machine = shared();
    let root = scratch("git");
    let _ = std::fs::remove_dir_all(&root);
    let git = git_server(&root);
    let _inner = repository(
        &root,
        "inner",
        &[("greeting.txt", "hello from the submodule\n")],
    );
    let build = build_zig("cat inner/greeting.txt");
    let outer = repository(&root, "outer", &[("build.zig", build.as_str())]);
    let url = format!("{}/inner", git.url);
    outer.git(&["submodule", "add", "-q", &url, "inner"]);
    outer.git(&["commit", "-qm", "with its submodule"]);
    outer.git(&["tag", "v1"]);
    let commit = outer.git(&["rev-parse", "HEAD"]);
    outer.git(&["rm", "-q", "build.zig"]);
    outer.git(&["commit", "-qm", "the end of it"]);
    // The same repository under another URL is another package.
    std::os::unix::fs::symlink(root.join("outer"), root.join("again")).expect("a link");
    for (name, path, reference) in [
        ("by-tag", "outer", "v1"),
        ("by-commit", "again", commit.as_str()),
    ] {
        let url = format!("{}/{path}", git.url);
        let body = json!({"url": url, "ref": reference, "name": name, "zig_versions": ["0.16.0"]});
        let answer = server().post_json("/api/packages", &body);
        assert_eq!(answer.status, 201, "{}", answer.body);
        let value = answer.json();
        assert_eq!(value["builds"][0]["state"], "queued");
        let check = value["check"].as_i64().expect("a check");
        let build = server().finished(check).remove(0);
        assert_eq!(said(&build), ("success", "success", "null"), "{build}");
        assert_eq!(build["commit"], commit.as_str());
        assert!(
            server()
                .build_log(&build)
                .contains("hello from the submodule")
        );
        let package = server().get(&format!("/api/packages/{name}"));
        let results = package["build_results"].as_array().expect("a list").clone();
        assert_eq!(results.len(), 4);
        assert_eq!(results[1]["build_status"], "success");
    }
    // Known already, by name and by URL.
    let again = json!({"url": format!("{}/outer", git.url), "name": "other"});
    let answer = server().post_json("/api/packages", &again);
    assert_eq!(answer.status, 409, "{}", answer.body);
    assert!(answer.json()["id"].as_i64().is_some());
    // A new check takes the tip as it is now, which has lost its build.zig: for v1 nothing moved.
    let answer = server().curl(&["-X", "POST"], "/api/packages/by-tag/builds");
    assert_eq!(answer.status, 202, "{}", answer.body);
}

#[test]
fn a_source_that_cannot_be_had_is_our_error_and_not_the_package_failing() {
    let _machine = shared();
    let root = scratch("git-missing");
    let git = git_server(&root);
    let cases = [
        (
            "unreachable",
            "http://127.0.0.1:9/nobody/there".to_string(),
            i64::from(ERRORS_LIMIT),
        ),
        ("missing", format!("{}/nothing", git.url), 1),
    ];
    // Both are under way while the one that is tried again waits.
    let cases = cases.map(|(name, url, attempts)| {
        let body = json!({"url": url, "name": name});
        let answer = server().post_json("/api/packages", &body);
        assert_eq!(answer.status, 201, "{}", answer.body);
        let check = answer.json()["check"].as_i64().expect("a check");
        (name, check, attempts)
    });
    for (name, check, attempts) in cases {
        for build in server().finished(check) {
            assert_eq!(
                said(&build),
                ("error", "null", "source_unavailable"),
                "{build}"
            );
            assert!(!server().build_log(&build).is_empty());
        }
        let log = server().get(&format!("/api/checks/{check}"));
        assert!(
            log["builds"][0]["error_log"]
                .as_str()
                .is_some_and(|log| !log.is_empty())
        );
        let tried = attempts_of(check);
        assert_eq!(tried, attempts, "{name}");
    }
}

fn attempts_of(check: i64) -> i64 {
    let db = server().data.join("zigcheck.db");
    let db = rusqlite::Connection::open(db).expect("a database");
    let sql = "SELECT attempt FROM checks WHERE id = ?1";
    db.query_row(sql, [check], |row| row.get(0))
        .expect("a check")
}

#[test]
fn the_submission_script_prints_the_matrix_of_a_directory_and_of_a_url() {
    let _machine = shared();
    let script = |what: &str| {
        let output = Command::new("./test_package_submission.sh")
            .arg(what)
            .env("ZIGCHECK_URL", &server().url)
            .output()
            .expect("the script is there");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), text, errors)
    };
    let dir = zig_init("0.15.2");
    let (good, text, errors) = script(&dir.display().to_string());
    assert!(good, "{text}{errors}");
    let line = |version: &str| text.lines().rfind(|line| line.trim().starts_with(version));
    assert!(
        line("0.15.2").is_some_and(|l| l.contains("success")),
        "{text}"
    );
    assert!(
        line("0.16.0").is_some_and(|l| l.contains("failed")),
        "{text}"
    );
    let first_error = "src/root.zig:9:32: root source file struct 'fs' has no member named 'File'";
    assert!(text.contains(first_error), "{text}");
    assert!(text.contains("building…"), "{text}");
    assert!(text.ends_with("\nresult: 1 of 4 build\n"), "{text}");

    let root = scratch("git-script");
    let _ = std::fs::remove_dir_all(&root);
    let git = git_server(&root);
    let build = install_zig("echo installed");
    let _repository = repository(&root, "scripted", &[("build.zig", build.as_str())]);
    for _ in ["the first time", "a known package"] {
        let (good, text, errors) = script(&format!("{}/scripted", git.url));
        assert!(good, "{text}{errors}");
        let (_, matrix) = text.rsplit_once("  check ").expect("a matrix");
        assert_eq!(matrix.matches("not exercised").count(), 4, "{text}");
    }
    let (good, text, errors) = script("http://127.0.0.1:9/nobody/here");
    assert!(!good, "{text}{errors}");
    assert!(text.contains("source_unavailable"), "{text}{errors}");
    let (good, _, errors) = script("/no/such/directory");
    assert!(!good && errors.lines().count() == 1, "{errors}");
}
