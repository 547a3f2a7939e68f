//! A Zig version that the server has no longer: what waited for it ends, its verdicts stay, and it may come back.

use crate::common::core::{Inside, Memory};
use serde_json::{Value, json};

/// A server that comes back with these versions.
pub fn with_versions(inside: Inside, memory: &Memory, versions: &[&str]) -> Inside {
    let versions: Vec<String> = versions.iter().map(|version| version.to_string()).collect();
    let mut inside = inside.restarted_with(memory, |settings| {
        settings.zig_versions = versions.clone();
    });
    inside.pass_step_by_step(100);
    inside
}

pub fn end_all(inside: &mut Inside) {
    while let Some(name) = inside.names().pop() {
        let queue = inside.json("/api/queue");
        match queue["running"][0]["state"] == "building" {
            true => inside.build_succeeds(&name),
            false => inside.source_is_there(&name),
        }
        inside.pass(1);
    }
}

fn versions(package: &Value) -> Vec<&str> {
    let results = package["build_results"].as_array().unwrap().iter();
    results
        .map(|row| row["zig_version"].as_str().unwrap())
        .collect()
}

#[test]
fn what_waits_for_it_is_cancelled_with_a_reason_and_its_verdicts_stay() {
    let (mut inside, memory) = Inside::begin("retired", 1);
    inside.submit("old");
    end_all(&mut inside);
    for nth in 0..20 {
        inside.submit(&format!("waits{nth}"));
    }
    // The source of the first one is there.
    let name = inside.names().pop().unwrap();
    inside.source_is_there(&name);
    let mut inside = with_versions(inside, &memory, &["0.16.0"]);
    // A source that is being fetched is fetched for the other version as well.
    end_all(&mut inside);
    let cancelled = inside.json("/api/builds?state=cancelled&zig_version=0.15.2&limit=100");
    assert_eq!(cancelled["total"], 20);
    for build in cancelled["builds"].as_array().unwrap() {
        let detail = "Zig 0.15.2 was retired from this server";
        assert_eq!(
            (&build["reason"], &build["detail"]),
            (&json!("cancelled"), &json!(detail))
        );
    }
    let finished = inside.json("/api/builds?state=finished&zig_version=0.16.0&limit=100");
    assert_eq!(finished["total"], 21);
    assert_eq!(inside.json("/api/builds?state=queued")["total"], 0);
    let package = inside.json("/api/packages/old");
    assert_eq!(versions(&package), ["0.16.0"]);
    assert_eq!(package["lowest_working_zig_version"], "0.16.0");
    let kept = inside.json("/api/builds?package=old&zig_version=0.15.2&state=finished");
    assert_eq!(kept["total"], 1);
    let badge = inside.json("/badge/old.json")["message"].to_string();
    assert!(!badge.contains("0.15"), "{badge}");
}

#[test]
fn a_version_that_comes_back_has_its_verdicts_and_gets_those_that_were_cancelled() {
    let (mut inside, memory) = Inside::begin("retired-and-back", 1);
    inside.submit("old");
    end_all(&mut inside);
    inside.submit("waits");
    let inside = with_versions(inside, &memory, &["0.16.0"]);
    let mut inside = with_versions(inside, &memory, &["0.16.0", "0.15.2"]);
    end_all(&mut inside);
    for name in ["old", "waits"] {
        let package = inside.json(&format!("/api/packages/{name}"));
        assert_eq!(versions(&package), ["0.16.0", "0.15.2"]);
        assert_eq!(
            package["build_results"][1]["build_status"], "success",
            "{package}"
        );
    }
    let builds = inside.json("/api/builds?package=old&zig_version=0.15.2");
    assert_eq!(builds["total"], 1, "its verdict was kept");
}

#[test]
fn a_search_under_it_ends_and_none_begins() {
    let (mut inside, memory) = Inside::begin("retired-searches", 1);
    inside.submit_failing("old");
    let asked = inside.request("POST", "/api/packages/old/compat", &[], b"");
    assert_eq!(asked.status, 202);
    let open = "SELECT count(*) FROM commit_searches WHERE zig_version = '0.15.2' AND state <> 'cancelled'";
    let count =
        |memory: &Memory| -> i64 { memory.db.query_row(open, [], |row| row.get(0)).unwrap() };
    assert_eq!(count(&memory), 1);
    let inside = with_versions(inside, &memory, &["0.16.0"]);
    assert_eq!(count(&memory), 0);
    drop(inside);
}

#[test]
fn the_history_under_it_stays() {
    let (mut inside, memory) = Inside::begin("retired-history", 1);
    inside.submit("old");
    while let Some(name) = inside.names().pop() {
        match inside.json("/api/queue")["running"][0]["state"] == "building" {
            true => inside.build_succeeds(&name),
            false => inside.commit_is_there(&name, &"ab".repeat(20)),
        }
        inside.pass(1);
    }
    let shown = |inside: &mut Inside| {
        let history = inside.json("/api/packages/old/history");
        let compared = inside.json("/api/compare/0.15.2..0.16.0");
        (history, compared["counts"].clone())
    };
    let before = shown(&mut inside);
    assert_eq!(before.0["total"], 2, "{before:?}");
    assert_eq!(before.1["still_working"], 1, "{before:?}");
    let mut inside = with_versions(inside, &memory, &["0.16.0"]);
    assert_eq!(shown(&mut inside), before);
    assert!(inside.curl("/packages/old").contains("0.16.0"));
}

#[test]
fn a_version_that_comes_back_before_it_is_retired_has_a_new_image() {
    let (mut inside, memory) = Inside::begin("retired-at-once", 1);
    inside.submit("old");
    // More builds wait than a few turns go through.
    let waiting = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) \
        INSERT INTO builds (check_id, zig_version, created_at) SELECT 1, '0.16.0', 0 FROM n";
    memory.db.execute_batch(waiting).unwrap();
    let _inside = inside.restarted_with(&memory, |settings| {
        settings.zig_versions = vec!["0.16.0".to_string()];
    });
    let sql = "SELECT image FROM toolchains WHERE zig_version = '0.15.2'";
    let image: String = memory.db.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(image, "", "it is not retired yet");
}

#[test]
fn a_server_without_an_image_sleeps_although_packages_are_to_be_examined() {
    let (mut inside, memory) = Inside::begin("retired-without-image", 1);
    inside.submit("old");
    end_all(&mut inside);
    memory
        .db
        .execute_batch("UPDATE server SET rebuild_after = 0")
        .unwrap();
    inside.engine.set_image("0.16.0", None);
    let mut inside = with_versions(inside, &memory, &["0.16.0"]);
    inside
        .engine
        .set_image("0.16.0", Some("sha256:c".to_string()));
    inside.pass(6_000);
    inside.json("/api/health");
    inside.pass_step_by_step(100);
    end_all(&mut inside);
    let builds = inside.json("/api/builds?zig_version=0.16.0&state=finished");
    assert_eq!(builds["total"], 2, "under both images");
}

#[test]
fn a_build_under_it_that_waits_for_its_source_again_is_cancelled_too() {
    let (mut inside, memory) = Inside::begin("retired-without-source", 1);
    inside.submit("p");
    inside.source_is_there("zigcheck-source-1-1");
    inside.submit("q");
    inside.submit("r");
    // The first one runs on, the second one gets a slot of its own.
    let mut inside = inside.restarted_with(&memory, |settings| {
        settings.zig_versions = vec!["0.15.2".to_string()];
        settings.max_builds = 2;
    });
    inside.pass_step_by_step(1_000);
    assert_eq!(inside.names(), ["zigcheck-1-1", "zigcheck-2-1"]);
    inside.container_ends("zigcheck-2-1", b"", 65);
    inside.container_ends("zigcheck-1-1", b"", 0);
    inside.pass_step_by_step(60_000);
    assert_eq!(
        inside.names(),
        ["zigcheck-source-2-1", "zigcheck-source-3-1"]
    );
    inside.is(1, "queued", "pending", None, 2);
    assert_eq!(inside.as_admin("DELETE", "/api/builds/2", b"").status, 200);
    for name in ["zigcheck-source-2-1", "zigcheck-source-3-1"] {
        inside.source_is_there(name);
    }
    while let Some(name) = inside.names().pop() {
        assert!(!name.contains("-source-"), "{name}");
        inside.build_succeeds(&name);
    }
    let build = inside.build(1);
    let why = json!("Zig 0.16.0 was retired from this server");
    assert_eq!(
        (&build["state"], &build["detail"]),
        (&json!("cancelled"), &why)
    );
}
