//! Builds that run anew although a verdict is known, and verdicts that differ.

use super::experienced::*;
use crate::common::core::Inside;
use crate::common::rows::{check, finish, in_memory};
use serde_json::json;
use zigcheck::app::domain::ids::{BuildId, CheckId};
use zigcheck::app::domain::verdict::{BuildStatus, ImportStatus, Reason, TestStatus, Verdict};
use zigcheck::app::store::builds;
use zigcheck::app::store::checks;
use zigcheck::app::store::store::Store;

#[test]
fn a_fresh_build_takes_no_verdict_from_the_cache() {
    let (mut inside, _memory) = experienced("fresh-known", 1);
    let fresh = inside.upload_with("&fresh", &tree("a"));
    assert_eq!((&fresh["id"], &fresh["cached"]), (&json!(2), &json!(false)));
    assert_eq!(inside.names(), ["zigcheck-2-1"]);
    inside.build_succeeds("zigcheck-2-1");
    assert_eq!(inside.build(2)["flaky"], false, "both say the same");
    // What comes later gets the newest verdict.
    inside.upload(&tree("a"));
    is_that_of(&mut inside, 3, 2);
}

#[test]
fn a_fresh_build_of_a_package_takes_no_verdict_from_the_cache() {
    let (mut inside, _memory) = Inside::begin("fresh-package", 2);
    inside.submit("a");
    inside.source_is("zigcheck-source-1-1", b"one", false);
    inside.build_succeeds("zigcheck-1-1");
    inside.build_succeeds("zigcheck-2-1");
    inside.request("POST", "/api/packages/a/builds?fresh", &[], b"");
    inside.source_is("zigcheck-source-2-1", b"one", false);
    assert_eq!(inside.names(), ["zigcheck-3-1", "zigcheck-4-1"]);
    inside.build_succeeds("zigcheck-3-1");
    inside.build_fails("zigcheck-4-1");
    assert_eq!(inside.build(4)["flaky"], true);
    assert_eq!(inside.build(2)["flaky"], true, "the one before as well");
    assert_eq!(inside.build(3)["flaky"], false, "another version");
}

#[test]
fn a_fresh_build_waits_for_no_other() {
    let (mut inside, memory) = Inside::begin("fresh-waits", 3);
    inside.upload(&tree("a"));
    inside.upload_with("&fresh", &tree("a"));
    inside.upload_with("&fresh", &tree("a"));
    let names = ["zigcheck-1-1", "zigcheck-2-1", "zigcheck-3-1"];
    assert_eq!(inside.names(), names);
    // Another one that may wait does so.
    inside.upload(&tree("a"));
    inside.is(4, "queued", "pending", None, 1);
    assert_eq!(inside.names(), names);
    let mut inside = inside.restarted(&memory);
    for name in names {
        inside.build_succeeds(name);
    }
    inside.pass_step_by_step(0);
    inside.is(4, "finished", "success", None, 1);
    assert_eq!(inside.build(4)["cached"], true);
}

#[test]
fn another_directory_is_another_verdict() {
    let (mut inside, _memory) = experienced("fresh-dir", 1);
    let root = inside.upload_with("&dir=.", &tree("a"));
    assert_eq!(root["cached"], true, "the root is no other directory");
    let other = inside.upload_with("&dir=lib", &tree("a"));
    assert_eq!(other["cached"], false);
    let check = inside.json(&format!("/api/checks/{}", other["check"]));
    assert_eq!(check["dir"], "lib");
    inside.build_fails("zigcheck-3-1");
    let again = inside.upload_with("&dir=lib/", &tree("a"));
    is_that_of(&mut inside, id(&again), 3);
    inside.upload(&tree("a"));
    is_that_of(&mut inside, 5, 1);
}

#[test]
fn the_directory_of_a_package_is_that_of_all_its_checks() {
    let (mut inside, _memory) = Inside::begin("fresh-package-dir", 1);
    let body = br#"{"url": "https://github.com/x/a", "dir": "lib/a", "zig_versions": ["0.16.0"]}"#;
    assert_eq!(
        inside.request("POST", "/api/packages", &[], body).status,
        201
    );
    assert_eq!(inside.json("/api/packages/a")["dir"], "lib/a");
    assert_eq!(inside.json("/api/checks/1")["dir"], "lib/a");
    assert!(inside.curl("/packages/a").contains("\ndir  lib/a\n"));
    inside.request("POST", "/api/packages/a/builds", &[], b"");
    assert_eq!(inside.json("/api/checks/2")["dir"], "lib/a");
}

#[test]
fn an_answer_from_the_cache_says_so_and_how_to_have_another() {
    let (mut inside, _memory) = experienced("fresh-said", 1);
    let said = "\ncached verdicts: submit again with the parameter fresh to run them anew\n";
    let plain = |inside: &mut Inside, check: i64| {
        let accept = [("accept", "text/plain")];
        let target = format!("/api/checks/{check}");
        let response = inside.request("GET", &target, &accept, b"");
        String::from_utf8(response.body).unwrap()
    };
    assert!(!plain(&mut inside, 1).contains("cached"));
    inside.upload(&tree("a"));
    let text = plain(&mut inside, 2);
    assert!(
        text.contains("as build 1") && text.ends_with(said),
        "{text}"
    );
}

// -- what is known and what is marked --

const KEY: &str = "key";

/// A finished build of that key with that verdict.
fn build_with(store: &mut Store, verdict: &Verdict) -> BuildId {
    let check: CheckId = checks::insert(store, &check((None, "x"), None), 1).unwrap();
    let build = builds::insert(store, check, "0.16.0", 1).unwrap();
    builds::set_started(store, build, "sha256:a", Some(KEY), 2).unwrap();
    finish(store, build, verdict, 3);
    build
}

fn success() -> Verdict {
    Verdict {
        build_status: BuildStatus::Success,
        test_status: Some(TestStatus::Success),
        import_status: Some(ImportStatus::Success),
        reason: None,
        ..Verdict::failed(Reason::Lost, "")
    }
}

fn is_flaky(store: &Store, build: BuildId) -> bool {
    builds::by_id(store, build).unwrap().unwrap().flaky
}

#[test]
fn a_verdict_that_may_not_come_again_is_never_known() {
    let tests_failed = |reason| Verdict {
        test_status: Some(TestStatus::Failed),
        reason: Some(reason),
        ..success()
    };
    let import_failed = |reason| Verdict {
        import_status: Some(ImportStatus::Failed),
        reason: Some(reason),
        ..success()
    };
    let passing = [
        Reason::DependencyUnavailable,
        Reason::Timeout,
        Reason::Silent,
        Reason::OutOfMemory,
    ];
    for &reason in Reason::ALL {
        let known = |verdict: &Verdict| {
            let mut store = in_memory();
            let build = build_with(&mut store, verdict);
            let found = builds::cached(&store, KEY).unwrap();
            assert!(found.is_none_or(|found| found == build));
            found.is_some()
        };
        let lasts = !passing.contains(&reason);
        assert_eq!(known(&Verdict::failed(reason, "")), lasts, "{reason:?}");
        assert_eq!(known(&tests_failed(reason)), lasts, "{reason:?}");
        assert_eq!(known(&import_failed(reason)), lasts, "{reason:?}");
        assert!(!known(&Verdict::error(reason, "")), "{reason:?}");
    }
    let mut store = in_memory();
    let lasting = build_with(&mut store, &success());
    build_with(&mut store, &Verdict::failed(Reason::Timeout, ""));
    assert_eq!(builds::cached(&store, KEY).unwrap(), Some(lasting));
}

#[test]
fn two_verdicts_on_one_source_mark_both_as_flaky() {
    let others = [
        Verdict::failed(Reason::CompileError, "e"),
        Verdict {
            test_status: Some(TestStatus::Failed),
            reason: Some(Reason::TestFailure),
            ..success()
        },
        Verdict {
            import_status: Some(ImportStatus::Partial),
            ..success()
        },
    ];
    for other in others {
        let mut store = in_memory();
        let first = build_with(&mut store, &success());
        let same = build_with(&mut store, &success());
        assert!(!is_flaky(&store, first) && !is_flaky(&store, same));
        // An error is no verdict on the package.
        build_with(&mut store, &Verdict::error(Reason::Lost, ""));
        assert!(!is_flaky(&store, first));
        let last = build_with(&mut store, &other);
        for build in [first, same, last] {
            assert!(is_flaky(&store, build), "{build} {other:?}");
        }
        // The newest is what a cached build gets, and it is marked as that one is.
        assert_eq!(builds::cached(&store, KEY).unwrap(), Some(last));
        let check = checks::insert(&mut store, &check((None, "x"), None), 4).unwrap();
        let cached = builds::insert(&mut store, check, "0.16.0", 4).unwrap();
        builds::finish_cached(&mut store, cached, last, 5).unwrap();
        assert!(is_flaky(&store, cached));
        let row = builds::by_id(&store, cached).unwrap().unwrap();
        let original = builds::by_id(&store, last).unwrap().unwrap();
        assert_eq!(row.statuses(), original.statuses());
        // One more of the same stays marked.
        let more = build_with(&mut store, &success());
        assert!(is_flaky(&store, more));
        assert_eq!(builds::cached(&store, KEY).unwrap(), Some(more));
    }
}
