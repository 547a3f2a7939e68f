//! What browsers are told: what a page may do, and whose pages may open a WebSocket.

use crate::ask::{admit, header, read};
use crate::common::core::{Inside, START};
use crate::common::rows::{self, in_memory};
use crate::common::settings::settings;
use data_encoding::BASE64;
use sha2::{Digest, Sha256};
use zigcheck::app::store::packages;
use zigcheck::interface::message::{Admission, Head, Request, Response};

fn html(inside: &mut Inside, target: &str, tag: Option<&str>) -> Response {
    let mut headers = vec![("accept", "text/html"), ("host", "h")];
    headers.extend(tag.map(|tag| ("if-none-match", tag)));
    inside.request("GET", target, &headers, b"")
}

#[test]
fn a_page_may_show_itself_and_nothing_else() {
    let mut store = in_memory();
    packages::insert(&mut store, &rows::new("p"), START).unwrap();
    let mut inside = Inside::open("web-pages", store, 1);
    let first = html(&mut inside, "/", None);
    let page = String::from_utf8(first.body.clone()).unwrap();
    let (_, behind) = page.split_once("<style>").unwrap();
    let (style, _) = behind.split_once("</style>").unwrap();
    let hash = BASE64.encode(&Sha256::digest(style));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src 'self'; base-uri 'none'; \
         form-action 'self'; frame-ancestors 'none'"
    );
    // A style beside that one would not be heeded.
    assert_eq!(page.matches("<style").count(), 1);
    assert!(!page.contains(" style="));
    assert_eq!(
        page.matches("<link ").count(),
        3,
        "canonical address, feed and icon"
    );
    let tag = header(&first, "ETag").unwrap().to_string();
    for (target, tag, status) in [
        ("/", None, 200),
        ("/", Some(tag.as_str()), 304),
        ("/?search=x", None, 200),
        ("/packages/p", None, 200),
        ("/packages/q", None, 404),
    ] {
        let response = html(&mut inside, target, tag);
        assert_eq!(response.status, status, "{target}");
        for (name, wanted) in [
            ("Content-Security-Policy", policy.as_str()),
            ("X-Frame-Options", "DENY"),
            ("Referrer-Policy", "same-origin"),
        ] {
            assert_eq!(header(&response, name), Some(wanted), "{target} {status}");
        }
    }
}

/// What asking for that comes to with these headers: 403, or that it goes on.
fn told(method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
    let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    let request = Request {
        head: Head {
            method: method.to_string(),
            path: path.to_string(),
            headers: headers.iter().map(owned).collect(),
            ..Head::default()
        },
        ..Request::default()
    };
    match read(&request, &settings(&[])) {
        Ok(_) => 101,
        Err(response) => {
            let open = header(&response, "Access-Control-Allow-Origin");
            assert_eq!(open, None, "{headers:?}");
            if response.status == 403 {
                let admitted = admit(&request.head, &settings(&[]));
                let socket = path == "/ws";
                assert!(socket || admitted == Admission::Refuse(response.clone()));
            }
            response.status
        }
    }
}

/// What opening a WebSocket comes to.
fn opened(headers: &[(&str, &str)]) -> u16 {
    told("GET", "/ws", headers)
}

#[test]
fn pages_of_other_hosts_change_nothing() {
    let page = |origin| {
        [
            ("host", "h:3000"),
            ("origin", origin),
            ("content-length", "0"),
        ]
    };
    for (method, path, status) in [
        ("POST", "/api/packages", 400),
        ("POST", "/api/packages/p/builds", 101),
        ("POST", "/api/check", 101),
        ("PUT", "/api/check", 101),
    ] {
        assert_eq!(told(method, path, &page("http://h:3000")), status, "{path}");
        assert_eq!(told(method, path, &[("host", "h:3000")]), status, "{path}");
        for other in ["http://h", "https://evil.example", "null"] {
            assert_eq!(told(method, path, &page(other)), 403, "{path} {other}");
        }
    }
    for (method, path) in [
        ("DELETE", "/api/builds/1"),
        ("POST", "/admin/check-builds"),
        ("POST", "/admin/check-all"),
        ("POST", "/admin/trigger-build"),
    ] {
        assert_eq!(told(method, path, &page("https://evil.example")), 403);
    }
    // Anybody's page may read.
    for path in ["/", "/api/packages", "/api/builds/1/log", "/api/events"] {
        assert_eq!(told("GET", path, &page("https://evil.example")), 101);
    }
}

#[test]
fn a_websocket_is_for_pages_of_this_host_and_for_who_is_no_page() {
    for (host, origin, status) in [
        ("zig.example.org", "https://zig.example.org", 101),
        ("zig.example.org", "http://zig.example.org", 101),
        ("Zig.Example.org", "https://zig.example.ORG", 101),
        ("zig.example.org:3000", "http://zig.example.org:3000", 101),
        ("zig.example.org:443", "https://zig.example.org", 101),
        ("zig.example.org:80", "http://zig.example.org", 101),
        ("zig.example.org", "ws://zig.example.org:80", 101),
        ("[::1]:3000", "http://[::1]:3000", 101),
        ("zig.example.org", "https://evil.example.org", 403),
        (
            "zig.example.org",
            "https://zig.example.org.evil.example",
            403,
        ),
        ("zig.example.org", "https://evilzig.example.org", 403),
        ("zig.example.org", "https://example.org", 403),
        ("zig.example.org:3000", "http://zig.example.org:3001", 403),
        ("zig.example.org:3000", "http://zig.example.org", 403),
        ("zig.example.org:80", "https://zig.example.org", 403),
        ("zig.example.org", "https://zig.example.org/", 403),
        ("zig.example.org", "https://x@zig.example.org", 403),
        ("zig.example.org", "zig.example.org", 403),
        ("zig.example.org", "null", 403),
        ("zig.example.org", "", 403),
        ("zig.example.org", "://", 403),
        ("", "https://", 403),
        ("", "null", 403),
    ] {
        let told = opened(&[("host", host), ("origin", origin)]);
        assert_eq!(told, status, "{host} {origin}");
    }
    assert_eq!(opened(&[("host", "h")]), 101);
    assert_eq!(opened(&[]), 101);
    assert_eq!(opened(&[("origin", "https://h")]), 403);
    let twice = [
        ("host", "h"),
        ("origin", "https://h"),
        ("origin", "https://h"),
    ];
    assert_eq!(opened(&twice), 403);
}
