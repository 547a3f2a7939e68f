//! What `fetch-source` makes of a repository: a shallow clone that is the same each time, and what it says where it cannot.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::common::git::{Repository, repository};
use crate::common::server::scratch;
use crate::common::zig::build_zig;
use crate::exchange::fed;
use crate::exclusive::shared;
use crate::host::Host;
use crate::packages::{said, server};
use zigcheck::config::limits::SOURCE_LIMIT_BYTES;

struct Fetched {
    code: Option<i32>,
    head: Value,
    stderr: String,
    /// The unpacked tree, if there is one.
    tree: PathBuf,
}

/// That script in a container as the server has it for fetches.
fn container(script: &str, url: &str, hosts: &str) -> Command {
    let tmpfs = "--tmpfs=/work:rw,exec,nosuid,nodev,size=512m,mode=0755,uid=1000,gid=1000";
    let mut docker = Command::new("docker");
    docker
        .args(["run", "--rm", "--interactive", "--init", "--pull=never"])
        .args(["--network=host", "--log-driver=none", "--user=1000:1000"])
        .args(["--cap-drop=ALL", "--read-only", tmpfs, "--workdir=/work"])
        .arg(format!("--env=ZIGCHECK_HOSTS={hosts}"))
        .arg("zigcheck:0.16.0")
        .arg(format!("/usr/lib/zigcheck/{script}"))
        .arg(url);
    docker
}

/// Fetches a repository as the server does, and unpacks it to a folder of that name.
fn fetch(name: &str, url: &str, reference: Option<&str>, hosts: &str) -> Fetched {
    let mut docker = container("fetch-source", url, hosts);
    let output = fed(docker.args(reference), b"");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let end = output.stdout.iter().position(|byte| *byte == b'\n');
    let (head, archive) = output.stdout.split_at(end.map_or(0, |end| end + 1));
    let head = serde_json::from_slice(head).unwrap_or_else(|_| panic!("{stderr}"));
    let tree = scratch(name);
    let _ = std::fs::remove_dir_all(&tree);
    std::fs::create_dir_all(&tree).expect("a directory");
    if !archive.is_empty() {
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(archive));
        archive.set_preserve_mtime(false);
        archive.unpack(&tree).expect("an archive");
    }
    Fetched {
        code: output.status.code(),
        head,
        stderr,
        tree,
    }
}

/// What git says in that folder.
fn git(folder: &Path, arguments: &str) -> String {
    let output = Command::new("git")
        .args(["-c", "safe.directory=*"])
        .args(arguments.split(' '))
        .current_dir(folder)
        .output()
        .expect("git is installed");
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

fn files_below(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false => files.push(
                    path.strip_prefix(folder)
                        .expect("below")
                        .display()
                        .to_string(),
                ),
            }
        }
    }
    files.sort();
    files
}

/// A repository that is served over HTTP, with a first commit of these files.
fn publish(host: &Host, name: &str, files: &[(&str, &str)]) -> Repository {
    repository(&host.root.join("git"), name, files)
}

/// History with a branch, tags of both kinds, and a second commit.
fn history(host: &Host, name: &str) -> Repository {
    let made = publish(
        host,
        name,
        &[("build.zig", "// 1\n"), ("src.zig", "const a = 1;\n")],
    );
    made.git(&["branch", "-M", "main"]);
    made.git(&["tag", "old"]);
    made.git(&["branch", "side"]);
    made.git(&["commit", "--allow-empty", "-qm", "the second"]);
    made.git(&["tag", "light"]);
    made.git(&["tag", "-am", "the second, by name", "v2"]);
    made
}

#[test]
fn git_says_of_a_source_what_it_says_of_a_shallow_clone() {
    let _machine = shared();
    let host = Host::new(scratch("clones"));
    let made = history(&host, "made");
    // What must not arrive.
    std::fs::write(
        host.root.join("git/made/.git/hooks/post-checkout"),
        "#!/bin/sh\ntouch hooked\n",
    )
    .expect("a file");
    made.git(&["config", "alias.pwn", "!touch pwned"]);
    let first = made.git(&["rev-parse", "old"]);
    let url = host.url("git/made");
    for reference in [
        None,
        Some("side"),
        Some("old"),
        Some("light"),
        Some("v2"),
        Some(&*first),
    ] {
        let fetched = fetch("clone", &url, reference, "127.0.0.1");
        assert_eq!(fetched.code, Some(0), "{}", fetched.stderr);
        let wanted = scratch("wanted");
        let _ = std::fs::remove_dir_all(&wanted);
        let wanted_text = wanted.display().to_string();
        let mut clone = vec!["clone", "-q", "--depth", "1", &*url, &*wanted_text];
        // git cannot clone a commit by its hash: there it is fetched and checked out.
        let is_commit = reference == Some(&*first);
        if let Some(reference) = reference.filter(|_| !is_commit) {
            clone.splice(1..1, ["--branch", reference]);
        }
        let status = Command::new("git")
            .args(&clone)
            .stderr(std::process::Stdio::null())
            .status();
        assert!(status.is_ok_and(|status| status.success()), "{reference:?}");
        if is_commit {
            git(
                &wanted,
                &format!("fetch -q --depth 1 origin {first}:refs/fetched"),
            );
            git(&wanted, &format!("checkout -q --detach {first}"));
        }
        for asked in [
            "describe --tags --always",
            "describe --tags --always --dirty",
            "rev-parse HEAD",
            "rev-parse --abbrev-ref HEAD",
            "rev-parse --is-shallow-repository",
            "status --porcelain",
            "log --format=%H%s",
            "remote -v",
        ] {
            // In a shallow repository the first commit is not known to be the first, unless it is fetched whole.
            let is_whole = asked.contains("is-shallow")
                && git(&fetched.tree, "cat-file -p HEAD").contains("parent") ^ true;
            if !is_whole {
                assert_eq!(
                    git(&fetched.tree, asked),
                    git(&wanted, asked),
                    "{reference:?}: git {asked}"
                );
            }
        }
        assert_eq!(git(&fetched.tree, "diff-index --quiet HEAD"), "");
        assert_eq!(
            git(&fetched.tree, "fsck --strict --no-dangling"),
            "",
            "{reference:?}"
        );
        let files = files_below(&fetched.tree.join(".git"));
        let known = [
            "HEAD",
            "config",
            "index",
            "packed-refs",
            "refs/remotes/origin/HEAD",
            "shallow",
        ];
        let odd = |file: &&String| {
            !known.contains(&file.as_str()) && !file.starts_with("objects/pack/pack-")
        };
        assert_eq!(files.iter().find(odd), None, "{files:?}");
        assert!(!git(&fetched.tree, "config --list --local").contains("pwn"));
    }
}

#[test]
fn the_same_commit_is_the_same_source() {
    let _machine = shared();
    let host = Host::new(scratch("same"));
    let made = history(&host, "made");
    let url = host.url("git/made");
    let first = fetch("first", &url, None, "*");
    // The remote packs its objects otherwise, and has more of them.
    made.git(&["checkout", "-q", "side"]);
    for n in 0..20 {
        made.git(&["commit", "--allow-empty", "-qm", &n.to_string()]);
    }
    made.git(&["checkout", "-q", "main"]);
    made.git(&["repack", "-qadf", "--depth=50"]);
    let second = fetch("second", &url, None, "*");
    assert_eq!(
        first.head["sha256"], second.head["sha256"],
        "{}",
        second.stderr
    );
    assert_eq!(first.head["commit"], second.head["commit"]);
    // Another branch at it is another source, as git says other things of it.
    made.git(&["branch", "-f", "side", "main"]);
    let side = fetch("side", &url, Some("side"), "*");
    assert_eq!(side.head["commit"], first.head["commit"]);
    assert_ne!(side.head["sha256"], first.head["sha256"]);
    // A server of plain files cannot send less than everything: the source is as shallow as the others.
    let files = host.root.join("git/plain");
    let clone = Command::new("git")
        .args(["clone", "-q", "--mirror"])
        .arg(host.root.join("git/made"))
        .arg(&files)
        .status();
    assert!(clone.is_ok_and(|status| status.success()));
    std::fs::rename(&files, host.root.join("plain")).expect("a folder");
    git(&host.root.join("plain"), "update-server-info");
    let plain = fetch("plain-clone", &host.url("plain"), None, "*");
    assert_eq!(plain.code, Some(0), "{}", plain.stderr);
    assert_eq!(git(&plain.tree, "describe --tags --always"), "v2\n");
    assert_eq!(git(&plain.tree, "log --format=%s"), "the second\n");
    assert_eq!(git(&plain.tree, "status --porcelain"), "");
}

#[test]
fn a_submodule_that_cannot_be_fetched_is_an_empty_directory() {
    let _machine = shared();
    let host = Host::new(scratch("modules"));
    publish(&host, "inner", &[("here", "here\n")]);
    let outer = publish(&host, "outer", &[("build.zig", "//\n")]);
    let inner = host.root.join("git/inner").display().to_string();
    let cases = [
        ("good", host.url("git/inner"), "", true),
        ("gone", host.url("git/gone"), "does not exist", false),
        (
            "foreign",
            format!("http://localhost:{}/git/inner", host.port),
            "does not name an allowed host",
            false,
        ),
        (
            "down",
            "http://127.0.0.1:9/inner".to_string(),
            "cannot be reached",
            false,
        ),
        ("later", host.url("busy/3/1/git/inner"), "is busy", true),
        ("busy", host.url("status/503/1/inner"), "is busy", false),
    ];
    for (name, url, ..) in &cases {
        outer.git(&[
            "-c",
            "protocol.file.allow=always",
            "submodule",
            "add",
            "-q",
            "--name",
            name,
            &inner,
            name,
        ]);
        outer.git(&[
            "config",
            "--file",
            ".gitmodules",
            &format!("submodule.{name}.url"),
            url,
        ]);
    }
    outer.git(&["commit", "-qam", "with submodules"]);
    let fetched = fetch("outer-clone", &host.url("git/outer"), None, "127.0.0.1");
    assert_eq!(fetched.code, Some(0), "{}", fetched.stderr);
    for (name, _, words, is_there) in &cases {
        let files = files_below(&fetched.tree.join(name));
        let wanted: &[&str] = if *is_there { &["here"] } else { &[] };
        assert_eq!(files, wanted, "{name}: {}", fetched.stderr);
        assert!(fetched.stderr.contains(words), "{}", fetched.stderr);
        let says = fetched
            .stderr
            .contains(&format!("the submodule {name} stays an empty directory"));
        assert_eq!(says, !is_there, "{}", fetched.stderr);
    }
    assert_eq!(fetched.head["hosts_refused"], json!(["localhost"]));
    assert_eq!(git(&fetched.tree, "status --porcelain"), "");
}

#[test]
fn a_source_says_whether_its_host_is_busy_gone_or_not_allowed() {
    let _machine = shared();
    let host = Host::new(scratch("hosts"));
    publish(&host, "made", &[("build.zig", "//\n")]);
    let foreign = format!("localhost:{}", host.port);
    for (path, code, after, hosts) in [
        ("status/503/7/x".to_string(), 13, json!(7), json!([])),
        ("status/429/0/x".to_string(), 13, Value::Null, json!([])),
        ("reset/99/x".to_string(), 13, Value::Null, json!([])),
        ("git/gone".to_string(), 11, Value::Null, json!([])),
        ("status/403/0/x".to_string(), 11, Value::Null, json!([])),
        ("status/403/5/x".to_string(), 13, json!(5), json!([])),
        ("status/408/0/x".to_string(), 13, Value::Null, json!([])),
        (
            format!("to/{foreign}/git/made"),
            11,
            Value::Null,
            json!(["localhost"]),
        ),
    ] {
        let fetched = fetch("none", &host.url(&path), None, "127.0.0.1");
        assert_eq!(fetched.code, Some(code), "{path}: {}", fetched.stderr);
        assert_eq!(
            (&fetched.head["retry_after"], &fetched.head["hosts_refused"]),
            (&after, &hosts),
            "{path}"
        );
        // The same host is the same when it is asked for its commit.
        let output = fed(
            &mut container("remote-commit", &host.url(&path), "127.0.0.1"),
            b"",
        );
        assert_eq!(output.status.code(), Some(code), "{path}");
    }
    assert_eq!(host.asked("/git/made"), 0);
}

#[test]
fn a_busy_git_host_is_asked_again_until_it_answers() {
    let _machine = shared();
    let host = Host::new(scratch("patience"));
    let build = build_zig(
        "git describe --tags --always && git rev-parse --abbrev-ref HEAD && git status --porcelain",
    );
    let made = publish(&host, "made", &[("build.zig", &build)]);
    made.git(&["branch", "-M", "main"]);
    made.git(&["tag", "v7"]);
    // An attempt asks twice: for the source, and how long the host wants to be left alone.
    let url = host.url("busy/4/1/git/made");
    let body = json!({"url": url, "name": "patience", "zig_versions": ["0.16.0"]});
    let answer = server().post_json("/api/packages", &body);
    assert_eq!(answer.status, 201, "{}", answer.body);
    let check = answer.json()["check"].as_i64().expect("a check");
    let build = server().finished(check).remove(0);
    assert_eq!(said(&build).0, "success", "{build}");
    let log = server().build_log(&build);
    assert!(log.contains("v7\nmain\n"), "{log}");
}

#[test]
fn a_source_that_git_makes_too_large_comes_without_it() {
    let _machine = shared();
    let host = Host::new(scratch("large"));
    let made = publish(&host, "made", &[("build.zig", "//\n")]);
    // Nothing that packs: twice as much is over the limit of a source, once is not.
    let mut state = 1u64;
    let noise: Vec<u8> = (0..SOURCE_LIMIT_BYTES * 5 / 8 / 8)
        .flat_map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        })
        .collect();
    std::fs::write(host.root.join("git/made/noise"), &noise).expect("a file");
    made.git(&["add", "."]);
    made.git(&["commit", "-qm", "noise"]);
    let fetched = fetch("large-clone", &host.url("git/made"), None, "*");
    assert_eq!(fetched.code, Some(0), "{}", fetched.stderr);
    assert!(
        fetched.stderr.contains("without .git"),
        "{}",
        fetched.stderr
    );
    assert_eq!(files_below(&fetched.tree), ["build.zig", "noise"]);
}
