//! Logs of builds that run, read with curl while they are written.

use std::path::PathBuf;

use serde_json::Value;

use super::ask::{ask, build_of, reading, stored};
use crate::common::server::Server;
use crate::common::standin::{check, let_go, start};
use crate::common::wire::{Chunk, Wire};

fn running(name: &str, flags: &[&str]) -> (Server, PathBuf, i64, String) {
    let (server, dir) = start(&format!("clients-{name}"), flags);
    let check = check(&server, "slowly");
    let build = build_of(&server, check);
    let url = format!("{}/api/builds/{build}/log", server.url);
    (server, dir, check, url)
}

fn lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

#[test]
fn a_log_is_seen_as_it_is_written_and_ends_with_its_build() {
    let (server, dir, check, url) = running("live", &[]);
    let mut early = reading(&[&url]);
    let mut old = reading(&["-0", &url]);
    early.until("building slowly");
    early.until("5 tenths of a second");
    old.until("5 tenths of a second");
    let state = |value: &Value| value["builds"][0]["state"].clone();
    let now = server.get(&format!("/api/checks/{check}"));
    // The build still runs: its log was read while it is written.
    assert_eq!(state(&now), "building");
    let mut late = reading(&["-i", &url]);
    late.until("building slowly");
    late.until("7 tenths of a second");
    let_go(&dir);
    let (early, old, late) = (early.rest(), old.rest(), late.rest());
    server.finished(check);
    let log = stored(&server, build_of(&server, check));
    assert!(log.ends_with(b"testing slowly\n"));
    assert_eq!(
        String::from_utf8_lossy(&early),
        String::from_utf8_lossy(&log)
    );
    assert_eq!(String::from_utf8_lossy(&old), String::from_utf8_lossy(&log));
    let late = String::from_utf8(late).expect("a text");
    let (head, body) = late.split_once("\r\n\r\n").expect("a head");
    let header = |name: &str| crate::common::wire::header(head, name);
    assert_eq!(header("Transfer-Encoding"), Some("chunked"));
    assert_eq!(header("Content-Type"), Some("text/plain; charset=utf-8"));
    assert_eq!(body.as_bytes(), log);
    assert_eq!(ask(&[&url]).body, log);
}

#[test]
fn the_last_lines_of_a_running_log_are_followed_by_what_comes() {
    let (server, dir, check, url) = running("tail", &[]);
    let mut whole = reading(&[&url]);
    whole.until("12 tenths of a second");
    let mut tail = reading(&[&format!("{url}?tail=3")]);
    // It goes on where the last lines end.
    let first = tail.until("tenths of a second");
    let first: usize = first
        .split(' ')
        .next()
        .and_then(|n| n.parse().ok())
        .expect("a number");
    tail.until(&format!("{} tenths of a second", first + 3));
    let_go(&dir);
    let (whole, tail) = (whole.rest(), tail.rest());
    server.finished(check);
    assert_eq!(whole, stored(&server, build_of(&server, check)));
    assert!(whole.ends_with(&tail));
    let shown = String::from_utf8_lossy(&tail);
    // Twelve tenths and the first line were there: nine lines at least were left out.
    assert!(lines(&whole) - lines(&tail) >= 10, "{shown}");
    assert!(shown.starts_with(&format!("{first} tenths")), "{shown}");
    assert_eq!(whole[whole.len() - tail.len() - 1], b'\n', "{shown}");
}

#[test]
fn the_log_of_a_queued_build_waits_for_it() {
    let (server, dir, first, _) = running("queued", &["--max-builds", "1"]);
    server.wait_for(&format!("/api/checks/{first}"), |check| {
        check["builds"][0]["state"] == "building"
    });
    let second = check(&server, "slowly");
    let build = build_of(&server, second);
    let url = format!("/api/builds/{build}");
    assert_eq!(server.get(&url)["state"], "queued");
    let mut early = Wire::open(&server);
    early.get(&format!("{url}/log"));
    assert_eq!(early.head().status, 200);
    let curl = reading(&[&format!("{}{url}/log", server.url)]);
    assert_eq!(server.get(&url)["state"], "queued");
    let_go(&dir);
    let (early, curl) = (early.chunks(), curl.rest());
    server.finished(second);
    let log = stored(&server, build);
    assert!(log.starts_with(b"building slowly\n"));
    assert_eq!((curl, early), (log.clone(), (log, Chunk::End)));
}

#[test]
fn a_log_of_all_kinds_of_bytes_is_the_same_while_and_after() {
    let (server, _dir) = start("clients-bytes", &[]);
    let check = check(&server, "chatty");
    let build = build_of(&server, check);
    let url = format!("{}/api/builds/{build}/log", server.url);
    let watchers: Vec<_> = (0..3).map(|_| reading(&[&url])).collect();
    let seen: Vec<Vec<u8>> = watchers.into_iter().map(|one| one.rest()).collect();
    server.finished(check);
    let log = stored(&server, build);
    assert!(log.windows(2).any(|two| two == b"\xff\xfe"));
    assert!(log.ends_with(b"the last line has no end"));
    for seen in seen {
        assert!(seen == log, "{} of {} bytes", seen.len(), log.len());
    }
    assert!(ask(&[&url]).body == log);
}

#[test]
fn a_head_asked_of_a_running_log_does_not_wait_for_its_end() {
    let (server, dir, check, url) = running("head", &[]);
    let got = ask(&["-I", &url]);
    assert_eq!((got.status, &got.body[..]), (200, &b""[..]));
    let now = server.get(&format!("/api/checks/{check}"));
    assert_ne!(now["builds"][0]["state"], "finished");
    let nobody = ask(&[&format!("{}/api/builds/999/log", server.url)]);
    assert_eq!(nobody.status, 404);
    let_go(&dir);
    server.finished(check);
}
