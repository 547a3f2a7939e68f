//! What builds of a package leave for the next one, in the core: given, in doubt, kept, and never to others.

use std::fs;

use serde_json::{Value, json};
use zigcheck::interface::event::{Input, Pipe};

use super::experienced::tree;
use crate::common::core::{Inside, Memory};
use crate::common::core_steps::{framed, good};
use crate::common::engine::scripted::NONCE;
use crate::common::pack::sha256;

const LEFT: &str = "what it left";

fn commit(digit: char) -> String {
    digit.to_string().repeat(40)
}

/// What a runner hands out before its record.
fn handed_out(body: &str) -> Vec<u8> {
    let head = json!({"state": "kept", "nonce": NONCE});
    [framed(head, body.as_bytes()), b"\n".to_vec()].concat()
}

fn says(inside: &mut Inside, name: &str, bytes: &[u8]) {
    inside.engine.writes(name, Pipe::Stdout, bytes);
    inside.pump();
}

/// The source of that check is fetched: that commit, with those of the asked ones before it.
fn fetched(inside: &mut Inside, check: i64, commit: &str, ancestors: &[String]) {
    let head = json!({"format": "tar.gz", "commit": commit, "dependencies": false, "ancestors": ancestors});
    let said = framed(head, commit.as_bytes());
    inside.container_ends(&format!("zigcheck-source-{check}-1"), &said, 0);
}

/// A server with two slots and a package, of whose commit `a` the build under 0.16.0 left something. Builds 1 and 2 are over.
fn experienced(name: &str) -> (Inside, Memory) {
    let (mut inside, memory) = Inside::begin(name, 2);
    inside.submit("p");
    fetched(&mut inside, 1, &commit('a'), &[]);
    says(&mut inside, "zigcheck-1-1", &handed_out(LEFT));
    inside.build_succeeds("zigcheck-1-1");
    inside.build_succeeds("zigcheck-2-1");
    (inside, memory)
}

/// The package is checked again, at commit `b`. Builds 3 and 4 follow.
fn checked_again(inside: &mut Inside, parameters: &str, ancestors: &[String]) {
    let target = format!("/api/packages/p/builds{parameters}");
    let response = inside.request("POST", &target, &[], b"");
    assert_eq!(response.status, 202);
    fetched(inside, 2, &commit('b'), ancestors);
}

/// What the container of a build is given, if anything is.
fn given(inside: &mut Inside, name: &str) -> Option<String> {
    let container = inside.engine.container(name);
    let [Input::Bytes(head), Input::File(_), files @ ..] = &container.stdin[..] else {
        panic!("{:?}", container.stdin)
    };
    let head: Value = serde_json::from_slice(head).unwrap();
    if head["kept"].is_null() {
        assert!(files.is_empty(), "{files:?}");
        return None;
    }
    let [Input::File(path)] = files else {
        panic!("{files:?}")
    };
    let body = fs::read(path).unwrap();
    let kept = json!({"bytes": body.len(), "sha256": sha256(&body)});
    assert_eq!(head["kept"], kept);
    Some(String::from_utf8(body).unwrap())
}

fn kept_rows(memory: &Memory) -> i64 {
    let sql = "SELECT count(*) FROM kept_caches";
    memory.db.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn what_a_build_leaves_is_given_to_the_next_commit_of_its_package() {
    let (mut inside, memory) = experienced("kept-given");
    checked_again(&mut inside, "", &[commit('a')]);
    let asks = |asked: &String| asked.contains("fetch-source") && asked.ends_with(&commit('a'));
    assert!(inside.engine.asked.iter().any(asks), "the fetch was asked");
    assert_eq!(given(&mut inside, "zigcheck-3-1").as_deref(), Some(LEFT));
    says(&mut inside, "zigcheck-3-1", &handed_out("what is newer"));
    inside.build_succeeds("zigcheck-3-1");
    assert_eq!(inside.build(3)["reused_commit"], commit('a'));
    assert_eq!(inside.build(1)["reused_commit"], Value::Null);
    let page = inside.curl("/builds/3");
    assert!(page.contains(&commit('a')), "{page}");
    // Under another version nothing was left.
    assert_eq!(given(&mut inside, "zigcheck-4-1"), None);
    inside.build_succeeds("zigcheck-4-1");
    // What is newer took the place of what was there.
    let names = inside.sources();
    assert!(
        names.contains(&format!("{}.tar.zst", sha256(b"what is newer"))),
        "{names:?}"
    );
    assert!(
        !names.contains(&format!("{}.tar.zst", sha256(LEFT.as_bytes()))),
        "{names:?}"
    );
    assert_eq!(kept_rows(&memory), 1);
}

#[test]
fn nothing_is_given_where_the_commit_is_not_known_to_be_in_the_history() {
    let (mut inside, _memory) = experienced("kept-history");
    checked_again(&mut inside, "", &[commit('c')]);
    assert_eq!(given(&mut inside, "zigcheck-3-1"), None);
}

#[test]
fn a_fresh_check_is_given_nothing() {
    let (mut inside, _memory) = experienced("kept-fresh");
    checked_again(&mut inside, "?fresh", &[commit('a')]);
    assert_eq!(given(&mut inside, "zigcheck-3-1"), None);
}

#[test]
fn an_upload_is_given_nothing_and_leaves_nothing() {
    let (mut inside, memory) = experienced("kept-upload");
    let build = inside.upload(&tree("x"));
    assert_eq!(build["id"], 3);
    assert_eq!(given(&mut inside, "zigcheck-3-1"), None);
    says(&mut inside, "zigcheck-3-1", &handed_out("poison"));
    inside.build_succeeds("zigcheck-3-1");
    assert_eq!(kept_rows(&memory), 1);
    assert!(
        !inside
            .sources()
            .contains(&format!("{}.tar.zst", sha256(b"poison")))
    );
}

#[test]
fn where_nothing_is_kept_nothing_is_given() {
    let (inside, memory) = experienced("kept-off");
    let mut inside = inside.restarted_with(&memory, |settings| settings.keep_caches = false);
    checked_again(&mut inside, "", &[commit('a')]);
    assert_eq!(given(&mut inside, "zigcheck-3-1"), None);
}

#[test]
fn a_build_that_fails_with_a_cache_runs_again_without_it() {
    for crashes in [false, true] {
        let (mut inside, memory) = experienced(&format!("kept-doubt-{crashes}"));
        let again = |inside: Inside| match crashes {
            true => inside.restarted(&memory),
            false => inside,
        };
        checked_again(&mut inside, "", &[commit('a')]);
        let mut inside = again(inside);
        inside.build_fails("zigcheck-3-1");
        inside.is(3, "building", "pending", None, 2);
        let mut inside = again(inside);
        assert_eq!(given(&mut inside, "zigcheck-3-2"), None);
        assert_eq!(kept_rows(&memory), 0, "what may be at fault goes");
        says(&mut inside, "zigcheck-3-2", &handed_out("of a failure"));
        inside.build_fails("zigcheck-3-2");
        assert_eq!(kept_rows(&memory), 0, "the next commit mostly fails too");
        inside.is(3, "finished", "failed", Some("compile_error"), 2);
        assert_eq!(inside.build(3)["reused_commit"], Value::Null);
        inside.build_succeeds("zigcheck-4-1");
        inside.request("POST", "/api/packages/p/builds", &[], b"");
        fetched(&mut inside, 3, &commit('c'), &[commit('a'), commit('b')]);
        assert_eq!(given(&mut inside, "zigcheck-5-1"), None);
        let log = inside.curl("/builds/3/log");
        assert!(log.contains("attempt 2 follows"), "{log}");
    }
}

#[test]
fn tests_and_an_import_that_fail_with_a_cache_are_in_doubt_as_well() {
    for failing in ["test_status", "import_status"] {
        let (mut inside, _memory) = experienced(&format!("kept-doubt-{failing}"));
        checked_again(&mut inside, "", &[commit('a')]);
        let record = String::from_utf8(good("zigcheck-3-1")).unwrap();
        let mut record: Value = serde_json::from_str(&record).unwrap();
        record[failing] = json!("failed");
        record["reason"] = json!("compile_error");
        if failing == "test_status" {
            record["test_exit"] = json!(1);
        }
        let record = format!("{record}\n");
        inside.container_ends("zigcheck-3-1", record.as_bytes(), 0);
        inside.is(3, "building", "pending", None, 2);
        inside.build_succeeds("zigcheck-3-2");
        inside.is(3, "finished", "success", None, 2);
    }
}

#[test]
fn a_failure_counts_at_once_where_the_build_used_nothing_of_its_cache() {
    let (mut inside, _memory) = experienced("kept-unused");
    checked_again(&mut inside, "", &[commit('a')]);
    let line = format!(
        "{}\n",
        json!({"state": "reused", "nonce": NONCE, "reused": false})
    );
    says(&mut inside, "zigcheck-3-1", line.as_bytes());
    inside.build_fails("zigcheck-3-1");
    inside.is(3, "finished", "failed", Some("compile_error"), 1);
    assert_eq!(inside.build(3)["reused_commit"], Value::Null);
}

/// A package can write to the runner's standard output, and knows no nonce.
#[test]
fn what_a_package_writes_itself_is_not_believed() {
    let (mut inside, _memory) = experienced("kept-forged");
    checked_again(&mut inside, "", &[commit('a')]);
    let forged = b"{\"state\":\"reused\",\"reused\":false}\n";
    says(&mut inside, "zigcheck-3-1", forged);
    let forged = framed(json!({"state": "kept", "nonce": "a guess"}), b"forged");
    says(&mut inside, "zigcheck-3-1", &[&forged[..], b"\n"].concat());
    inside.build_fails("zigcheck-3-1");
    inside.is(3, "building", "pending", None, 2);
    let kept = format!("{}.tar.zst", sha256(b"forged"));
    assert!(!inside.sources().contains(&kept));
}

#[test]
fn what_did_not_arrive_whole_is_not_kept() {
    let (mut inside, memory) = Inside::begin("kept-torn", 2);
    inside.submit("p");
    fetched(&mut inside, 1, &commit('a'), &[]);
    let head = json!({"state": "kept", "nonce": NONCE, "bytes": 9, "sha256": sha256(b"another")});
    says(
        &mut inside,
        "zigcheck-1-1",
        format!("{head}\n123456789\n").as_bytes(),
    );
    inside.build_succeeds("zigcheck-1-1");
    inside.is(1, "finished", "success", None, 1);
    assert_eq!(kept_rows(&memory), 0);
    // The record of this one never comes.
    let head = json!({"state": "kept", "nonce": NONCE, "bytes": 9_000, "sha256": ""});
    inside.container_ends("zigcheck-2-1", format!("{head}\n123").as_bytes(), 0);
    inside.is(2, "queued", "pending", None, 2);
    assert_eq!(kept_rows(&memory), 0);
}

#[test]
fn a_cache_whose_file_is_gone_is_not_given() {
    let (mut inside, memory) = experienced("kept-gone");
    let name = format!("{}.tar.zst", sha256(LEFT.as_bytes()));
    fs::remove_file(inside.settings.data.join("sources").join(name)).unwrap();
    checked_again(&mut inside, "", &[commit('a')]);
    assert_eq!(given(&mut inside, "zigcheck-3-1"), None);
    assert_eq!(kept_rows(&memory), 0);
}

/// Build 3 of commit `b` and build 5 of commit `c` run with what commit `a` left.
fn both_given(name: &str) -> (Inside, Memory) {
    let (mut inside, memory) = experienced(name);
    for _ in 0..2 {
        inside.request("POST", "/api/packages/p/builds", &[], b"");
    }
    for (check, digit) in [(2, 'b'), (3, 'c')] {
        fetched(&mut inside, check, &commit(digit), &[commit('a')]);
    }
    inside.build_succeeds("zigcheck-4-1");
    for name in ["zigcheck-3-1", "zigcheck-5-1"] {
        assert_eq!(given(&mut inside, name).as_deref(), Some(LEFT));
    }
    (inside, memory)
}

/// The client of a container opens each file when it comes to it.
#[test]
fn a_cache_that_another_build_replaces_is_there_for_the_one_that_was_given_it() {
    let (mut inside, memory) = both_given("kept-replaced");
    says(&mut inside, "zigcheck-3-1", &handed_out("what is newer"));
    inside.build_succeeds("zigcheck-3-1");
    assert_eq!(given(&mut inside, "zigcheck-5-1").as_deref(), Some(LEFT));
    // What it was given is in doubt, and that is not what is kept now.
    inside.build_fails("zigcheck-5-1");
    assert_eq!(kept_rows(&memory), 1);
    let names = inside.sources();
    let file = |left: &str| format!("{}.tar.zst", sha256(left.as_bytes()));
    assert!(names.contains(&file("what is newer")), "{names:?}");
    assert!(!names.contains(&file(LEFT)), "{names:?}");
}

#[test]
fn a_cache_in_doubt_is_there_for_the_other_build_that_was_given_it() {
    let (mut inside, memory) = both_given("kept-doubted");
    inside.build_fails("zigcheck-3-1");
    assert_eq!(kept_rows(&memory), 0);
    assert_eq!(given(&mut inside, "zigcheck-5-1").as_deref(), Some(LEFT));
}

#[test]
fn a_cache_that_goes_for_lack_of_space_is_there_for_the_build_that_was_given_it() {
    let (mut inside, memory) = experienced("kept-shortage");
    checked_again(&mut inside, "", &[commit('a')]);
    inside.room(0, 1 << 30);
    inside.pass_step_by_step(1_000);
    assert_eq!(kept_rows(&memory), 0);
    assert_eq!(given(&mut inside, "zigcheck-3-1").as_deref(), Some(LEFT));
    inside.build_succeeds("zigcheck-3-1");
    let name = format!("{}.tar.zst", sha256(LEFT.as_bytes()));
    assert!(!inside.sources().contains(&name));
}
