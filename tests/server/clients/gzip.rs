//! curl that takes gzip: pages, logs and live answers arrive as they are, and live ones line by line.

use super::ask::{ask, reading, shared, stored};
use super::follow::four;
use crate::common::standin::{check, let_go};

const GZIP: &str = "--compressed";

#[test]
fn a_log_is_the_same_compressed_and_not() {
    let (server, _dir) = four("gzip-log");
    let build = server.finished(check(&server, "deluge")).remove(0);
    let id = build["id"].as_i64().expect("an id");
    let url = format!("{}/api/builds/{id}/log", server.url);
    let log = stored(&server, id);
    assert!(log.len() > 4 << 20);
    let plain = ask(&[&url]);
    let packed = ask(&[GZIP, &url]);
    assert!(packed.body == log && plain.body == log);
    assert_eq!(packed.header("Content-Encoding"), Some("gzip"));
    assert_eq!(packed.header("Vary"), Some("Accept-Encoding"));
    assert_eq!(packed.header("Content-Length"), None);
    let tag = plain.header("ETag").expect("a tag").to_string();
    assert_eq!(packed.header("ETag"), Some(&*format!("W/{tag}")));
    // As it was sent.
    let raw = ask(&["-H", "Accept-Encoding: gzip", &url]);
    assert!(raw.body.len() < log.len() / 10, "{}", raw.body.len());
    let known = format!("If-None-Match: W/{tag}");
    assert_eq!(ask(&[GZIP, "-H", &known, &url]).status, 304);
    let part = ask(&[GZIP, "-H", "Range: bytes=5-9", &url]);
    assert_eq!((part.status, &part.body[..]), (206, &log[5..10]));
    assert_eq!(part.header("Content-Encoding"), None);
    let old = ask(&["-0", GZIP, &url]);
    assert!(old.body == log);
    assert_eq!(old.header("Content-Encoding"), None);
    for (target, is_gzip) in [("/", true), ("/api/builds", true), ("/api/health", false)] {
        let url = format!("{}{target}", server.url);
        let packed = ask(&[GZIP, "-H", "Accept: text/html", &url]);
        let coding = packed.header("Content-Encoding");
        assert_eq!(coding == Some("gzip"), is_gzip, "{target}");
        assert_eq!(packed.status, 200);
        assert!(
            packed
                .text()
                .contains(if target == "/" { "<html" } else { "\"" })
        );
        let head = ask(&["--head", GZIP, "-H", "Accept: text/html", &url]);
        assert_eq!(head.header("Content-Encoding"), coding, "{target}");
    }
}

/// RFC 9110, 13.1 and 8.8.3.2: `If-None-Match` compares weakly, and `If-Match` strongly with the tag of what would be sent.
#[test]
fn a_condition_compares_the_tag_of_what_would_be_sent_compressed_or_not() {
    let shared = shared();
    // One that is sent whole, and one that is a stream.
    for target in [shared.url("/openapi.json"), shared.log_url()] {
        let get = |args: &[&str]| ask(&[args, &[&*target]].concat());
        let (plain, packed) = (get(&[]), get(&[GZIP]));
        let strong = plain.header("ETag").expect("a tag").to_string();
        let weak = format!("W/{strong}");
        assert!(strong.starts_with('"'), "{target}: {strong}");
        assert_eq!(packed.header("Content-Encoding"), Some("gzip"));
        assert_eq!(packed.header("ETag"), Some(&*weak));
        assert!(packed.body == plain.body, "{target}");
        for (condition, tag, status) in [
            ("If-None-Match", &*strong, 304),
            ("If-None-Match", &weak, 304),
            ("If-None-Match", "*", 304),
            ("If-None-Match", "\"other\"", 200),
            ("If-Match", &strong, 200),
            ("If-Match", "*", 200),
            ("If-Match", &weak, 412),
            ("If-Match", "\"other\"", 412),
        ] {
            let condition = format!("{condition}: {tag}");
            for coding in [&[][..], &[GZIP]] {
                let what = format!("{target} {condition} {coding:?}");
                let got = get(&[coding, &["-H", &condition]].concat());
                assert_eq!(got.status, status, "{what}");
                // What a strong tag names is sent as it is, also to a client that takes gzip.
                let is_packed = !coding.is_empty() && !condition.starts_with("If-Match");
                let wanted = (status != 412).then_some(if is_packed { &*weak } else { &*strong });
                assert_eq!(got.header("ETag"), wanted, "{what}");
                let is_coded = got.header("Content-Encoding").is_some();
                assert_eq!(is_coded, is_packed && status == 200, "{what}");
                if status == 200 {
                    assert!(got.body == plain.body, "{what}");
                }
                if status != 412 {
                    let varies = got.header("Vary").unwrap_or_default();
                    assert!(varies.contains("Accept-Encoding"), "{what}: {varies}");
                }
            }
        }
    }
}

#[test]
fn a_live_answer_arrives_line_by_line_compressed_or_not() {
    let (server, dir) = four("gzip-live");
    let check = check(&server, "slowly");
    let follow = format!("{}/api/checks/{check}?follow", server.url);
    let mut follow = reading(&[GZIP, "-i", &follow]);
    follow.until("Content-Encoding: gzip");
    for _ in 0..4 {
        follow.until("building…");
    }
    let mut log = reading(&[GZIP, &format!("{}/api/builds/1/log", server.url)]);
    log.until("3 tenths of a second");
    let mut events = reading(&[GZIP, &format!("{}/api/events?since=0", server.url)]);
    events.until("\"state\":\"building\"");
    let_go(&dir);
    events.until("\"state\":\"finished\"");
    let text = String::from_utf8(follow.rest()).expect("a text");
    assert!(text.ends_with("\nresult: 4 of 4 build\n"), "{text}");
    let live = log.rest();
    server.finished(check);
    assert!(live == stored(&server, 1), "all of it, and nothing else");
}
