//! Pages as text.

use super::data::*;
use crate::common::core::Inside;
use crate::common::rows::in_memory;

#[test]
fn the_first_page() {
    let mut inside = Inside::open("front", some(), 1);
    let wanted = "\
zigcheck VERSION: 1 of 1 slots in use, 1 build waiting

PACKAGE   0.16.0                    0.15.2                 CHECKED
old       error                     success                2 days ago
folders   not exercised, building…  tests failed, queued…  12 min ago
zig-clap  failed                    success                3 h ago

CHECK  NAME      BUILDS                   STARTED
    5  folders   0 of 2 build, 2 to come  1 s ago
    4  upload    1 of 1 build             5 s ago
    3  old       1 of 2 build             2 days ago
    2  folders   1 of 2 build             12 min ago
    1  zig-clap  1 of 2 build             3 h ago

Check the tree you are in:
  git archive HEAD | curl -sN --data-binary @- 'zig.example.org/api/check?name=NAME&follow'
More: /packages/NAME, /queue, /stats, /api/packages
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

ZIG     WORKS         OF
0.15.2  0123456789ab      the latest commit
    zig fetch --save git+https://github.com/x/zig-clap#0123456789abcdef0123456789abcdef01234567

ZIG     VERDICT  BECAUSE        COMMIT        CHECKED  BUILD  LOG
0.16.0  failed   compile_error  0123456789ab  3 h ago      1  /builds/1/log
    clap.zig:9:1: error: no
         code
        ^~~~
0.15.2  success  tests 3/3      0123456789ab  3 h ago      2  /builds/2/log

Check it again:
  curl -X POST 'zig.example.org/api/packages/zig-clap/builds'
What holds it back under 0.16.0? /packages/zig-clap/upgrade/0.16.0
More: /api/packages/zig-clap, all packages at /
";
    assert_eq!(inside.curl("/packages/zig-clap"), wanted);
    let wanted = "\
folders
url  https://github.com/x/folders

ZIG     VERDICT                   BECAUSE                           COMMIT        CHECKED     BUILD  LOG
0.16.0  not exercised, building…  builds, but nothing was compiled  0123456789ab  12 min ago      3  /builds/3/log
    build 8 is building: /builds/8/log
0.15.2  tests failed, queued…     test_failure, tests 5/6           0123456789ab  12 min ago      4  /builds/4/log
    1 of 6 tests failed
    build 9 is queued: /builds/9/log

Check it again:
  curl -X POST 'zig.example.org/api/packages/folders/builds'
What holds it back under 0.16.0? /packages/folders/upgrade/0.16.0
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
            "0.15.2  fetching…                   -            1  /builds/1/log",
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
        html.contains("<p>There is no package nobody.</p>"),
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
    assert_eq!(names(&text), ["old", "folders"]);
    let last = text.lines().last().unwrap();
    assert_eq!(last, "Page 2 of 2: curl 'zig.example.org/?limit=2&page=2'");
    let text = inside.curl("/?limit=2&page=2");
    assert_eq!(names(&text), ["zig-clap"]);
    assert!(!text.contains("Page "), "{text}");
    let text = inside.curl("/?search=%27l%20&limit=1");
    assert!(text.contains("\nNo package matches 'l \n"), "{text}");
    let text = inside.curl("/?search=d%1b%5b31m%c2%9b&limit=1");
    assert!(text.contains("\nNo package matches d\n"), "{text}");
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
pub fn stripped(text: &str) -> (String, usize) {
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
        "\x1b[31mtests failed, queued…\x1b[0m  ",
        "\x1b[31mfailed\x1b[0m  ",
        "\x1b[32msuccess\x1b[0m  ",
        "\x1b[2m0 of 2 build, 2 to come\x1b[0m  ",
    ] {
        assert!(text.contains(wanted), "{wanted:?} is not in {text}");
    }
}
