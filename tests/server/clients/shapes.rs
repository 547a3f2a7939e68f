//! HTTP as curl speaks it, in its many shapes, on what does not change any more.

use std::process::Command;
use std::time::SystemTime;

use super::ask::{Got, ask, shared};
use crate::common::server::scratch;
use crate::common::wire::{Chunk, Wire};

/// Paths whose answers stay as they are.
fn settled() -> [String; 3] {
    let shared = shared();
    [
        shared.url(&format!("/api/builds/{}", shared.build)),
        shared.url(&format!("/api/checks/{}", shared.check)),
        shared.log_url(),
    ]
}

#[test]
fn a_head_is_the_answer_without_its_body() {
    for url in settled() {
        let whole = ask(&[&url]);
        assert_eq!(whole.status, 200, "{url}");
        let head = ask(&["-I", &url]);
        assert_eq!(head.status, 200, "{url}");
        assert_eq!(head.body, b"");
        let length = whole.body.len().to_string();
        for got in [&whole, &head] {
            assert_eq!(got.header("Content-Length"), Some(length.as_str()), "{url}");
            for name in ["Content-Type", "ETag"] {
                assert!(got.header(name).is_some(), "{url}: {name} in {}", got.head);
                assert_eq!(got.header(name), whole.header(name), "{url}");
            }
            assert_dated(got);
        }
    }
}

fn assert_dated(got: &Got) {
    let date = got.header("Date").unwrap_or_else(|| panic!("{}", got.head));
    let date = httpdate::parse_http_date(date).expect("a date");
    let apart = match SystemTime::now().duration_since(date) {
        Ok(since) => since,
        Err(ahead) => ahead.duration(),
    };
    assert!(apart.as_secs() < 3_600, "{}", got.head);
}

#[test]
fn options_say_what_a_path_takes() {
    let cases = [
        ("/api/check", &["POST", "PUT", "OPTIONS"][..]),
        ("/api/packages", &["GET", "HEAD", "POST", "OPTIONS"]),
        ("/api/builds/1", &["GET", "HEAD", "OPTIONS"]),
        ("/api/events", &["GET", "OPTIONS"]),
    ];
    for (path, methods) in cases {
        let got = ask(&["-X", "OPTIONS", &shared().url(path)]);
        assert_eq!((got.status, &got.body[..]), (204, &b""[..]), "{path}");
        assert_allows(&got, methods);
    }
    let nowhere = ask(&["-X", "OPTIONS", &shared().url("/api/nothing")]);
    assert_eq!(nowhere.status, 404);
}

fn assert_allows(got: &Got, methods: &[&str]) {
    let allow = got.header("Allow");
    let allow = allow.unwrap_or_else(|| panic!("no Allow: {}", got.head));
    let allowed: Vec<&str> = allow.split(',').map(str::trim).collect();
    for method in methods {
        assert!(allowed.contains(method), "{method} in {allow}");
    }
}

#[test]
fn what_is_not_there_and_what_is_not_taken_is_said() {
    let got = ask(&[&shared().url("/api/nothing")]);
    assert_eq!(got.status, 404);
    assert!(!got.error().is_empty());
    for (method, path, methods) in [
        ("DELETE", "/api/packages", &["GET", "HEAD", "POST"][..]),
        ("PATCH", "/api/check", &["POST", "PUT"]),
        ("POST", "/api/builds/1/log", &["GET", "HEAD"]),
    ] {
        let got = ask(&["-X", method, &shared().url(path)]);
        assert_eq!(got.status, 405, "{method} {path}");
        assert!(!got.error().is_empty());
        assert_allows(&got, methods);
    }
}

#[test]
fn a_connection_is_used_again_unless_its_client_says_otherwise() {
    let [build, check, log] = settled();
    let next = ["--next", "-sv", "-o", "/dev/null"];
    let all = |first: &[&str]| {
        let mut args = first.to_vec();
        args.extend(["-o", "/dev/null", &build]);
        for url in [&log, &check] {
            args.extend(next);
            args.extend(first);
            args.push(url);
        }
        let output = Command::new("curl").arg("-sv").args(args).output();
        let output = output.expect("curl is installed");
        assert!(output.status.success());
        let talk = String::from_utf8_lossy(&output.stderr).to_lowercase();
        assert_eq!(talk.matches("< http/1.1 200").count(), 3, "{talk}");
        // "Re-using existing connection", and "Reusing existing http: connection" in later ones.
        talk.replace('-', "").matches("reusing existing").count()
    };
    assert_eq!(all(&["--http1.1"]), 2);
    assert_eq!(all(&["--http1.1", "-H", "Connection: close"]), 0);
    assert_eq!(all(&["-0"]), 0);

    let got = ask(&["--http1.1", "-H", "Connection: close", &build]);
    assert_eq!(got.header("Connection"), Some("close"));
    let got = ask(&["-0", &log]);
    assert_eq!(got.body, shared().log);
}

#[test]
fn a_path_may_be_written_in_many_ways() {
    let server = &shared().server;
    let absolute = format!("{}/api/packages/known", server.url);
    for args in [
        &["--request-target", absolute.as_str()][..],
        &["--request-target", "/api/packages/%6b%6Eown"],
        &["--request-target", "/%61pi/packages/known"],
    ] {
        let got = ask(&[args, &[&server.url]].concat());
        assert_eq!(got.status, 200, "{args:?}: {}", got.text());
        assert_eq!(got.json()["name"], "known");
    }
    let list = shared().url("/api/packages");
    let got = ask(&[
        "-G",
        "-d",
        "limit=1",
        "--data-urlencode",
        "search=kno",
        &list,
    ]);
    assert_eq!(got.status, 200, "{}", got.text());
    assert_eq!(got.json()["total"], 1);
    // A slash that is written as something else is no slash.
    let hidden = "/api%2Fpackages/known";
    let got = ask(&["--request-target", hidden, &server.url]);
    assert_eq!(got.status, 404);
}

#[test]
fn who_has_it_already_is_told_so() {
    for url in settled() {
        let first = ask(&[&url]);
        let tag = first.header("ETag").expect("a tag").to_string();
        for known in [tag.clone(), format!("\"other\", {tag}"), "*".to_string()] {
            let got = ask(&["-H", &format!("If-None-Match: {known}"), &url]);
            assert_eq!((got.status, &got.body[..]), (304, &b""[..]), "{url}");
            assert_eq!(got.header("ETag"), Some(tag.as_str()));
        }
        let got = ask(&["-H", "If-None-Match: \"other\"", &url]);
        assert_eq!((got.status, got.body), (200, first.body), "{url}");
    }
    // As curl itself keeps it.
    let kept = scratch("clients-etag");
    let kept = kept.to_str().expect("UTF-8");
    let _ = std::fs::remove_file(kept);
    let url = shared().log_url();
    let save = ask(&["--etag-save", kept, &url]);
    assert_eq!(save.status, 200);
    let again = ask(&["--etag-compare", kept, &url]);
    assert_eq!(again.status, 304);
}

#[test]
fn a_stored_log_is_given_in_parts() {
    let (url, log) = (shared().log_url(), &shared().log);
    let whole = ask(&[&url]);
    assert_eq!(whole.header("Accept-Ranges"), Some("bytes"));
    let kind = "text/plain; charset=utf-8";
    assert_eq!(whole.header("Content-Type"), Some(kind));
    assert!(whole.body == *log, "{} bytes", whole.body.len());
    let all = log.len();
    for (asked, from, to) in [
        ("10-19", 10, 20),
        ("-5", all - 5, all),
        ("100-", 100, all),
        ("0-999999999", 0, all),
    ] {
        let got = ask(&["-r", asked, &url]);
        assert_eq!(got.status, 206, "{asked}");
        let said = format!("bytes {from}-{}/{all}", to - 1);
        assert_eq!(got.header("Content-Range"), Some(said.as_str()));
        assert!(got.body == log[from..to], "{asked}");
    }
    let got = ask(&["-r", "999999-", &url]);
    assert_eq!(got.status, 416);
    let said = format!("bytes */{all}");
    assert_eq!(got.header("Content-Range"), Some(said.as_str()));
}

#[test]
fn a_part_is_given_only_of_what_the_client_has_the_rest_of() {
    let (url, log) = (shared().log_url(), &shared().log);
    let tag = ask(&["-I", &url])
        .header("ETag")
        .expect("a tag")
        .to_string();
    let asked = |tag: &str| ask(&["-r", "7-9", "-H", &format!("If-Range: {tag}"), &url]);
    let got = asked(&tag);
    assert_eq!((got.status, &got.body[..]), (206, &log[7..10]));
    let got = asked("\"other\"");
    assert_eq!(got.status, 200);
    assert!(got.body == *log);
    // A download that broke off goes on where it was.
    let file = scratch("clients-half.log");
    std::fs::write(&file, &log[..1_000]).expect("a file");
    let path = file.to_str().expect("UTF-8");
    let args = ["-s", "-C", "-", "-o", path, &url];
    let done = Command::new("curl").args(args).status();
    assert!(done.expect("curl is installed").success());
    assert!(std::fs::read(&file).expect("a file") == *log);
}

#[test]
fn the_end_of_a_stored_log_is_given_by_lines() {
    let log = &shared().log;
    let got = ask(&[&format!("{}?tail=3", shared().log_url())]);
    assert_eq!(got.status, 200);
    let ends: Vec<usize> = (0..log.len()).filter(|at| log[*at] == b'\n').collect();
    // The last line has no end of its own.
    let start = ends[ends.len() - 3] + 1;
    assert_eq!(got.text(), String::from_utf8_lossy(&log[start..]));
}

#[test]
fn requests_sent_at_once_are_answered_in_order() {
    let shared = shared();
    let mut wire = Wire::open(&shared.server);
    let paths = [
        format!("/api/builds/{}/log", shared.build),
        "/api/nothing".to_string(),
        format!("/api/builds/{}", shared.build),
        format!("/api/builds/{}/log?tail=1", shared.build),
        "/api/packages/known".to_string(),
    ];
    let ask = |path: &String| format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n");
    let all: String = paths.iter().map(ask).collect();
    wire.send(all.as_bytes());
    let (head, body) = wire.answer();
    assert_eq!(head.status, 200);
    assert!(body == shared.log);
    assert_eq!(wire.answer().0.status, 404);
    let json = |body: &[u8]| serde_json::from_slice::<serde_json::Value>(body).expect("JSON");
    assert_eq!(json(&wire.answer().1)["id"], shared.build);
    assert_eq!(wire.answer().1, b"the last line has no end");
    assert_eq!(json(&wire.answer().1)["name"], "known");
}

#[test]
fn a_stream_that_ends_leaves_its_connection_to_the_next() {
    let shared = shared();
    let mut wire = Wire::open(&shared.server);
    for _ in 0..2 {
        wire.get(&format!("/api/checks/{}?follow", shared.check));
        // Behind it at once, and answered when it is told to its end.
        wire.get(&format!("/api/builds/{}", shared.build));
        assert_eq!(wire.head().header("Transfer-Encoding"), Some("chunked"));
        let (told, end) = wire.chunks();
        assert_eq!(end, Chunk::End);
        assert!(told.ends_with(b"\nresult: 1 of 1 build\n"));
        assert_eq!(wire.answer().0.status, 200);
    }
}

#[test]
fn requests_that_are_too_much_are_refused_with_their_own_status() {
    let url = |path: &str| shared().url(path);
    let (packages, builds) = (url("/api/packages"), url("/api/builds"));
    let long_path = url(&format!("/api/packages/{}", "x".repeat(9_000)));
    let long_header = format!("X-Long: {}", "x".repeat(20_000));
    let json = scratch("clients-big.json");
    let text = format!("{{\"url\": \"{}\"}}", "x".repeat(100_000));
    std::fs::write(&json, text).expect("a file");
    let big_json = format!("@{}", json.display());
    let cases: [(&[&str], u16); 6] = [
        (&["--data-binary", &big_json, &packages], 413),
        (&[&long_path], 414),
        (&["-H", &long_header, &builds], 431),
        (&["-H", "Expect: a miracle", "-d", "{}", &packages], 417),
        (
            &[
                "-H",
                "Transfer-Encoding: gzip",
                "-H",
                "Content-Length:",
                "-d",
                "{}",
                &packages,
            ],
            400,
        ),
        (&["-X", "BREW", &builds], 501),
    ];
    for (args, status) in cases {
        let got = ask(args);
        let shown = args[0].get(..40).unwrap_or(args[0]);
        assert_eq!(got.status, status, "{shown}: {}", got.text());
        assert!(!got.error().is_empty());
    }
    let mut wire = Wire::open(&shared().server);
    wire.send(b"POST /api/check?name=good HTTP/1.1\r\nHost: here\r\n\r\n");
    assert_eq!(wire.answer().0.status, 411);
}

#[test]
fn a_head_that_takes_too_long_is_answered_and_its_connection_ends() {
    let mut wire = Wire::open(&shared().server);
    wire.send(b"GET /api/health HTTP/1.1\r\nHost: he");
    let (head, _) = wire.answer();
    assert_eq!(head.status, 408);
    assert_eq!(head.header("Connection"), Some("close"));
    while wire.more() {}
}
