//! The reference of the API: it has every route, and says of each answer what is there.

use std::collections::BTreeSet;

use crate::common::core::Inside;
use crate::common::rows::in_memory;
use zigcheck::app::web::reference::{Answer, CALLS, Call, openapi};
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
        let programs = ["api", "admin", "badge", "ws", "openapi.json"];
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
        let value = inside.json(&target(call));
        let mut found: Vec<&str> = value
            .as_object()
            .unwrap()
            .keys()
            .map(|key| &key[..])
            .collect();
        // Only while something is wrong.
        found.retain(|name| !["missing_images", "error"].contains(name));
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
