//! Every route, and every way a path or a query can be wrong.

#[path = "common/ask.rs"]
mod ask;

use ask::{VERSIONS, admitted, answer, refused, request};
use zigcheck::api::{Call, Look, Telling};
use zigcheck::build::State;
use zigcheck::config::{JSON_LIMIT_BYTES, SOURCE_LIMIT_BYTES};
use zigcheck::message::{Admission, Head, Response};
use zigcheck::store::{BuildFilter, PackageFilter, Page, Sort};
use zigcheck::verdict::BuildStatus;

#[track_caller]
fn get(target: &str) -> Call {
    answer(&request("GET", target, b"")).unwrap()
}

#[track_caller]
fn get_is_refused(target: &str, words: &str) {
    let sentence = refused(400, &request("GET", target, b""));
    assert!(sentence.contains(words), "{target}: {sentence}");
}

#[test]
fn every_route_reads_its_call() {
    let (page, limit) = (1, 20);
    let page = Page { page, limit };
    let sort = |column, down| Sort { column, down };
    let packages = Call::ListPackages {
        filter: PackageFilter::default(),
        sort: sort("last_updated", true),
        page,
    };
    let builds = Call::ListBuilds {
        filter: BuildFilter::default(),
        sort: sort("b.id", true),
        page,
    };
    let name = "a.b_c-9".to_string();
    for (target, call) in [
        ("/api/health", Call::Health),
        ("/api/packages", packages),
        ("/api/packages/a.b_c-9", Call::ShowPackage { name }),
        (
            "/api/checks/5",
            Call::ShowCheck {
                id: 5,
                plain: false,
            },
        ),
        ("/api/builds", builds),
        ("/api/builds/6", Call::ShowBuild { id: 6 }),
        ("/api/builds/7/log", Call::ShowLog { id: 7, tail: None }),
        (
            "/api/builds/7/log?tail=9",
            Call::ShowLog {
                id: 7,
                tail: Some(9),
            },
        ),
        ("/api/queue", Call::ShowQueue { page }),
        (
            "/api/queue?page=2&limit=7",
            Call::ShowQueue {
                page: Page { page: 2, limit: 7 },
            },
        ),
        (
            "/?search=a+b",
            Call::ShowFront {
                search: Some("a b".to_string()),
                page,
                look: plain_look(),
            },
        ),
        (
            "/packages/x?color",
            Call::ShowPackagePage {
                name: "x".to_string(),
                look: Look {
                    color: true,
                    ..plain_look()
                },
            },
        ),
    ] {
        assert_eq!(get(target), call, "{target}");
        assert_eq!(
            answer(&request("HEAD", target, b"")),
            Ok(call),
            "HEAD {target}"
        );
    }
    let mut plain = request("GET", "/api/checks/5", b"");
    plain.head.headers = vec![("accept".to_string(), "text/plain, */*".to_string())];
    assert_eq!(answer(&plain), Ok(Call::ShowCheck { id: 5, plain: true }));
    let again = answer(&request("POST", "/api/packages/x/builds", b""));
    let name = "x".to_string();
    assert_eq!(again, Ok(Call::Rebuild { name }));
    let tree = answer(&request(
        "POST",
        "/api/check?name=x&zig_versions=0.15.2",
        b"",
    ));
    let zig_versions = vec!["0.15.2".to_string()];
    assert_eq!(
        tree,
        Ok(Call::SubmitTree {
            name: "x".to_string(),
            zig_versions,
            follow: None,
        })
    );
    let tree = answer(&request("POST", "/api/check", b""));
    let zig_versions = VERSIONS.map(str::to_string).to_vec();
    assert_eq!(
        tree,
        Ok(Call::SubmitTree {
            name: "upload".to_string(),
            zig_versions,
            follow: None,
        })
    );
}

fn plain_look() -> Look {
    Look {
        html: false,
        color: false,
        host: "HOST".to_string(),
    }
}

fn header<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    let mut found = response.headers.iter().filter(|(known, _)| *known == name);
    let value = found.next().map(|(_, value)| value.as_str());
    assert_eq!(found.next(), None, "{name} twice");
    value
}

fn with(method: &str, target: &str, headers: &[(&str, &str)]) -> Head {
    let mut head = request(method, target, b"").head;
    let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    head.headers = headers.iter().map(owned).collect();
    head
}

#[test]
fn another_method_is_told_which_there_are() {
    let get = "GET, HEAD, OPTIONS";
    for (methods, path, allowed) in [
        (
            &["POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"][..],
            "/api/health",
            get,
        ),
        (
            &["PUT", "PATCH"],
            "/api/packages",
            "GET, HEAD, POST, OPTIONS",
        ),
        (&["POST"], "/api/packages/x", get),
        (
            &["GET", "HEAD", "PUT"],
            "/api/packages/x/builds",
            "POST, OPTIONS",
        ),
        (
            &["GET", "HEAD", "DELETE"],
            "/api/check",
            "POST, PUT, OPTIONS",
        ),
        (&["POST"], "/api/checks/1", get),
        (&["POST"], "/api/builds", get),
        (&["POST", "DELETE"], "/api/builds/1", get),
        (&["POST"], "/api/builds/1/log", get),
        (&["POST"], "/api/queue", get),
        (&["POST"], "/api/events", get),
        (&["POST"], "/ws", get),
        (&["POST", "DELETE"], "/", get),
        (&["POST"], "/packages/x", get),
    ] {
        for method in methods {
            let response = answer(&request(method, path, b"")).unwrap_err();
            assert_eq!(
                (response.status, header(&response, "Allow")),
                (405, Some(allowed)),
                "{method} {path}"
            );
        }
        let response = answer(&request("OPTIONS", path, b"")).unwrap_err();
        assert_eq!(
            (response.status, header(&response, "Allow")),
            (204, Some(allowed)),
            "OPTIONS {path}"
        );
        assert!(response.body.is_empty());
    }
}

#[test]
fn a_method_nobody_knows_is_not_implemented() {
    for method in ["get", "", "BREW", "GETT", "PROPFIND", "OPTION"] {
        for path in ["/api/health", "/nothing", "*"] {
            refused(501, &request(method, path, b""));
        }
    }
}

#[test]
fn the_server_itself_says_what_it_knows() {
    let response = answer(&request("OPTIONS", "*", b"")).unwrap_err();
    let allowed = header(&response, "Allow");
    assert_eq!(response.status, 204);
    assert_eq!(allowed, Some("GET, HEAD, POST, PUT, OPTIONS"));
    refused(404, &request("GET", "*", b""));
    refused(404, &request("OPTIONS", "/nothing", b""));
}

#[test]
fn pages_of_other_origins_may_ask_before_they_read() {
    for (path, open) in [
        ("/api/packages", true),
        ("/api/builds/1/log", true),
        ("/api/%71ueue", true),
        ("/api/check", false),
        ("/api/packages/x/builds", false),
        ("/", false),
        ("/packages/x", false),
        ("*", false),
    ] {
        let response = answer(&request("OPTIONS", path, b"")).unwrap_err();
        let said = |name: &str| header(&response, &format!("Access-Control-{name}"));
        assert_eq!(said("Allow-Origin"), open.then_some("*"), "{path}");
        let methods = open.then_some("GET, HEAD, OPTIONS");
        assert_eq!(said("Allow-Methods"), methods, "{path}");
        assert_eq!(said("Max-Age"), open.then_some("86400"), "{path}");
        let headers = said("Allow-Headers").unwrap_or("");
        assert_eq!(headers.contains("If-None-Match"), open, "{path}");
    }
}

#[test]
fn errors_of_open_reads_can_be_read_by_any_page() {
    for (method, target, open) in [
        ("GET", "/api/nothing", true),
        ("HEAD", "/api/nothing", true),
        ("GET", "/api/packages?limit=0", true),
        ("GET", "/api/check", true),
        ("GET", "/api/builds/x", true),
        ("GET", "/%61pi/builds/x", true),
        ("GET", "/api/%zz", true),
        ("POST", "/api/packages", false),
        ("POST", "/api/nothing", false),
        ("GET", "/nothing", false),
        ("GET", "/apis/nothing", false),
        ("GET", "/?limit=0", false),
    ] {
        let response = answer(&request(method, target, b"")).unwrap_err();
        let origin = header(&response, "Access-Control-Allow-Origin");
        assert_eq!(origin, open.then_some("*"), "{method} {target}");
        if let Admission::Refuse(response) = admitted(&request(method, target, b"").head) {
            let origin = header(&response, "Access-Control-Allow-Origin");
            assert_eq!(origin, open.then_some("*"), "{method} {target}, its head");
        }
    }
}

#[test]
fn what_is_no_route_is_nothing() {
    for path in [
        "",
        "/api",
        "/api/",
        "/api/nothing",
        "//",
        "x/api/queue",
        "/packages",
        "/packages/",
        "/packages/x/",
        "/index.html",
        "/api/packages/",
        "/api/packages/a/b",
        "/API/health",
        "/api/health/",
        "//api/health",
        "/api/builds//log",
        "/api/builds/1/log/",
        "/api/check/1",
    ] {
        refused(404, &request("GET", path, b""));
    }
}

#[test]
fn only_a_tree_is_spooled() {
    let of = |method: &str, path: &str| admitted(&with(method, path, &[("content-length", "9")]));
    let collected = Admission::Collect {
        limit_bytes: JSON_LIMIT_BYTES,
    };
    assert_eq!(of("POST", "/api/packages"), collected);
    assert_eq!(of("POST", "/api/packages/x/builds"), collected);
    assert_eq!(of("GET", "/api/health"), collected);
    let spooled = Admission::Spool {
        limit_bytes: SOURCE_LIMIT_BYTES,
    };
    assert_eq!(of("POST", "/api/check"), spooled);
    assert_eq!(of("PUT", "/api/check"), spooled);
    assert_eq!(of("PUT", "/api/che%63k"), spooled);
    let status = |method: &str, path: &str| match of(method, path) {
        Admission::Refuse(response) => response.status,
        admission => panic!("{method} {path}: {admission:?}"),
    };
    assert_eq!(status("PATCH", "/api/check"), 405);
    assert_eq!(status("POST", "/api/nothing"), 404);
    assert_eq!(status("BREW", "/api/check"), 501);
    assert_eq!(status("OPTIONS", "/api/check"), 204);
    // What the head is wrong in is said before the body is sent.
    let status = |path: &str, query: &str, kind: &str| {
        let mut head = with(
            "POST",
            path,
            &[("content-length", "9"), ("content-type", kind)],
        );
        head.query = query.to_string();
        match admitted(&head) {
            Admission::Refuse(response) => Some(response.status),
            _ => None,
        }
    };
    assert_eq!(status("/api/check", "name=..", ""), Some(400));
    assert_eq!(status("/api/check", "zig_versions=9", ""), Some(400));
    assert_eq!(status("/api/check", "name=x", "text/xml"), None);
    assert_eq!(status("/api/packages", "", "text/xml"), Some(415));
    assert_eq!(status("/api/packages", "", "application/json"), None);
}

#[test]
fn progress_is_told_as_the_client_likes_it_best() {
    for (accept, telling) in [
        ("", None),
        ("*/*", None),
        ("text/plain", Some(Telling::Text)),
        ("TEXT/PLAIN", Some(Telling::Text)),
        ("text/plain;q=0, */*", None),
        ("text/plain;q=0.1, application/json", None),
        ("application/json;q=0.1, text/plain", Some(Telling::Text)),
        ("application/json, text/plain, */*", None),
        ("text/plainish", None),
        ("application/x-ndjson", Some(Telling::Json)),
        ("application/x-ndjson;q=0", None),
    ] {
        let mut request = request("POST", "/api/check?name=x", b"");
        request.head.headers = vec![("accept".to_string(), accept.to_string())];
        let Ok(Call::SubmitTree { follow, .. }) = answer(&request) else {
            panic!("{accept}")
        };
        assert_eq!(follow, telling, "{accept}");
    }
}

#[test]
fn a_body_that_is_needed_says_where_it_ends() {
    for (method, path, needed) in [
        ("POST", "/api/packages", true),
        ("POST", "/api/check", true),
        ("PUT", "/api/check", true),
        ("POST", "/api/packages/x/builds", false),
        ("GET", "/api/packages", false),
    ] {
        let refused = |headers: &[(&str, &str)]| match admitted(&with(method, path, headers)) {
            Admission::Refuse(response) => Some(response.status),
            _ => None,
        };
        assert_eq!(refused(&[]), needed.then_some(411), "{method} {path}");
        assert_eq!(refused(&[("content-length", "0")]), None);
        assert_eq!(refused(&[("transfer-encoding", "chunked")]), None);
    }
}

#[test]
fn html_is_for_who_names_it() {
    let look = |accept: &str, target: &str| {
        let mut request = request("GET", target, b"");
        request.head = with("GET", target, &[("accept", accept), ("host", "h:1")]);
        match answer(&request).unwrap() {
            Call::ShowFront { look, .. } | Call::ShowPackagePage { look, .. } => look,
            call => panic!("{call:?}"),
        }
    };
    for target in ["/", "/packages/x"] {
        for (accept, html) in [
            ("", false),
            ("*/*", false),
            ("text/*", false),
            ("text/plain", false),
            ("application/json", false),
            ("text/html", true),
            ("TEXT/HTML", true),
            ("text/html;level=1", true),
            ("text/html,application/xhtml+xml,*/*;q=0.8", true),
            ("application/xml, text/html ; q=0.5", true),
            ("text/html;q=0", false),
            ("text/html;q=x", false),
            ("text/html;q=-1", false),
            ("text/html;q=0.4, text/plain;q=0.5", false),
            ("text/plain, text/html", true),
            ("text/htmlx", false),
        ] {
            assert_eq!(look(accept, target).html, html, "{accept}");
        }
    }
    // A browser shows no terminal's colours.
    assert!(!look("text/html", "/?color").color);
    assert!(look("*/*", "/?color").color && look("*/*", "/?color=1").color);
    assert!(!look("*/*", "/?color=0").color && !look("*/*", "/").color);
}

#[test]
fn a_host_is_repeated_only_where_a_shell_can_take_it() {
    let of = |host: &str| {
        let mut request = request("GET", "/", b"");
        request.head = with("GET", "/", &[("host", host)]);
        match answer(&request).unwrap() {
            Call::ShowFront { look, .. } => look.host,
            call => panic!("{call:?}"),
        }
    };
    for host in ["127.0.0.1:3000", "[::1]:80", "zig.example.org", "a_b-c"] {
        assert_eq!(of(host), host);
    }
    let long = "h".repeat(256);
    for host in [
        "", "a'b", "a b", "$(x)", "a;b", "a/b", "-o", "h\u{e9}", "a%20", &long,
    ] {
        assert_eq!(of(host), "HOST", "{host}");
    }
}

#[test]
fn who_follows_is_told_as_they_like() {
    let telling = |target: &str, accept: &str| {
        let mut request = request("POST", target, b"");
        request.head = with("POST", target, &[("accept", accept)]);
        match answer(&request).unwrap() {
            Call::SubmitTree { follow, .. } => follow,
            call => panic!("{call:?}"),
        }
    };
    assert_eq!(telling("/api/check", "*/*"), None);
    assert_eq!(telling("/api/check?follow", "*/*"), Some(Telling::Text));
    assert_eq!(telling("/api/check?follow=0", "*/*"), None);
    assert_eq!(telling("/api/check", "text/plain"), Some(Telling::Text));
    let json = telling("/api/check?follow", "application/x-ndjson");
    assert_eq!(json, Some(Telling::Json));
}

#[test]
fn every_part_of_a_path_is_decoded_and_a_hidden_slash_separates_nothing() {
    let page = Page { page: 1, limit: 20 };
    assert_eq!(get("/api/%71%75eue"), Call::ShowQueue { page });
    assert_eq!(get("/%61pi/queue"), Call::ShowQueue { page });
    assert!(matches!(get("/api/p%61ckages"), Call::ListPackages { .. }));
    let id = 7;
    assert_eq!(
        get("/api/builds/%37/%6cog"),
        Call::ShowLog { id, tail: None }
    );
    for path in [
        "/api%2Fqueue",
        "/api%2fqueue",
        "%2Fapi/queue",
        "/api/builds%2F1/log",
    ] {
        refused(404, &request("GET", path, b""));
    }
    for path in [
        "/api/%", "/api/%7", "/api/%7x", "/api/%x7", "/api/%+7", "/api/%ff", "/%C3/x",
    ] {
        get_is_refused(path, "UTF-8 in whole escapes");
    }
}

#[test]
fn a_part_of_the_path_is_decoded_and_then_checked() {
    let name = "a.b-c".to_string();
    assert_eq!(get("/api/packages/a%2Eb%2dc"), Call::ShowPackage { name });
    assert_eq!(get("/api/builds/%31"), Call::ShowBuild { id: 1 });
    let long = "x".repeat(101);
    for part in [
        "a%2Fb", "a+b", "a%20b", "a%00", "%2e%2E", ".", "a&b", "%C3%A9", "a%25", &long,
    ] {
        get_is_refused(&format!("/api/packages/{part}"), "name: must be 1 to 100");
    }
    get_is_refused("/api/packages/%ff", "UTF-8");
    for part in [
        "0",
        "-1",
        "x",
        "1.0",
        "1&x=2",
        "1%00",
        "9223372036854775808",
        "1%20",
    ] {
        get_is_refused(
            &format!("/api/builds/{part}"),
            "id: must be a whole number from 1",
        );
        get_is_refused(
            &format!("/api/checks/{part}"),
            "id: must be a whole number from 1",
        );
        get_is_refused(
            &format!("/api/builds/{part}/log"),
            "id: must be a whole number from 1",
        );
    }
}

#[test]
fn pages_and_limits_have_bounds() {
    let of = |query: &str| match get(&format!("/api/packages?{query}")) {
        Call::ListPackages { page, .. } => (page.page, page.limit),
        call => panic!("{call:?}"),
    };
    assert_eq!(of("page=1&limit=1"), (1, 1));
    assert_eq!(of("page=3&limit=100"), (3, 100));
    assert_eq!(of("page=&limit="), (1, 20));
    for list in ["packages", "builds", "queue"] {
        for value in ["0", "-1", "101", "x", "1.5", "99999999999999999999999"] {
            let target = format!("/api/{list}?limit={value}");
            get_is_refused(&target, "limit: must be a whole number from 1 to 100");
        }
        for value in ["0", "-1", "x", "99999999999999999999999"] {
            get_is_refused(
                &format!("/api/{list}?page={value}"),
                "page: must be a whole number",
            );
        }
    }
    for value in ["0", "x", "-5"] {
        get_is_refused(
            &format!("/api/builds/1/log?tail={value}"),
            "tail: must be a whole number",
        );
    }
}

#[test]
fn sorts_come_from_a_closed_list() {
    for (word, column) in [
        ("name", "name"),
        ("created_at", "created_at"),
        ("last_updated", "last_updated"),
        ("popularity_score", "popularity_score"),
    ] {
        for (minus, wanted) in [("", false), ("-", true)] {
            let call = get(&format!("/api/packages?sort={minus}{word}"));
            let Call::ListPackages { sort, .. } = call else {
                panic!("{call:?}")
            };
            assert_eq!((sort.column, sort.down), (column, wanted), "{minus}{word}");
        }
    }
    for (word, column) in [
        ("id", "b.id"),
        ("created_at", "b.id"),
        ("finished_at", "b.finished_at"),
        ("package", "c.package"),
        ("zig_version", "b.zig_version"),
    ] {
        let call = get(&format!("/api/builds?sort=-{word}"));
        let Call::ListBuilds { sort, .. } = call else {
            panic!("{call:?}")
        };
        assert_eq!((sort.column, sort.down), (column, true), "{word}");
    }
    for word in ["-", "--name", "url", "NAME", "name;", "b.id", "name%20desc"] {
        get_is_refused(
            &format!("/api/packages?sort={word}"),
            "sort: must be one of name,",
        );
    }
    get_is_refused("/api/builds?sort=name", "sort: must be one of id,");
}

#[test]
fn filters_are_read_and_their_words_checked() {
    let text = |text: &str| Some(text.to_string());
    let call =
        get("/api/packages?search=a%25+b&zig_version=0.16.0&status=failed&license=MIT&author=");
    let Call::ListPackages { filter, .. } = call else {
        panic!("{call:?}")
    };
    let wanted = PackageFilter {
        search: text("a% b"),
        zig_version: text("0.16.0"),
        status: Some(BuildStatus::Failed),
        license: text("MIT"),
        author: None,
    };
    assert_eq!(filter, wanted);
    let call = get("/api/builds?package=p&check=4&zig_version=1&status=error&state=testing");
    let Call::ListBuilds { filter, .. } = call else {
        panic!("{call:?}")
    };
    let wanted = BuildFilter {
        package: text("p"),
        check: Some(4),
        zig_version: text("1"),
        status: Some(BuildStatus::Error),
        state: Some(State::Testing),
    };
    assert_eq!(filter, wanted);
    get_is_refused(
        "/api/packages?status=good",
        "status: must be one of pending, success",
    );
    get_is_refused(
        "/api/builds?state=running",
        "state: must be one of queued, fetching",
    );
    get_is_refused("/api/builds?check=0", "check: must be a whole number");
}
