//! The reference of the API: it has every route, and says of each answer what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::common::core::{Inside, TOKEN};
use crate::common::rows::in_memory;
use crate::comparisons::data;
use serde_json::{Map, Value, json};
use zigcheck::app::render::view::docs::MANUAL;
use zigcheck::app::web::openapi::openapi;
use zigcheck::app::web::reference::{Answer, Body, CALLS, Call};
use zigcheck::app::web::routes::table;

/// The pattern of the route that a path belongs to.
fn pattern(path: &str) -> String {
    let path = path.replace("{owner}/{repo}", "**");
    let parts = path.split('/').map(|part| match part.split_once('}') {
        Some(_) => "*",
        None if part.starts_with("**") => "**",
        None => part,
    });
    parts.collect::<Vec<&str>>().join("/")
}

#[test]
fn every_route_of_programs_is_in_the_reference_and_no_other() {
    let documented: BTreeSet<(String, String)> = CALLS
        .iter()
        .map(|call| (call.method.to_string(), pattern(call.path)))
        .collect();
    let is_page = |path: &str| {
        let is_feed = path.ends_with("feed.atom");
        let first = path.split('/').nth(1).unwrap_or_default();
        let programs = [
            "api",
            "admin",
            "badge",
            "ws",
            "openapi.json",
            "metrics",
            "hooks",
        ];
        !is_feed && !programs.contains(&first)
    };
    let routes = table::all().filter(|(_, path)| !is_page(path));
    let routes: BTreeSet<(String, String)> = routes
        .map(|(method, path)| (method.to_string(), path.to_string()))
        .collect();
    assert_eq!(documented, routes);
}

fn target(call: &Call) -> String {
    let path = call.path.replace("{owner}", "x").replace("{repo}", "p");
    let path = path.replace("{old}..{new}", "0.15.2..0.16.0");
    let path = path.replace("{version}", "0.16.0");
    let path = path.replace("{token}", "laptop");
    path.replace("{name}", "p").replace("{id}", "1")
}

#[test]
fn each_answer_has_the_fields_that_the_reference_names() {
    let mut inside = Inside::open("reference-fields", in_memory(), 1);
    inside.submit("p");
    let mut count = 0;
    for call in CALLS.iter().filter(|call| call.method == "GET") {
        let Answer::Json(fields) = call.answer else {
            continue;
        };
        if fields.is_empty() {
            continue;
        }
        let response = inside.as_admin("GET", &target(call), b"");
        let value: Value = serde_json::from_slice(&response.body).unwrap();
        let mut found: Vec<&str> = value
            .as_object()
            .unwrap()
            .keys()
            .map(|key| &key[..])
            .collect();
        // Only while something is wrong.
        found.retain(|name| !["missing_images", "images", "error"].contains(name));
        let mut fields: Vec<&str> = fields.split_whitespace().collect();
        fields.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, fields, "{}", call.path);
        count += 1;
    }
    assert!(count > 12, "{count}");
}

#[test]
fn the_document_is_whole() {
    let document = openapi();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    let operations: usize = paths
        .values()
        .map(|path| path.as_object().unwrap().len())
        .sum();
    assert_eq!(operations, CALLS.len(), "no two have one path and method");
}

/// What each call answers on a server that has checked one package, in the order of the reference; then what changes it.
fn examples() -> Map<String, Value> {
    let mut inside = Inside::open("reference-examples", in_memory(), 1);
    inside.submit("zeit");
    inside.source_is_there("zigcheck-source-1-1");
    inside.pass(1_000);
    inside.logs(
        "zigcheck-1-1",
        "Build Summary: 3/3 steps succeeded; 2/2 tests passed\n",
    );
    inside.build_succeeds("zigcheck-1-1");
    inside.pass(1_000);
    inside.build_fails("zigcheck-2-1");
    let mut all = Map::new();
    // What removes something comes last.
    let order = |call: &&Call| match call.method {
        "GET" => 0,
        "DELETE" => 2,
        _ => 1,
    };
    let mut calls: Vec<&Call> = CALLS.iter().collect();
    calls.sort_by_key(order);
    for call in calls {
        if let Some(text) = answer(&mut inside, call) {
            all.insert(format!("{} {}", call.method, call.path), json!(text));
        }
    }
    all
}

fn answer(inside: &mut Inside, call: &Call) -> Option<String> {
    let path = call.path.replace("{name}", "zeit").replace("{id}", "1");
    let path = path.replace("{owner}/{repo}", "x/zeit");
    let path = path.replace("{old}..{new}", "0.15.2..0.16.0");
    let path = path.replace("{version}", "0.16.0");
    let path = path.replace("{token}", "laptop");
    let body = match (call.body, call.path) {
        (Body::Archive, _) => return None,
        (Body::None, _) => "",
        (_, "/admin/trigger-build") => r#"{"package_name": "zeit"}"#,
        (_, "/admin/check-all") => r#"{"zig_version": "0.16.0"}"#,
        (_, "/admin/tokens") => r#"{"name": "laptop", "scope": "admin"}"#,
        (_, "/admin/nodes/{name}") => r#"{"drained": true, "reason": "a new disk"}"#,
        (_, "/admin/hosts") => r#"{"host": "git.example.org"}"#,
        (_, "/admin/quotas") => r#"{"address": "192.0.2.0/24", "per_hour": 10}"#,
        (_, "/api/packages") => r#"{"url": "https://github.com/x/tempus"}"#,
        (_, "/admin/issues") => {
            r#"{"package":"zeit","zig_version":"0.15.2","issue_url":"https://a.b/5","issue_status":"open"}"#
        }
        (_, "/hooks/push") => {
            r#"{"ref": "refs/heads/main", "repository": {"clone_url": "https://github.com/x/zeit"}}"#
        }
        _ => r#"{"description": "time"}"#,
    };
    // Its answer never ends, is a picture, differs each time, has an example elsewhere, or takes a cluster.
    let left_out = [
        "/api/events",
        "/ws",
        "/openapi.json",
        "/admin/status",
        "/admin/nodes/{name}",
        "/metrics",
    ];
    if left_out.contains(&call.path) || call.path.contains("{owner}") {
        return None;
    }
    if call.path.starts_with("/api/compare/") {
        let mut inside = Inside::open("reference-compare", data::some(), 1);
        let value = inside.json(&format!("{path}?packages=many,log,fixed"));
        return Some(serde_json::to_string_pretty(&value).unwrap());
    }
    let bearer = format!("Bearer {TOKEN}");
    let headers = [
        ("authorization", &bearer[..]),
        ("content-type", "application/json"),
    ];
    let response = inside.request(call.method, &path, &headers, body.as_bytes());
    assert!(
        call.good.contains(&response.status) || call.method == "DELETE",
        "{path}: {response:?}"
    );
    let text = String::from_utf8(response.body).unwrap();
    match serde_json::from_str::<Value>(&text) {
        Ok(mut value) => {
            // Another one each time.
            if let Some(token) = value.get_mut("token") {
                *token = json!("5f1c09b2".repeat(8));
            }
            Some(serde_json::to_string_pretty(&value).unwrap())
        }
        Err(_) => Some(text),
    }
}

#[test]
fn the_examples_are_what_a_server_answers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/app/web/examples.json");
    let now = serde_json::to_string_pretty(&examples()).unwrap() + "\n";
    if std::env::var_os("WRITE_EXAMPLES").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap();
    assert!(
        now == known,
        "an answer has changed: WRITE_EXAMPLES=1 cargo test --test unit the_examples"
    );
    let shown = CALLS.iter().filter(|call| call.example().is_some()).count();
    assert!(shown > 15, "{shown}");
}

#[test]
fn each_call_of_the_documentation_has_a_command_and_each_link_leads_somewhere() {
    let mut inside = Inside::open("reference-docs", in_memory(), 1);
    let text = inside.curl("/docs");
    for call in CALLS {
        assert!(text.contains(&format!("{} {}\n", call.method, call.path)));
        if let Some(curl) = call.curl("zig.example.org") {
            assert!(text.contains(&curl), "{curl}");
        }
    }
    let html = [("accept", "text/html")];
    let mut pages = vec!["/docs".to_string()];
    pages.extend(MANUAL.iter().map(|page| format!("/docs/{}", page.name)));
    let mut parsed = BTreeMap::new();
    for page in &pages {
        let response = inside.request("GET", page, &html, b"");
        assert_eq!(response.status, 200, "{page}");
        let text = String::from_utf8(response.body).unwrap();
        parsed.insert(page.clone(), text);
    }
    let mut links = 0;
    for (page, text) in &parsed {
        for target in text.split("href=\"").skip(1) {
            let target = target.split('"').next().unwrap();
            let (to, part) = target.split_once('#').unwrap_or((target, ""));
            let to = if to.is_empty() { page } else { to };
            if !to.starts_with("/docs") {
                continue;
            }
            let found = parsed.get(to).unwrap_or_else(|| panic!("{page}: {target}"));
            assert!(
                part.is_empty() || found.contains(&format!("id=\"{part}\"")),
                "{page}: {target}"
            );
            links += 1;
        }
    }
    assert!(links > 40, "{links}");
    assert_eq!(inside.request("GET", "/docs/nothing", &[], b"").status, 404);
}
