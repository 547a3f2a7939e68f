//! The pages of a check, a build and the queue, as text and as HTML.

use super::data::*;
use super::html::{document, html};
use crate::common::core::{Inside, START};
use crate::common::rows::in_memory;
use zigcheck::app::domain::verdict::{Reason, Verdict};
use zigcheck::app::render::view::forge::{commit_url, line_url};
use zigcheck::app::store::packages;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

#[test]
fn a_check_has_a_row_for_each_version_and_equal_errors_once() {
    let mut store = in_memory();
    let id = packages::insert(&mut store, &new("p", None), START).unwrap();
    let check = fetched(&mut store, (Some(id), "p"), START);
    let error = "src/a.zig:9:1: error: no\n    ^~~~\n";
    let failed = Verdict::failed(Reason::CompileError, error);
    for version in ["0.16.0", "0.15.2"] {
        built(&mut store, check, version, &failed, START);
    }
    store.commit().unwrap();
    let mut inside = Inside::open("check-page", store, 1);
    let page = document(&mut inside, "/checks/1");
    assert_eq!(page.text("title"), "p: 0.16.0 ✗ 0.15.2 ✗, check 1");
    assert_eq!(page.text("h1"), "Check 1 of p");
    let rows: Vec<&str> = page
        .named("tr")
        .iter()
        .map(|row| row.text.as_str())
        .collect();
    assert_eq!(
        rows[1..],
        [
            "0.16.0✗failedcompile_error9.0 sbuild 1",
            "0.15.2✗failedcompile_error9.0 sbuild 2"
        ]
    );
    let heads: Vec<&str> = page
        .named("h2")
        .iter()
        .map(|head| head.text.as_str())
        .collect();
    assert_eq!(heads[0], "First errors with Zig 0.16.0, 0.15.2");
    let place = format!("https://github.com/x/p/blob/{COMMIT}/src/a.zig#L9");
    assert_eq!(page.link("src/a.zig:9:1"), Some(place.as_str()));
    let commit = format!("https://github.com/x/p/commit/{COMMIT}");
    assert_eq!(page.link("0123456789ab"), Some(commit.as_str()));
    assert_eq!(page.link("build 2"), Some("/builds/2"));
    assert_eq!(page.link("p"), Some("/packages/p"));
    let text = inside.curl("/checks/1");
    let accept = [("accept", "text/plain")];
    let matrix = inside.request("GET", "/api/checks/1", &accept, b"").body;
    assert_eq!(text.as_bytes(), matrix, "a terminal sees its matrix");
}

#[test]
fn a_build_is_one_sentence_and_what_to_do_about_it() {
    let mut store = in_memory();
    let error =
        "src/a.zig:9:1: error: struct 'std' has no member named 'lang'\n    std.lang\n    ^~~~\n";
    let failed = Verdict::failed(Reason::CompileError, error);
    for (name, at) in [("p", START - HOUR), ("q", START)] {
        let id = packages::insert(&mut store, &new(name, None), at).unwrap();
        for verdict in [&good(), &failed] {
            let check = fetched(&mut store, (Some(id), name), at);
            built(&mut store, check, "0.16.0", verdict, at);
        }
    }
    store.commit().unwrap();
    let mut inside = Inside::open("build-page", store, 1);
    let page = document(&mut inside, "/builds/2");
    assert_eq!(page.text("title"), "p: 0.16.0 ✗, build 2");
    let main = page.text("main");
    let sentence = "✗failed: p 0123456789ab with Zig 0.16.0 failed to compile (9.0 s), 60 min ago.";
    let sentence = sentence.replace("60 min", "1 h");
    assert!(main.contains(&sentence), "{main}");
    assert!(main.contains("The same error in 1 other package"), "{main}");
    assert_eq!(page.link("q"), Some("/packages/q"));
    assert_eq!(page.link("build 1"), Some("/builds/1"), "the one before");
    assert_eq!(page.link("build 3"), None, "is of another package");
    let place = format!("https://github.com/x/p/blob/{COMMIT}/src/a.zig#L9");
    assert_eq!(page.link("src/a.zig:9:1"), Some(place.as_str()));
    let clone =
        format!("git clone https://github.com/x/p package && cd package && git checkout {COMMIT}");
    for fact in [
        &clone,
        "zigcheck:0.16.0",
        "no network; 2 processors; 20 min in all",
    ] {
        assert!(main.contains(fact), "{fact} is not in {main}");
        assert!(inside.curl("/builds/2").contains(fact), "{fact}");
    }
    assert!(
        document(&mut inside, "/builds/1")
            .text("main")
            .contains("builds, and 3 of its 3 tests pass")
    );
    assert_eq!(html(&mut inside, "/builds/99").status, 404);
    assert_eq!(html(&mut inside, "/checks/99").status, 404);
}

#[test]
fn the_queue_says_what_runs_and_why_the_rest_waits() {
    let mut inside = Inside::open("queue-page", some(), 1);
    let page = document(&mut inside, "/queue");
    let rows: Vec<&str> = page
        .named("tr")
        .iter()
        .map(|row| row.text.as_str())
        .collect();
    assert_eq!(
        rows[1],
        "folders0.16.0building… 0.0 s of about 9.0 sbuild 8"
    );
    assert!(rows[3].contains("a person asked: it is next"), "{rows:?}");
    assert_eq!(page.named("progress").len(), 1);
    assert_eq!(page.link("folders"), Some("/packages/folders"));
    let text = inside.curl("/queue");
    let wanted = "\
1 of 1 slots in use, 1 build waiting

RUNNING  ZIG     PHASE      TIME  USUALLY  BUILD
folders  0.16.0  building  0.0 s    9.0 s  /builds/8

WAITING  ZIG     AT  STARTS          BUILD      WHY
folders  0.15.2   1  in about 9.0 s  /builds/9  a person asked: it is next
";
    assert_eq!(text, wanted);
    // Its check's page says the same of it.
    let page = document(&mut inside, "/checks/5");
    let main = page.text("main");
    assert!(
        main.contains("number 1 in the queue; a person asked: it is next; starts in about 9.0 s"),
        "{main}"
    );
    assert!(main.contains("0.0 s of about 9.0 s"), "{main}");
    assert!(
        document(&mut inside, "/")
            .text("main")
            .contains("Running now")
    );
}

#[test]
fn commits_and_lines_have_their_addresses_at_each_forge() {
    for (url, commit, line) in [
        (
            "https://github.com/A/b.git",
            "https://github.com/a/b/commit/C",
            "https://github.com/a/b/blob/C/s/a.zig#L7",
        ),
        (
            "https://gitlab.com/g/h/p",
            "https://gitlab.com/g/h/p/-/commit/C",
            "https://gitlab.com/g/h/p/-/blob/C/s/a.zig#L7",
        ),
        (
            "https://codeberg.org/a/b",
            "https://codeberg.org/a/b/commit/C",
            "https://codeberg.org/a/b/src/commit/C/s/a.zig#L7",
        ),
        (
            "https://git.sr.ht/~a/b",
            "https://git.sr.ht/~a/b/commit/C",
            "https://git.sr.ht/~a/b/tree/C/item/s/a.zig#L7",
        ),
    ] {
        let at = |text: &str| Some(text.replace('C', COMMIT));
        assert_eq!(commit_url(url, COMMIT), at(commit));
        assert_eq!(line_url(url, COMMIT, "s/a.zig", 7), at(line));
    }
    let known = "https://github.com/a/b";
    assert_eq!(commit_url("https://example.org/a/b", COMMIT), None);
    assert_eq!(commit_url(known, "main\"><script>"), None);
    for path in [
        "/opt/zig/lib/std/Build.zig",
        "../a.zig",
        "a//b.zig",
        "a b.zig",
        "a\".zig",
    ] {
        assert_eq!(line_url(known, COMMIT, path, 1), None, "{path}");
    }
}
