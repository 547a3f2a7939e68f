//! What strangers write, driven through every page and every answer: it moves no cursor, turns no
//! line around, and is no HTML.

use crate::common::core::{Asked, Inside, START, TOKEN};
use crate::common::html::parse;
use crate::common::rows::{self, finish, in_memory};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use zigcheck::app::domain::verdict::{Reason, Verdict};
use zigcheck::app::store::builds;
use zigcheck::app::store::checks;
use zigcheck::app::store::packages::{self, NewPackage};
use zigcheck::app::store::sources::SourceRow;
use zigcheck::app::store::store::Store;
use zigcheck::base::control_chars::{escaped, is_control};
use zigcheck::interface::message::Response;

/// Each has a word in it by which it is known where it is shown.
const HOSTILE: [&str; 18] = [
    "\x1b]0;title\x07mark",
    "\x1b[2J\x1b[31mmark",
    "\u{9b}31mmark",
    "\u{9d}0;mark\u{9c}",
    "mark\r\nfake 0.16.0 success",
    "mark\x0b\x0cfake",
    "\u{85}mark\u{2028}fake\u{2029}",
    "\u{202e}mark\u{202c}",
    "\u{202a}\u{202b}\u{202d}mark",
    "\u{2066}\u{2067}\u{2068}mark\u{2069}",
    "\u{200f}\u{61c}mark\u{e0041}\u{feff}",
    "mark\x08\x08\x7f\u{200b}",
    "mark\r<script>alert('mark')</script>",
    "\"><img src=x onerror=mark>",
    "'><svg/onload=mark>",
    "javascript:mark//<script",
    "mark</title></pre><SCRIPT>",
    "&#60;mark&lt;script&gt;",
];

/// A database in which all that can be hostile is.
fn store(word: &str) -> Store {
    let mut store = in_memory();
    let hostile = |name: &str, url: &str| NewPackage {
        name: name.to_string(),
        url: url.to_string(),
        reference: Some(word.to_string()),
        dir: Some(word.to_string()),
        description: Some(word.to_string()),
        author: Some(word.to_string()),
        license: Some(word.to_string()),
    };
    let web = format!("https://mark/{word}");
    for (name, url) in [("p", word), ("q", &web), (word, "https://github.com/x/y")] {
        let package = hostile(name, url);
        let id = packages::insert(&mut store, &package, START).unwrap();
        let git = Some((url, Some(word)));
        let check = rows::check((Some(id), name), git);
        let check = checks::insert(&mut store, &check, START).unwrap();
        let source = SourceRow {
            hash: format!("h{id}"),
            format: "tar.gz".to_string(),
            bytes: 9,
            dependencies: false,
            manifest: None,
        };
        checks::set_source(&mut store, check, &source, Some(word), START).unwrap();
        // Under a toolchain that is there, and under one that is no more, if it ever was.
        for version in ["0.16.0", word] {
            let build = builds::insert(&mut store, check, version, START).unwrap();
            builds::set_started(&mut store, build, "sha256:a", None, START - 9_000).unwrap();
            let verdict = Verdict::failed(Reason::CompileError, format!("{word}\n{word}\n"));
            finish(&mut store, build, &verdict, START);
        }
        // And one that waits.
        builds::insert(&mut store, check, "0.15.2", START).unwrap();
    }
    store.commit().unwrap();
    store
}

fn value<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    let mut named = response.headers.iter().filter(|(known, _)| *known == name);
    named.next().map(|(_, value)| value.as_str())
}

/// The body of an answer that does no harm.
#[track_caller]
fn harmless(response: Response, what: &str) -> String {
    let body = String::from_utf8(response.body.clone()).expect("text");
    let mut seen = body.clone();
    if what.contains("color") {
        for code in ["32", "33", "31", "2", "0"] {
            seen = seen.replace(&format!("\x1b[{code}m"), "");
        }
    }
    let unseen = seen
        .chars()
        .find(|c| is_control(*c) && !"\n\t".contains(*c));
    assert_eq!(unseen, None, "{what}: {body:?}");
    for (name, value) in &response.headers {
        assert!(
            !value.contains(char::is_control),
            "{what}: {name}: {value:?}"
        );
        assert!(!name.eq_ignore_ascii_case("set-cookie"), "{what}");
    }
    let kind = value(&response, "Content-Type").unwrap_or("");
    if kind.starts_with("text/html") {
        parse(&body);
        let policy = value(&response, "Content-Security-Policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    } else if kind.contains("xml") {
        let document = roxmltree::Document::parse(&body).expect(what);
        let mut names = document.descendants().map(|node| node.tag_name().name());
        assert!(!names.any(|name| name == "script"), "{what}: {body}");
    } else {
        let line = body.lines().find(|line| line.starts_with("fake"));
        assert_eq!(line, None, "{what}: a line of its own in {body:?}");
        let known = [
            "application/json",
            "application/x-ndjson",
            "text/event-stream",
        ];
        let plain = kind == "text/plain; charset=utf-8";
        let silent = kind.is_empty() && body.is_empty();
        assert!(plain || silent || known.contains(&kind), "{what}: {kind}");
    }
    body
}

const HTML: (&str, &str) = ("accept", "text/html");
const TEXT: (&str, &str) = ("accept", "text/plain");
const LINES: (&str, &str) = ("accept", "application/x-ndjson");
const ANY: (&str, &str) = ("accept", "*/*");

#[test]
fn what_a_package_says_does_no_harm_on_any_page() {
    for word in HOSTILE {
        let mut inside = Inside::open("hostile-pages", store(word), 1);
        for (target, accept) in [
            ("/", ANY),
            ("/?color", ANY),
            ("/", HTML),
            ("/packages/p", ANY),
            ("/packages/p?color", ANY),
            ("/packages/p", HTML),
            ("/packages/q", HTML),
            ("/checks/1", ANY),
            ("/checks/1", HTML),
            ("/checks/2", HTML),
            ("/builds/1", ANY),
            ("/builds/1?color", ANY),
            ("/builds/1", HTML),
            ("/builds/2", HTML),
            ("/builds/4", HTML),
            ("/builds/5", HTML),
            ("/queue", ANY),
            ("/queue?color", ANY),
            ("/queue", HTML),
            ("/api/packages", ANY),
            ("/api/packages/p", ANY),
            ("/api/builds", ANY),
            ("/api/builds/1", ANY),
            ("/api/builds/2", ANY),
            ("/api/checks/1", ANY),
            ("/api/checks/1", TEXT),
            ("/api/checks/3", TEXT),
            ("/api/checks/3?follow", TEXT),
            ("/api/checks/3?follow", LINES),
            ("/api/queue", ANY),
        ] {
            let response = inside.request("GET", target, &[accept, ("host", word)], b"");
            let what = format!("{target} {accept:?} {word:?}");
            assert_eq!(response.status, 200, "{what}");
            let body = harmless(response, &what);
            assert!(body.contains("mark"), "{what}: not shown: {body}");
        }
        // What programs read says it all the same.
        let package = inside.json("/api/packages/p");
        assert_eq!(package["description"], word);
        assert_eq!(inside.json("/api/builds/2")["zig_version"], word);
    }
}

#[test]
fn what_is_asked_does_no_harm_in_the_answer() {
    let bearer = format!("Bearer {TOKEN}");
    let admin = ("authorization", bearer.as_str());
    for word in HOSTILE {
        let mut inside = Inside::open("hostile-asks", in_memory(), 1);
        let encoded = utf8_percent_encode(word, NON_ALPHANUMERIC).to_string();
        let mut count = 0;
        let mut ask = |method: &str, target: &str, headers: &[(&str, &str)], body: &str| {
            for accept in [ANY, HTML, TEXT, LINES] {
                let headers = [&[accept, ("host", word)], headers].concat();
                let asked = Asked {
                    method,
                    target,
                    headers,
                    body: vec![body.as_bytes()],
                    whole: true,
                };
                let response = inside.ask_from(None, &asked).expect("an answer");
                let what = format!("{method} {target} {accept:?} {body}");
                harmless(response, &what);
                count += 1;
            }
        };
        for name in [
            "search",
            "sort",
            "status",
            "state",
            "page",
            "limit",
            "package",
            "check",
            "color",
            "zig_version",
            "zig_versions",
            "name",
            "tail",
            "since",
            "from",
            "build",
            "follow",
            "url",
        ] {
            for path in [
                "/",
                "/packages/p",
                "/queue",
                "/submit",
                "/api/packages",
                "/api/builds",
                "/api/queue",
                "/api/events",
                "/api/checks/1",
                "/api/builds/1/log",
            ] {
                ask("GET", &format!("{path}?{name}={encoded}"), &[], "");
            }
            ask(
                "PUT",
                &format!("/api/check?{name}={encoded}"),
                &[("content-length", "0")],
                "",
            );
        }
        for path in [
            "/",
            "/packages/",
            "/checks/",
            "/builds/",
            "/api/packages/",
            "/api/checks/",
            "/api/builds/",
            "/api/",
            "/badge/",
            "/feed.atom?zig_version=",
        ] {
            ask("GET", &format!("{path}{encoded}.svg"), &[], "");
            ask("GET", &format!("{path}{encoded}"), &[], "");
            ask("GET", &format!("{path}{word}"), &[], "");
        }
        ask("DELETE", &format!("/api/builds/{encoded}"), &[admin], "");
        ask(word, "/", &[], "");
        for fields in [
            json!({"url": word}),
            json!({"url": format!("https://github.com/{word}")}),
            json!({"url": format!("https://{word}/x/y")}),
            json!({"url": "https://github.com/x/y", "ref": word}),
            json!({"url": "https://github.com/x/y", "name": word}),
            json!({"url": "https://github.com/x/y", "zig_versions": [word]}),
            json!({"package_name": word}),
            json!({ "package_id": word }),
            json!({ word: word }),
            json!(word),
        ] {
            let body = fields.to_string();
            ask("POST", "/api/packages", &[], &body);
            let form = ("content-type", "application/x-www-form-urlencoded");
            for field in ["url", "ref", "dir", "name", "search"] {
                let body = format!("url=https%3A%2F%2Fgithub.com%2Fx%2Fy&{field}={encoded}");
                ask("POST", "/submit", &[form], &body);
            }
            ask("POST", "/admin/trigger-build", &[admin], &body);
        }
        for headers in [
            [("content-type", word)],
            [("origin", word)],
            [("authorization", word)],
        ] {
            ask("POST", "/api/packages", &headers, word);
            ask("POST", "/admin/trigger-build", &headers, word);
            ask("GET", "/ws", &[("origin", word)], "");
        }
        assert!(count > 600);
    }
}

/// What is promised of a log is that it is passed on as it is, and as nothing but text.
#[test]
fn a_log_is_plain_text_whatever_is_in_it() {
    for word in HOSTILE {
        let mut inside = Inside::open("hostile-log", in_memory(), 1);
        inside.submit("p");
        let (fetch, build) = ("zigcheck-source-1-1", "zigcheck-1-1");
        assert_eq!(inside.names(), [fetch]);
        inside.source_is_there(fetch);
        inside.logs(build, word);
        inside.build_fails(build);
        for accept in [ANY, HTML, TEXT] {
            let response = inside.request("GET", "/api/builds/1/log", &[accept], b"");
            let kind = value(&response, "Content-Type");
            assert_eq!(kind, Some("text/plain; charset=utf-8"));
            assert_eq!(response.body, word.as_bytes());
        }
    }
}

#[test]
fn json_says_the_same_without_what_is_not_seen() {
    let mut all: Vec<char> = (0..=0x10ffffu32).filter_map(char::from_u32).collect();
    all.retain(|c| is_control(*c) || matches!(c, ' ' | 'a' | '"' | '\\' | 'é' | '😀'));
    assert!(all.len() > 4_000);
    for some in all.chunks(100) {
        let text: String = some.iter().collect();
        let json = escaped(json!({ "a": text }).to_string());
        assert_eq!(json.chars().find(|c| is_control(*c)), None);
        let value: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["a"], text);
    }
    let plain = r#"{"a":"é \u0007 x"}"#;
    assert_eq!(escaped(plain.to_string()), plain);
}
