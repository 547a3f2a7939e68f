//! The analysis for other targets, in the core: when it is asked for, what becomes of it, and restarts.

use serde_json::{Value, json};
use zigcheck::app::builds::limits::{ERRORS_LIMIT, TARGETS_TIMEOUT_MS};
use zigcheck::app::domain::targets::{from_text, read, to_text};

use crate::common::core::{Inside, Memory};
use crate::common::core_steps::framed;
use crate::common::engine::scripted::NONCE;
use crate::common::pack::small_tree;

fn analysing(name: &str) -> (Inside, Memory) {
    let memory = Memory::new(name);
    let inside = Inside::with(name, memory.open(), |settings| {
        settings.targets = true;
        settings.max_builds = 2;
    });
    (inside, memory)
}

/// What a runner says of a build.
fn record(build: i64, nonce: &str) -> Vec<u8> {
    let record = json!({"build_id": build, "nonce": nonce, "targets": [
        {"target": "x86_64-windows", "status": "success", "first_error": null},
        {"target": "wasm32-wasi", "status": "failed", "first_error": "a.zig:1:2: no <fork>"},
    ]});
    format!("{record}\n").into_bytes()
}

/// Ends one container that runs, the sources with that commit; false if none runs.
pub fn step(inside: &mut Inside, commit: &str, works: &dyn Fn(&str) -> bool) -> bool {
    let Some(name) = inside.names().into_iter().next() else {
        return false;
    };
    let words: Vec<&str> = name.split('-').collect();
    match words[1..] {
        ["source", ..] => {
            let head = json!({"format": "tar.gz", "commit": commit, "dependencies": false,
                "commit_time": 1_700_000_000, "manifest": ""});
            inside.container_ends(&name, &framed(head, commit.as_bytes()), 0);
        }
        ["fetch", ..] => {
            let head = json!({"dependencies": "fetched"});
            inside.container_ends(&name, &framed(head, b"deps"), 0);
        }
        ["targets", build, _] => {
            let record = record(build.parse().expect("a build"), NONCE);
            inside.container_ends(&name, &record, 0);
        }
        [build, _] => {
            let build = inside.build(build.parse().expect("a build"));
            match works(build["zig_version"].as_str().expect("a version")) {
                true => inside.build_succeeds(&name),
                false => inside.build_fails(&name),
            }
        }
        _ => panic!("{name} was not expected"),
    }
    true
}

/// Until the analysis begins; gives the name of its container.
fn until_analysed(inside: &mut Inside, commit: &str) -> String {
    for _ in 0..9 {
        let names = inside.names();
        if let Some(name) = names.iter().find(|name| name.contains("-targets-")) {
            return name.clone();
        }
        assert!(step(inside, commit, &|_| true), "nothing is analysed");
    }
    panic!("nothing is analysed");
}

const COMMIT: &str = "0123456789012345678901234567890123456789";
const NEXT: &str = "1123456789012345678901234567890123456789";
const KNOWN: [(&str, &str); 2] = [("x86_64-windows", "success"), ("wasm32-wasi", "failed")];

pub fn known() -> Value {
    KNOWN
        .into_iter()
        .map(|(name, status)| (name.to_string(), json!(status)))
        .collect()
}

/// The builds of a check, the newest version first.
pub fn builds(inside: &mut Inside, check: i64) -> [Value; 2] {
    let check = inside.json(&format!("/api/checks/{check}"));
    [check["builds"][0].clone(), check["builds"][1].clone()]
}

pub fn count(memory: &Memory, sql: &str) -> i64 {
    let count = memory.db.query_row(sql, [], |row| row.get(0));
    count.expect("a count")
}

/// Nothing is left to be analysed.
pub fn assert_nothing_is_left(memory: &Memory) {
    let rows = count(memory, "SELECT count(*) FROM target_checks");
    let tasks = count(memory, "SELECT count(*) FROM queue WHERE kind = 4");
    assert_eq!((rows, tasks), (0, 0));
}

#[test]
fn a_source_is_analysed_once_under_the_newest_version_that_it_works_with() {
    let (mut inside, memory) = analysing("targets");
    let check = inside.submit("p");
    let events = |memory: &Memory| count(memory, "SELECT count(*) FROM events");
    let name = until_analysed(&mut inside, COMMIT);
    assert_eq!(name, "zigcheck-targets-1-1");
    let (events_before, feed) = (events(&memory), inside.curl("/feed.atom"));
    let [newest, older] = builds(&mut inside, check);
    assert_eq!(
        (&newest["targets"], &newest["target_errors"]),
        (&Value::Null, &Value::Null)
    );
    while step(&mut inside, COMMIT, &|_| true) {}
    let [after, older_after] = builds(&mut inside, check);
    assert_eq!(after["targets"], known());
    assert_eq!(
        after["target_errors"],
        json!({"wasm32-wasi": "a.zig:1:2: no <fork>"})
    );
    assert_eq!(older_after, older, "only one build of a source is analysed");
    // The verdict is as it was, and nobody is told of another one.
    for field in [
        "build_status",
        "test_status",
        "import_status",
        "reason",
        "finished_at",
        "log_bytes",
    ] {
        assert_eq!(after[field], newest[field], "{field}");
    }
    assert_eq!(events(&memory), events_before);
    assert_eq!(inside.curl("/feed.atom"), feed);
    assert_nothing_is_left(&memory);
}

#[test]
fn people_read_what_it_compiles_for_and_never_that_it_works() {
    let (mut inside, _memory) = analysing("targets shown");
    let check = inside.submit("p");
    until_done(&mut inside, check, COMMIT);
    assert!(!inside.curl("/").contains("OTHER TARGETS"));
    while step(&mut inside, COMMIT, &|_| true) {}
    let front = inside.curl("/");
    let row = front.lines().find(|line| line.starts_with("p "));
    assert!(front.contains("OTHER TARGETS") && row.is_some_and(|row| row.contains("1 of 2")));
    for page in [
        "/packages/p".to_string(),
        "/builds/1".to_string(),
        format!("/checks/{check}"),
    ] {
        let text = inside.curl(&page);
        assert!(
            text.contains("compiles for x86_64-windows"),
            "{page}: {text}"
        );
        assert!(
            text.contains("not for wasm32-wasi: a.zig:1:2: no <fork>"),
            "{page}: {text}"
        );
        assert!(!text.contains("works on"), "{page}: {text}");
    }
    let html = |inside: &mut Inside, page: &str| {
        let response = inside.request("GET", page, &[("accept", "text/html")], b"");
        String::from_utf8_lossy(&response.body).into_owned()
    };
    let front = html(&mut inside, "/");
    let sentence = "compiles for x86_64-windows; not for wasm32-wasi";
    let strip = format!(" href=\"/builds/1#targets\" title=\"{sentence}\"");
    assert!(front.contains(&strip), "{front}");
    let package = html(&mut inside, "/packages/p");
    assert!(
        package.contains("<a href=\"/builds/1#targets\">compiles for</a>"),
        "{package}"
    );
    assert!(
        package.contains("title=\"a.zig:1:2: no &lt;fork&gt;\""),
        "{package}"
    );
    let build = html(&mut inside, "/builds/1");
    assert!(build.contains("<h2 id=\"targets\">"), "{build}");
    assert!(build.contains("a.zig:1:2: no &lt;fork&gt;"), "{build}");
    let other = html(&mut inside, "/builds/2");
    assert!(!other.contains("id=\"targets\""), "{other}");
}

#[test]
fn an_older_version_is_taken_where_the_newest_fails() {
    let (mut inside, memory) = analysing("targets of an older version");
    let check = inside.submit("p");
    while step(&mut inside, COMMIT, &|version| version == "0.15.2") {}
    let [newest, older] = builds(&mut inside, check);
    assert_eq!(
        (&newest["targets"], &older["targets"]),
        (&Value::Null, &known())
    );
    assert_nothing_is_left(&memory);
}

#[test]
fn what_works_nowhere_is_not_analysed_nor_anything_if_it_is_switched_off() {
    let (mut inside, memory) = analysing("targets of nothing");
    inside.submit("p");
    while step(&mut inside, COMMIT, &|_| false) {}
    assert_eq!(inside.engine.count("run --name=zigcheck-targets"), 0);
    assert_nothing_is_left(&memory);
    // What waits when it is switched off is dropped.
    inside.submit("q");
    until_analysed(&mut inside, NEXT);
    let mut inside = inside.restarted_with(&memory, |settings| settings.targets = false);
    inside.pass(60_000);
    while step(&mut inside, COMMIT, &|_| true) {}
    assert_nothing_is_left(&memory);
    inside.submit("r");
    while step(&mut inside, &NEXT.replace('9', "8"), &|_| true) {}
    assert_eq!(
        count(&memory, "SELECT count(*) FROM builds WHERE targets <> ''"),
        0
    );
}

#[test]
fn a_new_source_of_the_package_replaces_what_was_shown_and_a_known_one_shows_it_at_once() {
    let (mut inside, memory) = analysing("targets again");
    inside.submit("p");
    while step(&mut inside, COMMIT, &|_| true) {}
    let again = |inside: &mut Inside| {
        let response = inside.request("POST", "/api/packages/p/builds", &[], b"");
        let answer: Value = serde_json::from_slice(&response.body).expect("JSON");
        answer["check"].as_i64().expect("a check")
    };
    let check = again(&mut inside);
    while step(&mut inside, COMMIT, &|_| true) {}
    let [newest, _] = builds(&mut inside, check);
    assert_eq!(
        (&newest["cached"], &newest["targets"]),
        (&json!(true), &known())
    );
    let analysed = "run --name=zigcheck-targets";
    assert_eq!(
        inside.engine.count(analysed),
        1,
        "the same source is not analysed again"
    );

    let check = again(&mut inside);
    until_done(&mut inside, check, NEXT);
    assert!(!inside.curl("/packages/p").contains("compiles for"));
    while step(&mut inside, NEXT, &|_| true) {}
    assert_eq!(builds(&mut inside, check)[0]["targets"], known());
    assert!(inside.curl("/packages/p").contains("compiles for"));
    assert_nothing_is_left(&memory);
}

/// Until all builds of a check have ended.
fn until_done(inside: &mut Inside, check: i64, commit: &str) {
    while inside.json(&format!("/api/checks/{check}"))["finished"] == false {
        assert!(step(inside, commit, &|_| true));
    }
}

#[test]
fn a_build_that_is_asked_for_meanwhile_gets_the_answer_as_well() {
    let (mut inside, memory) = analysing("targets meanwhile");
    inside.submit("p");
    until_analysed(&mut inside, COMMIT);
    inside.request("POST", "/api/packages/p/builds", &[], b"");
    // The source comes first, then the verdicts from the cache, while the analysis runs.
    let source = inside
        .names()
        .into_iter()
        .find(|name| name.contains("-source-"));
    let head = json!({"format": "tar.gz", "commit": COMMIT, "dependencies": false, "manifest": ""});
    inside.container_ends(
        &source.expect("a fetch"),
        &framed(head, COMMIT.as_bytes()),
        0,
    );
    while step(&mut inside, COMMIT, &|_| true) {}
    assert_eq!(builds(&mut inside, 2)[0]["targets"], known());
    assert_eq!(inside.engine.count("run --name=zigcheck-targets"), 1);
    assert_nothing_is_left(&memory);
}

#[test]
fn whatever_a_person_waits_for_starts_before_it() {
    let (mut inside, _memory) = analysing("targets last");
    inside.submit("p");
    inside.submit("q");
    let mut ended = Vec::new();
    while let Some(name) = inside.names().into_iter().next() {
        ended.push(name);
        step(&mut inside, COMMIT, &|_| true);
    }
    let is_analysis = |name: &&String| name.contains("-targets-");
    let last: Vec<&String> = ended.iter().rev().take_while(is_analysis).collect();
    assert!(!last.is_empty(), "{ended:?}");
    let all = ended.iter().filter(is_analysis).count();
    assert_eq!(all, last.len(), "{ended:?}");
}

#[test]
fn an_upload_is_analysed_as_well() {
    let (mut inside, memory) = analysing("targets of an upload");
    let build = inside.upload(&small_tree());
    while step(&mut inside, COMMIT, &|_| true) {}
    let build = inside.build(build["id"].as_i64().expect("an id"));
    assert_eq!(build["targets"], known());
    assert_nothing_is_left(&memory);
}

#[test]
fn it_is_tried_again_as_other_tasks_are_and_no_more_often() {
    let (mut inside, memory) = analysing("targets in vain");
    let check = inside.submit("p");
    until_analysed(&mut inside, COMMIT);
    for attempt in 1..=ERRORS_LIMIT {
        let name = format!("zigcheck-targets-1-{attempt}");
        assert!(inside.names().contains(&name), "{:?}", inside.names());
        // Cut off, not whole, or a record that the runner cannot have written.
        match attempt {
            1 => inside.container_ends(&name, b"", 137),
            2 => inside.container_ends(&name, b"", 65),
            _ => inside.container_ends(&name, &record(1, "another"), 0),
        }
        inside.pass(40_000);
    }
    assert_eq!(inside.names(), Vec::<String>::new());
    assert_eq!(builds(&mut inside, check)[0]["targets"], Value::Null);
    assert_nothing_is_left(&memory);
}

#[test]
fn an_image_without_the_script_and_an_analysis_that_takes_too_long_are_not_tried_again() {
    for late in [false, true] {
        let (mut inside, memory) = analysing(&format!("targets given up {late}"));
        inside.submit("p");
        let name = until_analysed(&mut inside, COMMIT);
        match late {
            false => inside.container_ends(&name, b"", 127),
            true => inside.pass(TARGETS_TIMEOUT_MS + 60_000),
        }
        inside.pass(60_000);
        assert_eq!(inside.engine.count("run --name=zigcheck-targets"), 1);
        assert_nothing_is_left(&memory);
    }
}

#[test]
fn it_goes_on_after_a_restart_at_any_step() {
    for restarted_at in 0..5 {
        let (mut inside, memory) = analysing(&format!("targets restart {restarted_at}"));
        let check = inside.submit("p");
        for at in 0.. {
            if at == restarted_at {
                inside = inside.restarted(&memory);
                inside.pass(60_000);
            }
            if !step(&mut inside, COMMIT, &|_| true) {
                break;
            }
        }
        let of = builds(&mut inside, check);
        assert_eq!(of[0]["targets"], known(), "restarted at {restarted_at}");
        assert_nothing_is_left(&memory);
    }
}

#[test]
fn its_source_stays_until_it_has_ended_however_little_room_is_left() {
    let (mut inside, memory) = analysing("targets-room");
    inside.submit("p");
    let name = until_analysed(&mut inside, COMMIT);
    inside.room(1, 200 << 30);
    inside.pass_step_by_step(1_000);
    assert_eq!(inside.sources().len(), 1);
    inside.container_ends(&name, &record(1, NONCE), 0);
    inside.pass_step_by_step(60_000);
    inside.room(1, 200 << 30);
    inside.pass_step_by_step(1_000);
    assert_eq!(inside.sources().len(), 0);
    assert_nothing_is_left(&memory);
}

#[test]
fn a_package_that_is_gone_is_not_analysed() {
    let (mut inside, memory) = analysing("targets of a package that is gone");
    inside.submit("p");
    let name = until_analysed(&mut inside, COMMIT);
    let response = inside.as_admin("DELETE", "/api/packages/p", b"");
    assert_eq!(response.status, 200);
    inside.container_ends(&name, b"", 137);
    inside.pass(60_000);
    assert_eq!(inside.names(), Vec::<String>::new());
    assert_nothing_is_left(&memory);
}

#[test]
fn only_a_list_of_targets_is_read_as_one() {
    let good = json!([{"target": "x86_64-windows", "status": "failed", "first_error": "a\nb"}]);
    let results = read(&good).expect("a list");
    assert_eq!(results[0].first_error.as_deref(), Some("a"), "one line");
    assert_eq!(from_text(&to_text(&results)), Some(results));
    assert_eq!((to_text(&[]), from_text("")), (String::new(), None));
    let many = vec![json!({"target": "a", "status": "success"}); 17];
    for bad in [
        json!({}),
        json!([1]),
        json!([{"target": "", "status": "success"}]),
        json!([{"target": "a b", "status": "success"}]),
        json!([{"target": "a".repeat(33), "status": "success"}]),
        json!([{"target": "a", "status": "works"}]),
        json!([{"target": "a", "status": "failed"}]),
        json!(many),
    ] {
        assert_eq!(read(&bad), None, "{bad}");
    }
}
