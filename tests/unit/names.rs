//! A name stands for a package: who gets it, who gives it away, and what an admin does to a package.

use crate::common::core::{Inside, Memory};
use crate::common::pack;
use crate::common::rows::in_memory;
use serde_json::{Value, json};
use zigcheck::interface::message::Response;

const NO_SUCH_REPOSITORY: i32 = 11;

fn asked(inside: &mut Inside, body: &Value) -> (u16, Value) {
    let response = inside.request("POST", "/api/packages", &[], body.to_string().as_bytes());
    read(&response)
}

fn as_admin(inside: &mut Inside, method: &str, name: &str, body: &Value) -> (u16, Value) {
    let target = format!("/api/packages/{name}");
    read(&inside.as_admin(method, &target, body.to_string().as_bytes()))
}

fn read(response: &Response) -> (u16, Value) {
    let value = serde_json::from_slice(&response.body).unwrap();
    (response.status, value)
}

fn status(inside: &mut Inside, target: &str) -> u16 {
    inside.request("GET", target, &[], b"").status
}

/// A package of that URL; gives its name.
#[track_caller]
fn added(inside: &mut Inside, url: &str) -> String {
    let (status, answer) = asked(inside, &json!({ "url": url, "zig_versions": ["0.16.0"] }));
    assert_eq!(status, 201, "{answer}");
    answer["name"].as_str().unwrap().to_string()
}

/// The builds that `?package=NAME` gives, with the name that each bears.
fn builds(inside: &mut Inside, query: &str) -> Vec<(i64, String)> {
    let list = inside.json(&format!("/api/builds?{query}"));
    let builds = list["builds"].as_array().unwrap().iter();
    let mut builds: Vec<(i64, String)> = builds
        .map(|build| {
            let name = build["package"].as_str().unwrap().to_string();
            (build["id"].as_i64().unwrap(), name)
        })
        .collect();
    assert_eq!(list["total"], builds.len());
    builds.sort();
    builds
}

#[test]
fn one_repository_is_one_package_by_whichever_of_its_urls() {
    let mut inside = Inside::open("names-one", in_memory(), 1);
    let name = added(&mut inside, "https://github.com/Ann/Leaf");
    for url in [
        "https://github.com/Ann/Leaf.git",
        "http://github.com/ann/leaf/",
        "https://www.github.com:443/ann/leaf",
        "git@github.com:ann/leaf.git",
        "ssh://git@github.com/ann/leaf",
        "https://github.com/ann/leaf/tree/main/src",
    ] {
        for body in [
            json!({ "url": url }),
            json!({ "url": url, "name": "another" }),
        ] {
            let (status, answer) = asked(&mut inside, &body);
            let sentence =
                "this repository is known as Leaf; POST /api/packages/Leaf/builds checks it again";
            assert_eq!(status, 409, "{url}");
            assert_eq!(
                answer,
                json!({ "error": sentence, "id": 1, "name": name }),
                "{url}"
            );
        }
    }
    // On a host that is not known to ignore case these are two.
    assert_eq!(added(&mut inside, "https://git.sr.ht/~a/b"), "b");
    assert_eq!(added(&mut inside, "https://git.sr.ht/~a/B"), "B");
}

#[test]
fn a_submission_is_answered_with_the_url_of_its_repository() {
    let mut inside = Inside::open("names-url", in_memory(), 1);
    for (sent, url) in [
        (
            "https://github.com/ann/leaf/tree/main/lib",
            "https://github.com/ann/leaf",
        ),
        (
            "git@github.com:bob/leaf.git",
            "https://github.com/bob/leaf.git",
        ),
    ] {
        let (status, answer) = asked(&mut inside, &json!({ "url": sent }));
        assert_eq!((status, &answer["url"]), (201, &json!(url)), "{sent}");
    }
}

#[test]
fn two_owners_with_one_name_are_two_packages() {
    let mut inside = Inside::open("names-two", in_memory(), 1);
    let names = [
        "https://github.com/ann/leaf",
        "https://github.com/bob/leaf",
        "https://gitlab.com/bob/leaf",
        "https://codeberg.org/bob/leaf",
    ]
    .map(|url| added(&mut inside, url));
    assert_eq!(names, ["leaf", "bob-leaf", "bob-leaf-2", "bob-leaf-3"]);
    let (status, answer) = asked(
        &mut inside,
        &json!({ "url": "https://github.com/eve/leaf", "name": "leaf" }),
    );
    let sentence = "the name leaf belongs to https://github.com/ann/leaf; send another name";
    let url = "https://github.com/ann/leaf";
    assert_eq!(
        (status, answer),
        (409, json!({ "error": sentence, "url": url }))
    );
    for (path, id) in [
        ("ann/leaf", 1),
        ("Ann/LEAF", 1),
        ("bob/leaf", 2),
        ("gitlab.com/bob/leaf", 3),
        ("codeberg.org/Bob/leaf", 4),
    ] {
        assert_eq!(inside.json(&format!("/api/packages/{path}"))["id"], id);
        assert_eq!(self::status(&mut inside, &format!("/packages/{path}")), 200);
    }
    for path in ["eve/leaf", "leaf/builds/x", "github.com/eve/leaf"] {
        assert_eq!(
            self::status(&mut inside, &format!("/api/packages/{path}")),
            404
        );
    }
}

#[test]
fn a_url_that_never_gave_a_source_holds_no_name() {
    let mut inside = Inside::open("names-typo", in_memory(), 1);
    let typo = json!({ "url": "https://github.com/anne/leaf", "zig_versions": ["0.16.0"] });
    assert_eq!(asked(&mut inside, &typo).0, 201);
    // Until that is known, it does.
    assert_eq!(asked(&mut inside, &typo).0, 409);
    assert_eq!(
        added(&mut inside, "https://github.com/ann/leaf"),
        "ann-leaf"
    );
    inside.container_ends("zigcheck-source-1-1", b"", NO_SUCH_REPOSITORY);
    inside.is(1, "finished", "error", Some("source_unavailable"), 1);
    let log = inside.curl("/api/builds/1/log");
    // The same URL is a new try, and another one may have the name.
    let (status, answer) = asked(&mut inside, &typo);
    assert_eq!(
        (status, &answer["name"], &answer["id"]),
        (201, &json!("leaf"), &json!(3))
    );
    inside.source_is_there("zigcheck-source-2-1");
    inside.container_ends("zigcheck-source-3-1", b"", NO_SUCH_REPOSITORY);
    inside.build_succeeds("zigcheck-2-1");
    let other = added(&mut inside, "https://codeberg.org/x/leaf");
    assert_eq!(other, "leaf");
    // Nothing that ran is lost, and none of it belongs to the package that has the name now.
    assert_eq!(inside.curl("/api/builds/1/log"), log);
    assert_eq!(inside.build(1)["package"], "leaf");
    assert_eq!(inside.build(1)["uploaded"], false);
    assert_eq!(self::status(&mut inside, "/api/checks/1"), 200);
    assert_eq!(builds(&mut inside, "package=leaf"), [(4, other)]);
    assert_eq!(self::status(&mut inside, "/api/packages/anne/leaf"), 404);
    assert_eq!(inside.json("/api/packages")["total"], 2);
}

#[test]
fn a_source_that_was_fetched_once_holds_the_name_whatever_comes() {
    let mut inside = Inside::open("names-kept", in_memory(), 1);
    inside.submit("leaf");
    inside.source_is_there("zigcheck-source-1-1");
    inside.build_fails("zigcheck-1-1");
    inside.build_fails("zigcheck-2-1");
    let again = inside.request("POST", "/api/packages/leaf/builds", &[], b"");
    assert_eq!(again.status, 202);
    inside.container_ends("zigcheck-source-2-1", b"", NO_SUCH_REPOSITORY);
    let url = "https://github.com/x/leaf";
    assert_eq!(asked(&mut inside, &json!({ "url": url })).0, 409);
    assert_eq!(added(&mut inside, "https://github.com/y/leaf"), "y-leaf");
}

#[test]
fn uploads_are_in_no_list_of_the_package_whose_name_they_bear() {
    let mut inside = Inside::open("names-uploads", in_memory(), 1);
    // Where no package has the name, there is nothing that they could be mixed into.
    inside.upload(&pack::tar(&[pack::file("build.zig", b"x")]));
    let up = |id: i64| (id, "up".to_string());
    assert_eq!(builds(&mut inside, "package=up"), [up(1)]);
    assert_eq!(added(&mut inside, "https://github.com/x/up"), "up");
    assert_eq!(builds(&mut inside, "package=up"), [up(2)]);
    assert_eq!(builds(&mut inside, "package=up&uploads"), [up(1), up(2)]);
    assert_eq!(builds(&mut inside, "zig_version=0.16.0"), [up(1), up(2)]);
    let uploaded = [1, 2].map(|id| inside.build(id)["uploaded"].clone());
    assert_eq!(uploaded, [json!(true), json!(false)]);
    let events = |inside: &mut Inside, query: &str| {
        let text = inside.curl(&format!("/api/events?since=0&package=up{query}"));
        let ids = text.lines().filter_map(|line| line.strip_prefix("data: "));
        let ids = ids.map(|json| serde_json::from_str::<Value>(json).unwrap()["id"].clone());
        ids.filter_map(|id| id.as_i64())
            .collect::<std::collections::BTreeSet<i64>>()
    };
    assert_eq!(events(&mut inside, ""), [2].into());
    assert_eq!(events(&mut inside, "&uploads"), [1, 2].into());
}

#[test]
fn an_admin_deletes_a_package_and_nothing_of_it_is_left() {
    let memory = Memory::new("names-delete");
    let mut inside = Inside::open("names-delete", memory.open(), 2);
    // One package with a finished, a running and a waiting check.
    inside.submit("gone");
    inside.source_is("zigcheck-source-1-1", b"tree", false);
    inside.logs("zigcheck-1-1", "what was built");
    inside.build_succeeds("zigcheck-1-1");
    inside.build_fails("zigcheck-2-1");
    for _ in 0..2 {
        let again = inside.request("POST", "/api/packages/gone/builds", &[], b"");
        assert_eq!(again.status, 202);
    }
    inside.source_is("zigcheck-source-2-1", b"another tree", false);
    let same = inside.submit("same");
    assert_eq!(
        inside.json(&format!("/api/checks/{same}"))["package"],
        "same"
    );
    let (status, answer) = as_admin(&mut inside, "DELETE", "gone", &json!(null));
    assert_eq!(
        (status, answer),
        (
            200,
            json!({ "message": "Package deleted", "id": 1, "name": "gone" })
        )
    );
    inside.pass_step_by_step(1_000);
    assert_eq!(self::status(&mut inside, "/api/packages/gone"), 404);
    for id in 1..=6 {
        assert_eq!(self::status(&mut inside, &format!("/api/builds/{id}")), 404);
        assert_eq!(
            self::status(&mut inside, &format!("/api/builds/{id}/log")),
            404
        );
    }
    for check in 1..=3 {
        assert_eq!(
            self::status(&mut inside, &format!("/api/checks/{check}")),
            404
        );
    }
    assert_eq!(
        inside.names(),
        ["zigcheck-source-4-1"],
        "only the other one's"
    );
    inside.source_is_there("zigcheck-source-4-1");
    inside.build_succeeds("zigcheck-7-1");
    inside.build_succeeds("zigcheck-8-1");
    assert_eq!(inside.sources().len(), 1, "{:?}", inside.sources());
    let left = |sql: &str| -> i64 { memory.db.query_row(sql, [], |row| row.get(0)).unwrap() };
    for (table, rows) in [
        ("packages", 1),
        ("checks", 1),
        ("builds", 2),
        ("build_results", 2),
        ("sources", 1),
        ("queue", 0),
        ("lanes", 0),
        ("uses", 0),
    ] {
        let sql = format!("SELECT count(*) FROM {table}");
        assert_eq!(left(&sql), rows, "{table}");
    }
    assert_eq!(
        left("SELECT count(*) FROM durations WHERE package = 'gone'"),
        0
    );
    // The name and the repository are free.
    assert_eq!(added(&mut inside, "https://github.com/x/gone"), "gone");
    assert_eq!(
        as_admin(&mut inside, "DELETE", "gone2", &json!(null)).0,
        404
    );
}

#[test]
fn what_others_have_of_a_deleted_package_stays_theirs() {
    let memory = Memory::new("names-heirs");
    let mut inside = Inside::open("names-heirs", memory.open(), 2);
    for (name, check) in [("first", 1), ("second", 2), ("third", 3)] {
        assert_eq!(inside.submit(name), check);
        // One tree: its verdicts are those of the first package.
        inside.source_is(&format!("zigcheck-source-{check}-1"), b"one tree", false);
        if check == 1 {
            inside.logs("zigcheck-1-1", "built once");
            inside.build_succeeds("zigcheck-1-1");
            inside.build_fails("zigcheck-2-1");
        }
    }
    let before = [3, 5].map(|id| inside.build(id));
    assert_eq!(before[0]["cached_from"], 1);
    assert_eq!(
        as_admin(&mut inside, "DELETE", "first", &json!(null)).0,
        200
    );
    inside.pass_step_by_step(1_000);
    assert_eq!(status(&mut inside, "/api/builds/1"), 404);
    for (id, before) in [3, 5].into_iter().zip(before) {
        let build = inside.build(id);
        for field in ["build_status", "test_status", "compiled", "tests_passed"] {
            assert_eq!(build[field], before[field], "{id} {field}");
        }
        assert_eq!(inside.curl(&format!("/api/builds/{id}/log")), "built once");
    }
    assert_eq!(inside.build(5)["cached_from"], 3);
    // The verdict is known still.
    let again = inside.request("POST", "/api/packages/third/builds", &[], b"");
    assert_eq!(again.status, 202);
    inside.source_is("zigcheck-source-4-1", b"one tree", false);
    assert_eq!(inside.build(7)["cached"], true);
    assert_eq!(inside.names(), [""; 0]);
}

#[test]
fn a_deletion_goes_on_after_a_restart() {
    let memory = Memory::new("names-restart");
    let mut inside = Inside::open("names-restart", memory.open(), 1);
    inside.submit("gone");
    inside.source_is_there("zigcheck-source-1-1");
    inside.build_succeeds("zigcheck-1-1");
    inside.build_succeeds("zigcheck-2-1");
    for _ in 0..20 {
        let again = inside.request("POST", "/api/packages/gone/builds", &[], b"");
        assert_eq!(again.status, 202);
    }
    assert_eq!(as_admin(&mut inside, "DELETE", "gone", &json!(null)).0, 200);
    let mut inside = inside.restarted(&memory);
    inside.pass_step_by_step(1_000);
    let left = "SELECT (SELECT count(*) FROM builds) + (SELECT count(*) FROM packages) \
        + (SELECT count(*) FROM queue)";
    let left: i64 = memory.db.query_row(left, [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

#[test]
fn a_follower_of_a_deleted_package_is_told_so() {
    let mut inside = Inside::open("names-follow", in_memory(), 1);
    inside.submit("gone");
    assert_eq!(as_admin(&mut inside, "DELETE", "gone", &json!(null)).0, 200);
    inside.pass_step_by_step(1_000);
    assert_eq!(self::status(&mut inside, "/api/checks/1?follow"), 404);
    assert_eq!(inside.json("/api/queue")["total"], 0);
}

#[test]
fn an_admin_renames_a_package_with_all_it_has() {
    let mut inside = Inside::open("names-rename", in_memory(), 1);
    inside.submit("old");
    inside.submit("other");
    let change = json!({ "name": "new", "description": "d", "license": "MIT" });
    let (status, answer) = as_admin(&mut inside, "PATCH", "old", &change);
    assert_eq!(
        (status, &answer["name"], &answer["description"]),
        (200, &json!("new"), &json!("d"))
    );
    assert_eq!(self::status(&mut inside, "/api/packages/old"), 404);
    let new = |id: i64| (id, "new".to_string());
    assert_eq!(builds(&mut inside, "package=new"), [new(1), new(2)]);
    assert_eq!(inside.json("/api/checks/1")["package"], "new");
    // What is null or empty is taken away; what is not named stays.
    let change = json!({ "description": null });
    let (_, answer) = as_admin(&mut inside, "PATCH", "new", &change);
    assert_eq!(
        (&answer["description"], &answer["license"]),
        (&json!(null), &json!("MIT"))
    );
    let (status, answer) = as_admin(&mut inside, "PATCH", "new", &json!({ "name": "other" }));
    assert_eq!(
        (status, &answer["url"]),
        (409, &json!("https://github.com/x/other"))
    );
    assert_eq!(
        as_admin(&mut inside, "PATCH", "new", &json!({ "name": "new" })).0,
        200
    );
    for (body, words) in [
        (json!({}), "nothing to change"),
        (json!({ "name": "" }), "name: must not be empty"),
        (json!({ "name": "a/b" }), "name: must be 1 to 100"),
        (json!({ "url": null }), "url: must not be empty"),
        (
            json!({ "url": "https://github.com/a" }),
            "url: must name a repository",
        ),
        (json!({ "ref": "a..b" }), "ref: must be a branch"),
        (json!({ "dir": "../x" }), "dir: must"),
        (json!({ "author": 7 }), "author: must be a string"),
    ] {
        let (status, answer) = as_admin(&mut inside, "PATCH", "new", &body);
        let sentence = answer["error"].as_str().unwrap();
        assert!(
            status == 400 && sentence.starts_with(words),
            "{body}: {sentence}"
        );
    }
    assert_eq!(
        as_admin(&mut inside, "PATCH", "none", &json!({ "ref": "x" })).0,
        404
    );
}

#[test]
fn a_package_that_is_pointed_elsewhere_keeps_its_history() {
    let mut inside = Inside::open("names-repoint", in_memory(), 1);
    inside.submit("moved");
    inside.source_is_there("zigcheck-source-1-1");
    inside.build_succeeds("zigcheck-1-1");
    inside.build_succeeds("zigcheck-2-1");
    inside.submit("other");
    let (status, answer) = as_admin(
        &mut inside,
        "PATCH",
        "moved",
        &json!({ "url": "https://github.com/x/other.git" }),
    );
    assert_eq!((status, &answer["name"]), (409, &json!("other")));
    let page = json!({ "url": "https://codeberg.org/y/moved/src/branch/main/lib" });
    let (status, answer) = as_admin(&mut inside, "PATCH", "moved", &page);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        [&answer["url"], &answer["ref"], &answer["dir"]],
        [
            &json!("https://codeberg.org/y/moved"),
            &json!("main"),
            &json!("lib")
        ]
    );
    assert_eq!(answer["build_results"][0]["build_status"], "success");
    assert_eq!(inside.json("/api/packages/y/moved")["id"], 1);
    assert_eq!(self::status(&mut inside, "/api/packages/x/moved"), 404);
    // The old repository may be a package of its own.
    assert_eq!(added(&mut inside, "https://github.com/x/moved"), "x-moved");
}
