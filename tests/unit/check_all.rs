//! All packages are checked under one toolchain: in which order, how far that is, and which are left out.

use crate::common::core::{Inside, Memory, START};
use crate::common::rows;
use serde_json::{Value, json};
use zigcheck::app::builds::limits::REBUILD_LIMIT;
use zigcheck::app::store::packages;

const PACKAGES: usize = 2 * REBUILD_LIMIT + 5;

/// A server that has seen its images, and then got these packages: none of them is rebuilt by itself.
fn with_packages(name: &str, count: usize) -> (Inside, Memory) {
    let (inside, memory) = Inside::begin(name, 1);
    let killed = inside.killed();
    let mut store = memory.open();
    for nth in 0..count {
        let id = packages::insert(&mut store, &rows::new(&format!("p{nth}")), START).unwrap();
        // The order of their use is not that of their ids.
        let score = (nth * 7 % count) as i64 * 1_000;
        packages::add_views(&mut store, &[(id, score)]).unwrap();
    }
    store.commit().unwrap();
    let mut inside = killed.starts(&memory);
    inside.pass(0);
    assert_eq!(inside.names(), Vec::<String>::new());
    (inside, memory)
}

fn check_all(inside: &mut Inside, zig_version: &str) -> (u16, Value) {
    let body = json!({ "zig_version": zig_version });
    inside.admin_json("POST", "/admin/check-all", &body)
}

/// How many of how many packages are checked, as the status says, and whether it goes on.
fn progress(inside: &mut Inside) -> (i64, i64, bool) {
    let response = inside.as_admin("GET", "/admin/status", b"");
    let value: Value = serde_json::from_slice(&response.body).unwrap();
    let [only] = &value["check_all"].as_array().unwrap()[..] else {
        panic!("{value}");
    };
    let number = |name: &str| only[name].as_i64().unwrap();
    let is_running = only["running"].as_bool().unwrap();
    (number("checked"), number("packages"), is_running)
}

/// Ends the container that runs; gives its package if that was a build.
fn end_one(inside: &mut Inside) -> Option<String> {
    let queue = inside.json("/api/queue");
    let package = queue["running"][0]["package"].as_str()?.to_string();
    let name = inside.names().pop()?;
    let is_build = queue["running"][0]["state"] == "building";
    match is_build {
        true => inside.build_succeeds(&name),
        false => inside.source_is_there(&name),
    }
    is_build.then_some(package)
}

fn end_all(inside: &mut Inside) -> Vec<String> {
    let mut built = Vec::new();
    while !inside.names().is_empty() {
        built.extend(end_one(inside));
        inside.pass(1);
    }
    built
}

#[test]
fn every_package_is_checked_under_it_once_the_most_used_first_over_a_restart() {
    let (mut inside, memory) = with_packages("check-all", PACKAGES);
    let (status, answer) = check_all(&mut inside, "0.15.2");
    assert_eq!((status, &answer["packages"]), (202, &json!(PACKAGES)));
    assert_eq!(
        (&answer["checked"], &answer["running"]),
        (&json!(0), &json!(true))
    );
    inside.pass(0);
    let mut inside = inside.killed().starts(&memory);
    inside.pass_step_by_step(10);
    let all = PACKAGES as i64;
    assert_eq!(progress(&mut inside), (0, all, true));
    let mut built = Vec::new();
    while built.len() < 3 {
        built.extend(end_one(&mut inside));
    }
    assert_eq!(progress(&mut inside), (3, all, true));
    let (status, answer) = check_all(&mut inside, "0.15.2");
    assert_eq!((status, &answer["checked"]), (200, &json!(3)));
    let mut inside = inside.killed().starts(&memory);
    inside.pass(10_000);
    built.extend(end_all(&mut inside));
    let score = |name: &String| name[1..].parse::<usize>().unwrap() * 7 % PACKAGES;
    let mut expected = built.clone();
    expected.sort_by_key(|name| std::cmp::Reverse(score(name)));
    expected.dedup();
    assert_eq!((&built, built.len()), (&expected, PACKAGES));
    assert_eq!(progress(&mut inside), (all, all, false));
    let sql = "SELECT count(*) FROM builds WHERE zig_version <> '0.15.2'";
    let others: i64 = memory.db.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(others, 0);
}

#[test]
fn a_package_whose_latest_commit_has_a_verdict_under_the_image_is_left_out() {
    let (mut inside, memory) = with_packages("check-all-again", 4);
    check_all(&mut inside, "0.16.0");
    inside.pass_step_by_step(10);
    let first = end_one(&mut inside).or_else(|| end_one(&mut inside));
    assert!(first.is_some());
    // What somebody cancels has no verdict, and counts as done.
    let waiting = inside.json("/api/builds?state=queued");
    let build = waiting["builds"][0]["id"].as_i64().unwrap();
    let path = format!("/api/builds/{build}");
    assert_eq!(inside.as_admin("DELETE", &path, b"").status, 200);
    assert_eq!(progress(&mut inside), (2, 4, true));
    assert_eq!(end_all(&mut inside).len(), 2);
    assert_eq!(progress(&mut inside), (4, 4, false));
    let (status, _) = check_all(&mut inside, "0.16.0");
    inside.pass_step_by_step(10);
    assert_eq!((status, progress(&mut inside)), (202, (3, 4, true)));
    assert_eq!(end_all(&mut inside).len(), 1);
    // One of them is known to have another commit since.
    let sql = "INSERT INTO checks (package_id, package, \"commit\", created_at) VALUES (1, 'p0', 'new', 0)";
    memory.db.execute(sql, []).unwrap();
    check_all(&mut inside, "0.16.0");
    inside.pass_step_by_step(10);
    assert_eq!(progress(&mut inside), (3, 4, true));
    assert_eq!(inside.json("/api/queue")["running"][0]["package"], "p0");
}

#[test]
fn a_version_that_is_unknown_or_has_no_image_is_refused_in_one_line() {
    let (mut inside, _memory) = with_packages("check-all-refused", 3);
    let (status, answer) = check_all(&mut inside, "0.14.1");
    let sentence = "zig_version: unknown Zig version 0.14.1; available: 0.16.0, 0.15.2";
    assert_eq!((status, &answer["error"]), (400, &json!(sentence)));
    for (body, sentence) in [
        ("{}", "zig_version: is missing"),
        (r#"{"zig_version":""}"#, "zig_version: is missing"),
        (r#"{"zig_version":16}"#, "zig_version: must be a string"),
        ("[]", "the body must be a JSON object"),
    ] {
        let response = inside.as_admin("POST", "/admin/check-all", body.as_bytes());
        let answer: Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!((response.status, &answer["error"]), (400, &json!(sentence)));
    }
    inside.engine.set_image("0.15.2", None);
    inside.pass(600_000);
    // The first answer is from the engine's last one, and has it asked again.
    check_all(&mut inside, "0.16.0");
    inside.pass(0);
    let (status, answer) = check_all(&mut inside, "0.15.2");
    let sentence = "image zigcheck:0.15.2 is missing: 1 of 2 images are made; make docker-build makes it, \
        and so does the service zigcheck-images";
    assert_eq!((status, &answer["error"]), (503, &json!(sentence)));
}

#[test]
fn it_waits_for_an_image_that_went_away_without_turning_in_circles() {
    let (mut inside, memory) = with_packages("check-all-no-image", PACKAGES);
    check_all(&mut inside, "0.16.0");
    let mut killed = inside.killed();
    let images = killed.engine.images.clone();
    killed.engine.set_image("0.16.0", None);
    let mut inside = killed.starts(&memory);
    inside.pass_step_by_step(1_000);
    assert_eq!(progress(&mut inside), (0, PACKAGES as i64, true));
    assert_eq!(inside.json("/api/queue")["waiting"], json!([]));
    inside.engine.images = images;
    // The server asks the engine by itself.
    inside.pass_step_by_step(60_000);
    let waiting = inside.json("/api/builds?state=queued&zig_version=0.16.0&limit=1");
    assert!(waiting["total"].as_i64().unwrap() >= PACKAGES as i64 - 1);
}
