//! Paths, queries, URLs, refs, and whole requests as calls.

use std::sync::OnceLock;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use zigcheck::app::domain::git_url;
use zigcheck::app::domain::repository::{owner, repository as repository_of};
use zigcheck::app::web::query::Query;
use zigcheck::app::web::request::parts;
use zigcheck::app::web::routes::table;
use zigcheck::config::settings::{Hosts, Settings};
use zigcheck::interface::message::{Head, Request};

use crate::common::seed::Seed;
use crate::common::settings::settings;
use crate::mutate::text;

const QUERIES: [&str; 6] = [
    "page=2&limit=100&sort=-name",
    "search=a+b%20%C3%A4&status=success&zig_version=0.16.0",
    "follow&name=x&zig_versions=0.16.0,0.15.2",
    "since=18446744073709551615&build=7&from=0",
    "tail=10&color=0&plain",
    "",
];
const QUERY_TOKENS: [&str; 12] = [
    "&", "=", "+", "%", "%00", "%ff", "page=", "limit=", "sort=", "follow", "since=", "tail=",
];

/// Names and values print back to themselves; numbers are where they should be.
pub fn query(random: &mut Seed) -> bool {
    let query = text(random, &QUERIES, &QUERY_TOKENS);
    let read = Query::read(&query);
    let pairs = form_urlencoded::parse(query.as_bytes());
    let again = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    let again = Query::read(&again);
    for name in [
        "page", "limit", "sort", "follow", "since", "tail", "name", "",
    ] {
        assert_eq!(read.get(name), again.get(name), "{query:?}");
        assert_eq!(read.flag(name), again.flag(name), "{query:?}");
    }
    let columns = [("name", "p.name"), ("id", "p.id")];
    if let Ok(sort) = read.sort(&columns, "id") {
        assert!(["p.name", "p.id"].contains(&sort.column), "{query:?}");
    }
    if let Ok(Some(number)) = read.number("since", 3, 9) {
        assert!((3..=9).contains(&number), "{query:?}");
    }
    match read.page() {
        Ok(page) => {
            assert!(
                (1..=1 << 40).contains(&page.page) && (1..=100).contains(&page.limit),
                "{query:?}"
            );
            true
        }
        Err(response) => {
            assert_eq!(response.status, 400, "{query:?}");
            false
        }
    }
}

const PATHS: [&str; 7] = [
    "/",
    "/api/packages/a%2Fb",
    "/api/builds/7/log",
    "/packages/%C3%A4%20",
    "/api/checks/1",
    "/a//b/",
    "/admin/status",
];

/// Parts, encoded anew, are the same parts.
pub fn path(random: &mut Seed) -> bool {
    let path = text(
        random,
        &PATHS,
        &["/", "%2f", "%", "%zz", "..", "%00", "api", "\u{e4}"],
    );
    let Some(decoded) = parts(&path) else {
        return false;
    };
    let encoded = decoded
        .iter()
        .map(|part| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string());
    let encoded: Vec<String> = encoded.collect();
    if path.starts_with('/') {
        assert_eq!(
            parts(&format!("/{}", encoded.join("/"))),
            Some(decoded),
            "{path:?}"
        );
        true
    } else {
        assert!(decoded.is_empty(), "{path:?}");
        false
    }
}

fn served() -> &'static Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    SETTINGS.get_or_init(|| settings(&[]))
}

const BODIES: [&str; 4] = [
    r#"{"url": "https://github.com/a/b", "ref": "v1", "name": "b", "zig_versions": ["0.16.0"]}"#,
    r#"{"url": "https://github.com/a/b.git", "description": "\u00e4\n", "author": null, "license": "MIT"}"#,
    r#"{"package_id": 7}"#,
    r#"{"package_name": "b"}"#,
];

/// A request is a call, or is refused with words on one line; it was admitted, then, with a limit.
pub fn request(random: &mut Seed) -> bool {
    let methods = [
        "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "X",
    ];
    let targets = [
        "/api/packages",
        "/api/check",
        "/api/builds",
        "/api/builds/7/log",
        "/api/events",
        "/ws",
        "/api/queue",
        "/admin/trigger-build",
        "/",
        "/packages/b",
        "/api/packages/b/builds",
        "/api/checks/1",
    ];
    let body = text(
        random,
        &BODIES,
        &[
            "{", "}", "[", "]", "\"", ":", ",", "null", "\\u0000", "1e999", "\"url\"",
        ],
    );
    let path = match random.below(3) {
        0 => text(random, &targets, &["/", "%", "api"]),
        _ => random.pick(&targets).to_string(),
    };
    let mut headers = vec![("host".to_string(), "h".to_string())];
    let kinds = [
        "application/json",
        "text/plain",
        "application/x-ndjson",
        "",
        "text/html;q=0.5, */*",
    ];
    for name in [
        "content-type",
        "accept",
        "authorization",
        "last-event-id",
        "content-length",
        "range",
    ] {
        if random.once_in(3) {
            let value = match name {
                "content-length" => body.len().to_string(),
                _ => text(random, &kinds, &["Bearer ", "bytes=0-", "7", ";", "q="]),
            };
            headers.push((name.to_string(), value));
        }
    }
    let head = Head {
        method: random.pick(&methods).to_string(),
        path,
        query: text(random, &QUERIES, &QUERY_TOKENS),
        headers,
        http10: false,
    };
    let routed = table::find(&head);
    let admitted = routed.and_then(|routed| Ok((routed.admission(&head, served())?, routed)));
    let routed = match admitted {
        Ok((_, routed)) => routed,
        Err(response) => {
            assert!((200..600).contains(&response.status), "{head:?}");
            return false;
        }
    };
    let request = Request {
        head,
        body: body.into_bytes(),
        spooled: false,
    };
    match routed.read(&request.head, &request.body, served()) {
        Ok(_) => true,
        Err(response) => {
            assert!(
                (200..500).contains(&response.status),
                "{request:?}: {response:?}"
            );
            let lines = response.body.iter().filter(|byte| **byte == b'\n').count();
            assert!(
                lines <= 1 && response.body.len() < 4_096,
                "{request:?}: {response:?}"
            );
            false
        }
    }
}

const URLS: [&str; 13] = [
    "https://github.com/a/b/tree/main/src",
    "https://git.example/a/b/src/branch/main",
    "https://gitlab.com/g/h/P/-/blob/main/build.zig",
    "git@github.com:a/b.git",
    "https://github.com/a/b",
    "https://github.com/A/b.git",
    "git+https://github.com/a/b.git?ref=v1#0a1b",
    "https://codeberg.org/a/b/archive/v1.tar.gz",
    "https://gitlab.com/g/h/P/-/archive/v1/P.zip",
    "http://user:pass@[::1]:80/x/y/",
    "git://git.sr.ht:9418/~a/b",
    "ssh://git@bitbucket.org/a/b",
    "https://api.github.com/repos/a/b/tarball/v1",
];
const URL_TOKENS: [&str; 20] = [
    "https://",
    "git+",
    "github.com",
    "/",
    "//",
    "..",
    ".git",
    ":443",
    ":",
    "@",
    "?",
    "#",
    "[",
    "]",
    "-",
    "--upload-pack=x",
    "%2f",
    "repository",
    "archive",
    ".zip",
];

/// What is let through to git is one URL to a host that may be named, and nothing else.
pub fn git_url(random: &mut Seed) -> bool {
    let url = text(random, &URLS, &URL_TOKENS);
    let hosts = match random.once_in(2) {
        true => Hosts::Any,
        false => Hosts::These(vec!["github.com".to_string(), "codeberg.org".to_string()]),
    };
    let Ok(git) = git_url::parse(&url, None, &hosts) else {
        return false;
    };
    let (url, name) = (git.url, git.name);
    let plain = |b: u8| b.is_ascii_graphic() && !b"\"'\\`<>?#".contains(&b);
    assert!(url.bytes().all(plain) && !url.starts_with('-'), "{url:?}");
    let (scheme, rest) = url.split_once("://").expect("a scheme");
    assert!(["https", "http", "git"].contains(&scheme), "{url:?}");
    let (authority, path) = rest.split_once('/').expect("a path");
    assert!(
        !authority.contains('@') && !authority.starts_with('-'),
        "{url:?}"
    );
    if let Hosts::These(known) = &hosts {
        let host = authority.split(':').next().expect("a host");
        assert!(
            known.iter().any(|k| k.eq_ignore_ascii_case(host)),
            "{url:?}"
        );
    }
    assert!(
        !name.is_empty() && !name.contains('/') && path.contains(&name),
        "{url:?}"
    );
    assert!(git.long_name.ends_with(&git_name(&name)), "{url:?}");
    let again = git_url::parse(&url, None, &hosts).expect("it was made so");
    assert_eq!((again.url, again.reference), (url, None));
    true
}

/// The name in the characters of a package's name.
fn git_name(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    name.replace(|c| !is_plain(c), "-")
}

/// What is let through to git is one ref, as `git check-ref-format` has it.
pub fn reference(random: &mut Seed) -> bool {
    let good = [
        "main",
        "v1.2.3",
        "refs/tags/v1",
        "feature/a-b_c",
        "0123456789abcdef0123456789abcdef01234567",
    ];
    let tokens = [
        "/", ".", "..", "@{", ".lock", "-", "~", "^", ":", "*", " ", "\\", "//", "refs/",
    ];
    let text = text(random, &good, &tokens);
    if git_url::check_ref(&text).is_err() {
        return false;
    }
    assert!(!text.is_empty() && !text.starts_with('-'), "{text:?}");
    for bad in [
        "..", "@{", "//", "/.", ".lock/", "~", "^", ":", "?", "*", "[", "\\", " ", "\x7f",
    ] {
        assert!(!text.contains(bad), "{text:?}");
    }
    let ends = [".", "/", ".lock"].iter().any(|end| text.ends_with(end));
    assert!(!ends && !text.starts_with(['/', '.']), "{text:?}");
    true
}

/// One form of a repository: that form is its own, and it has an owner.
pub fn repository(random: &mut Seed) -> bool {
    let url = text(random, &URLS, &URL_TOKENS);
    let Some(one) = repository_of(&url) else {
        return false;
    };
    assert_eq!(repository_of(&one).as_ref(), Some(&one), "{url:?}");
    assert!(
        one.starts_with("https://") && one.len() <= url.len() + 8,
        "{url:?}: {one}"
    );
    assert_eq!(owner(&one), owner(&url), "{url:?}");
    true
}
