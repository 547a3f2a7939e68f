//! Watching as programs do it: Python's `websockets`, and server-sent events that are read by hand.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::ask::{Reading, build_of, shared, stored};
use super::follow::assert_whole;
use crate::common::server::{Server, scratch};
use crate::common::standin::{check, let_go, start};

/// Debian's Python, which has what `tests/setup` installs.
fn script(name: &str, args: &[&str]) -> Reading {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/server/clients");
    let mut command = Command::new("/usr/bin/python3");
    // What stands beside the scripts stays as it is.
    command.arg("-B").arg(dir.join(name)).args(args);
    Reading::start(command)
}

fn ws(server: &Server, target: &str) -> String {
    format!("{}{target}", server.url.replace("http://", "ws://"))
}

/// A stream of server-sent events, read until `count` have come.
fn events(server: &Server, path: &str, count: usize, last: Option<&str>) -> Reading {
    let host = server.url.trim_start_matches("http://");
    let count = count.to_string();
    let mut args = vec![host, path, &count];
    args.extend(last);
    script("events.py", &args)
}

fn values(lines: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(lines).expect("UTF-8");
    let read = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    text.lines().map(read).collect()
}

fn data(lines: &[u8]) -> Vec<Value> {
    let event = |event: Value| {
        let text = event["data"].as_str().expect("a text");
        let value: Value = serde_json::from_str(text).expect("JSON");
        if value["type"] == "build" {
            assert_eq!(event["id"], value["seq"].to_string());
        }
        value
    };
    values(lines).into_iter().map(event).collect()
}

#[test]
fn a_check_is_watched_over_a_websocket_to_its_end() {
    let versions = ["--zig-versions", "0.17.1,0.16.0", "--max-builds", "2"];
    let (server, dir) = start("clients-ws", &versions);
    let other = check(&server, "good");
    server.finished(other);
    let check = check(&server, "slowly");
    let all = ws(&server, &format!("/ws?check={check}&since=0"));
    let mut watcher = script("websocket_events.py", &[&all, "2"]);
    for _ in 0..2 {
        watcher.until("\"building\"");
    }
    // Without a number to start behind: what comes, and nothing of what was.
    let package = ws(&server, "/ws?package=slowly");
    let mut late = script("websocket_events.py", &[&package, "2"]);
    late.until("open");
    let_go(&dir);
    let seen = messages(watcher);
    let builds = assert_whole(&seen);
    assert_eq!(builds.len(), 2);
    assert!(seen.iter().all(|event| event["check"] == check));
    assert_eq!(messages(late), seen[4..]);
    // Later all of it is still there, and what follows a number.
    let again = script("websocket_events.py", &[&all, "2"]);
    assert_eq!(messages(again), seen);
    let behind = ws(&server, &format!("/ws?since={}", seen[0]["seq"]));
    let behind = script("websocket_events.py", &[&behind, "2"]);
    assert_eq!(messages(behind), seen[1..]);
}

/// What a watcher of events was sent between its start and its goodbye.
fn messages(watcher: Reading) -> Vec<Value> {
    let mut said = values(&watcher.rest());
    assert_eq!(said.pop(), Some(json!({"closed": 1000})));
    // History may come before the answer to the ping does.
    let open = said.iter().position(|value| value["open"] == true);
    said.remove(open.expect("it was open"));
    said
}

#[test]
fn a_log_is_read_on_over_a_websocket_where_it_broke_off() {
    let (server, _dir) = start("clients-ws-log", &[]);
    let check = check(&server, "bulky");
    let build = build_of(&server, check);
    let url = ws(&server, &format!("/ws?build={build}"));
    let read = |breaks_at: &str| {
        let file = scratch(&format!("clients-ws-log-{breaks_at}"));
        let path = file.to_str().expect("UTF-8").to_string();
        (file, script("websocket_log.py", &[&url, &path, breaks_at]))
    };
    let readers = ["1", "100000", "1000000"].map(read);
    for (file, reader) in readers {
        let said = values(&reader.rest()).remove(0);
        server.finished(check);
        let log = stored(&server, build);
        assert_eq!((&said["code"], &said["texts"]), (&json!(1000), &json!([])));
        assert!(
            said["broken_at"].as_u64() < Some(log.len() as u64),
            "{said}"
        );
        let read = std::fs::read(&file).expect("a file");
        assert!(read == log, "{} of {} bytes", read.len(), log.len());
    }
    // And of a build that has ended.
    let (file, reader) = read("2000000");
    assert_eq!(values(&reader.rest()).remove(0)["code"], 1000);
    assert!(std::fs::read(&file).expect("a file") == stored(&server, build));
}

#[test]
fn a_websocket_has_its_limits_and_answers_pings() {
    let server = &shared().server;
    for target in ["/ws", "/ws?package=nothing"] {
        let said = values(&script("websocket_limits.py", &[&ws(server, target)]).rest()).remove(0);
        assert_eq!(said["small"], true);
        assert_eq!(said["oversized"], 1009);
        assert_eq!(said["oversized in parts"], 1009);
    }
}

#[test]
fn server_sent_events_go_on_where_they_broke_off() {
    let (server, dir) = start("clients-sse", &[]);
    let first = check(&server, "mixed");
    server.finished(first);
    let second = check(&server, "slowly");
    let path = format!("/api/events?check={second}");
    // All there was of it, though it began before the reader came.
    let before = data(&events(&server, &path, 2, Some("0")).rest());
    let states = |events: &[Value]| -> Vec<String> {
        let state = |event: &Value| event["state"].as_str().expect("a word").to_string();
        events.iter().map(state).collect()
    };
    assert_eq!(states(&before), ["queued", "building"]);
    let_go(&dir);
    server.finished(second);
    let last = before[1]["seq"].to_string();
    let missed = data(&events(&server, &path, 2, Some(&last)).rest());
    assert_eq!(states(&missed), ["testing", "finished"]);
    let whole = [before, missed].concat();
    assert_whole(&whole);
    // Without a filter the numbers leave none out.
    let all = data(&events(&server, "/api/events", 8, Some("0")).rest());
    assert_whole(&all);
    for two in all.windows(2) {
        let seq = |event: &Value| event["seq"].as_u64().expect("a number");
        assert_eq!(seq(&two[0]) + 1, seq(&two[1]));
    }
    assert_eq!(all[4..], whole);
    let named = events(&server, "/api/events?package=slowly", 4, Some("0"));
    assert_eq!(data(&named.rest()), whole);
}

#[test]
fn who_comes_back_with_an_unknown_id_is_told_to_start_over() {
    let (server, dir) = start("clients-reset", &[]);
    let check = check(&server, "slowly");
    server.wait_for(&format!("/api/checks/{check}"), |check| {
        check["builds"][0]["state"] == "building"
    });
    for unknown in ["999999999", "no number"] {
        let told = data(&events(&server, "/api/events", 1, Some(unknown)).rest());
        assert_eq!(told, [json!({"type": "reset"})], "{unknown}");
    }
    // And then of what comes.
    let mut reader = events(&server, "/api/events", 3, Some("999999999"));
    reader.until("reset");
    let_go(&dir);
    let told = data(&reader.rest());
    assert_eq!(
        (&told[1]["state"], &told[2]["state"]),
        (&json!("testing"), &json!("finished"))
    );
}
