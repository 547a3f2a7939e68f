//! What packages declare, who depends on them, and what their commits came to, as the API says it.

use serde_json::{Value, json};
use zigcheck::app::domain::declared::reference;

use crate::common::core::Inside;
use crate::common::core_steps::{framed, good};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The source of that container is fetched, and declares these dependencies.
fn fetched(inside: &mut Inside, container: &str, declared: &Value) {
    let urls = declared.as_array().unwrap().iter();
    let uses: Vec<Value> = urls.map(|one| one["url"].clone()).collect();
    let head = json!({"format": "tar.gz", "commit": COMMIT, "commit_time": 1_700_000_000,
        "dependencies": false, "manifest": "", "uses": uses, "declared": declared});
    inside.container_ends(container, &framed(head, container.as_bytes()), 0);
}

#[test]
fn a_package_knows_its_dependencies_and_its_dependents() {
    let (mut inside, _memory) = Inside::begin("dependents", 9);
    inside.submit("leaf");
    inside.submit("root");
    fetched(&mut inside, "zigcheck-source-1-1", &json!([]));
    let leaf = "git+https://github.com/X/leaf.git?ref=v1#aa11";
    let declared = json!([
        {"name": "leaf", "url": leaf, "hash": "leaf-1-xyz", "lazy": true},
        {"name": "other", "url": "https://a.example/o.tar.gz", "hash": "", "lazy": false},
        {"url": "https://a.example/no-name"}
    ]);
    fetched(&mut inside, "zigcheck-source-2-1", &declared);
    let answer = inside.json("/api/packages/root/dependencies");
    let all = answer["dependencies"].as_array().unwrap();
    assert_eq!(all.len(), 2);
    let (first, second) = (&all[0], &all[1]);
    assert_eq!(
        (
            &first["name"],
            &first["url"],
            &first["ref"],
            &first["hash"],
            &first["lazy"]
        ),
        (
            &json!("leaf"),
            &json!(leaf),
            &json!("aa11"),
            &json!("leaf-1-xyz"),
            &json!(true)
        )
    );
    assert_eq!(first["package"]["name"], "leaf");
    assert!(first["package"]["build_results"].is_array());
    assert_eq!(second["package"], Value::Null);
    assert_eq!(second["hash"], Value::Null);

    let answer = inside.json("/api/packages/leaf/dependents");
    assert_eq!(answer["dependents"][0]["name"], "root");
    assert_eq!(answer["total"], 1);
    let answer = inside.json("/api/packages/root/dependents");
    assert_eq!(
        (&answer["dependents"], &answer["total"]),
        (&json!([]), &json!(0))
    );

    // A later source replaces what the earlier one declared.
    inside.request("POST", "/api/packages/root/builds", &[], b"");
    inside.pump();
    let again = inside
        .names()
        .into_iter()
        .find(|name| name.starts_with("zigcheck-source-3"));
    fetched(&mut inside, &again.unwrap(), &json!([]));
    assert_eq!(
        inside.json("/api/packages/root/dependencies"),
        json!({"dependencies": []})
    );
    assert_eq!(inside.json("/api/packages/leaf/dependents")["total"], 0);
}

#[test]
fn a_verdict_on_a_commit_is_history() {
    let (mut inside, _memory) = Inside::begin("commit history", 9);
    inside.submit("p");
    fetched(&mut inside, "zigcheck-source-1-1", &json!([]));
    assert_eq!(inside.json("/api/packages/p/history")["history"], json!([]));
    let container = inside
        .names()
        .into_iter()
        .find(|name| name.starts_with("zigcheck-1-"));
    let container = container.unwrap();
    let mut record: Value = serde_json::from_slice(&good(&container)).unwrap();
    record["minimum_zig_version"] = json!("0.15.1");
    record["steps"] = json!(["install", "test"]);
    record["zig_ms"] = json!(1_234);
    inside.container_ends(&container, format!("{record}\n").as_bytes(), 0);
    let answer = inside.json("/api/packages/p/history");
    let row = &answer["history"][0];
    let build = inside.build(1);
    for (name, expected) in [
        ("commit", json!(COMMIT)),
        ("commit_time", json!("2023-11-14T22:13:20.000Z")),
        ("zig_version", build["zig_version"].clone()),
        ("toolchain", build["toolchain"].clone()),
        ("build_status", json!("success")),
        ("test_status", json!("success")),
        ("import_status", json!("success")),
        ("reason", Value::Null),
        ("error_key", Value::Null),
        ("minimum_zig_version", json!("0.15.1")),
        ("steps", json!(["install", "test"])),
        ("zig_ms", json!(1_234)),
        ("tests_passed", json!(3)),
        ("checked_at", build["finished_at"].clone()),
    ] {
        assert_eq!(row[name], expected, "{name}");
    }
    assert_eq!(answer["total"], 1);
    let package = inside.json("/api/packages/p");
    assert_eq!(package["minimum_zig_version"], "0.15.1");
    assert_eq!(package["lowest_working_zig_version"], build["zig_version"]);
}

#[test]
fn a_url_names_the_commit_or_the_tag_of_a_dependency() {
    for (url, expected) in [
        ("git+https://h.example/a/b#0a1b", Some("0a1b")),
        ("git+https://h.example/a/b?ref=v2#0a1b", Some("0a1b")),
        ("git+https://h.example/a/b?ref=main", Some("main")),
        (
            "https://github.com/a/b/archive/refs/tags/v1.2.tar.gz",
            Some("v1.2"),
        ),
        ("https://github.com/a/b/archive/0a1b.zip", Some("0a1b")),
        ("https://h.example/files/b-1.0.tar.gz", None),
        ("https://github.com/a/b", None),
    ] {
        assert_eq!(reference(url), expected, "{url}");
    }
}
