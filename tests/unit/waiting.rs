//! `GET /api/queue`: who runs, who waits, why, and until when.

use crate::common::core::{Inside, START};
use crate::common::rows::{finish, in_memory};
use serde_json::{Value, json};
use zigcheck::app::domain::ids::BuildId;
use zigcheck::app::domain::verdict::{Reason, Verdict};
use zigcheck::app::store::builds;
use zigcheck::app::store::checks;
use zigcheck::app::store::durations;
use zigcheck::app::store::sources::SourceRow;
use zigcheck::app::store::store::Store;
use zigcheck::config::limits::FORECAST_LIMIT;

fn told(queue: &Value, list: &str, fields: &[&str]) -> Vec<Value> {
    let of_build = |build: &Value| {
        let fields = fields.iter().map(|field| build[*field].clone());
        Value::Array(fields.collect())
    };
    queue[list]
        .as_array()
        .unwrap()
        .iter()
        .map(of_build)
        .collect()
}

const WAITING: [&str; 4] = ["id", "position", "reason", "estimated_start"];
const RUNNING: [&str; 4] = ["id", "state", "elapsed_ms", "expected_ms"];

#[test]
fn nothing_runs_and_nothing_waits() {
    let mut inside = Inside::open("queue-empty", in_memory(), 3);
    let empty =
        json!({"slots": 3, "running": [], "waiting": [], "total": 0, "page": 1, "limit": 20});
    assert_eq!(inside.json("/api/queue"), empty);
}

#[test]
fn a_source_stands_as_its_first_build_and_the_others_wait_for_it() {
    let mut inside = Inside::open("queue-source", in_memory(), 1);
    inside.submit("a");
    inside.submit("b");
    inside.pass(1_500);
    let queue = inside.json("/api/queue");
    // Nothing was ever fetched here: nobody knows how long that takes.
    let running = told(&queue, "running", &RUNNING);
    assert_eq!(running, [json!([1, "fetching", 1_500, null])]);
    let behind = "a person asked: it is next, and its source comes first";
    assert_eq!(
        told(&queue, "waiting", &WAITING),
        [
            json!([3, 1, behind, null]),
            json!([4, 1, behind, null]),
            json!([2, 2, "its source is being fetched", null]),
        ]
    );
    assert_eq!(queue["total"], 3);
    // What is told of a build elsewhere is the same.
    assert_eq!(inside.json("/api/builds/1")["queue_position"], Value::Null);
    for build in queue["waiting"].as_array().unwrap() {
        let alone = inside.json(&format!("/api/builds/{}", build["id"]));
        assert_eq!(alone["queue_position"], build["position"], "{build}");
        assert_eq!(build["queue_position"], build["position"]);
        // The reason of a verdict, which there is none of yet, makes room for that of the waiting.
        let others = alone.as_object().unwrap().iter();
        for (name, value) in others.filter(|(name, _)| *name != "reason") {
            assert_eq!(&build[name], value, "{name}");
        }
    }
    inside.source_is_there("zigcheck-source-1-1");
    let queue = inside.json("/api/queue");
    // The source of b was next: builds of a stand behind it.
    assert_eq!(
        told(&queue, "running", &["id", "state"]),
        [json!([3, "fetching"])]
    );
    let first = "a person asked: it is next";
    let second = "a person asked: 1 before it";
    assert_eq!(
        told(&queue, "waiting", &["id", "position", "reason"]),
        [
            json!([1, 1, first]),
            json!([2, 2, second]),
            json!([4, 3, "its source is being fetched"]),
        ]
    );
}

/// A server with one slot that has fetched one source, and built it under each toolchain.
fn experienced(name: &str) -> Inside {
    let mut inside = Inside::open(name, in_memory(), 1);
    inside.submit("a");
    inside.pass(2_000);
    inside.source_is_there("zigcheck-source-1-1");
    inside.pass(10_000);
    inside.build_succeeds("zigcheck-1-1");
    inside.pass(30_000);
    inside.build_succeeds("zigcheck-2-1");
    assert_eq!(inside.ms, 42_000);
    inside
}

#[test]
fn the_past_says_when_what_waits_will_start() {
    let mut inside = experienced("queue-past");
    // Nothing is known of b: builds under its toolchains took 10 s and 30 s, and a source 2 s.
    inside.submit("b");
    inside.request("POST", "/api/packages/a/builds", &[], b"");
    inside.pass(500);
    let queue = inside.json("/api/queue");
    assert_eq!(
        told(&queue, "running", &RUNNING),
        [json!([3, "fetching", 500, 2_000])]
    );
    let start = |build: i64| {
        let all = queue["waiting"].as_array().unwrap();
        let row = all.iter().find(|row| row["id"] == build).unwrap();
        row["estimated_start"].as_str().unwrap().to_string()
    };
    // 22:13:20 is the start; 42 s later b came, and its source takes 2 s from there. The source
    // of a is next, and its builds join behind those of b.
    assert_eq!(start(4), "2023-11-14T22:14:16.000Z", "44 + 2 + 10 s");
    assert_eq!(start(5), "2023-11-14T22:14:46.000Z", "30 s later");
    assert_eq!(start(6), "2023-11-14T22:14:56.000Z", "10 s later");
    // Overdue: it may end at any moment, and everything moves.
    inside.pass(5_000);
    let queue = inside.json("/api/queue");
    assert_eq!(queue["running"][0]["elapsed_ms"], 5_500);
    let source_of_a = &queue["waiting"][0];
    assert_eq!(source_of_a["id"], 5);
    assert_eq!(source_of_a["position"], 1);
}

#[test]
fn a_known_package_is_expected_to_take_what_it_took() {
    let mut inside = experienced("queue-known");
    inside.submit("b");
    inside.source_is_there("zigcheck-source-2-1");
    // Five times as fast as a under the same toolchain.
    inside.pass(2_000);
    inside.build_succeeds("zigcheck-3-1");
    inside.pass(1_000);
    let queue = inside.json("/api/queue");
    // Under the second toolchain there is no past of b yet, but one of a.
    assert_eq!(
        told(&queue, "running", &RUNNING),
        [json!([4, "building", 1_000, 30_000])]
    );
    inside.build_succeeds("zigcheck-4-1");
    inside.request("POST", "/api/packages/b/builds", &[], b"");
    inside.source_is_there("zigcheck-source-3-1");
    let queue = inside.json("/api/queue");
    assert_eq!(
        told(&queue, "running", &RUNNING),
        [json!([5, "building", 0, 2_000])]
    );
    assert_eq!(
        queue["waiting"][0]["estimated_start"],
        "2023-11-14T22:14:07.000Z"
    );
}

#[test]
fn a_paused_build_says_until_when() {
    let mut inside = experienced("queue-held");
    inside.request("POST", "/api/packages/a/builds", &[], b"");
    inside.source_is_there("zigcheck-source-2-1");
    assert_eq!(inside.names(), ["zigcheck-3-1"]);
    // It left no record: the next attempt comes 2 s later, and the other build passes it.
    inside.container_ends("zigcheck-3-1", b"", 0);
    let queue = inside.json("/api/queue");
    assert_eq!(told(&queue, "running", &["id"]), [json!([4])]);
    let reason = "held back until 2023-11-14T22:14:04.000Z after an error: repetition 1 of 3";
    assert_eq!(
        told(&queue, "waiting", &WAITING),
        [json!([3, 1, reason, "2023-11-14T22:14:32.000Z"])]
    );
    inside.pass(2_000);
    let queue = inside.json("/api/queue");
    let reason = "a person asked: it is next";
    assert_eq!(
        told(&queue, "waiting", &["id", "reason"]),
        [json!([3, reason])]
    );
    inside.submit("c");
    inside.build_succeeds("zigcheck-4-1");
    inside.build_succeeds("zigcheck-3-2");
    inside.container_ends("zigcheck-source-3-1", b"", 10);
    let queue = inside.json("/api/queue");
    let reason = queue["waiting"][0]["reason"].as_str().unwrap();
    assert_eq!(
        reason,
        "its source is held back until 2023-11-14T22:14:06.000Z after an error: repetition 1 of 3"
    );
}

#[test]
fn pages_are_cut_from_the_whole_queue() {
    let mut inside = Inside::open("queue-pages", in_memory(), 1);
    for n in 0..6 {
        inside.submit(&format!("p{n}"));
    }
    let ids = |queue: &Value| told(queue, "waiting", &["id"]);
    let whole = inside.json("/api/queue?limit=100");
    assert_eq!(whole["total"], 11, "twelve builds, one of them runs");
    let mut pages = Vec::new();
    for page in 1..=4 {
        let queue = inside.json(&format!("/api/queue?limit=4&page={page}"));
        assert_eq!(
            (&queue["total"], &queue["page"]),
            (&json!(11), &json!(page))
        );
        assert_eq!(queue["running"].as_array().unwrap().len(), 1);
        pages.extend(ids(&queue));
    }
    assert_eq!(pages, ids(&whole));
    let far = inside.json("/api/queue?page=1099511627776&limit=100");
    assert_eq!(ids(&far).len(), 0);
}

#[test]
fn without_an_engine_nothing_is_promised() {
    let mut store = in_memory();
    let check = checks::insert(
        &mut store,
        &crate::common::rows::check((None, "p"), Some(("https://github.com/x/p", None))),
        0,
    );
    builds::insert(&mut store, check.unwrap(), "0.16.0", 0).unwrap();
    store.commit().unwrap();
    let mut inside = Inside::without_engine("queue-absent", store);
    let queue = inside.json("/api/queue");
    assert_eq!(
        told(&queue, "waiting", &WAITING),
        [json!([1, 1, "the engine is unavailable", null])]
    );
}

/// Checks whose source is still to be fetched, and before them one upload that ran and one that
/// waits.
fn long_queue(checks: usize) -> Store {
    let mut store = in_memory();
    let source = |hash: &str| SourceRow {
        hash: hash.to_string(),
        format: "tar.gz".to_string(),
        bytes: 9,
        dependencies: false,
        manifest: None,
    };
    for _ in 0..2 {
        let upload = checks::insert(
            &mut store,
            &crate::common::rows::check((None, "u"), None),
            0,
        )
        .unwrap();
        checks::set_source(&mut store, upload, &source("h"), None, 0).unwrap();
        builds::insert(&mut store, upload, "0.16.0", 0).unwrap();
        durations::add_fetch(&mut store, upload, 2_000).unwrap();
    }
    builds::set_started(&mut store, BuildId(1), "sha256:a", None, 0).unwrap();
    let verdict = Verdict::failed(Reason::Timeout, "");
    finish(&mut store, BuildId(1), &verdict, 10_000);
    for n in 0..checks {
        let url = format!("https://github.com/x/p{n}");
        let git = Some((url.as_str(), None));
        let check = checks::insert(
            &mut store,
            &crate::common::rows::check((None, &format!("p{n}")), git),
            0,
        )
        .unwrap();
        builds::insert(&mut store, check, "0.16.0", 0).unwrap();
    }
    store.commit().unwrap();
    store
}

#[test]
fn where_the_end_of_the_queue_is_out_of_sight_nothing_behind_a_source_is_promised() {
    for (checks, seen) in [(FORECAST_LIMIT, true), (FORECAST_LIMIT + 1, false)] {
        let mut inside = Inside::open("queue-long", long_queue(checks), 1);
        let queue = inside.json("/api/queue?limit=2");
        assert_eq!(queue["running"][0]["id"], 2, "the upload runs");
        assert_eq!(queue["total"], checks);
        let first = queue["waiting"][0]["estimated_start"].as_str();
        // The upload takes 10 s, then all sources 2 s each; then their builds begin.
        let at = 10_000 + 2_000 * checks as i64;
        let wanted = zigcheck::app::render::json::time(START + at);
        assert_eq!(first, seen.then_some(wanted.as_str()), "{checks} checks");
    }
}
