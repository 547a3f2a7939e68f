//! Clients that do not behave: they never read, or are there still when the server is to end.

use std::net::Ipv4Addr;
use std::path::Path;

use super::ask::{build_of, shared, stored};
use crate::common::server::Server;
use crate::common::standin::{check, has_its_source, start};
use crate::common::wire::{CLOSE, Chunk, PING, Wire, address, connect};

/// How much of the server is in memory, in KiB.
fn resident_kib(server: &Server) -> u64 {
    let path = format!("/proc/{}/status", server.child.id());
    let text = std::fs::read_to_string(path).expect("it runs");
    let line = text.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|n| n.parse().ok()).expect("a number")
}

/// A client that asks and never reads; its socket holds next to nothing.
fn never_reads(server: &Server, request: &str) -> Wire {
    let stream = connect(address(server), Ipv4Addr::LOCALHOST, Some(4 << 10));
    let mut wire = Wire::over(stream.expect("it listens"));
    wire.send(request.as_bytes());
    wire
}

#[test]
fn who_never_reads_costs_little_and_holds_up_nobody() {
    let flags = ["--max-builds", "2"];
    let (server, _dir) = start("clients-never", &flags);
    server.finished(check(&server, "good"));
    let before = resident_kib(&server);
    let flooding = check(&server, "deluge");
    let build = build_of(&server, flooding);
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: here\r\n\r\n");
    let requests = [
        get("/api/events"),
        get(&format!("/api/builds/{build}/log")),
        get(&format!("/api/checks/{flooding}?follow")),
        crate::common::wire::handshake("/ws?since=0"),
        crate::common::wire::handshake(&format!("/ws?build={build}&from=0")),
        // One that asks for everything, all the time.
        get(&format!("/api/checks/{flooding}")).repeat(1_000),
    ];
    let all: Vec<Wire> = (0..10)
        .flat_map(|_| requests.iter().map(|request| never_reads(&server, request)))
        .collect();
    // Meanwhile others are served, and read the flood as fast as they can.
    let mut reader = Wire::socket(&server, &format!("/ws?build={build}&from=0"));
    let mut most = before;
    let (mut frames, mut builds) = (0, 0);
    loop {
        let (kind, _) = reader.frame().expect("an end by a word");
        if kind == CLOSE {
            break;
        }
        frames += 1;
        if frames > 20 * builds && builds < 10 {
            let small = check(&server, "good");
            assert_eq!(server.finished(small)[0]["build_status"], "success");
            builds += 1;
        }
        most = most.max(resident_kib(&server));
    }
    let flood = server.finished(flooding).remove(0);
    assert_eq!(flood["build_status"], "success", "{flood}");
    assert!(flood["log_bytes"].as_u64() > Some(16 << 20), "{flood}");
    most = most.max(resident_kib(&server));
    let grown = (most - before) >> 10;
    // Sixty of them at a socket's and a stream's room each, and the heap's own slack.
    assert!(grown < 32, "{grown} MiB for {} that never read", all.len());
    assert!(builds > 0, "{frames} frames");
}

#[test]
fn one_who_reads_only_after_a_flood_is_told_what_was_cut() {
    let (server, _dir) = start("clients-late", &[]);
    let flooding = check(&server, "deluge");
    let build = build_of(&server, flooding);
    let mut late = never_reads(
        &server,
        &format!("GET /api/builds/{build}/log HTTP/1.1\r\nHost: here\r\n\r\n"),
    );
    server.finished(flooding);
    assert_eq!(late.head().status, 200);
    let (seen, end) = late.chunks();
    assert_eq!(end, Chunk::End);
    let text = String::from_utf8(seen).expect("UTF-8");
    assert!(text.starts_with("building deluge\n"));
    // It was overtaken, perhaps more than once, and told so; all else are words of the flood.
    let flood = "a flood of words that fills a pipe at once and never ends";
    let (cuts, words): (Vec<&str>, _) = text
        .lines()
        .skip(1)
        .partition(|line| line.contains("cut here]"));
    assert!(!cuts.is_empty(), "{} bytes", text.len());
    let odd = words.iter().find(|line| !flood.contains(**line));
    assert!(odd.is_none(), "{odd:?}");
    let log = String::from_utf8(stored(&server, build)).expect("UTF-8");
    let end = |text: &str| text[text.len() - 1_000_000..].to_string();
    assert!(end(&text) == end(&log), "the end differs");
}

fn terminate(server: &Server) {
    let pid = rustix::process::Pid::from_raw(server.child.id() as i32).expect("a process");
    let term = rustix::process::Signal::TERM;
    rustix::process::kill_process(pid, term).expect("it runs");
}

/// A build that runs until it is stopped.
fn endless(name: &str) -> (Server, std::path::PathBuf, i64, i64) {
    let (server, dir) = start(name, &[]);
    let check = check(&server, "slowly");
    let build = build_of(&server, check);
    server.wait_for(&format!("/api/builds/{build}"), |build| {
        build["state"] == "building"
    });
    has_its_source(&dir, build);
    (server, dir, check, build)
}

#[test]
fn a_stop_says_goodbye_to_watchers() {
    let (mut server, dir, check, build) = endless("clients-goodbye");
    let mut sockets = [
        Wire::socket(&server, "/ws"),
        Wire::socket(&server, &format!("/ws?check={check}&since=0")),
        Wire::socket(&server, &format!("/ws?build={build}&from=0")),
    ];
    let paths = [
        format!("/api/builds/{build}/log"),
        "/api/events".to_string(),
        format!("/api/checks/{check}?follow"),
    ];
    let mut streams = paths.map(|path| {
        let mut wire = Wire::open(&server);
        wire.get(&path);
        assert_eq!(wire.head().status, 200, "{path}");
        wire
    });
    // Nothing reads here: it does not keep the server from ending.
    let _never = never_reads(&server, &crate::common::wire::handshake("/ws?since=0"));
    terminate(&server);
    for socket in &mut sockets {
        let code = loop {
            match socket.frame().expect("a goodbye") {
                (CLOSE, code) => break code,
                _ => continue,
            }
        };
        assert!(code.starts_with(&1001_u16.to_be_bytes()), "{code:?}");
        socket.send(&crate::common::wire::masked(CLOSE, &code[..2]));
        while socket.frame().is_some() {}
    }
    for stream in &mut streams {
        // Cut, so that nobody takes it for the whole.
        let (_, end) = stream.chunks();
        assert_eq!(end, Chunk::Cut);
    }
    let status = server.child.wait().expect("it is ours");
    assert!(status.success(), "{status}");
    // What it was building goes on: the next server finds it.
    assert!(!no_container_is_left(&dir));
}

fn no_container_is_left(dir: &Path) -> bool {
    let left = std::fs::read_dir(dir.join("state")).expect("the stand-in's state");
    left.count() == 0
}

#[test]
fn who_is_told_nothing_is_shown_that_the_connection_lives() {
    let server = &shared().server;
    let nothing = "?package=nothing-of-that-name";
    let mut socket = Wire::socket(server, &format!("/ws{nothing}"));
    let mut stream = Wire::open(server);
    stream.get(&format!("/api/events{nothing}"));
    assert_eq!(
        stream.head().header("Content-Type"),
        Some("text/event-stream")
    );
    let (kind, _) = socket.any_frame().expect("a sign of life");
    assert_eq!(kind, PING);
    // A comment, which no reader of events takes for one.
    let Chunk::Bytes(comment) = stream.chunk() else {
        panic!("the stream has ended");
    };
    let comment = String::from_utf8(comment).expect("UTF-8");
    assert!(comment.starts_with(':'), "{comment:?}");
    let mut lines = comment.lines();
    assert!(lines.all(|line| line.is_empty() || line.starts_with(':')));
}

#[test]
fn a_handshake_that_is_none_is_refused() {
    let server = &shared().server;
    let asked = |lines: &str| {
        let mut wire = Wire::open(server);
        wire.send(format!("GET /ws HTTP/1.1\r\nHost: here\r\n{lines}\r\n").as_bytes());
        wire.answer().0
    };
    let plain = asked("");
    assert!(matches!(plain.status, 400 | 426), "{}", plain.text);
    let other = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let other = asked(other);
    assert!(matches!(other.status, 400 | 426), "{}", other.text);
    let known = other.header("Sec-WebSocket-Version");
    assert_eq!(known, Some("13"), "{}", other.text);
    let nobody = Wire::open(server);
    let mut nobody = nobody;
    nobody.send(crate::common::wire::handshake("/ws?build=999999").as_bytes());
    assert_eq!(nobody.answer().0.status, 404);
}

#[test]
fn what_comes_right_behind_a_handshake_is_heard() {
    let mut wire = Wire::open(&shared().server);
    let mut bytes = crate::common::wire::handshake("/ws").into_bytes();
    bytes.extend(crate::common::wire::masked(PING, b"at once"));
    bytes.extend(crate::common::wire::masked(CLOSE, &1000_u16.to_be_bytes()));
    wire.send(&bytes);
    assert_eq!(wire.head().status, 101);
    assert_eq!(wire.frame(), Some((10, b"at once".to_vec())));
    let (kind, code) = wire.frame().expect("a goodbye");
    assert_eq!((kind, &code[..2]), (CLOSE, &1000_u16.to_be_bytes()[..]));
    assert_eq!(wire.frame(), None);
}
