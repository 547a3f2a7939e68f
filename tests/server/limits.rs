//! The limits of one client at the real server: over a socket, behind a proxy, and through a path.

use crate::common::server;
use crate::common::server::{Server, curl};
use crate::common::settings::FETCH_NETWORK;
use crate::common::standin;

/// Uploads a tree over that server, as a proxy says it for that client; status, and the whole answer
/// with its head.
fn upload(server: &Server, args: &[&str], said: &str) -> (u16, String) {
    let header = format!("X-Forwarded-For: {said}");
    let data = format!("@{}", standin::tree().display());
    let mut all = vec!["-i", "--data-binary", &data];
    if !said.is_empty() {
        all.extend(["-H", &header]);
    }
    all.extend(args);
    let url = match server.url.starts_with("http://unix:") {
        true => "http://here",
        false => server.url.as_str(),
    };
    let answer = curl(&all, &format!("{url}/api/check?name=good"));
    (answer.status, answer.body)
}

fn is_told_to_wait((status, answer): (u16, String)) {
    assert_eq!(status, 429, "{answer}");
    let head = answer.to_ascii_lowercase();
    let wait = head
        .lines()
        .find_map(|line| line.strip_prefix("retry-after: "));
    let wait: u64 = wait.expect("how long").trim().parse().expect("seconds");
    assert!((1..=900).contains(&wait), "{wait}");
    assert!(answer.contains("at most 4 submissions an hour"), "{answer}");
}

#[test]
fn behind_a_proxy_each_client_has_its_own_limit() {
    // One at once, and another each quarter of an hour.
    let flags = ["--submit-rate=4", "--trusted-proxies=loopback"];
    let (server, _) = standin::start("limits-proxy", &flags);
    assert_eq!(upload(&server, &[], "192.0.2.1").0, 202);
    is_told_to_wait(upload(&server, &[], "192.0.2.1"));
    is_told_to_wait(upload(&server, &[], "203.0.113.9, 192.0.2.1, 127.0.0.1"));
    assert_eq!(upload(&server, &[], "192.0.2.2").0, 202);
    for _ in 0..3 {
        assert_eq!(upload(&server, &[], "").0, 202, "this machine has none");
    }
    // From another address of this machine, which is trusted no less.
    let from = ["--interface", "127.0.0.9"];
    is_told_to_wait(upload(&server, &from, "192.0.2.1"));
}

#[test]
fn without_a_trusted_proxy_it_is_the_connection_that_counts() {
    let (server, _) = standin::start("limits-plain", &["--submit-rate=4"]);
    let from = ["--interface", "127.0.0.9"];
    assert_eq!(upload(&server, &from, "192.0.2.1").0, 202);
    is_told_to_wait(upload(&server, &from, "192.0.2.2"));
    let other = ["--interface", "127.0.0.8"];
    assert_eq!(upload(&server, &other, "").0, 202);
    for _ in 0..3 {
        assert_eq!(upload(&server, &[], "192.0.2.1").0, 202);
    }
}

#[test]
fn through_a_path_it_is_the_proxy_s_word() {
    let path = server::scratch("limits-socket");
    let listen = format!("--listen=unix:{}", path.display());
    let flags = [&listen, "--submit-rate=4", "--trusted-proxies=unix"];
    let (server, _) = standin::start("limits-unix", &flags);
    let through = ["--unix-socket", path.to_str().expect("a path")];
    assert_eq!(upload(&server, &through, "192.0.2.1").0, 202);
    is_told_to_wait(upload(&server, &through, "192.0.2.1"));
    assert_eq!(upload(&server, &through, "192.0.2.2").0, 202);
    assert_eq!(upload(&server, &through, "").0, 202);
    assert_eq!(upload(&server, &through, "").0, 202);
}

#[test]
fn a_proxy_that_nobody_named_is_told_of_once() {
    let (dir, docker) = standin::standin("limits-unnamed");
    let log = dir.join("log");
    let path = dir.join("socket");
    let child = std::process::Command::new(env!("CARGO_BIN_EXE_zigcheck"))
        .arg(format!("--listen=unix:{}", path.display()))
        .arg(format!("--data={}", dir.join("data").display()))
        .args(["--docker", &docker, "--zig-versions", "0.16.0"])
        .env(FETCH_NETWORK.0, FETCH_NETWORK.1)
        .stderr(std::fs::File::create(&log).expect("a file"))
        .spawn();
    let mut child = child.expect("the binary is built");
    let start = std::time::Instant::now();
    // The path is there a moment before anybody listens.
    let listens = || std::fs::read_to_string(&log).is_ok_and(|log| log.contains("listens on "));
    while !listens() {
        assert!(start.elapsed() < server::PATIENCE, "it never listens");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let through = ["--unix-socket", path.to_str().expect("a path")];
    let said = ["-H", "X-Forwarded-For: 192.0.2.1"];
    let ask = |args: &[&str]| curl(args, "http://here/api/packages").status;
    assert_eq!(ask(&through), 200);
    let count = || {
        let log = std::fs::read_to_string(&log).expect("a log");
        log.matches("is not in --trusted-proxies").count()
    };
    assert_eq!(count(), 0);
    for _ in 0..3 {
        assert_eq!(ask(&[through, said].concat()), 200);
    }
    assert_eq!(count(), 1);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
    assert!(child.wait().expect("it is ours").success());
}
