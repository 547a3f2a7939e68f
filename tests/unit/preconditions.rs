//! `If-Match`, `If-Unmodified-Since` and `If-None-Match`, row by row, and asked of the whole app.

use crate::ask::{header, with};
use crate::common::core::{Inside, START};
use zigcheck::app::web::conditional::{Precondition, Target, evaluate};
use zigcheck::interface::message::Response;

/// The second of `START`, and those around it.
const BEFORE: &str = "Tue, 14 Nov 2023 22:13:19 GMT";
const NOW: &str = "Tue, 14 Nov 2023 22:13:20 GMT";
const AFTER: &str = "Tue, 14 Nov 2023 22:13:21 GMT";

/// 200, 304 or 412.
fn status(method: &str, headers: &[(&str, &str)], target: Target) -> u16 {
    match evaluate(&with(method, "/", headers), target, START + 999) {
        Precondition::Holds => 200,
        Precondition::NotModified => 304,
        Precondition::Fails(sentence) => {
            assert!(!sentence.is_empty());
            412
        }
    }
}

#[test]
fn if_match_compares_strongly() {
    let tag = Target::Tagged("\"abc\"");
    for (value, holds) in [
        ("\"abc\"", true),
        ("*", true),
        ("\"x\", \"abc\"", true),
        ("\"x\",\"abc\",\"y\"", true),
        (",, \"abc\"", true),
        ("W/\"x\", \"abc\"", true),
        ("W/\"abc\"", false),
        ("\"x\"", false),
        ("\"ABC\"", false),
        ("\"abcd\"", false),
        ("abc", false),
        ("\"abc", false),
        ("\"x\", *", false),
        ("**", false),
        ("", false),
    ] {
        for method in ["GET", "HEAD", "PATCH", "POST", "DELETE"] {
            let wanted = if holds { 200 } else { 412 };
            assert_eq!(
                status(method, &[("if-match", value)], tag),
                wanted,
                "{method} {value}"
            );
        }
        let weak = Target::Tagged("W/\"abc\"");
        let wanted = if value == "*" { 200 } else { 412 };
        assert_eq!(
            status("GET", &[("if-match", value)], weak),
            wanted,
            "{value} of a weak tag"
        );
        assert_eq!(
            status("GET", &[("if-match", value)], Target::Untagged),
            wanted,
            "{value}"
        );
        assert_eq!(
            status("PATCH", &[("if-match", value)], Target::Absent),
            412,
            "{value}"
        );
    }
    let lines = [
        ("if-match", "\"x\""),
        ("accept", "a"),
        ("if-match", "\"abc\""),
    ];
    assert_eq!(status("GET", &lines, tag), 200, "in a second line");
}

#[test]
fn if_unmodified_since_takes_every_form_of_a_date_and_nothing_else() {
    for (value, wanted) in [
        (BEFORE, 412),
        (NOW, 200),
        (AFTER, 200),
        ("Tuesday, 14-Nov-23 22:13:19 GMT", 412),
        ("Tuesday, 14-Nov-23 22:13:20 GMT", 200),
        ("Tue Nov 14 22:13:19 2023", 412),
        ("Tue Nov 14 22:13:20 2023", 200),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 412),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 200),
        ("2023-11-14T22:13:19Z", 200),
        ("Tue, 14 Nov 2023 22:13:19", 200),
        ("Tue, 14 Nov 2023 22:13:19 +0000", 200),
        ("1", 200),
        ("yesterday", 200),
        ("", 200),
    ] {
        for method in ["GET", "HEAD", "DELETE"] {
            for target in [Target::Tagged("\"abc\""), Target::Untagged, Target::Absent] {
                let headers = [("if-unmodified-since", value)];
                assert_eq!(status(method, &headers, target), wanted, "{method} {value}");
            }
        }
    }
    // Two dates are none.
    let two = [
        ("if-unmodified-since", BEFORE),
        ("if-unmodified-since", BEFORE),
    ];
    assert_eq!(status("GET", &two, Target::Untagged), 200);
}

/// RFC 9110, 13.2.2.
#[test]
fn preconditions_have_an_order() {
    let (yes, no) = ("\"abc\"", "\"x\"");
    for (if_match, since, none_match, read, change) in [
        // With If-Match a date says nothing.
        (Some(yes), Some(BEFORE), None, 200, 200),
        (Some(no), Some(AFTER), None, 412, 412),
        // Only what holds so far is asked for what the client has.
        (Some(yes), None, Some(yes), 304, 412),
        (Some(yes), None, Some(no), 200, 200),
        (Some(no), None, Some(yes), 412, 412),
        (Some("W/\"abc\""), None, Some("W/\"abc\""), 412, 412),
        (None, Some(BEFORE), Some(yes), 412, 412),
        (None, Some(NOW), Some(yes), 304, 412),
        (None, Some("never"), Some(yes), 304, 412),
        (None, Some(NOW), Some(no), 200, 200),
        (None, None, Some(yes), 304, 412),
        (None, None, Some("*"), 304, 412),
        (None, None, Some("W/\"abc\""), 304, 412),
        (None, None, None, 200, 200),
    ] {
        let named = [
            ("if-match", if_match),
            ("if-unmodified-since", since),
            ("if-none-match", none_match),
        ];
        let headers = named
            .iter()
            .filter_map(|(name, value)| Some((*name, (*value)?)));
        let headers: Vec<_> = headers.collect();
        for (method, wanted) in [
            ("GET", read),
            ("HEAD", read),
            ("PUT", change),
            ("DELETE", change),
        ] {
            let told = status(method, &headers, Target::Tagged(yes));
            assert_eq!(told, wanted, "{method} {headers:?}");
        }
    }
}

fn ask(inside: &mut Inside, method: &str, target: &str, headers: &[(&str, &str)]) -> Response {
    inside.request(method, target, headers, b"{}")
}

#[test]
fn every_read_evaluates_its_preconditions() {
    let (mut inside, _memory) = Inside::begin("preconditions-reads", 1);
    inside.submit("p");
    let live = [
        "/api/events",
        "/api/checks/1?follow",
        "/api/builds/1/log",
        "/api/health",
    ];
    let tagged = [
        "/",
        "/?search=x",
        "/packages/p",
        "/api/packages",
        "/api/packages/p",
        "/api/checks/1",
        "/api/builds",
        "/api/builds/1",
        "/api/queue",
    ];
    for target in live.iter().chain(&tagged) {
        for method in ["GET", "HEAD"] {
            let mut of = |name: &str, value: &str| {
                let response = ask(&mut inside, method, target, &[(name, value)]);
                let is_open = header(&response, "Access-Control-Allow-Origin") == Some("*");
                assert_eq!(is_open, target.starts_with("/api/"), "{target}");
                response.status
            };
            assert_eq!(of("if-match", "\"x\""), 412, "{method} {target}");
            assert_eq!(of("if-match", "*"), 200, "{method} {target}");
            assert_eq!(
                of("if-unmodified-since", "Sat, 01 Jan 2000 00:00:00 GMT"),
                412,
                "{method} {target}"
            );
            assert_eq!(
                of("if-unmodified-since", "Sat, 01 Jan 2050 00:00:00 GMT"),
                200,
                "{method} {target}"
            );
            assert_eq!(of("if-unmodified-since", "x"), 200, "{method} {target}");
        }
    }
    for target in tagged {
        let tag = ask(&mut inside, "GET", target, &[]);
        let tag = header(&tag, "ETag").unwrap().to_string();
        for (headers, status) in [
            (vec![("if-match", tag.as_str())], 200),
            (
                vec![("if-match", tag.as_str()), ("if-none-match", &tag)],
                304,
            ),
            (vec![("if-match", "\"x\""), ("if-none-match", &tag)], 412),
        ] {
            assert_eq!(
                ask(&mut inside, "GET", target, &headers).status,
                status,
                "{target}"
            );
        }
    }
    // What is not there is not there, whatever the client has of it.
    for target in [
        "/api/packages/q",
        "/api/builds/9",
        "/api/builds/9/log",
        "/api/checks/9?follow",
        "/packages/q",
        "/x",
    ] {
        assert_eq!(
            ask(&mut inside, "GET", target, &[("if-match", "\"x\"")]).status,
            404,
            "{target}"
        );
    }
}

#[test]
fn nothing_changes_where_a_precondition_fails() {
    let (mut inside, _memory) = Inside::begin("preconditions-changes", 1);
    inside.submit("p");
    let admin = format!("Bearer {}", crate::common::core::TOKEN);
    let since = ("if-unmodified-since", "Sat, 01 Jan 2000 00:00:00 GMT");
    let tag = ask(&mut inside, "GET", "/api/packages/p", &[]);
    let tag = header(&tag, "ETag").unwrap().to_string();
    for (method, target) in [
        ("POST", "/api/packages"),
        ("POST", "/api/packages/p/builds"),
        ("POST", "/api/check"),
        ("PUT", "/api/check"),
        ("PATCH", "/api/packages/p"),
        ("DELETE", "/api/packages/p"),
        ("DELETE", "/api/builds/1"),
        ("POST", "/admin/check-builds"),
        ("POST", "/admin/check-all"),
        ("POST", "/admin/trigger-build"),
    ] {
        for condition in [("if-match", "\"x\""), since] {
            let headers = [("authorization", admin.as_str()), condition];
            let response = ask(&mut inside, method, target, &headers);
            assert_eq!(response.status, 412, "{method} {target} {condition:?}");
        }
    }
    assert_eq!(inside.json("/api/builds")["total"], 2);
    assert_eq!(inside.json("/api/packages")["total"], 1);
    let mut change = |condition: (&str, &str), target: &str| {
        let headers = [("authorization", admin.as_str()), condition];
        let body = br#"{"author": "A"}"#;
        inside.request("PATCH", target, &headers, body).status
    };
    assert_eq!(change(("if-none-match", "*"), "/api/packages/p"), 412);
    assert_eq!(change(("if-none-match", &tag), "/api/packages/p"), 412);
    assert_eq!(change(("if-match", "\"x\""), "/api/packages/q"), 404);
    assert_eq!(change(("if-match", &tag), "/api/packages/p"), 200);
    assert_eq!(
        change(("if-match", &tag), "/api/packages/p"),
        412,
        "it is another version"
    );
    assert_eq!(change(("if-match", "*"), "/api/packages/p"), 200);
}
