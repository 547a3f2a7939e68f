//! Builds that wait for one that runs.

use super::experienced::*;
use crate::common::core::{Inside, Memory};
use serde_json::{Value, json};
use zigcheck::app::builds::limits::{NOT_YET_VISIBLE_LIMIT_MS, NOT_YET_VISIBLE_PAUSE_MS};
use zigcheck::config::limits::WAITERS_LIMIT;

/// Two slots, and the same tree twice: build 1 runs, build 2 waits for it.
fn shared(name: &str) -> (Inside, Memory) {
    let (mut inside, memory) = Inside::begin(name, 2);
    inside.upload(&tree("a"));
    inside.upload(&tree("a"));
    waits_for(&mut inside, 2, 1);
    assert_eq!(inside.names(), ["zigcheck-1-1"]);
    (inside, memory)
}

#[track_caller]
fn waits_for(inside: &mut Inside, build: i64, other: i64) {
    inside.is(build, "queued", "pending", None, 1);
    let queue = inside.json("/api/queue");
    let waiting = queue["waiting"].as_array().unwrap();
    let row = waiting.iter().find(|row| row["id"] == build).unwrap();
    let reason = format!("it takes the verdict of build {other}, which is the same and runs");
    assert_eq!(row["reason"], reason);
    assert_eq!(row["queue_position"], Value::Null);
}

#[test]
fn two_at_once_share_one_container() {
    let (mut inside, memory) = shared("cache-shared");
    let queue = inside.json("/api/queue");
    assert_eq!(queue["total"], 1);
    inside.tests_begin("zigcheck-1-1");
    inside.is(1, "testing", "pending", None, 1);
    // A slot is free for something else meanwhile.
    inside.upload(&tree("b"));
    assert_eq!(inside.names(), ["zigcheck-1-1", "zigcheck-3-1"]);
    inside.build_succeeds("zigcheck-1-1");
    inside.pass_step_by_step(0);
    is_that_of(&mut inside, 2, 1);
    assert_eq!(memory.events(2), ["queued", "finished"]);
    inside.build_succeeds("zigcheck-3-1");
    assert_eq!(inside.json("/api/queue")["total"], 0);
    assert!(inside.engine.all().is_empty());
}

#[test]
fn any_number_may_wait_for_one() {
    let (mut inside, _memory) = shared("cache-crowd");
    let last = 2 + 2 * WAITERS_LIMIT as i64;
    for build in 3..=last {
        assert_eq!(id(&inside.upload(&tree("a"))), build);
    }
    assert_eq!(inside.json("/api/queue")["total"], last - 1);
    inside.build_succeeds("zigcheck-1-1");
    inside.pass_step_by_step(0);
    for build in 2..=last {
        is_that_of(&mut inside, build, 1);
    }
    assert_eq!(inside.json("/api/queue")["total"], 0);
}

#[test]
fn who_waited_for_an_error_is_built() {
    let (mut inside, memory) = shared("cache-leader");
    // It goes on waiting while the other is tried again.
    inside.container_ends("zigcheck-1-1", b"", 0);
    inside.pass_step_by_step(2_000);
    assert_eq!(inside.names(), ["zigcheck-1-2"]);
    inside.is(2, "queued", "pending", None, 1);
    for attempt in 2..=4 {
        inside.container_ends(&format!("zigcheck-1-{attempt}"), b"", 0);
        inside.pass_step_by_step(32_000);
    }
    inside.is(1, "finished", "error", Some("engine_error"), 4);
    assert_eq!(inside.names(), ["zigcheck-2-1"]);
    inside.build_succeeds("zigcheck-2-1");
    let row = inside.build(2);
    assert_eq!(row["cached"], false);
    assert_eq!(memory.events(2), ["queued", "building", "finished"]);
}

#[test]
fn an_attempt_that_comes_late_waits_for_who_has_begun_meanwhile() {
    let (mut inside, _memory) = Inside::begin("cache-late", 1);
    inside.upload(&tree("a"));
    inside.upload(&tree("a"));
    // It may not start before 2 s have passed, and the other takes the slot.
    inside.container_ends("zigcheck-1-1", b"", 0);
    assert_eq!(inside.names(), ["zigcheck-2-1"]);
    // The slot is free for a moment, and it finds the other one's attempt held back in turn.
    inside.pass(2_000);
    inside.container_ends("zigcheck-2-1", b"", 0);
    assert_eq!(inside.names(), ["zigcheck-1-2"]);
    inside.build_succeeds("zigcheck-1-2");
    inside.pass_step_by_step(2_000);
    is_known(&mut inside, 2, 1);
}

/// It has the verdict of the other, and ran before that in vain.
#[track_caller]
fn is_known(inside: &mut Inside, build: i64, from: i64) {
    let row = inside.build(build);
    let words = [&row["state"], &row["build_status"], &row["cached_from"]];
    assert_eq!(words, [&json!("finished"), &json!("success"), &json!(from)]);
    assert_eq!(row["log_url"], format!("/api/builds/{from}/log"));
}

#[test]
fn who_waits_for_who_waits_gets_the_verdict_too() {
    let (mut inside, _memory) = shared("cache-chain");
    // Build 1 is held back, and 2 waits for it; 3 is new, and runs; 1 then waits for 3.
    inside.container_ends("zigcheck-1-1", b"", 0);
    inside.upload(&tree("a"));
    assert_eq!(inside.names(), ["zigcheck-3-1"]);
    inside.pass_step_by_step(2_000);
    assert_eq!(inside.names(), ["zigcheck-3-1"]);
    inside.build_succeeds("zigcheck-3-1");
    inside.pass_step_by_step(0);
    is_known(&mut inside, 1, 3);
    is_that_of(&mut inside, 2, 3);
    assert_eq!(inside.json("/api/queue")["total"], 0);
}

#[test]
fn what_was_known_is_known_after_a_restart() {
    let (inside, memory) = experienced("cache-restart", 1);
    let mut inside = inside.restarted(&memory);
    inside.upload(&tree("a"));
    is_that_of(&mut inside, 2, 1);
    assert_eq!(inside.curl("/api/builds/2/log"), "the only log\n");
}

#[test]
fn who_waits_for_a_container_waits_for_it_after_a_restart() {
    let (inside, memory) = shared("cache-found");
    let mut inside = inside.restarted(&memory);
    waits_for(&mut inside, 2, 1);
    inside.upload(&tree("a"));
    waits_for(&mut inside, 3, 1);
    inside.build_succeeds("zigcheck-1-1");
    inside.pass_step_by_step(0);
    is_that_of(&mut inside, 2, 1);
    is_that_of(&mut inside, 3, 1);
    assert_eq!(inside.engine.count("run "), 1);
}

#[test]
fn who_was_to_be_answered_is_answered_after_a_restart() {
    let (mut inside, memory) = shared("cache-answered");
    inside.build_succeeds("zigcheck-1-1");
    inside.is(2, "queued", "pending", None, 1);
    let mut inside = inside.restarted(&memory);
    inside.pass_step_by_step(0);
    is_that_of(&mut inside, 2, 1);
    assert_eq!(memory.events(2), ["queued", "finished"]);
}

#[test]
fn who_waited_for_a_container_that_is_gone_waits_for_the_next() {
    let (inside, memory) = shared("cache-gone");
    let mut killed = inside.killed();
    killed.engine.forgets("zigcheck-1-1");
    let mut inside = killed.starts(&memory);
    // It might still come: it is looked for again and again.
    inside.pass_step_by_step(NOT_YET_VISIBLE_LIMIT_MS as u64 + NOT_YET_VISIBLE_PAUSE_MS);
    assert_eq!(inside.names(), ["zigcheck-1-2"]);
    waits_for(&mut inside, 2, 1);
    inside.build_succeeds("zigcheck-1-2");
    inside.pass_step_by_step(0);
    is_known(&mut inside, 2, 1);
}

/// It waited when the fetch of its source failed for good, and the source came for another build after that.
#[test]
fn a_build_that_ended_while_it_waited_ends_once() {
    let (mut inside, memory) = Inside::begin("cache-ended", 4);
    let third = ("0.14.1".to_string(), "sha256:c".to_string());
    inside.engine.images.push(third);
    let mut inside = inside.restarted_with(&memory, |settings| {
        settings.zig_versions.push("0.14.1".to_string());
    });
    // Build 2 alone of the first check runs on.
    inside.submit("a");
    inside.source_is("zigcheck-source-1-1", b"one", false);
    for build in [1, 3] {
        inside.as_admin("DELETE", &format!("/api/builds/{build}"), b"");
    }
    inside.submit("b");
    inside.source_is("zigcheck-source-2-1", b"one", false);
    waits_for(&mut inside, 5, 2);
    inside.container_ends("zigcheck-4-1", b"", 65);
    inside.container_ends("zigcheck-source-2-2", b"", 11);
    let reason = Some("source_unavailable");
    inside.is(5, "finished", "error", reason, 1);
    inside.container_ends("zigcheck-6-1", b"", 65);
    inside.source_is("zigcheck-source-2-3", b"one", false);
    inside.build_succeeds("zigcheck-2-1");
    inside.pass_step_by_step(0);
    inside.is(5, "finished", "error", reason, 1);
    let ends = memory.events(5).into_iter();
    assert_eq!(ends.filter(|state| state == "finished").count(), 1);
    inside.build_succeeds("zigcheck-6-2");
    assert_eq!(inside.json("/api/queue")["total"], 0);
}
