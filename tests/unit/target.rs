//! What the request line and the headers decide by themselves: methods, bodies, how an answer is told.

use crate::ask::{admitted, answer, header, refused, request, with};
use zigcheck::app::live::subscription::ProgressFormat;
use zigcheck::app::render::required::Required;
use zigcheck::app::web::limits::JSON_LIMIT_BYTES;
use zigcheck::app::web::routes::pages::PageCall;
use zigcheck::app::web::routes::submit::UploadOptions;
use zigcheck::app::web::routes::table::Call;
use zigcheck::config::limits::SOURCE_LIMIT_BYTES;
use zigcheck::interface::message::Admission;

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
        (
            &["POST", "PUT"],
            "/api/packages/x",
            "GET, HEAD, DELETE, OPTIONS, PATCH",
        ),
        (&["POST", "DELETE", "PATCH"], "/api/packages/a/b", get),
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
        (
            &["POST", "PUT"],
            "/api/builds/1",
            "GET, HEAD, DELETE, OPTIONS",
        ),
        (&["POST"], "/api/builds/1/log", get),
        (&["POST"], "/api/queue", get),
        (&["POST"], "/api/events", get),
        (&["POST"], "/ws", get),
        (&["POST", "DELETE"], "/", get),
        (&["POST"], "/admin/status", get),
        (&["GET", "PUT"], "/admin/trigger-build", "POST, OPTIONS"),
        (&["GET"], "/admin/check-builds", "POST, OPTIONS"),
        (&["POST"], "/packages/x", get),
        (&["POST"], "/packages/a/b", get),
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
    assert_eq!(
        allowed,
        Some("GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH")
    );
    refused(404, &request("GET", "*", b""));
    refused(404, &request("OPTIONS", "/nothing", b""));
}

#[test]
fn pages_of_other_origins_may_ask_before_they_read() {
    for (path, open) in [
        ("/api/packages", true),
        ("/api/builds/1/log", true),
        ("/api/%71ueue", true),
        ("/api/builds/1", true),
        ("/api/check", false),
        ("/api/packages/x/builds", false),
        ("/admin/status", false),
        ("/admin/check-builds", false),
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
        ("text/plain", Some(ProgressFormat::Text)),
        ("TEXT/PLAIN", Some(ProgressFormat::Text)),
        ("text/plain;q=0, */*", None),
        ("text/plain;q=0.1, application/json", None),
        (
            "application/json;q=0.1, text/plain",
            Some(ProgressFormat::Text),
        ),
        ("application/json, text/plain, */*", None),
        ("text/plainish", None),
        ("application/x-ndjson", Some(ProgressFormat::Json)),
        ("application/x-ndjson;q=0", None),
    ] {
        let mut request = request("POST", "/api/check?name=x", b"");
        request.head.headers = vec![("accept".to_string(), accept.to_string())];
        let Ok(Call::Upload(UploadOptions { watch, .. })) = answer(&request) else {
            panic!("{accept}")
        };
        assert_eq!(watch.map(|watch| watch.format), telling, "{accept}");
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
    let options = |accept: &str, target: &str| {
        let mut request = request("GET", target, b"");
        request.head = with("GET", target, &[("accept", accept), ("host", "h:1")]);
        match answer(&request).unwrap() {
            Call::Page(PageCall { options, .. }) => options,
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
            assert_eq!(options(accept, target).html, html, "{accept}");
        }
    }
    // A browser shows no terminal's colours.
    assert!(!options("text/html", "/?color").color);
    assert!(options("*/*", "/?color").color && options("*/*", "/?color=1").color);
    assert!(!options("*/*", "/?color=0").color && !options("*/*", "/").color);
}

#[test]
fn a_host_is_repeated_only_where_a_shell_can_take_it() {
    let of = |host: &str| {
        let mut request = request("GET", "/", b"");
        request.head = with("GET", "/", &[("host", host)]);
        match answer(&request).unwrap() {
            Call::Page(PageCall { options, .. }) => options.host,
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
            Call::Upload(UploadOptions { watch, .. }) => watch.map(|watch| watch.format),
            call => panic!("{call:?}"),
        }
    };
    assert_eq!(telling("/api/check", "*/*"), None);
    assert_eq!(
        telling("/api/check?follow", "*/*"),
        Some(ProgressFormat::Text)
    );
    assert_eq!(telling("/api/check?follow=0", "*/*"), None);
    assert_eq!(
        telling("/api/check", "text/plain"),
        Some(ProgressFormat::Text)
    );
    let json = telling("/api/check?follow", "application/x-ndjson");
    assert_eq!(json, Some(ProgressFormat::Json));
}

#[test]
fn what_is_required_of_a_check_can_be_met() {
    let watch = |target: &str| {
        let call = answer(&request("POST", target, b""));
        call.map(|call| match call {
            Call::Upload(UploadOptions { watch, .. }) => watch.map(|watch| watch.required),
            call => panic!("{call:?}"),
        })
    };
    let versions = |versions: &[&str]| {
        let owned = versions.iter().map(|version| version.to_string());
        Ok(Some(Required::Versions(owned.collect())))
    };
    for (query, required) in [
        ("", Ok(None)),
        ("wait", Ok(Some(Required::Nothing))),
        ("wait&require=all", Ok(Some(Required::All))),
        ("follow&require=all", Ok(Some(Required::All))),
        ("wait&require=0.16.0", versions(&["0.16.0"])),
        (
            "wait&require=0.15.2,0.16.0",
            versions(&["0.16.0", "0.15.2"]),
        ),
        ("wait&require=0.16.0,0.16.0", versions(&["0.16.0"])),
        (
            "zig_versions=0.16.0&wait&require=0.16.0",
            versions(&["0.16.0"]),
        ),
    ] {
        assert_eq!(watch(&format!("/api/check?{query}")), required, "{query}");
    }
    for (query, sentence) in [
        ("require=all", "require: needs wait or follow"),
        ("wait&follow", "wait, follow: only one is allowed"),
        (
            "wait&require",
            "require: must be all or a list of Zig versions",
        ),
        (
            "wait&require=",
            "require: must be all or a list of Zig versions",
        ),
        (
            "wait&require=0.9.0",
            "require: unknown Zig version 0.9.0; available: 0.16.0, 0.15.2",
        ),
        (
            "wait&require=all,0.16.0",
            "require: unknown Zig version all; available: 0.16.0, 0.15.2",
        ),
        (
            "zig_versions=0.16.0&wait&require=0.15.2",
            "require: 0.15.2 is not among the zig_versions of this check",
        ),
    ] {
        let request = request("POST", &format!("/api/check?{query}"), b"");
        assert_eq!(refused(400, &request), sentence, "{query}");
    }
}
