//! A package that an admin pauses: nothing of it runs until it is resumed, and what is known of it stays.

use serde_json::{Value, json};

use crate::common::core::{Inside, Memory};
use crate::hooks::{COMMIT, KNOWN};
use crate::retirement::end_all;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A server with a package `p` that has its verdicts.
fn with_verdicts(name: &str) -> (Inside, Memory) {
    let (mut inside, memory) = Inside::begin(name, 1);
    inside.submit("p");
    end_all(&mut inside);
    (inside, memory)
}

/// Sends that change of `p`; gives its `paused_at`.
#[track_caller]
fn set(inside: &mut Inside, paused: bool) -> Value {
    let body = json!({ "paused": paused });
    let (status, package) = inside.admin_json("PATCH", "/api/packages/p", &body);
    assert_eq!(status, 200, "{package}");
    package["paused_at"].clone()
}

#[test]
fn nothing_of_it_runs_until_it_is_resumed() {
    let (mut inside, memory) = with_verdicts("paused");
    let since = set(&mut inside, true);
    assert!(since.is_string());
    let body = json!({});
    for (method, target, body) in [
        ("POST", "/admin/check-builds", &body),
        ("POST", "/admin/retry-errors", &body),
        (
            "POST",
            "/admin/check-all",
            &json!({ "zig_version": "0.16.0" }),
        ),
    ] {
        let (status, answer) = inside.admin_json(method, target, body);
        assert!(status < 300, "{target}: {answer}");
    }
    inside.pass_step_by_step(1_000);
    inside.pass(3 * DAY_MS);
    assert_eq!(inside.names(), [""; 0]);
    // A restart with an image that is new.
    let mut inside = inside.restarted(&memory);
    inside
        .engine
        .set_image("0.16.0", Some("sha256:new".to_string()));
    inside.pass_step_by_step(100_000);
    assert_eq!(inside.names(), [""; 0]);
    assert_eq!(inside.json("/api/builds?package=p")["total"], 2);
    // What was missed is found as soon as it is resumed.
    assert_eq!(set(&mut inside, false), Value::Null);
    inside.pass_step_by_step(1_000);
    let asked = inside.names().pop().expect("its remote is asked");
    assert!(asked.contains("remote"), "{asked}");
}

#[test]
fn to_pause_twice_changes_nothing_and_to_resume_what_runs_neither() {
    let (mut inside, _memory) = with_verdicts("paused-twice");
    assert_eq!(set(&mut inside, false), Value::Null);
    inside.pass(1);
    assert_eq!(inside.names(), [""; 0], "its remote is not due");
    let since = set(&mut inside, true);
    inside.pass(5_000);
    assert_eq!(set(&mut inside, true), since);
    let (status, answer) = inside.admin_json("PATCH", "/api/packages/p", &json!({ "paused": 1 }));
    assert_eq!(
        (status, &answer["error"]),
        (400, &json!("paused: must be true or false"))
    );
    let anyone = inside.request("PATCH", "/api/packages/p", &[], br#"{"paused":false}"#);
    assert_eq!(anyone.status, 401);
    assert_eq!(inside.json("/api/packages/p")["paused_at"], since);
}

#[test]
fn what_is_asked_of_it_is_refused_in_one_sentence_and_what_is_known_stays() {
    let (mut inside, _memory) = with_verdicts("paused-asked");
    let badge = inside.json("/badge/p.json");
    set(&mut inside, true);
    for (target, body) in [
        ("/api/packages/p/builds", ""),
        ("/api/packages/p/compat", ""),
        ("/admin/trigger-build", r#"{"package_name":"p"}"#),
    ] {
        let refused = inside.as_admin("POST", target, body.as_bytes());
        let said = String::from_utf8_lossy(&refused.body).into_owned();
        assert_eq!(refused.status, 409, "{target}: {said}");
        assert!(
            said.contains("p has been paused since 20"),
            "{target}: {said}"
        );
    }
    let again = br#"{"url":"https://github.com/x/p"}"#;
    let refused = inside.request("POST", "/api/packages", &[], again);
    let said = String::from_utf8_lossy(&refused.body).into_owned();
    assert_eq!(refused.status, 409, "{said}");
    assert!(said.contains("p, which is paused"), "{said}");
    let push = br#"{"ref":"refs/heads/main","repository":{"clone_url":"https://github.com/x/p.git","default_branch":"main"}}"#;
    let pushed = inside.request(
        "POST",
        "/hooks/push",
        &[
            ("x-github-event", "push"),
            ("content-type", "application/json"),
        ],
        push,
    );
    let said = String::from_utf8_lossy(&pushed.body).into_owned();
    assert_eq!(pushed.status, 409, "{said}");
    assert!(said.contains("p has been paused since 20"), "{said}");
    inside.pass(100);
    assert_eq!(inside.names(), [""; 0]);
    assert_eq!(inside.json("/badge/p.json"), badge);
    let page = inside.curl("/packages/p");
    assert!(
        page.contains("nothing is checked until an administrator resumes it"),
        "{page}"
    );
    assert!(!page.contains("Check it again"), "{page}");
}

#[test]
fn builds_that_wait_are_cancelled_at_their_turn_and_one_that_runs_goes_on() {
    let (mut inside, _memory) = Inside::begin("paused-queue", 1);
    inside.submit("p");
    let source = inside.names().pop().unwrap();
    inside.commit_is_there(&source, COMMIT);
    let running = inside.names().pop().unwrap();
    inside.submit("other");
    // Its source is not fetched.
    let (status, _) = inside.admin_json(
        "POST",
        "/admin/trigger-build",
        &json!({ "package_name": "p" }),
    );
    assert_eq!(status, 202);
    set(&mut inside, true);
    inside.build_succeeds(&running);
    end_all(&mut inside);
    let of_p = inside.json("/api/builds?package=p");
    let builds = of_p["builds"].as_array().unwrap();
    assert_eq!(builds.len(), 4);
    let finished = builds.iter().filter(|build| build["state"] == "finished");
    assert_eq!(finished.count(), 1);
    for build in builds.iter().filter(|build| build["state"] != "finished") {
        assert_eq!(
            (&build["state"], &build["detail"]),
            (&json!("cancelled"), &json!("p is paused on this server"))
        );
    }
    let others = inside.json("/api/builds?package=other&state=finished");
    assert_eq!(others["total"], 2);
    // They are owed once it is resumed, although its remote has the same commit.
    set(&mut inside, false);
    inside.pass_step_by_step(1_000);
    let remote = inside.names().pop().unwrap();
    inside.container_ends(&remote, KNOWN, 0);
    inside.pass_step_by_step(1_000);
    assert!(inside.json("/api/builds?package=p")["total"].as_u64() > Some(4));
}

#[test]
fn it_keeps_its_name_before_its_first_source_too() {
    let (mut inside, _memory) = Inside::begin("paused-name", 1);
    inside.submit("p");
    set(&mut inside, true);
    let source = inside.names().pop().unwrap();
    inside.container_ends(&source, b"", 1);
    inside.pass_step_by_step(1_000_000);
    let again = br#"{"url":"https://github.com/x/p"}"#;
    assert_eq!(
        inside.request("POST", "/api/packages", &[], again).status,
        409
    );
    assert!(inside.json("/api/packages/p")["paused_at"].is_string());
}

#[test]
fn a_search_under_way_ends_without_an_answer() {
    let (mut inside, _memory) = Inside::begin("paused-search", 1);
    inside.submit_failing("p");
    let asked = inside.request("POST", "/api/packages/p/compat", &[], b"");
    assert_eq!(asked.status, 202);
    set(&mut inside, true);
    inside.pass_step_by_step(1_000);
    assert_eq!(inside.names(), [""; 0]);
    let found = inside.json("/api/packages/p/compat");
    for search in found["compat"].as_array().unwrap() {
        assert_eq!(search["state"], "unknown", "{found}");
    }
}
