//! One curl from a working tree to the matrix, and the same as lines of JSON.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::ask::{Reading, ask, reading};
use crate::common::server::{Server, scratch};
use crate::common::standin::{check, let_go, start, tree};

const VERSIONS: [&str; 4] = ["0.17.1", "0.16.0", "0.15.2", "0.14.1"];

pub fn four(name: &str) -> (Server, PathBuf) {
    let versions = VERSIONS.join(",");
    start(
        &format!("clients-{name}"),
        &["--zig-versions", &versions, "--max-builds", "4"],
    )
}

pub fn repository(name: &str) -> PathBuf {
    let dir = scratch(&format!("clients-{name}-tree"));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a directory");
    std::fs::write(dir.join("build.zig"), format!("// {name}\n")).expect("a file");
    let git = |args: &[&str]| {
        let who = ["-c", "user.name=A", "-c", "user.email=a@example.org"];
        let mut command = Command::new("git");
        let done = command.arg("-C").arg(&dir).args(who).args(args).status();
        assert!(done.expect("git is installed").success());
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "the first"]);
    dir
}

/// `git archive HEAD | curl ...`, as people write it.
fn one_curl(dir: &PathBuf, curl: &str) -> Reading {
    let mut command = Command::new("bash");
    command
        .args(["-o", "pipefail", "-c"])
        .arg(format!("git archive HEAD | curl -sN --max-time 300 {curl}"))
        .current_dir(dir);
    Reading::start(command)
}

/// What stands above the last line, by paragraphs, and the last line.
fn parts(text: &str) -> (Vec<&str>, &str) {
    assert!(text.ends_with('\n'), "{text}");
    let (above, last) = text.trim_end().rsplit_once('\n').expect("lines");
    (above.trim_end().split("\n\n").collect(), last)
}

#[test]
fn one_curl_tells_of_a_tree_from_its_upload_to_the_matrix() {
    let (server, dir) = four("one-curl");
    let url = format!("{}/api/check?name=slowly&follow", server.url);
    for (way, curl) in [
        ("POST", format!("--data-binary @- '{url}'")),
        ("PUT", format!("-T - '{url}'")),
    ] {
        let _ = std::fs::remove_file(dir.join("state.go"));
        // The same once more would be answered at once.
        let tree = repository(&format!("one-curl-{way}"));
        let mut follow = one_curl(&tree, &curl);
        // While all of them still run.
        for _ in VERSIONS {
            let line = follow.until("building…");
            assert!(VERSIONS.iter().any(|v| line.starts_with(v)), "{line}");
            assert!(seconds(&line).is_some(), "{line}");
        }
        let_go(&dir);
        let text = String::from_utf8(follow.rest()).expect("a text");
        let (paragraphs, last) = parts(&text);
        assert_eq!(last, "result: 4 of 4 build", "{way}: {text}");
        let matrix = paragraphs.last().expect("a matrix");
        for version in VERSIONS {
            let line = line_of(matrix, version);
            assert!(line.contains("success"), "{line}");
            assert!(line.contains("tests 2/2"), "{line}");
        }
    }
}

fn seconds(line: &str) -> Option<f64> {
    let number = line.trim_end().strip_suffix('s')?.trim_end();
    number.rsplit(' ').next()?.parse().ok()
}

fn line_of<'a>(matrix: &'a str, version: &str) -> &'a str {
    let mut lines = matrix.lines();
    let found = lines.find(|line| line.trim_start().starts_with(version));
    found.unwrap_or_else(|| panic!("no {version} in {matrix}"))
}

#[test]
fn what_failed_is_told_with_its_first_errors() {
    let (server, _dir) = four("mixed");
    let url = format!("{}/api/check?name=mixed&follow", server.url);
    let follow = one_curl(&repository("mixed"), &format!("--data-binary @- '{url}'"));
    let text = String::from_utf8(follow.rest()).expect("a text");
    let (paragraphs, last) = parts(&text);
    assert_eq!(last, "result: 3 of 4 build", "{text}");
    let error = "src/main.zig:3:5: error: nothing is known of gone";
    assert!(text.contains(error), "{text}");
    let matrix = paragraphs.last().expect("a matrix");
    assert!(line_of(matrix, "0.14.1").contains("failed"), "{text}");
    assert!(line_of(matrix, "0.17.1").contains("success"), "{text}");
    // The errors were told when they came, above the matrix.
    let above = text.split(matrix).next().expect("lines");
    assert!(above.contains(error), "{text}");
    assert!(text.contains("testing…"), "{text}");
    // A later follower is told how it ended.
    let check = server.get("/api/builds")["builds"][0]["check"].clone();
    let url = format!("{}/api/checks/{check}?follow", server.url);
    let text = String::from_utf8(reading(&[&url]).rest()).expect("a text");
    assert!(text.ends_with("\nresult: 3 of 4 build\n"), "{text}");
    assert!(text.contains(error), "{text}");
    let nobody = ask(&[&format!("{}/api/checks/999?follow", server.url)]);
    assert_eq!(nobody.status, 404);
}

#[test]
fn a_check_under_way_is_followed_from_where_it_is() {
    let (server, dir) = four("under-way");
    let check = check(&server, "slowly");
    let path = format!("/api/checks/{check}");
    server.wait_for(&path, |value| {
        let builds = value["builds"].as_array().expect("builds");
        builds.iter().all(|build| build["state"] == "building")
    });
    let url = format!("{}{path}?follow", server.url);
    let mut follow = reading(&["-i", &url]);
    follow.until("text/plain");
    for _ in VERSIONS {
        follow.until("building…");
    }
    let_go(&dir);
    let text = String::from_utf8(follow.rest()).expect("a text");
    let chunked = text.to_lowercase().contains("transfer-encoding: chunked");
    assert!(chunked, "{text}");
    assert!(text.ends_with("\nresult: 4 of 4 build\n"), "{text}");
}

#[test]
fn a_follower_that_speaks_http_1_0_is_told_all_of_it() {
    let (server, _dir) = four("old");
    let url = format!("{}/api/check?name=mixed&follow", server.url);
    let data = format!("@{}", tree().display());
    let text = reading(&["-0", "--data-binary", &data, &url]).rest();
    let text = String::from_utf8(text).expect("a text");
    assert!(text.ends_with("\nresult: 3 of 4 build\n"), "{text}");
}

#[test]
fn a_follower_that_hangs_up_does_not_end_what_it_followed() {
    let (server, dir) = four("hang-up");
    let url = format!("{}/api/check?name=slowly&follow", server.url);
    let mut child = Command::new("curl")
        .args([
            "-sN",
            "--data-binary",
            &format!("@{}", tree().display()),
            &url,
        ])
        .stdout(Stdio::null())
        .spawn()
        .expect("curl is installed");
    server.wait_for("/api/builds?state=building", |list| list["total"] == 4);
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    let_go(&dir);
    let check = server.get("/api/builds")["builds"][0]["check"].as_i64();
    for build in server.finished(check.expect("a check")) {
        assert_eq!(build["build_status"], "success", "{build}");
    }
}

/// Whether a build may go from one of these states to the next.
pub fn may_follow(from: &str, to: &str) -> bool {
    match from {
        // Finished at once where the verdict was known.
        "queued" => matches!(to, "fetching" | "building" | "finished" | "cancelled"),
        "fetching" => matches!(to, "building" | "queued" | "finished" | "cancelled"),
        "building" => matches!(to, "testing" | "queued" | "finished" | "cancelled"),
        "testing" => matches!(to, "queued" | "finished" | "cancelled"),
        _ => false,
    }
}

/// Events of one check, all of them: each has every field, the numbers rise, each build goes from
/// queued to finished in steps that there are. Gives the events of each build.
pub fn assert_whole(events: &[Value]) -> Vec<Vec<Value>> {
    let mut last = 0;
    let mut builds: Vec<Vec<Value>> = Vec::new();
    for event in events {
        let seq = event["seq"].as_u64().expect("a number");
        assert!(seq > last, "{seq} after {last}");
        last = seq;
        let mut fields: Vec<&str> = event
            .as_object()
            .expect("an object")
            .keys()
            .map(|k| &k[..])
            .collect();
        fields.sort_unstable();
        let wanted =
            "at build_status check id package reason seq state test_status type zig_version";
        assert_eq!(fields.join(" "), wanted);
        assert_eq!(event["type"], "build");
        match builds
            .iter_mut()
            .find(|known| known[0]["id"] == event["id"])
        {
            Some(known) => known.push(event.clone()),
            None => builds.push(vec![event.clone()]),
        }
    }
    for events in &builds {
        assert_eq!(events[0]["state"], "queued", "{events:?}");
        for two in events.windows(2) {
            let state = |event: &Value| event["state"].as_str().expect("a word").to_string();
            assert!(may_follow(&state(&two[0]), &state(&two[1])), "{two:?}");
            assert_eq!(two[0]["build_status"], "pending");
        }
        let end = events.last().expect("one at least");
        assert_eq!(end["state"], "finished");
        assert_ne!(end["build_status"], "pending");
    }
    builds
}

#[test]
fn a_check_is_followed_event_by_event_as_json() {
    let (server, _dir) = four("ndjson");
    let accept = "Accept: application/x-ndjson";
    let url = format!("{}/api/check?name=mixed", server.url);
    for (nth, url) in [url.clone(), format!("{url}&follow")].iter().enumerate() {
        let curl = format!("-i -H '{accept}' --data-binary @- '{url}'");
        let text = one_curl(&repository(&format!("ndjson-{nth}")), &curl).rest();
        let text = String::from_utf8(text).expect("a text");
        let (head, body) = text.rsplit_once("\r\n\r\n").expect("a head");
        let kind = crate::common::wire::header(head, "Content-Type");
        assert_eq!(kind, Some("application/x-ndjson"));
        let lines = body
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        let (events, others): (Vec<Value>, _) =
            lines.partition(|line: &Value| line["type"] == "build");
        // One line at most says how it all ended.
        assert!(others.len() <= 1, "{others:?}");
        let builds = assert_whole(&events);
        assert_eq!(builds.len(), 4);
        for events in builds {
            let end = events.last().expect("one at least");
            let said = (&end["build_status"], &end["test_status"], &end["reason"]);
            if end["zig_version"] == "0.14.1" {
                assert_eq!(
                    said,
                    (&"failed".into(), &Value::Null, &"compile_error".into())
                );
            } else {
                assert_eq!(said, (&"success".into(), &"success".into(), &Value::Null));
                let states: Vec<&Value> = events.iter().map(|event| &event["state"]).collect();
                assert_eq!(states, ["queued", "building", "testing", "finished"]);
            }
        }
    }
}
