//! Builds that nobody wants any more, in whatever state they are: nothing runs for them afterwards,
//! nothing is left of them, and nobody waits for them in vain.

use crate::common::core::Inside;
use crate::common::core_steps::framed;
use crate::common::engine::container::State;
use crate::common::pack;
use crate::common::rows::in_memory;
use serde_json::{Value, json};
use zigcheck::app::builds::limits::NOT_YET_VISIBLE_LIMIT_MS;
use zigcheck::app::engine::limits::CLEANUP_DELAY_MS;

const ONE: &str = "zigcheck-1-1";
const TWO: &str = "zigcheck-2-1";

fn asked(inside: &mut Inside, build: i64) -> (u16, Value) {
    inside.admin_json("DELETE", &format!("/api/builds/{build}"), &Value::Null)
}

#[track_caller]
fn cancel(inside: &mut Inside, build: i64) {
    let (status, answer) = asked(inside, build);
    assert_eq!((status, &answer["state"]), (200, &json!("cancelled")));
    is_cancelled(inside, build);
}

#[track_caller]
fn is_cancelled(inside: &mut Inside, build: i64) {
    let row = inside.build(build);
    let found = ["state", "build_status", "reason"].map(|name| row[name].clone());
    assert_eq!(found, ["cancelled", "pending", "cancelled"], "{row}");
    assert_ne!(row["finished_at"], Value::Null, "{row}");
    let path = inside.settings.data.join(format!("logs/{build}.log"));
    let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
    assert_eq!(row["log_bytes"], bytes, "{row}");
}

/// Nothing runs, waits or is left, nor comes later.
#[track_caller]
fn is_idle(inside: &mut Inside) {
    inside.pass_step_by_step(CLEANUP_DELAY_MS);
    assert!(inside.engine.all().is_empty(), "{:?}", inside.engine.all());
    let queue = inside.json("/api/queue");
    let found = (&queue["running"], &queue["waiting"], &queue["total"]);
    assert_eq!(found, (&json!([]), &json!([]), &json!(0)), "{queue}");
}

fn upload(inside: &mut Inside, words: &str) -> i64 {
    let tree = pack::tar(&[pack::file("build.zig", words.as_bytes())]);
    inside.upload(&tree)["id"].as_i64().unwrap()
}

fn uploaded(name: &str, trees: &[&str], slots: usize) -> Inside {
    let mut inside = Inside::open(name, in_memory(), slots);
    for words in trees {
        upload(&mut inside, words);
    }
    inside
}

#[test]
fn a_source_that_is_fetched_anew_is_for_nobody_once_who_wanted_it_is_cancelled() {
    let mut inside = Inside::open("cancel-anew", in_memory(), 3);
    inside.submit("a");
    inside.source_is("zigcheck-source-1-1", b"one", false);
    inside.container_ends("zigcheck-1-1", b"", 65);
    assert_eq!(inside.names(), ["zigcheck-2-1", "zigcheck-source-1-2"]);
    cancel(&mut inside, 1);
    assert_eq!(inside.names(), ["zigcheck-2-1"]);
    // A build that still runs may need it, and then it is fetched.
    inside.container_ends("zigcheck-2-1", b"", 65);
    assert_eq!(inside.names(), ["zigcheck-source-1-3"]);
}

#[test]
fn a_build_that_waits_waits_no_longer() {
    let mut inside = uploaded("cancel-waits", &["a", "b", "c"], 1);
    cancel(&mut inside, 2);
    inside.build_succeeds(ONE);
    assert_eq!(inside.names(), ["zigcheck-3-1"]);
    inside.build_succeeds("zigcheck-3-1");
    is_cancelled(&mut inside, 2);
    is_idle(&mut inside);
}

#[test]
fn what_has_ended_stays_as_it_is() {
    let mut inside = uploaded("cancel-over", &["a", "b"], 2);
    inside.build_succeeds(ONE);
    cancel(&mut inside, 2);
    let before = [inside.build(1), inside.build(2)];
    inside.pass(1_000);
    for (build, words) in [
        (1, "the build is finished already"),
        (2, "the build is cancelled already"),
    ] {
        assert_eq!(asked(&mut inside, build), (409, json!({ "error": words })));
    }
    let missing = json!({"error": "there is no such build"});
    assert_eq!(asked(&mut inside, 3), (404, missing));
    assert_eq!([inside.build(1), inside.build(2)], before);
    is_idle(&mut inside);
}

#[test]
fn a_build_that_runs_is_ended_with_its_container() {
    for tests in [false, true] {
        let mut inside = uploaded(&format!("cancel-runs-{tests}"), &["a", "b"], 1);
        inside.logs(ONE, "half");
        if tests {
            inside.tests_begin(ONE);
        }
        cancel(&mut inside, 1);
        assert_eq!(inside.names(), [TWO], "its slot is free");
        assert_eq!(inside.log(1), "half");
        inside.build_succeeds(TWO);
        is_idle(&mut inside);
    }
}

/// A client that is killed may have its container made all the same, a moment later.
#[test]
fn a_container_that_comes_only_now_is_swept() {
    let mut inside = uploaded("cancel-early", &["a", "b"], 1);
    inside.engine.forgets(ONE);
    cancel(&mut inside, 1);
    assert_eq!(inside.names(), [TWO]);
    inside.engine.has_stray(ONE);
    inside.pass_step_by_step(CLEANUP_DELAY_MS);
    assert_eq!(inside.engine.all(), [TWO]);
    inside.build_succeeds(TWO);
    is_idle(&mut inside);
}

#[test]
fn a_build_that_is_being_ended_may_still_be_cancelled() {
    let mut inside = uploaded("cancel-ended", &["a"], 1);
    inside.engine.hung = true;
    inside.pass(inside.settings.silence_timeout_ms);
    inside.is(1, "building", "pending", None, 1);
    inside.engine.hung = false;
    cancel(&mut inside, 1);
    inside.pass_step_by_step(60_000);
    is_idle(&mut inside);
    is_cancelled(&mut inside, 1);
}

#[test]
fn a_build_that_was_left_by_a_crash_is_ended_with_its_container() {
    for how in [
        State::Running,
        State::Created,
        State::Exited {
            code: 0,
            oom_killed: false,
        },
    ] {
        let name = format!("cancel-adopted-{how:?}").replace([' ', '{', '}', ':'], "");
        let (mut inside, memory) = Inside::begin(&name, 1);
        upload(&mut inside, "a");
        inside.logs(ONE, "half");
        let mut killed = inside.killed();
        // No answer says what state it is in.
        killed.engine.hung = true;
        killed.engine.container(ONE).state = how;
        let mut inside = killed.starts(&memory);
        inside.is(1, "building", "pending", None, 1);
        cancel(&mut inside, 1);
        assert_eq!(inside.engine.all(), [ONE]);
        inside.engine.hung = false;
        inside.pass_step_by_step(60_000);
        is_idle(&mut inside);
        let mut inside = inside.restarted(&memory);
        is_cancelled(&mut inside, 1);
        inside.pass_step_by_step(NOT_YET_VISIBLE_LIMIT_MS as u64);
        is_idle(&mut inside);
    }
}

#[test]
fn a_build_that_is_followed_after_a_crash_is_ended_with_its_container() {
    let (mut inside, memory) = Inside::begin("cancel-followed", 1);
    upload(&mut inside, "a");
    inside.logs(ONE, "half\n");
    let mut inside = inside.restarted(&memory);
    inside.logs(ONE, "and more\n");
    cancel(&mut inside, 1);
    assert_eq!(inside.log(1), "half\nand more\n");
    is_idle(&mut inside);
}

/// No engine can end it: the row is cancelled all the same, and the container goes when the
/// engine is back.
#[test]
fn without_an_engine_a_build_is_cancelled_and_its_container_goes_later() {
    let (mut inside, memory) = Inside::begin("cancel-down", 1);
    upload(&mut inside, "a");
    upload(&mut inside, "b");
    let mut killed = inside.killed();
    killed.engine.up = false;
    let mut inside = killed.starts(&memory);
    inside.is(1, "building", "pending", None, 1);
    cancel(&mut inside, 1);
    cancel(&mut inside, 2);
    assert_eq!(inside.engine.all(), [ONE]);
    inside.engine.up = true;
    inside.pass_step_by_step(60_000 + CLEANUP_DELAY_MS);
    is_idle(&mut inside);
}

#[test]
fn a_build_whose_dependencies_are_fetched_is_ended_with_the_fetch() {
    let mut inside = Inside::open("cancel-deps", in_memory(), 2);
    inside.submit("a");
    inside.source_is("zigcheck-source-1-1", b"tree", true);
    assert_eq!(inside.names(), ["zigcheck-fetch-1-1", "zigcheck-fetch-2-1"]);
    inside.is(1, "fetching", "pending", None, 1);
    cancel(&mut inside, 1);
    assert_eq!(inside.names(), ["zigcheck-fetch-2-1"]);
    let said = framed(json!({"dependencies": "fetched"}), b"deps");
    inside.container_ends("zigcheck-fetch-2-1", &said, 0);
    assert_eq!(inside.names(), [TWO]);
    cancel(&mut inside, 2);
    is_idle(&mut inside);
}

#[test]
fn a_source_is_fetched_for_as_long_as_somebody_needs_it() {
    let mut inside = Inside::open("cancel-source", in_memory(), 1);
    inside.submit("a");
    inside.submit("b");
    cancel(&mut inside, 1);
    cancel(&mut inside, 3);
    assert_eq!(inside.names(), ["zigcheck-source-1-1"]);
    inside.is(2, "fetching", "pending", None, 1);
    cancel(&mut inside, 2);
    assert_eq!(inside.names(), ["zigcheck-source-2-1"], "the next");
    cancel(&mut inside, 4);
    is_idle(&mut inside);
    // One that waits, too.
    upload(&mut inside, "c");
    inside.submit("d");
    cancel(&mut inside, 6);
    cancel(&mut inside, 7);
    inside.build_succeeds("zigcheck-5-1");
    is_idle(&mut inside);
    assert_eq!(inside.engine.count("run --name=zigcheck-source"), 2);
}

#[test]
fn a_build_that_was_cancelled_gets_no_source() {
    let mut inside = Inside::open("cancel-late", in_memory(), 2);
    inside.submit("a");
    cancel(&mut inside, 1);
    inside.source_is_there("zigcheck-source-1-1");
    assert_eq!(inside.names(), [TWO]);
    inside.build_succeeds(TWO);
    is_cancelled(&mut inside, 1);
    inside.is(2, "finished", "success", None, 1);
    is_idle(&mut inside);
}

#[test]
fn a_cancelled_build_is_not_tried_again_after_its_pause() {
    let mut inside = uploaded("cancel-held", &["a"], 1);
    inside.container_ends(ONE, b"", 0);
    inside.is(1, "queued", "pending", None, 2);
    cancel(&mut inside, 1);
    inside.pass_step_by_step(60_000);
    assert_eq!(inside.engine.count("run "), 1);
    is_idle(&mut inside);
}

#[test]
fn who_shares_a_build_is_not_cancelled_with_it() {
    let mut inside = uploaded("cancel-shares", &["a", "a", "a"], 2);
    assert_eq!(inside.names(), [ONE]);
    // One of those who wait gives up.
    cancel(&mut inside, 2);
    assert_eq!(inside.names(), [ONE]);
    // Then the one that runs: the last is built for its own sake.
    cancel(&mut inside, 1);
    inside.pass_step_by_step(0);
    assert_eq!(inside.names(), ["zigcheck-3-1"]);
    inside.build_succeeds("zigcheck-3-1");
    assert_eq!(inside.build(3)["cached"], false);
    inside.is(3, "finished", "success", None, 1);
    is_idle(&mut inside);
}

#[test]
fn a_cancelled_build_is_no_verdict_that_others_get() {
    let (mut inside, memory) = Inside::begin("cancel-known", 1);
    upload(&mut inside, "a");
    cancel(&mut inside, 1);
    upload(&mut inside, "a");
    assert_eq!(inside.names(), [TWO]);
    cancel(&mut inside, 2);
    is_idle(&mut inside);
    let mut inside = inside.restarted(&memory);
    for build in [1, 2] {
        is_cancelled(&mut inside, build);
    }
    assert_eq!(memory.events(1), ["queued", "building", "cancelled"]);
    is_idle(&mut inside);
}
