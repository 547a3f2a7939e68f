//! Single ends of servers and engines, looked at closely.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::server::{PATIENCE, Server, scratch};
use crate::common::standin::{check, let_go, start};

/// A server whose engine is that of another.
fn flags(dir: &Path) -> Vec<String> {
    let docker = dir.join("docker").display().to_string();
    let flags = ["--docker", &docker, "--zig-versions", "0.16.0"];
    flags.map(str::to_string).to_vec()
}

fn again(data: std::path::PathBuf, dir: &Path) -> Server {
    let flags = flags(dir);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    Server::restart(data, &flags)
}

fn build_of(server: &Server, check: i64) -> Value {
    server.get(&format!("/api/checks/{check}"))["builds"][0].clone()
}

fn wait_until_it_speaks(server: &Server, check: i64) {
    server.wait_for(&format!("/api/checks/{check}"), |check| {
        check["builds"][0]["state"] == "building"
    });
    let path = format!("/api/builds/{}/log", build_of(server, check)["id"]);
    let start = Instant::now();
    loop {
        let tail = server.curl(&["--max-time", "1"], &format!("{path}?tail=5"));
        if tail.body.contains("2 tenths") {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "it never speaks");
    }
}

fn containers(dir: &Path) -> Vec<String> {
    let all = std::fs::read_dir(dir.join("state")).expect("the stand-in's state");
    let names = all.map(|entry| entry.expect("an entry").file_name());
    names.map(|name| name.display().to_string()).collect()
}

fn gone(dir: &Path) {
    let start = Instant::now();
    while !containers(dir).is_empty() {
        assert!(start.elapsed() < PATIENCE, "{:?} are left", containers(dir));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The only build of a check is under way, in its first attempt.
fn still_builds(server: &Server, check: i64) {
    let build = build_of(server, check);
    assert_eq!(
        (&build["state"], &build["attempt"]),
        (&"building".into(), &1.into())
    );
}

/// Gives the only build of a check, which succeeds in its first attempt.
fn succeeds_at_once(server: &Server, check: i64) -> Value {
    let build = server.finished(check).remove(0);
    assert_eq!(
        (&build["build_status"], &build["attempt"]),
        (&"success".into(), &1.into())
    );
    build
}

fn is_whole(log: &str) {
    let mut lines = log.lines();
    assert_eq!(lines.next(), Some("building slowly"), "{log}");
    let tenths = log.matches("tenths").count();
    for n in 1..=tenths {
        let line = format!("{n} tenths of a second");
        assert_eq!(lines.next(), Some(line.as_str()), "{log}");
    }
    assert_eq!(lines.next(), Some("testing slowly"), "{log}");
    assert_eq!(lines.next(), None, "{log}");
}

#[test]
fn a_build_goes_on_through_a_crash_and_is_watched_again() {
    let (server, dir) = start("crash-adopted", &[]);
    let slow = check(&server, "slowly");
    wait_until_it_speaks(&server, slow);
    let server = again(server.crash(), &dir);
    wait_until_it_speaks(&server, slow);
    let_go(&dir);
    is_whole(&server.build_log(&succeeds_at_once(&server, slow)));
    gone(&dir);
}

#[test]
fn a_build_that_ended_while_no_server_was_there_has_its_verdict() {
    let (server, dir) = start("crash-collected", &[]);
    let slow = check(&server, "slowly");
    wait_until_it_speaks(&server, slow);
    let data = server.crash();
    let_go(&dir);
    let start = Instant::now();
    let calls = || std::fs::read_to_string(dir.join("state.calls")).unwrap_or_default();
    while !calls().contains("end zigcheck-") {
        assert!(start.elapsed() < PATIENCE, "it never ends");
        std::thread::sleep(Duration::from_millis(20));
    }
    let server = again(data, &dir);
    is_whole(&server.build_log(&succeeds_at_once(&server, slow)));
    gone(&dir);
}

#[test]
fn without_an_engine_builds_wait_in_their_state_and_are_adopted_when_it_is_back() {
    let (server, dir) = start("crash-no-engine", &["--max-builds", "2"]);
    let slow = [check(&server, "slowly"), check(&server, "slowly")];
    let waits = check(&server, "good");
    for slow in slow {
        wait_until_it_speaks(&server, slow);
    }
    let down = dir.join("state.down");
    let data = server.crash();
    std::fs::write(&down, "").expect("a file");
    // One of them ends meanwhile, which nobody can know.
    let server = again(data, &dir);
    let_go(&dir);
    std::thread::sleep(Duration::from_secs(3));
    for slow in slow {
        still_builds(&server, slow);
    }
    assert_eq!(build_of(&server, waits)["state"], "queued");
    // Not even when it is asked to stop, and started again.
    let data = server.data.clone();
    drop(server);
    let server = again(data, &dir);
    assert_eq!(build_of(&server, slow[0])["state"], "building");
    std::fs::remove_file(&down).expect("it was there");
    for check in [slow[0], slow[1], waits] {
        succeeds_at_once(&server, check);
    }
    for slow in slow {
        is_whole(&server.build_log(&build_of(&server, slow)));
    }
    gone(&dir);
}

#[test]
fn an_engine_that_goes_away_under_running_builds_costs_none_of_them() {
    let (server, dir) = start("crash-engine-away", &[]);
    let slow = check(&server, "slowly");
    wait_until_it_speaks(&server, slow);
    let down = dir.join("state.down");
    std::fs::write(&down, "").expect("a file");
    std::thread::sleep(Duration::from_secs(2));
    still_builds(&server, slow);
    std::fs::remove_file(&down).expect("it was there");
    std::thread::sleep(Duration::from_millis(300));
    let_go(&dir);
    is_whole(&server.build_log(&succeeds_at_once(&server, slow)));
    gone(&dir);
}

#[test]
fn two_data_directories_on_one_engine_do_not_see_each_other() {
    let (one, dir) = start("crash-one", &[]);
    let other = scratch("crash-other");
    let _ = std::fs::remove_dir_all(&other);
    let other = again(other, &dir);
    // Both call their first build by the same number.
    let checks = [check(&one, "slowly"), check(&other, "slowly")];
    wait_until_it_speaks(&one, checks[0]);
    wait_until_it_speaks(&other, checks[1]);
    let both = containers(&dir);
    assert_eq!(both.len(), 2, "{both:?}");
    // Each starts anew several times, and cleans up after itself alone.
    let (mut one, mut other) = (one, other);
    for _ in 0..2 {
        one = again(one.crash(), &dir);
        wait_until_it_speaks(&one, checks[0]);
        other = again(other.crash(), &dir);
        wait_until_it_speaks(&other, checks[1]);
        let mut now = containers(&dir);
        now.retain(|name| both.contains(name));
        assert_eq!(now.len(), 2, "{both:?}");
    }
    let_go(&dir);
    for (server, check) in [(&one, checks[0]), (&other, checks[1])] {
        let build = server.finished(check).remove(0);
        assert_eq!(build["build_status"], "success", "{build}");
        assert!(server.build_log(&build).ends_with("testing slowly\n"));
    }
    gone(&dir);
}

#[test]
fn a_second_server_on_one_data_directory_says_so_and_ends() {
    let (server, dir) = start("crash-second", &[]);
    let second = Command::new(env!("CARGO_BIN_EXE_zigcheck"))
        .args(["--listen", "127.0.0.1:0", "--data"])
        .arg(&server.data)
        .args(flags(&dir))
        .output()
        .expect("the binary is built");
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains("another zigcheck is using it"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    // The first has not noticed, and its lock is gone with it, however it ends.
    assert_eq!(server.get("/api/health")["status"], "healthy");
    let server = again(server.crash(), &dir);
    assert_eq!(server.get("/api/health")["status"], "healthy");
}
