//! What would be left, or not be noticed, if nobody came: the server sees to it by itself.

use crate::common::core::{Inside, Memory};
use crate::common::engine::container::Container;
use crate::common::pack;
use zigcheck::app::domain::limits::{RECHECK_EVERY_MS, RECHECK_PAUSE_MS};
use zigcheck::app::engine::limits::{CLEANUP_DELAY_MS, ENGINE_RETRY_MS};

const ONE: &str = "zigcheck-1-1";

fn begun(name: &str) -> (Inside, Memory) {
    let (mut inside, memory) = Inside::begin(name, 1);
    inside.upload(&pack::tar(&[pack::file("build.zig", b"a")]));
    assert_eq!(inside.names(), [ONE]);
    (inside, memory)
}

fn cancel(inside: &mut Inside, build: i64) {
    let response = inside.as_admin("DELETE", &format!("/api/builds/{build}"), b"");
    assert_eq!(response.status, 200);
}

/// A server that has nothing to do, and a container that is its own.
fn idle_with_stray(name: &str) -> (Inside, Memory, Container) {
    let (mut inside, memory) = begun(name);
    inside.pass_step_by_step(CLEANUP_DELAY_MS);
    inside.engine.has_stray("zigcheck-7-1");
    let stray = inside.engine.containers.pop().expect("the stray");
    inside.build_succeeds(ONE);
    assert!(inside.engine.all().is_empty());
    (inside, memory, stray)
}

/// Exit code 1 may be that of a client that never got a container.
#[test]
fn a_fetch_that_ended_oddly_leaves_no_container() {
    let (mut inside, _memory) = Inside::begin("left-oddly", 1);
    inside.submit("a");
    let first = "zigcheck-source-1-1";
    inside.engine.client_ends(first, 1, "some error\n");
    inside.pump();
    assert!(inside.engine.all().is_empty(), "it is removed by its name");
    // The engine may have created it only now.
    inside.engine.has_stray(first);
    inside.pass_step_by_step(2 * CLEANUP_DELAY_MS);
    assert_eq!(inside.engine.all(), ["zigcheck-source-1-2"]);
}

#[test]
fn a_container_that_could_not_be_removed_is_removed_later() {
    let (mut inside, _memory) = begun("left-removal");
    inside.pass_step_by_step(CLEANUP_DELAY_MS);
    inside.engine.up = false;
    inside.build_succeeds(ONE);
    inside.is(1, "finished", "success", None, 1);
    assert_eq!(inside.engine.all(), [ONE]);
    inside.engine.up = true;
    inside.pass_step_by_step(CLEANUP_DELAY_MS);
    assert!(inside.engine.all().is_empty());
}

/// It was killed a moment after one of its clients.
#[test]
fn what_an_earlier_run_asked_for_is_removed_when_it_comes() {
    let (inside, memory, stray) = idle_with_stray("left-late");
    let mut inside = inside.restarted(&memory);
    inside.engine.containers.push(stray);
    inside.pass_step_by_step(CLEANUP_DELAY_MS);
    assert!(inside.engine.all().is_empty());
}

/// Two in turn: a rebuild for the first does not serve the second.
#[test]
fn strays_are_removed_after_each_client_that_was_killed() {
    let (inside, memory, stray) = idle_with_stray("left-second");
    // The first of them ended with an earlier run.
    let mut inside = inside.restarted(&memory);
    inside.pass_step_by_step(CLEANUP_DELAY_MS / 2);
    inside.upload(&pack::tar(&[pack::file("build.zig", b"b")]));
    cancel(&mut inside, 2);
    inside.pass_step_by_step(CLEANUP_DELAY_MS - 1);
    inside.engine.containers.push(stray);
    inside.pass_step_by_step(1);
    assert!(inside.engine.all().is_empty());
}

#[test]
fn an_engine_that_comes_back_is_swept_though_nothing_waits() {
    let (inside, memory, stray) = idle_with_stray("left-absent");
    let mut killed = inside.killed();
    killed.engine.containers.push(stray);
    killed.engine.up = false;
    let mut inside = killed.starts(&memory);
    inside.pass_step_by_step(10 * ENGINE_RETRY_MS.1);
    assert_eq!(inside.engine.all(), ["zigcheck-7-1"]);
    inside.engine.up = true;
    inside.pass_step_by_step(ENGINE_RETRY_MS.1);
    assert!(inside.engine.all().is_empty());
}

/// No request came since the image changed.
#[test]
fn a_new_image_is_noticed_with_the_next_look_at_a_remote() {
    let (mut inside, _memory) = Inside::begin("left-image", 1);
    inside.submit("a");
    inside.source_is_there("zigcheck-source-1-1");
    inside.build_succeeds(ONE);
    inside.build_succeeds("zigcheck-2-1");
    inside.engine.images[0].1 = "sha256:new".to_string();
    inside.pass_step_by_step((RECHECK_EVERY_MS + RECHECK_PAUSE_MS) as u64);
    let builds = inside.json("/api/builds?sort=id");
    assert_eq!(builds["total"], 3, "{builds}");
    assert_eq!(inside.build(3)["zig_version"], "0.16.0");
    let looks = "run --name=zigcheck-remote-1-1";
    assert!(inside.engine.count(looks) > 0, "{:?}", inside.engine.asked);
}

#[test]
fn the_log_of_what_was_cancelled_after_a_restart_is_as_long_as_it_is() {
    let (mut inside, memory) = begun("left-log");
    inside.logs(ONE, "one\n");
    inside.container_ends(ONE, b"", 65);
    let mut inside = inside.restarted(&memory);
    inside.is(1, "queued", "pending", None, 2);
    cancel(&mut inside, 1);
    let log = inside.log(1);
    assert!(log.starts_with("one\n"), "{log}");
    assert_eq!(inside.build(1)["log_bytes"], log.len());
}

/// What a source was known by says nothing of the next fetch.
#[test]
fn that_a_source_has_become_too_large_is_not_known_of_the_earlier_one() {
    let (mut inside, _memory) = Inside::begin("left-large", 1);
    inside.submit("a");
    inside.source_is("zigcheck-source-1-1", b"one", false);
    inside.container_ends(ONE, b"", 65);
    inside.container_ends("zigcheck-source-1-2", b"", 12);
    inside.is(1, "finished", "failed", Some("disk_limit"), 2);
    inside.submit("b");
    inside.source_is("zigcheck-source-2-1", b"one", false);
    assert_eq!(inside.names(), ["zigcheck-3-1"]);
}

/// The same, of a build that was still at it when the source turned out to be at fault.
#[test]
fn nor_is_it_of_a_build_that_outlived_the_earlier_one() {
    let (mut inside, _memory) = Inside::begin("left-larger", 3);
    inside.submit("a");
    inside.source_is("zigcheck-source-1-1", b"one", false);
    inside.container_ends(ONE, b"", 65);
    inside.container_ends("zigcheck-2-1", b"", 0);
    inside.container_ends("zigcheck-source-1-2", b"", 12);
    inside.is(1, "finished", "failed", Some("disk_limit"), 2);
    inside.is(2, "finished", "failed", Some("disk_limit"), 2);
    assert_eq!(inside.build(2)["toolchain"], serde_json::Value::Null);
    inside.submit("b");
    inside.source_is("zigcheck-source-2-1", b"one", false);
    assert_eq!(inside.names(), ["zigcheck-3-1", "zigcheck-4-1"]);
}

/// It waits for a source that is being fetched already, which other builds have asked for.
#[test]
fn a_build_behind_a_fetch_that_was_under_way_has_its_source_fetched() {
    let (mut inside, memory) = Inside::begin("left-behind", 2);
    inside.submit("a");
    inside.source_is_there("zigcheck-source-1-1");
    inside.container_ends(ONE, b"", 65);
    assert_eq!(inside.names(), ["zigcheck-2-1", "zigcheck-source-1-2"]);
    inside.submit("b");
    inside.submit("c");
    inside.container_ends("zigcheck-2-1", b"", 65);
    cancel(&mut inside, 1);
    inside.is(2, "queued", "pending", None, 2);
    let mut inside = inside.restarted(&memory);
    inside.pass_step_by_step(1_000);
    while let Some(name) = inside.names().pop() {
        match name.contains("-source-") {
            true => inside.source_is_there(&name),
            false => inside.build_succeeds(&name),
        }
        inside.pass_step_by_step(1_000);
    }
    inside.is(2, "finished", "success", None, 2);
}
