//! Dependencies and sources that were fetched before.

use std::fs;

use super::experienced::*;
use crate::common::core::{Inside, Memory};
use crate::common::core_steps::framed;
use crate::common::pack::sha256;
use crate::common::rows::{self, waits};
use crate::targets::count;
use serde_json::{Value, json};
use zigcheck::app::domain::task::Task;
use zigcheck::app::store::builds;
use zigcheck::app::store::checks;
use zigcheck::app::store::sources::SourceRow;
use zigcheck::app::store::store::Store;
use zigcheck::interface::event::Input;

/// Checks of one build each under the newest toolchain, of sources with dependencies, each with
/// what its manifests ask for.
fn wanting(store: &mut Store, manifests: &[&str]) {
    for (nth, manifest) in manifests.iter().enumerate() {
        let check = checks::insert(store, &rows::check((None, "p"), None), 0);
        let check = check.unwrap();
        let source = SourceRow {
            hash: format!("h{nth}"),
            format: "tar".to_string(),
            bytes: 9,
            dependencies: true,
            manifest: Some(manifest.to_string()),
        };
        checks::set_source(store, check, &source, None, 0).unwrap();
        let build = builds::insert(store, check, "0.16.0", 0).unwrap();
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
fn reads(inside: &mut Inside, name: &str) -> String {
    let container = inside.engine.container(name);
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
    assert_eq!(reads(&mut inside, "zigcheck-1-1"), kept);
    assert_eq!(inside.sources(), [kept.as_str()]);
    inside.build_succeeds("zigcheck-1-1");
    // The source is another, and asks for the same.
    assert_eq!(inside.names(), ["zigcheck-2-1"]);
    assert_eq!(reads(&mut inside, "zigcheck-2-1"), kept);
    assert_eq!(memory.events(2), ["building"]);
    inside.build_succeeds("zigcheck-2-1");
    // This one asks for something else.
    assert_eq!(inside.names(), ["zigcheck-fetch-3-1"]);
    fetched(&mut inside, 3, "refused");
    assert!(reads(&mut inside, "zigcheck-3-1").ends_with(".part"));
    let sql = "SELECT group_concat(manifest) FROM dependencies";
    let manifests: String = memory.db.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(manifests, "m", "what was not all there is not kept");
    let mut inside = inside.restarted(&memory);
    inside.build_succeeds("zigcheck-3-1");
    assert_eq!(inside.names(), ["zigcheck-4-1"]);
    assert_eq!(reads(&mut inside, "zigcheck-4-1"), kept);
}

#[test]
fn dependencies_whose_file_is_gone_are_fetched_again() {
    let memory = Memory::new("cache-deps-gone");
    let mut store = memory.open();
    wanting(&mut store, &["m", "m", "m"]);
    let mut inside = Inside::open("cache-deps-gone", store, 1);
    fetched(&mut inside, 1, "fetched");
    let kept = reads(&mut inside, "zigcheck-1-1");
    fs::remove_file(inside.path_of_source(&kept)).unwrap();
    inside.build_succeeds("zigcheck-1-1");
    assert_eq!(inside.names(), ["zigcheck-fetch-2-1"]);
    fetched(&mut inside, 2, "fetched");
    assert_eq!(reads(&mut inside, "zigcheck-2-1"), kept);
    inside.build_succeeds("zigcheck-2-1");
    assert_eq!(reads(&mut inside, "zigcheck-3-1"), kept);
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

/// Others bring more than is kept while it waits for its node, or for its client to come to that file.
#[test]
fn dependencies_that_go_are_there_for_the_build_that_was_given_them() {
    let memory = Memory::new("cache-deps-go");
    let mut store = memory.open();
    wanting(&mut store, &["m"]);
    let mut inside = Inside::open("cache-deps-go", store, 1);
    fetched(&mut inside, 1, "fetched");
    let kept = reads(&mut inside, "zigcheck-1-1");
    let others = "INSERT INTO dependencies VALUES ('n', 'sha256:a', 'h', 1 << 40, 1 << 60)";
    memory.db.execute_batch(others).unwrap();
    inside.submit("p");
    inside.pass_step_by_step(1_000);
    assert_eq!(count(&memory, "SELECT count(*) FROM dependencies"), 0);
    assert_eq!(reads(&mut inside, "zigcheck-1-1"), kept);
    inside.build_succeeds("zigcheck-1-1");
    assert!(!inside.sources().contains(&kept));
}

#[test]
fn dependencies_are_kept_under_the_image_that_fetched_them() {
    let memory = Memory::new("cache-deps-own");
    let mut store = memory.open();
    wanting(&mut store, &["m", "m"]);
    let mut inside = Inside::open("cache-deps-own", store, 1);
    inside.engine.images[0].1 = "sha256:new".to_string();
    inside.pass(60_000);
    inside.json("/api/health");
    fetched(&mut inside, 1, "fetched");
    let of = "SELECT toolchain FROM dependencies";
    let of: String = memory.db.query_row(of, [], |row| row.get(0)).unwrap();
    assert_eq!(of, "sha256:a");
    inside.build_succeeds("zigcheck-1-1");
    assert_eq!(inside.names(), ["zigcheck-fetch-2-1"]);
}

#[test]
fn dependencies_of_another_image_stay_where_a_source_is_fetched_again() {
    let memory = Memory::new("cache-deps-again");
    let mut store = memory.open();
    wanting(&mut store, &["m"]);
    let url = "UPDATE checks SET url = 'https://github.com/x/p'";
    memory.db.execute_batch(url).unwrap();
    let mut inside = Inside::open("cache-deps-again", store, 1);
    fetched(&mut inside, 1, "fetched");
    let new = "INSERT INTO dependencies VALUES ('m', 'sha256:new', 'h', 1, 1)";
    memory.db.execute_batch(new).unwrap();
    inside.engine.images[0].1 = "sha256:new".to_string();
    inside.pass(60_000);
    inside.json("/api/health");
    inside.container_ends("zigcheck-1-1", b"", 65);
    let left = "SELECT group_concat(toolchain) FROM dependencies";
    let left: String = memory.db.query_row(left, [], |row| row.get(0)).unwrap();
    assert_eq!(left, "sha256:new");
}

#[test]
fn a_source_whose_file_is_not_whole_is_fetched_again() {
    let (mut inside, memory) = Inside::begin("cache-source", 1);
    inside.submit("a");
    inside.source_is("zigcheck-source-1-1", b"one", false);
    let file = format!("{}.tar.gz", sha256(b"one"));
    assert_eq!(inside.sources(), [file.as_str()]);
    // The file goes to the container unchecked.
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
    let (mut inside, memory) = Inside::begin(name, 2);
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
    // No other build waits; another one takes the slot before the source; and the file is back meanwhile.
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
    let (mut inside, _memory) = Inside::begin("cache-upload", 1);
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
