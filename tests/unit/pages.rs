//! The pages for people, whole, as they see them.

use crate::common::core::{Inside, START};
use crate::common::rows::{self, finish, in_memory};
use zigcheck::app::domain::verdict::{BuildStatus, Reason, TestStatus, Verdict};
use zigcheck::app::store::packages::NewPackage;
use zigcheck::app::store::sources::SourceRow;
use zigcheck::app::store::store::Store;
use zigcheck::app::web::conditional::etag;
use zigcheck::interface::message::Response;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn success(tests: Option<(TestStatus, u32, u32)>, compiled: u32) -> Verdict {
    Verdict {
        build_status: BuildStatus::Success,
        reason: None,
        test_status: tests.map(|t| t.0),
        tests_passed: tests.map(|t| t.1),
        tests_total: tests.map(|t| t.2),
        compiled: Some(compiled),
        ..Verdict::failed(Reason::Lost, "")
    }
}

fn good() -> Verdict {
    success(Some((TestStatus::Success, 3, 3)), 2)
}

fn tests_failed() -> Verdict {
    Verdict {
        reason: Some(Reason::TestFailure),
        error_log: "1 of 6 tests failed\n".to_string(),
        ..success(Some((TestStatus::Failed, 5, 6)), 2)
    }
}

fn new(name: &str, description: Option<&str>) -> NewPackage {
    NewPackage {
        description: description.map(str::to_string),
        ..rows::new(name)
    }
}

fn fetched(store: &mut Store, package: (Option<i64>, &str), at: i64) -> i64 {
    let url = format!("https://github.com/x/{}", package.1);
    let git = package.0.map(|_| (url.as_str(), None));
    let check = store
        .insert_check(&crate::common::rows::check(package, git), at)
        .unwrap();
    let source = SourceRow {
        hash: format!("h{check}"),
        format: "tar.gz".to_string(),
        bytes: 9,
        dependencies: false,
        manifest: None,
    };
    let commit = package
        .0
        .map(|_| "0123456789abcdef0123456789abcdef01234567");
    store.set_source(check, &source, commit, at).unwrap();
    check
}

/// A build that ended so at that time, under that version.
fn built(store: &mut Store, check: i64, version: &str, verdict: &Verdict, at: i64) {
    let build = store.insert_build(check, version, at).unwrap();
    store
        .set_started(build, "sha256:a", None, at - 9_000)
        .unwrap();
    finish(store, build, verdict, at);
}

/// Packages of all kinds, one of which is being checked again, and an uploaded tree.
fn some() -> Store {
    let mut store = in_memory();
    let compile_error = "clap.zig:9:1: error: no\n\n    \tcode\n    ^~~~\n";
    let failed = Verdict::failed(Reason::CompileError, compile_error);
    let words = Some("Command line argument parsing");
    let mut clap = new("zig-clap", words);
    clap.reference = Some("v1".to_string());
    clap.author = Some("Hejsil".to_string());
    clap.license = Some("MIT".to_string());
    for (package, verdicts, at) in [
        (clap, [failed, good()], START - 3 * HOUR),
        (
            new("folders", None),
            [success(None, 0), tests_failed()],
            START - 12 * MINUTE,
        ),
        (
            new("old", None),
            [
                Verdict::error(Reason::EngineError, "no engine"),
                success(Some((TestStatus::NoTests, 0, 0)), 1),
            ],
            START - 50 * HOUR,
        ),
    ] {
        let id = store.insert_package(&package, at).unwrap();
        let check = fetched(&mut store, (Some(id), &package.name), at);
        for (version, verdict) in ["0.16.0", "0.15.2"].iter().zip(&verdicts) {
            built(&mut store, check, version, verdict, at);
        }
    }
    let upload = fetched(&mut store, (None, "upload"), START - 5_000);
    built(&mut store, upload, "0.16.0", &good(), START - 4_000);
    let known = store.package("folders").unwrap().unwrap();
    let again = fetched(&mut store, (Some(known.id), "folders"), START - 1_000);
    for version in ["0.16.0", "0.15.2"] {
        store.insert_build(again, version, START - 1_000).unwrap();
    }
    store.commit().unwrap();
    store
}

#[test]
fn the_first_page() {
    let mut inside = Inside::open("front", some(), 1);
    let wanted = "\
zigcheck VERSION: 1 of 1 slots in use, 1 build waiting

PACKAGE   0.16.0                    0.15.2                 CHECKED
folders   not exercised, building…  tests failed, queued…  12 min ago
zig-clap  failed                    success                3 h ago
old       error                     success                2 days ago

CHECK  NAME      BUILDS                   STARTED
    5  folders   0 of 2 build, 2 to come  1 s ago
    4  upload    1 of 1 build             5 s ago
    3  old       1 of 2 build             2 days ago
    2  folders   2 of 2 build             12 min ago
    1  zig-clap  1 of 2 build             3 h ago

Check the tree you are in:
  git archive HEAD | curl -sN --data-binary @- 'zig.example.org/api/check?name=NAME&follow'
More: /packages/NAME, /api/packages, /api/queue
";
    let wanted = wanted.replace("VERSION", env!("CARGO_PKG_VERSION"));
    assert_eq!(inside.curl("/"), wanted);
}

#[test]
fn the_page_of_a_package() {
    let mut inside = Inside::open("package", some(), 1);
    let wanted = "\
zig-clap
url          https://github.com/x/zig-clap
ref          v1
description  Command line argument parsing
author       Hejsil
license      MIT

ZIG     VERDICT  BECAUSE        COMMIT        CHECKED  BUILD  LOG
0.16.0  failed   compile_error  0123456789ab  3 h ago      1  /api/builds/1/log
    clap.zig:9:1: error: no
         code
        ^~~~
0.15.2  success  tests 3/3      0123456789ab  3 h ago      2  /api/builds/2/log

Check it again:
  curl -X POST 'zig.example.org/api/packages/zig-clap/builds'
More: /api/packages/zig-clap, all packages at /
";
    assert_eq!(inside.curl("/packages/zig-clap"), wanted);
    let wanted = "\
folders
url  https://github.com/x/folders

ZIG     VERDICT                   BECAUSE                           COMMIT        CHECKED     BUILD  LOG
0.16.0  not exercised, building…  builds, but nothing was compiled  0123456789ab  12 min ago      3  /api/builds/3/log
    build 8 is building: /api/builds/8/log
0.15.2  tests failed, queued…     test_failure, tests 5/6           0123456789ab  12 min ago      4  /api/builds/4/log
    1 of 6 tests failed
    build 9 is queued: /api/builds/9/log

Check it again:
  curl -X POST 'zig.example.org/api/packages/folders/builds'
More: /api/packages/folders, all packages at /
";
    assert_eq!(inside.curl("/packages/folders"), wanted);
}

#[test]
fn a_package_without_a_verdict_shows_where_its_builds_are() {
    let mut inside = Inside::open("pending", in_memory(), 1);
    let body = br#"{"url": "https://github.com/x/new", "zig_versions": ["0.15.2"]}"#;
    let response = inside.request("POST", "/api/packages", &[], body);
    assert_eq!(response.status, 201);
    let text = inside.curl("/packages/new");
    let rows: Vec<&str> = text.lines().skip(3).take(3).collect();
    assert_eq!(
        rows,
        [
            "ZIG     VERDICT    BECAUSE  COMMIT  CHECKED  BUILD  LOG",
            "0.16.0  -                           -",
            "0.15.2  fetching…                   -            1  /api/builds/1/log",
        ]
    );
    let text = inside.curl("/");
    assert_eq!(text.lines().nth(3), Some("new      -       fetching…  -"));
}

#[test]
fn an_empty_server_says_so_in_one_line() {
    let mut inside = Inside::without_engine("nothing", in_memory());
    let text = inside.curl("/");
    let lines: Vec<&str> = text.lines().collect();
    let version = env!("CARGO_PKG_VERSION");
    let first = format!(
        "zigcheck {version}: 0 of 1 slots in use, 0 builds waiting; \
         the container engine is unavailable"
    );
    assert_eq!(lines[0], first);
    assert_eq!(lines[2], "No packages and no checks yet.");
    assert_eq!(lines.len(), 7, "{text}");
}

#[test]
fn what_is_not_there_is_one_line() {
    let mut inside = Inside::open("missing", some(), 1);
    let response = inside.request("GET", "/packages/nobody", &[], b"");
    assert_eq!(response.status, 404);
    assert_eq!(response.body, b"There is no package nobody.\n");
    let accept = [("accept", "text/html")];
    let response = inside.request("GET", "/packages/nobody", &accept, b"");
    let html = String::from_utf8(response.body).unwrap();
    assert_eq!(response.status, 404);
    assert!(
        html.contains("There is no package nobody.</a></h1>"),
        "{html}"
    );
    // An upload is no package.
    let response = inside.request("GET", "/packages/upload", &[], b"");
    assert_eq!(response.status, 404);
    assert_eq!(
        inside.request("GET", "/packages/a%20b", &[], b"").status,
        400
    );
}

#[test]
fn pages_and_searches() {
    let mut inside = Inside::open("search", some(), 1);
    let names = |text: &str| {
        let rows = text.lines().skip(3).take_while(|line| !line.is_empty());
        let names = rows.map(|line| line.split(' ').next().unwrap().to_string());
        names.collect::<Vec<String>>()
    };
    let text = inside.curl("/?limit=2&color=0");
    assert_eq!(names(&text), ["folders", "zig-clap"]);
    let last = text.lines().last().unwrap();
    assert_eq!(last, "Page 2 of 2: curl 'zig.example.org/?limit=2&page=2'");
    let text = inside.curl("/?limit=2&page=2");
    assert_eq!(names(&text), ["old"]);
    assert!(!text.contains("Page "), "{text}");
    let text = inside.curl("/?search=%27l%20&limit=1");
    assert!(text.contains("\nNo package matches 'l \n"), "{text}");
    let text = inside.curl("/?search=d%1b%5b31m%c2%9b&limit=1");
    assert!(text.contains("\nNo package matches d[31m\n"), "{text}");
    let text = inside.curl("/?search=x%2Fold");
    assert_eq!(names(&text), ["old"]);
    let text = inside.curl("/?search=https%3A&limit=1&page=2&color");
    let next = "curl 'zig.example.org/?search=https%3A&limit=1&page=3&color'";
    assert!(text.ends_with(&format!("Page 3 of 3: {next}\n")), "{text}");
    let text = inside.curl("/?page=9");
    assert!(
        text.contains("\nThere is no page 9: the last is 1.\n"),
        "{text}"
    );
}

/// The text without the escapes of its colours, which must be whole.
fn stripped(text: &str) -> (String, usize) {
    let (mut plain, mut count) = (String::new(), 0);
    let mut pieces = text.split('\x1b');
    plain += pieces.next().unwrap();
    let mut open = false;
    for piece in pieces {
        let (code, rest) = piece.split_once('m').expect("a whole escape");
        assert!(["[32", "[33", "[31", "[2", "[0"].contains(&code), "{code}");
        assert_eq!(open, code == "[0", "colours end before others begin");
        open = !open;
        assert!(
            !open || rest.starts_with(|c: char| !c.is_whitespace()),
            "{rest:?}"
        );
        plain += rest;
        count += 1;
    }
    assert!(!open);
    (plain, count)
}

#[test]
fn colours_take_no_room() {
    let mut inside = Inside::open("colours", some(), 1);
    for path in [
        "/",
        "/packages/zig-clap",
        "/packages/folders",
        "/packages/old",
    ] {
        let plain = inside.curl(path);
        assert!(!plain.contains('\x1b'));
        let (without, count) = stripped(&inside.curl(&format!("{path}?color")));
        assert_eq!(without, plain, "{path}");
        assert!(count >= 4, "{path} has only {count} colours");
    }
    let text = inside.curl("/?color");
    for wanted in [
        "\x1b[33mnot exercised, building…\x1b[0m  ",
        "\x1b[33mtests failed, queued…\x1b[0m  ",
        "\x1b[31mfailed\x1b[0m  ",
        "\x1b[32msuccess\x1b[0m  ",
        "\x1b[2m0 of 2 build, 2 to come\x1b[0m  ",
    ] {
        assert!(text.contains(wanted), "{wanted:?} is not in {text}");
    }
}

/// Text that would take over a terminal or a page.
const HOSTILE: &str = "\x1b]0;x\x07<script>alert('\"&')</script>\u{9b}31m\u{202e}\u{2066}\
    \u{200b}\r\n\tend\x7f\0";

fn hostile() -> Store {
    let mut store = in_memory();
    let mut package = new("p", Some(&HOSTILE.replace('\0', "")));
    package.author = Some("<i>".to_string());
    package.license = Some("L".repeat(500));
    let id = store.insert_package(&package, START).unwrap();
    let check = fetched(&mut store, (Some(id), "p"), START);
    let error = format!("{HOSTILE}\n{}\n", "e".repeat(500));
    let verdict = Verdict::failed(Reason::CompileError, &error);
    built(&mut store, check, "0.16.0", &verdict, START);
    store.commit().unwrap();
    store
}

#[test]
fn what_a_package_says_cannot_leave_its_place() {
    let mut inside = Inside::open("hostile", hostile(), 1);
    let text = inside.curl("/packages/p");
    let foreign = |c: char| c != '\n' && (c.is_control() || "\u{202e}\u{2066}\u{200b}".contains(c));
    assert!(!text.contains(foreign), "{text:?}");
    let line = text.lines().nth(2).unwrap();
    let clean = "]0;x<script>alert('\"&')</script>31m  end";
    assert_eq!(line, format!("description  {clean}"));
    assert!(
        text.contains("    ]0;x<script>alert('\"&')</script>31m\n"),
        "{text}"
    );
    let widest = text.lines().map(|line| line.chars().count()).max();
    assert_eq!(widest, Some("description  ".len() + 160));
    let (without, _) = stripped(&inside.curl("/packages/p?color"));
    assert_eq!(without, text);
}

fn html(inside: &mut Inside, target: &str) -> Response {
    let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    inside.request("GET", target, &[("accept", accept), ("host", "h")], b"")
}

/// The elements of a page in order, each open one closed; and its text.
fn elements(html: &str) -> (Vec<String>, String) {
    let (mut all, mut open, mut text) = (Vec::new(), Vec::new(), String::new());
    let html = html.strip_prefix("<!DOCTYPE html>\n").expect("a doctype");
    for piece in html.split('<').skip(1) {
        let (tag, behind) = piece.split_once('>').expect("a whole tag");
        let name = tag.split(' ').next().unwrap();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop().as_deref(), Some(name), "in {piece}"),
            None if name == "meta" => {}
            None => {
                open.push(name.to_string());
                all.push(name.to_string());
            }
        }
        assert!(
            !behind.contains('>') || open.iter().any(|o| o == "style"),
            "{piece}"
        );
        if !open.iter().any(|name| name == "style") {
            text += behind;
        }
    }
    assert!(open.is_empty(), "{open:?} never end");
    (all, text)
}

#[test]
fn a_browser_gets_the_same_words_as_html() {
    let mut inside = Inside::open("html", some(), 1);
    for path in ["/", "/packages/zig-clap", "/packages/folders"] {
        let response = html(&mut inside, path);
        let page = String::from_utf8(response.body).unwrap();
        let (all, shown) = elements(&page);
        assert!(!all.iter().any(|name| name == "script"));
        let unescaped = shown.replace("&#39;", "'").replace("&quot;", "\"");
        let unescaped = unescaped.replace("&lt;", "<").replace("&gt;", ">");
        let unescaped = unescaped.replace("&amp;", "&");
        let text = inside.curl(path).replace("zig.example.org", "h");
        let words = text.split_whitespace().map(str::to_string);
        for word in words {
            assert!(
                unescaped.contains(&word),
                "{path} lacks {word}: {unescaped}"
            );
        }
    }
    let front = String::from_utf8(html(&mut inside, "/?limit=1").body).unwrap();
    for link in [
        "<a href=\"/packages/folders\">folders</a>",
        "<a href=\"/api/checks/4\">4</a>",
        "<a href=\"/api/queue\">/api/queue</a>",
        "<a href=\"/?limit=1&amp;page=2\">",
    ] {
        assert!(front.contains(link), "{link} is not in {front}");
    }
    let one = String::from_utf8(html(&mut inside, "/packages/zig-clap").body).unwrap();
    for link in [
        "<a href=\"/\">/</a>",
        "<a href=\"/api/packages/zig-clap\">",
        "<a href=\"/api/builds/1/log\">",
        "<a href=\"https://github.com/x/zig-clap\">",
        "<span class=\"bad\">failed</span>",
        "<title>zig-clap: zigcheck</title>",
    ] {
        assert!(one.contains(link), "{link} is not in {one}");
    }
}

#[test]
fn what_a_package_says_is_no_html() {
    let mut inside = Inside::open("escaped", hostile(), 1);
    let page = String::from_utf8(html(&mut inside, "/packages/p").body).unwrap();
    elements(&page);
    let clean = "]0;x&lt;script&gt;alert(&#39;&quot;&amp;&#39;)&lt;/script&gt;31m  end";
    assert!(page.contains(clean), "{page}");
    assert!(page.contains("&lt;i&gt;") && !page.contains("<i>"));
    let target = "/?search=%22%3E%3Cscript%3E";
    let page = String::from_utf8(html(&mut inside, target).body).unwrap();
    elements(&page);
    assert!(
        page.contains("No package matches &quot;&gt;&lt;script&gt;"),
        "{page}"
    );
}

fn value<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    let found = response.headers.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| value.as_str())
}

#[test]
fn what_has_not_changed_is_not_sent_again() {
    let mut inside = Inside::open("unchanged", some(), 1);
    let mut tags = Vec::new();
    for target in [
        "/",
        "/?color",
        "/packages/zig-clap",
        "/api/packages",
        "/api/packages/old",
        "/api/checks/1",
        "/api/builds",
        "/api/builds/1",
        "/api/queue",
    ] {
        let open = target.starts_with("/api").then_some("*");
        let first = inside.request("GET", target, &[], b"");
        let tag = value(&first, "ETag").unwrap().to_string();
        assert_eq!((first.status, &tag), (200, &etag(&first.body)), "{target}");
        assert_eq!(value(&first, "Access-Control-Allow-Origin"), open);
        let headers = [("if-none-match", tag.as_str())];
        let again = inside.request("GET", target, &headers, b"");
        assert_eq!((again.status, again.body.len()), (304, 0), "{target}");
        assert_eq!(value(&again, "ETag"), Some(tag.as_str()));
        assert_eq!(value(&again, "Access-Control-Allow-Origin"), open);
        assert_eq!(value(&again, "Vary"), value(&first, "Vary"));
        let varies = target.starts_with("/api/checks") || open.is_none();
        assert_eq!(
            value(&first, "Vary"),
            varies.then_some("Accept"),
            "{target}"
        );
        tags.push(tag);
    }
    let of_html = html(&mut inside, "/");
    assert_eq!(
        value(&of_html, "Content-Type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(value(&of_html, "Vary"), Some("Accept"));
    tags.push(value(&of_html, "ETag").unwrap().to_string());
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 10, "two answers of one tag");
    // A verdict changes what is asked for again.
    let headers = [("if-none-match", tags[0].as_str())];
    assert_eq!(
        inside.request("GET", "/api/nothing", &headers, b"").status,
        404
    );
    let before = value(&inside.request("GET", "/", &[], b""), "ETag").map(str::to_string);
    inside.build_succeeds("zigcheck-8-1");
    let headers = [("if-none-match", before.as_deref().unwrap())];
    assert_eq!(inside.request("GET", "/", &headers, b"").status, 200);
}
