//! The real server with a stand-in for the docker command: every way in which a container can end
//! badly comes to the right verdict.

use crate::common::settings::FETCH_NETWORK;
use crate::common::standin;
use std::path::Path;
use std::process::Command;

use crate::common::server::{Server, archive, curl, scratch};
use crate::common::standin::{check, standin, start};
use serde_json::Value;

fn build(server: &Server, package: &str) -> Value {
    server.finished(check(server, package)).remove(0)
}

fn said(build: &Value) -> (&str, &str, &str) {
    let word = |name: &str| build[name].as_str().unwrap_or("null");
    (word("build_status"), word("test_status"), word("reason"))
}

#[test]
fn a_record_and_exit_0_are_a_verdict() {
    let (server, dir) = start("good", &[]);
    for package in ["good", "no-newline", "closed-pipes"] {
        let build = build(&server, package);
        assert_eq!(said(&build), ("success", "success", "null"), "{package}");
        assert_eq!(build["tests_passed"], 2);
        assert_eq!(build["attempt"], 1);
        assert!(server.build_log(&build).starts_with("building"));
    }
    server.wait_for("/api/health", |_| removed(&dir).len() == 3);
}

/// The check, the build and the container of a build that is running and says nothing.
fn never_ending(server: &Server, dir: &Path) -> (i64, i64, String) {
    let check = check(server, "silent");
    let build = runs(server, dir, check);
    (check, build, standin::has_its_source(dir, build))
}

fn runs(server: &Server, dir: &Path, check: i64) -> i64 {
    let path = format!("/api/checks/{check}");
    let check = server.wait_for(&path, |check| check["builds"][0]["state"] == "building");
    let build = check["builds"][0]["id"].as_i64().expect("an id");
    standin::has_its_source(dir, build);
    build
}

fn removed(dir: &Path) -> Vec<String> {
    let calls = std::fs::read_to_string(dir.join("state.calls")).unwrap_or_default();
    let names = calls.lines().filter_map(|line| line.strip_prefix("rm "));
    names.map(str::to_string).collect()
}

#[test]
fn a_pipe_that_a_grandchild_holds_does_not_hold_up_the_verdict_for_long() {
    let (server, _) = start("held", &[]);
    let build = build(&server, "held-pipes");
    assert_eq!(said(&build), ("success", "success", "null"));
}

/// One server and one wait for all of them: the pauses between attempts are most of the time.
#[test]
fn an_end_that_is_not_the_package_s_doing_is_tried_four_times_and_never_becomes_success() {
    let (server, _) = start("errors", &[]);
    let cases = [
        // Records that cannot be trusted.
        ("missing", "engine_error", "left no result record"),
        ("oversized", "engine_error", "longer than 65536 bytes"),
        ("foreign", "engine_error", "of another build"),
        ("broken", "engine_error", "broken"),
        ("not-json", "engine_error", "broken"),
        // An engine that always refuses, and a container that somebody has killed.
        ("refused", "engine_error", "no such luck"),
        ("killed", "lost", ""),
    ];
    let checks = cases.map(|case| (case, check(&server, case.0)));
    for ((package, reason, words), check) in checks {
        let build = server.finished(check).remove(0);
        assert_eq!(said(&build), ("error", "null", reason), "{package}");
        assert_eq!(build["attempt"], 4, "{package}");
        let log = build["error_log"].as_str().unwrap_or_default();
        assert!(log.contains(words), "{package}: {build}");
    }
}

#[test]
fn an_engine_that_refuses_once_is_asked_again() {
    let (server, _) = start("refused-once", &[]);
    let build = build(&server, "refused-once");
    assert_eq!(said(&build), ("success", "success", "null"));
    assert_eq!(build["attempt"], 2);
}

#[test]
fn a_container_that_was_ended_by_its_memory_is_inspected() {
    let (server, _) = start("starved", &[]);
    let build = build(&server, "starved");
    assert_eq!(said(&build), ("failed", "null", "out_of_memory"));
}

#[test]
fn a_build_that_is_silent_is_ended() {
    let (server, _) = start("silence", &["--silence-timeout", "1"]);
    // The second closes its pipes and writes its record, but never exits.
    for package in ["silent", "closed-pipes-for-ever"] {
        let build = build(&server, package);
        assert_eq!(said(&build), ("failed", "null", "silent"), "{package}");
    }
}

#[test]
fn a_build_that_talks_for_ever_is_ended() {
    let flags = ["--build-timeout", "1", "--max-builds", "3"];
    let (server, _) = start("timeout", &flags);
    assert_eq!(
        said(&build(&server, "talkative")),
        ("failed", "null", "timeout")
    );
    for package in ["flood", "flood-stdout"] {
        let build = build(&server, package);
        let (build_status, test_status, reason) = said(&build);
        assert_eq!((build_status, test_status), ("failed", "null"), "{package}");
        // On a slow machine the timeout is late, and the output may reach its own limit first.
        assert!(["timeout", "output_limit"].contains(&reason), "{reason}");
    }
}

#[test]
fn a_flood_is_kept_within_its_limit_and_says_what_was_cut() {
    let (server, _) = start("flood", &[]);
    let build = build(&server, "deluge");
    let log = server.build_log(&build);
    assert_eq!(build["log_truncated"], true);
    assert!(build["log_bytes"].as_u64().expect("a number") > 4 << 20);
    assert!(log.len() < (4 << 20) + 200, "{}", log.len());
    assert!(log.starts_with("building deluge\n"));
    assert!(log.contains("bytes cut here]"));
    let tail = server.curl(
        &[],
        &format!("{}?tail=1", build["log_url"].as_str().expect("text")),
    );
    assert!(tail.body.lines().count() <= 1, "{}", tail.body.len());
}

#[test]
fn a_container_that_outlives_its_kill_is_given_up() {
    let (server, _) = start("stubborn", &["--build-timeout", "1"]);
    let build = build(&server, "stubborn");
    assert_eq!(said(&build), ("failed", "null", "timeout"));
}

#[test]
fn an_engine_that_keeps_nobody_in_is_refused_at_the_start() {
    let (dir, docker) = standin("standin-unfit");
    let info = "{\"MemoryLimit\": true, \"SecurityOptions\": [\"name=apparmor\"]}";
    std::fs::write(dir.join("state.info"), info).expect("a file");
    let data = scratch("standin-unfit");
    let _ = std::fs::remove_dir_all(&data);
    let output = Command::new(env!("CARGO_BIN_EXE_zigcheck"))
        .args(["--docker", &docker, "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .env(FETCH_NETWORK.0, FETCH_NETWORK.1)
        .output();
    let output = output.expect("the program");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    let last = "zigcheck: the engine cannot keep strangers' code to itself: \
        it has no seccomp, no process limit";
    assert_eq!(said.lines().last(), Some(last), "{said}");
}

#[test]
fn an_engine_that_is_gone_holds_work_up_and_loses_none() {
    let (server, dir) = start("gone", &[]);
    assert_eq!(server.get("/api/health")["docker"], "ok");
    let docker = dir.join("docker");
    let away = docker.with_extension("away");
    std::fs::rename(&docker, &away).expect("it is there");
    // The engine's last answer is fresh, so this is taken; its container cannot be started.
    let tree = archive("gone-tree", &[("build.zig", "")]);
    let check = server.upload(&tree, "name=good");
    server.wait_for(&format!("/api/checks/{check}"), |check| {
        check["builds"][0]["attempt"] == 2
    });
    let health = server.curl(&[], "/api/health");
    assert_eq!(health.status, 503);
    assert_eq!(health.json()["docker"], "unavailable");
    assert_eq!(health.json()["database"], "connected");
    let data = format!("@{}", tree.display());
    let refused = server.curl(&["--data-binary", &data], "/api/check?name=good");
    assert_eq!(refused.status, 503, "{}", refused.body);
    std::fs::rename(&away, &docker).expect("its place");
    let build = server.finished(check).remove(0);
    assert_eq!(said(&build), ("success", "success", "null"));
    assert_eq!(server.get("/api/builds")["total"], 1);
}

#[test]
fn an_engine_that_is_away_is_logged_once_however_often_it_is_asked() {
    let (dir, docker) = standin("away");
    let away = dir.join("docker").with_extension("away");
    std::fs::rename(&docker, &away).expect("it is there");
    let (data, log) = (scratch("away"), dir.join("server.log"));
    std::fs::create_dir_all(&data).expect("a directory");
    let to = standin::free_address(11);
    let mut child = standin::listening(to, &data, &docker, &log);
    let health = format!("http://{to}/api/health");
    for _ in 0..3 {
        let answer = curl(&[], &health);
        assert_eq!(answer.status, 503, "{}", answer.body);
    }
    std::fs::rename(&away, &docker).expect("its place");
    assert_eq!(curl(&[], &health).status, 200);
    child.kill().expect("it ran");
    child.wait().expect("it ends");
    let log = std::fs::read_to_string(log).expect("a log");
    let count = |words: &str| log.matches(words).count();
    let counts = [
        count("the engine is unavailable"),
        count("the engine answers"),
    ];
    assert_eq!(counts, [1, 1], "{log}");
}

/// A server that goes on where the one of that directory has ended.
fn next_server(data: std::path::PathBuf, dir: &Path, more: &[&str]) -> Server {
    let docker = dir.join("docker").display().to_string();
    let mut flags = vec!["--docker", &docker, "--zig-versions", "0.16.0"];
    flags.extend(more);
    Server::restart(data, &flags)
}

#[test]
fn a_build_goes_on_over_a_crash_of_the_server_and_its_log_with_it() {
    let (server, dir) = start("crash", &[]);
    let check = check(&server, "slowly");
    let path = format!("/api/checks/{check}");
    let half = server.wait_for(&path, |check| {
        check["builds"][0]["log_bytes"].as_u64() > Some(100)
    });
    let data = server.crash();
    let server = next_server(data, &dir, &[]);
    // No request is needed for it.
    let more = half["builds"][0]["log_bytes"].as_u64().expect("a number") + 100;
    server.wait_for(&path, |check| {
        check["builds"][0]["log_bytes"].as_u64() > Some(more)
    });
    standin::let_go(&dir);
    let build = server.finished(check).remove(0);
    assert_eq!(said(&build), ("success", "success", "null"));
    assert_eq!(build["attempt"], 1);
    let log = server.build_log(&build);
    let lines: Vec<&str> = log.lines().collect();
    let counted = lines.len() - 2;
    assert_eq!(
        (lines[0], lines[counted + 1]),
        ("building slowly", "testing slowly")
    );
    for (nth, line) in lines[1..=counted].iter().enumerate() {
        assert_eq!(*line, format!("{} tenths of a second", nth + 1));
    }
    server.wait_for("/api/health", |_| !removed(&dir).is_empty());
}

#[test]
fn time_that_has_passed_without_a_server_counts() {
    let (server, dir) = start("crash-late", &[]);
    let (check, _, _) = never_ending(&server, &dir);
    let data = server.crash();
    std::thread::sleep(std::time::Duration::from_secs(1));
    let server = next_server(data, &dir, &["--build-timeout", "1"]);
    let build = server.finished(check).remove(0);
    assert_eq!(said(&build), ("failed", "null", "timeout"));
    assert_eq!(build["attempt"], 1);
}

#[test]
fn a_build_whose_container_is_gone_is_built_again() {
    let (server, dir) = start("crash-gone", &[]);
    let (check, id, container) = never_ending(&server, &dir);
    let data = server.crash();
    let removed = std::process::Command::new(dir.join("docker"))
        .args(["rm", "--force", "--volumes", &container])
        .output();
    assert!(removed.expect("the stand-in").status.success());
    let server = next_server(data, &dir, &["--build-timeout", "1"]);
    let build = server.finished(check).remove(0);
    assert_eq!(said(&build), ("failed", "null", "timeout"));
    assert_eq!((&build["attempt"], &build["id"]), (&2.into(), &id.into()));
}

#[test]
fn a_data_directory_that_went_away_is_said_and_nothing_is_taken() {
    let (server, _) = start("nodata", &[]);
    // In one step: the server may be about to make a file there.
    let away = server.data.with_extension("away");
    let _ = std::fs::remove_dir_all(&away);
    std::fs::rename(&server.data, &away).expect("it was there");
    let health = server.curl(&[], "/api/health");
    assert_eq!(
        (health.status, health.json()["database"].clone()),
        (503, "unavailable".into())
    );
    let url = serde_json::json!({"url": "https://github.com/a/b"});
    assert_eq!(server.post_json("/api/packages", &url).status, 503);
}

#[test]
fn a_tree_that_leaves_itself_and_one_that_is_too_large_are_refused_before_anything_starts() {
    let (server, dir) = start("hostile-trees", &[]);
    let evil = scratch("evil.tar");
    let mut tar = tar::Builder::new(std::fs::File::create(&evil).expect("a file"));
    let mut head = tar::Header::new_gnu();
    head.set_entry_type(tar::EntryType::Symlink);
    head.set_size(0);
    tar.append_link(&mut head, "evil", "../../etc/passwd")
        .expect("an entry");
    tar.into_inner().expect("a whole archive");
    let large = scratch("large.tar");
    let file = std::fs::File::create(&large).expect("a file");
    file.set_len((64 << 20) + 1).expect("a sparse file");
    for (path, status, word) in [(&evil, 400, "evil"), (&large, 413, "too large")] {
        let data = format!("@{}", path.display());
        let answer = server.curl(&["--data-binary", &data], "/api/check?name=good");
        assert_eq!(answer.status, status, "{}", answer.body);
        let error = answer.json()["error"].clone();
        assert!(error.as_str().is_some_and(|e| e.contains(word)), "{error}");
    }
    assert_eq!(server.get("/api/builds")["total"], 0);
    let left = std::fs::read_dir(server.data.join("sources")).expect("the sources");
    assert_eq!(left.count(), 0);
    let containers = std::fs::read_dir(dir.join("state")).expect("the stand-in's state");
    assert_eq!(containers.count(), 0);
}

#[test]
fn a_stop_leaves_what_runs_to_the_next_server() {
    let (server, dir) = start("stop", &[]);
    let check = check(&server, "slowly");
    runs(&server, &dir, check);
    let data = server.data.clone();
    let before = std::time::Instant::now();
    drop(server);
    assert!(
        before.elapsed() < std::time::Duration::from_secs(60),
        "it did not stop"
    );
    let db = rusqlite::Connection::open(data.join("zigcheck.db")).expect("a database");
    let sql = "SELECT state, build_status, attempt FROM builds";
    let row = db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let row: (String, String, i64) = row.expect("its row");
    assert_eq!(row, ("building".into(), "pending".into(), 1));
    standin::let_go(&dir);
    let server = next_server(data, &dir, &[]);
    let build = server.finished(check).remove(0);
    assert_eq!(said(&build), ("success", "success", "null"));
    assert_eq!(build["attempt"], 1);
}
