//! Verdicts that are known.

use super::experienced::*;
use crate::common::core::Inside;
use crate::common::core_steps::framed;
use serde_json::{Value, json};

#[test]
fn the_same_again_is_answered_at_once() {
    let (mut inside, memory) = experienced("cache-again", 1);
    let again = inside.upload(&tree("a"));
    let words = [&again["id"], &again["state"], &again["build_status"]];
    assert_eq!(words, [&json!(2), &json!("finished"), &json!("success")]);
    assert_eq!(
        (&again["cached"], &again["cached_from"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(again["log_url"], "/api/builds/1/log");
    assert_eq!(again["queue_position"], Value::Null);
    is_that_of(&mut inside, 2, 1);
    assert_eq!(memory.events(2), ["queued", "finished"]);
    assert_eq!(inside.curl("/api/builds/1/log"), "the only log\n");
    assert_eq!(
        inside.curl("/api/builds/2/log"),
        "the only log\n",
        "that of the original"
    );
    // Not of the second, which has nothing of its own.
    let third = inside.upload(&tree("a"));
    is_that_of(&mut inside, id(&third), 1);
    let other = inside.upload(&tree("b"));
    assert_eq!(inside.names(), ["zigcheck-4-1"]);
    assert_eq!(other["cached"], false);
    inside.build_fails("zigcheck-4-1");
    let again = inside.upload(&tree("b"));
    assert_eq!(again["build_status"], "failed");
    is_that_of(&mut inside, 5, 4);
    let queue = inside.json("/api/queue");
    assert_eq!((&queue["total"], inside.names().len()), (&json!(0), 0));
}

#[test]
fn a_known_verdict_is_the_latest_of_its_package() {
    let (mut inside, _memory) = Inside::begin("cache-package", 1);
    inside.submit("a");
    inside.source_is("zigcheck-source-1-1", b"one", false);
    inside.build_succeeds("zigcheck-1-1");
    inside.build_fails("zigcheck-2-1");
    inside.pass(60_000);
    inside.request("POST", "/api/packages/a/builds", &[], b"");
    inside.source_is("zigcheck-source-2-1", b"one", false);
    assert!(inside.names().is_empty());
    is_that_of(&mut inside, 3, 1);
    is_that_of(&mut inside, 4, 2);
    let package = inside.json("/api/packages/a");
    for (nth, (build, status)) in [(3, "success"), (4, "failed")].into_iter().enumerate() {
        let result = &package["build_results"][nth];
        assert_eq!(result["build_id"], build);
        assert_eq!(result["build_status"], status);
        assert_eq!(result["last_checked"], "2023-11-14T22:14:20.000Z");
    }
    // Another package of the very same source.
    inside.submit("b");
    inside.source_is("zigcheck-source-3-1", b"one", false);
    is_that_of(&mut inside, 5, 1);
    assert_eq!(inside.build(5)["package"], "b");
}

#[test]
fn under_another_image_or_other_limits_nothing_is_known() {
    let (mut inside, memory) = experienced("cache-other", 1);
    let mut builds = 1;
    let mut ran = |mut inside: Inside, runs: bool, what: &str| {
        // Submissions go by the last images that the engine named: it is asked for them anew.
        inside.pass(60_000);
        inside.json("/api/health");
        inside.upload(&tree("a"));
        builds += 1;
        let name = format!("zigcheck-{builds}-1");
        let names: &[&str] = if runs { &[name.as_str()] } else { &[] };
        assert_eq!(inside.names(), names, "{what}");
        match runs {
            true => inside.build_succeeds(&name),
            false => is_that_of(&mut inside, builds, 1),
        }
        inside
    };
    inside.engine.images[0].1 = "sha256:new".to_string();
    inside = ran(inside, true, "image");
    inside.engine.images[0].1 = "sha256:a".to_string();
    inside = ran(inside, false, "the first image again");
    inside = inside.restarted_with(&memory, |s| s.memory_bytes /= 2);
    inside = ran(inside, true, "memory");
    inside = inside.restarted_with(&memory, |s| s.memory_bytes *= 2);
    inside = ran(inside, false, "the first memory again");
    inside = inside.restarted_with(&memory, |s| s.build_timeout_ms += 1_000);
    inside = ran(inside, true, "time");
    inside = inside.restarted_with(&memory, |s| s.build_timeout_ms -= 1_000);
    inside = inside.restarted_with(&memory, |s| s.silence_timeout_ms += 1_000);
    inside = ran(inside, true, "silence");
    inside = inside.restarted_with(&memory, |s| s.silence_timeout_ms -= 1_000);
    // What does not lead to a verdict says nothing.
    inside = inside.restarted_with(&memory, |s| s.max_builds += 1);
    ran(inside, false, "slots");
}

/// A build whose every attempt leaves no record.
fn errs(inside: &mut Inside, build: i64, from: u32) {
    for attempt in from..=4 {
        inside.container_ends(&format!("zigcheck-{build}-{attempt}"), b"", 0);
        inside.pass(32_000);
    }
    inside.is(build, "finished", "error", Some("engine_error"), 4);
}

#[test]
fn an_error_is_never_known() {
    let (mut inside, _memory) = Inside::begin("cache-error", 1);
    inside.upload(&tree("a"));
    errs(&mut inside, 1, 1);
    let again = inside.upload(&tree("a"));
    assert_eq!(again["cached"], false);
    assert_eq!(inside.names(), ["zigcheck-2-1"]);
}

#[test]
fn what_could_not_be_fetched_may_be_there_the_next_time() {
    let (mut inside, _memory) = Inside::begin("cache-wanting", 1);
    let checked = |inside: &mut Inside, check: i64, build: i64, deps: &str, reason: &str| {
        let source = format!("zigcheck-source-{check}-1");
        inside.source_is(&source, b"wanting", true);
        for build in [build, build + 1] {
            let head = json!({"dependencies": deps});
            let fetch = format!("zigcheck-fetch-{build}-1");
            inside.container_ends(&fetch, &framed(head, b""), 0);
            inside.build_fails_for(&format!("zigcheck-{build}-1"), reason);
        }
    };
    inside.submit("a");
    checked(&mut inside, 1, 1, "refused", "dependency_unavailable");
    inside.is(1, "finished", "failed", Some("dependency_unavailable"), 1);
    inside.request("POST", "/api/packages/a/builds", &[], b"");
    checked(&mut inside, 2, 3, "fetched", "compile_error");
    inside.is(3, "finished", "failed", Some("compile_error"), 1);
    // That is known.
    inside.request("POST", "/api/packages/a/builds", &[], b"");
    inside.source_is("zigcheck-source-3-1", b"wanting", true);
    is_that_of(&mut inside, 5, 3);
    is_that_of(&mut inside, 6, 4);
}
