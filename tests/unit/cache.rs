//! What is known is not built again: verdicts, verdicts that will be there in a moment, and fetched
//! dependencies.

use crate::common::pack;
use std::fs;

use crate::common::core::{Inside, Memory, framed, sha256};
use crate::common::rows::{self, waits};
use serde_json::{Value, json};
use zigcheck::app::builds::limits::{NOT_YET_VISIBLE_LIMIT_MS, NOT_YET_VISIBLE_PAUSE_MS};
use zigcheck::app::domain::task::Task;
use zigcheck::app::store::sources::SourceRow;
use zigcheck::app::store::store::Store;
use zigcheck::config::limits::WAITERS_LIMIT;
use zigcheck::interface::event::Input;

/// A tree that says so in a file.
fn tree(words: &str) -> Vec<u8> {
    pack::tar(&[pack::file("build.zig", words.as_bytes())])
}

fn id(build: &Value) -> i64 {
    build["id"].as_i64().unwrap()
}

/// A server with that many slots that has built a tree once: build 1, a success.
fn experienced(name: &str, slots: usize) -> (Inside, Memory) {
    let memory = Memory::new(name);
    let mut inside = Inside::open(name, memory.open(), slots);
    let first = inside.upload(&tree("a"));
    assert_eq!((id(&first), &first["state"]), (1, &json!("queued")));
    inside.logs("zigcheck-1-1", "the only log\n");
    inside.pass(5_000);
    inside.build_succeeds("zigcheck-1-1");
    (inside, memory)
}

/// It was answered with the verdict of that build, and nothing was started for it.
#[track_caller]
fn is_that_of(inside: &mut Inside, build: i64, from: i64) {
    let (row, original) = (inside.build(build), inside.build(from));
    assert_eq!(row["cached"], true, "{row}");
    assert_eq!(row["cached_from"], from);
    assert_eq!(row["log_url"], format!("/api/builds/{from}/log"));
    for name in [
        "state",
        "build_status",
        "test_status",
        "reason",
        "compiled",
        "tests_passed",
        "tests_total",
        "error_log",
        "toolchain",
        "peak_memory_bytes",
        "log_bytes",
        "log_truncated",
    ] {
        assert_eq!(row[name], original[name], "{name}");
    }
    assert_eq!(row["queue_position"], Value::Null);
    let own = format!("run --name=zigcheck-{build}-");
    assert_eq!(inside.engine.count(&own), 0, "it ran");
}

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
    let memory = Memory::new("cache-package");
    let mut inside = Inside::open("cache-package", memory.open(), 1);
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
        // Long enough for the engine to be asked anew.
        inside.pass(60_000);
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
    let memory = Memory::new("cache-error");
    let mut inside = Inside::open("cache-error", memory.open(), 1);
    inside.upload(&tree("a"));
    errs(&mut inside, 1, 1);
    let again = inside.upload(&tree("a"));
    assert_eq!(again["cached"], false);
    assert_eq!(inside.names(), ["zigcheck-2-1"]);
}

#[test]
fn what_could_not_be_fetched_may_be_there_the_next_time() {
    let memory = Memory::new("cache-wanting");
    let mut inside = Inside::open("cache-wanting", memory.open(), 1);
    let checked = |inside: &mut Inside, check: i64, build: i64, deps: &str| {
        let source = format!("zigcheck-source-{check}-1");
        inside.source_is(&source, b"wanting", true);
        for build in [build, build + 1] {
            let head = json!({"dependencies": deps});
            let fetch = format!("zigcheck-fetch-{build}-1");
            inside.container_ends(&fetch, &framed(head, b""), 0);
            inside.build_fails(&format!("zigcheck-{build}-1"));
        }
    };
    inside.submit("a");
    checked(&mut inside, 1, 1, "refused");
    inside.is(1, "finished", "failed", Some("dependency_unavailable"), 1);
    inside.request("POST", "/api/packages/a/builds", &[], b"");
    checked(&mut inside, 2, 3, "fetched");
    inside.is(3, "finished", "failed", Some("compile_error"), 1);
    // That is known.
    inside.request("POST", "/api/packages/a/builds", &[], b"");
    inside.source_is("zigcheck-source-3-1", b"wanting", true);
    is_that_of(&mut inside, 5, 3);
    is_that_of(&mut inside, 6, 4);
}

// -- two at once ------------------------------------------------------------------------------

/// Two slots, and the same tree twice: build 1 runs, build 2 waits for it.
fn shared(name: &str) -> (Inside, Memory) {
    let memory = Memory::new(name);
    let mut inside = Inside::open(name, memory.open(), 2);
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
    let reason = format!("build {other} is the same, and runs: its verdict will be that of both");
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
    let memory = Memory::new("cache-late");
    let mut inside = Inside::open("cache-late", memory.open(), 1);
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

// -- over a restart ---------------------------------------------------------------------------

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

// -- dependencies -----------------------------------------------------------------------------

/// Checks of one build each under the newest toolchain, of sources with dependencies, each with
/// what its manifests ask for.
fn wanting(store: &mut Store, manifests: &[&str]) {
    for (nth, manifest) in manifests.iter().enumerate() {
        let check = store.insert_check(&rows::check((None, "p"), None), 0);
        let check = check.unwrap();
        let source = SourceRow {
            hash: format!("h{nth}"),
            format: "tar".to_string(),
            bytes: 9,
            dependencies: true,
            manifest: Some(manifest.to_string()),
        };
        store.set_source(check, &source, None, 0).unwrap();
        let build = store.insert_build(check, "0.16.0", 0).unwrap();
        waits(store, Task::Build(build));
    }
    store.commit().unwrap();
}

/// The dependencies of that build are fetched, with that outcome.
fn fetched(inside: &mut Inside, build: i64, deps: &str) {
    let name = format!("zigcheck-fetch-{build}-1");
    let said = framed(json!({"dependencies": deps}), b"what was asked for");
    inside.container_ends(&name, &said, 0);
}

/// The file of dependencies that the container of a build reads.
fn reads(inside: &Inside, name: &str) -> String {
    let mut containers = inside.engine.containers.iter();
    let container = containers.find(|container| container.name == name).unwrap();
    let [Input::Bytes(head), Input::File(_), Input::File(path)] = &container.stdin[..] else {
        panic!("{:?}", container.stdin)
    };
    let head: Value = serde_json::from_slice(head).unwrap();
    let body = fs::read(path).unwrap();
    let deps = json!({"bytes": body.len(), "sha256": sha256(&body)});
    assert_eq!(head["deps"], deps);
    path.file_name().unwrap().to_str().unwrap().to_string()
}

#[test]
fn what_was_fetched_for_the_same_manifest_is_not_fetched_again() {
    let memory = Memory::new("cache-deps");
    let mut store = memory.open();
    wanting(&mut store, &["m", "m", "n", "m"]);
    let mut inside = Inside::open("cache-deps", store, 1);
    let kept = format!("{}.tar.gz", sha256(b"what was asked for"));
    assert_eq!(inside.names(), ["zigcheck-fetch-1-1"]);
    fetched(&mut inside, 1, "fetched");
    assert_eq!(inside.names(), ["zigcheck-1-1"]);
    assert_eq!(reads(&inside, "zigcheck-1-1"), kept);
    assert_eq!(inside.sources(), [kept.as_str()]);
    inside.build_succeeds("zigcheck-1-1");
    // The source is another, and asks for the same.
    assert_eq!(inside.names(), ["zigcheck-2-1"]);
    assert_eq!(reads(&inside, "zigcheck-2-1"), kept);
    assert_eq!(memory.events(2), ["building"]);
    inside.build_succeeds("zigcheck-2-1");
    // This one asks for something else.
    assert_eq!(inside.names(), ["zigcheck-fetch-3-1"]);
    fetched(&mut inside, 3, "refused");
    assert!(reads(&inside, "zigcheck-3-1").ends_with(".part"));
    let sql = "SELECT group_concat(manifest) FROM dependencies";
    let manifests: String = memory.db.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(manifests, "m", "what was not all there is not kept");
    let mut inside = inside.restarted(&memory);
    inside.build_succeeds("zigcheck-3-1");
    assert_eq!(inside.names(), ["zigcheck-4-1"]);
    assert_eq!(reads(&inside, "zigcheck-4-1"), kept);
}

#[test]
fn dependencies_whose_file_is_gone_are_fetched_again() {
    let memory = Memory::new("cache-deps-gone");
    let mut store = memory.open();
    wanting(&mut store, &["m", "m", "m"]);
    let mut inside = Inside::open("cache-deps-gone", store, 1);
    fetched(&mut inside, 1, "fetched");
    let kept = reads(&inside, "zigcheck-1-1");
    fs::remove_file(inside.path_of_source(&kept)).unwrap();
    inside.build_succeeds("zigcheck-1-1");
    assert_eq!(inside.names(), ["zigcheck-fetch-2-1"]);
    fetched(&mut inside, 2, "fetched");
    assert_eq!(reads(&inside, "zigcheck-2-1"), kept);
    inside.build_succeeds("zigcheck-2-1");
    assert_eq!(reads(&inside, "zigcheck-3-1"), kept);
}

#[test]
fn dependencies_are_those_of_one_image() {
    let memory = Memory::new("cache-deps-image");
    let mut store = memory.open();
    wanting(&mut store, &["m", "m"]);
    let mut inside = Inside::open("cache-deps-image", store, 1);
    fetched(&mut inside, 1, "fetched");
    inside.engine.images[0].1 = "sha256:new".to_string();
    inside.pass(60_000);
    inside.json("/api/health");
    inside.build_succeeds("zigcheck-1-1");
    assert_eq!(inside.names(), ["zigcheck-fetch-2-1"]);
}

// -- sources ----------------------------------------------------------------------------------

#[test]
fn a_source_whose_file_is_not_whole_is_fetched_again() {
    let memory = Memory::new("cache-source");
    let mut inside = Inside::open("cache-source", memory.open(), 1);
    inside.submit("a");
    inside.source_is("zigcheck-source-1-1", b"one", false);
    let file = format!("{}.tar.gz", sha256(b"one"));
    assert_eq!(inside.sources(), [file.as_str()]);
    // Nobody stood between the file and the container.
    inside.container_ends("zigcheck-1-1", b"", 65);
    assert_eq!(inside.names(), ["zigcheck-source-1-2"], "at once");
    inside.is(1, "fetching", "pending", None, 2);
    inside.is(2, "fetching", "pending", None, 1);
    inside.source_is("zigcheck-source-1-2", b"one", false);
    assert_eq!(inside.sources(), [file.as_str()]);
    assert_eq!(inside.names(), ["zigcheck-1-2"]);
    inside.build_succeeds("zigcheck-1-2");
    assert_eq!(inside.log(1), "\n[zigcheck: lost; attempt 2 follows]\n");
    inside.build_succeeds("zigcheck-2-1");
    inside.is(1, "finished", "success", None, 2);
    inside.is(2, "finished", "success", None, 1);
    let wanted = [
        "queued", "fetching", "queued", "building", "queued", "fetching", "queued", "building",
        "finished",
    ];
    assert_eq!(memory.events(1), wanted);
}

/// Both builds of a check run, off one file that is not whole.
fn both_run(name: &str) -> (Inside, Memory) {
    let memory = Memory::new(name);
    let mut inside = Inside::open(name, memory.open(), 2);
    inside.submit("a");
    inside.source_is("zigcheck-source-1-1", b"one", false);
    assert_eq!(inside.names(), ["zigcheck-1-1", "zigcheck-2-1"]);
    (inside, memory)
}

#[test]
fn a_build_that_runs_is_where_it_is_while_its_source_is_fetched_again() {
    for crash in [false, true] {
        let (mut inside, memory) = both_run(&format!("cache-two-{crash}"));
        inside.container_ends("zigcheck-1-1", b"", 65);
        assert_eq!(inside.names(), ["zigcheck-2-1", "zigcheck-source-1-2"]);
        inside.is(2, "building", "pending", None, 1);
        // Even where the fetch is tried again.
        inside.container_ends("zigcheck-source-1-2", b"", 10);
        inside.is(1, "queued", "pending", None, 2);
        inside.is(2, "building", "pending", None, 1);
        let queue = inside.json("/api/queue");
        for (list, build) in [("running", 2), ("waiting", 1)] {
            let ids = queue[list].as_array().unwrap().iter().map(id);
            assert_eq!(ids.collect::<Vec<i64>>(), [build], "{list}");
        }
        inside.pass_step_by_step(8_000);
        assert_eq!(inside.build(2)["queue_position"], Value::Null);
        if crash {
            inside = inside.restarted(&memory);
            assert_eq!(inside.names(), ["zigcheck-2-1", "zigcheck-source-1-4"]);
        }
        inside.build_succeeds("zigcheck-2-1");
        inside.is(2, "finished", "success", None, 1);
        let source = if crash {
            "zigcheck-source-1-4"
        } else {
            "zigcheck-source-1-3"
        };
        inside.source_is(source, b"one", false);
        inside.build_succeeds("zigcheck-1-2");
        inside.is(1, "finished", "success", None, 2);
        assert_eq!(inside.json("/api/queue")["total"], 0);
    }
}

#[test]
fn a_file_that_is_not_whole_is_fetched_once_for_all_who_met_it() {
    // Nobody else waits; somebody else has the slot before the source; and it is back meanwhile.
    for others in ["none", "first", "late"] {
        let (mut inside, _memory) = both_run(&format!("cache-both-{others}"));
        if others == "first" {
            inside.upload(&tree("b"));
            inside.upload(&tree("c"));
        }
        inside.container_ends("zigcheck-1-1", b"", 65);
        if others == "late" {
            inside.source_is("zigcheck-source-1-2", b"one", false);
        }
        inside.container_ends("zigcheck-2-1", b"", 65);
        match others {
            "first" => {
                assert_eq!(inside.names(), ["zigcheck-3-1", "zigcheck-4-1"]);
                inside.build_succeeds("zigcheck-3-1");
                inside.build_succeeds("zigcheck-4-1");
            }
            "late" => inside.pass_step_by_step(2_000),
            _ => {}
        }
        if others != "late" {
            assert_eq!(inside.names(), ["zigcheck-source-1-2"]);
            inside.source_is("zigcheck-source-1-2", b"one", false);
        }
        assert_eq!(inside.names(), ["zigcheck-1-2", "zigcheck-2-2"], "{others}");
        inside.build_succeeds("zigcheck-1-2");
        inside.build_succeeds("zigcheck-2-2");
        inside.is(1, "finished", "success", None, 2);
        inside.is(2, "finished", "success", None, 2);
    }
}

/// The file is gone for good, and a build that had run all the while needs it once more.
#[test]
fn nobody_waits_for_a_source_that_nobody_fetches() {
    let (mut inside, _memory) = both_run("cache-needed");
    inside.container_ends("zigcheck-1-1", b"", 65);
    inside.container_ends("zigcheck-source-1-2", b"", 11);
    inside.is(1, "finished", "error", Some("source_unavailable"), 2);
    inside.container_ends("zigcheck-2-1", b"", 0);
    inside.pass_step_by_step(2_000);
    assert_eq!(inside.names(), ["zigcheck-source-1-3"]);
    inside.source_is("zigcheck-source-1-3", b"one", false);
    inside.build_succeeds("zigcheck-2-2");
    inside.is(2, "finished", "success", None, 2);
}

/// A build has an error of its own while its source is fetched again for the other.
#[test]
fn who_is_to_be_tried_again_waits_for_the_source_as_well() {
    let (mut inside, _memory) = both_run("cache-waits");
    inside.upload(&tree("b"));
    inside.upload(&tree("c"));
    inside.upload(&tree("d"));
    inside.container_ends("zigcheck-1-1", b"", 65);
    inside.container_ends("zigcheck-2-1", b"", 0);
    inside.build_succeeds("zigcheck-3-1");
    inside.pass_step_by_step(2_000);
    for build in [4, 5] {
        inside.build_succeeds(&format!("zigcheck-{build}-1"));
    }
    inside.source_is("zigcheck-source-1-2", b"one", false);
    inside.build_succeeds("zigcheck-1-2");
    inside.build_succeeds("zigcheck-2-2");
    assert_eq!(inside.json("/api/queue")["total"], 0);
}

#[test]
fn an_upload_cannot_be_fetched_again() {
    let memory = Memory::new("cache-upload");
    let mut inside = Inside::open("cache-upload", memory.open(), 1);
    inside.upload(&tree("a"));
    for (attempt, pause) in [(1, 2_000), (2, 8_000), (3, 32_000)] {
        inside.container_ends(&format!("zigcheck-1-{attempt}"), b"", 65);
        assert!(inside.names().is_empty());
        inside.pass_step_by_step(pause - 1);
        assert!(inside.names().is_empty());
        inside.pass_step_by_step(1);
    }
    inside.container_ends("zigcheck-1-4", b"", 65);
    inside.is(1, "finished", "error", Some("lost"), 4);
}
