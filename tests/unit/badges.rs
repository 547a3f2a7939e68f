//! Badges: what they say in words and signs, how wide it is, what a forge may keep of it, and that nothing runs in them.

use std::collections::BTreeMap;

use roxmltree::{Document, Node};
use serde_json::json;

use crate::common::core::Inside;
use crate::common::rows::{self, finish, in_memory};
use zigcheck::app::domain::verdict::{BuildStatus, ImportStatus, Reason, TestStatus, Verdict};
use zigcheck::app::render::badge::Badge;
use zigcheck::app::store::store::Store;
use zigcheck::app::store::{builds, checks, packages};
use zigcheck::interface::message::Response;

const SVG: &str = "http://www.w3.org/2000/svg";

/// A package that works under 0.16.0 and fails under 0.15.2.
fn store() -> Store {
    let mut store = in_memory();
    let new = packages::NewPackage {
        name: "zig-clap".to_string(),
        url: "https://github.com/Hejsil/zig-clap".to_string(),
        ..packages::NewPackage::default()
    };
    let id = packages::insert(&mut store, &new, 0).unwrap();
    let check = rows::check((Some(id), "zig-clap"), None);
    let check = checks::insert(&mut store, &check, 0).unwrap();
    let mut works = Verdict::failed(Reason::CompileError, "");
    works.build_status = BuildStatus::Success;
    works.test_status = Some(TestStatus::Success);
    works.import_status = Some(ImportStatus::Success);
    works.reason = None;
    works.compiled = Some(3);
    let fails = Verdict::failed(Reason::CompileError, "error: no");
    for (version, verdict) in [("0.16.0", works), ("0.15.2", fails)] {
        let build = builds::insert(&mut store, check, version, 0).unwrap();
        finish(&mut store, build, &verdict, 0);
    }
    store.commit().unwrap();
    store
}

fn header<'r>(response: &'r Response, name: &str) -> Vec<&'r str> {
    let named = response.headers.iter().filter(|(known, _)| *known == name);
    named.map(|(_, value)| value.as_str()).collect()
}

fn get(inside: &mut Inside, target: &str) -> Response {
    inside.request("GET", target, &[], b"")
}

fn number(node: Node, name: &str) -> u32 {
    let value = node.attribute(name);
    let value = value.unwrap_or_else(|| panic!("{name} of {node:?}"));
    value.parse().unwrap()
}

fn named<'a>(document: &'a Document, name: &str) -> Vec<Node<'a, 'a>> {
    let nodes = document.descendants();
    nodes
        .filter(|node| node.has_tag_name((SVG, name)))
        .collect()
}

#[test]
fn a_badge_says_each_verdict_by_sign_and_word() {
    let mut inside = Inside::open("badge-svg", store(), 1);
    for target in [
        "/badge/zig-clap.svg",
        "/badge/hejsil/zig-clap.svg",
        "/badge/github.com/Hejsil/zig-clap.svg",
    ] {
        let response = get(&mut inside, target);
        assert_eq!(response.status, 200);
        assert_eq!(header(&response, "Content-Type"), ["image/svg+xml"]);
        let text = String::from_utf8(response.body).unwrap();
        let document = Document::parse(&text).unwrap();
        let shown: Vec<&str> = named(&document, "text")
            .iter()
            .filter_map(|node| node.text())
            .collect();
        assert_eq!(shown, ["zig", "0.16 \u{2713}", "0.15 \u{2717}"]);
        let words = "zig-clap under Zig: 0.16.0 success, 0.15.2 failed";
        assert_eq!(named(&document, "title")[0].text(), Some(words));
        let root = document.root_element();
        assert_eq!(root.attribute("aria-label"), Some(words));
        assert_eq!(root.attribute("role"), Some("img"));
        assert!(text.len() < 2_000, "{}", text.len());
    }
    let value = inside.json("/badge/zig-clap.json");
    let endpoint = json!({
        "schemaVersion": 1, "label": "zig", "message": "0.16 \u{2713} 0.15 \u{2717}", "color": "yellow",
        "isError": false, "cacheSeconds": 120,
    });
    assert_eq!(value, endpoint);
}

#[test]
fn the_boxes_of_a_badge_stand_side_by_side_and_its_text_fits() {
    let mut inside = Inside::open("badge-boxes", store(), 1);
    let body = get(&mut inside, "/badge/zig-clap.svg").body;
    let text = String::from_utf8(body).unwrap();
    let document = Document::parse(&text).unwrap();
    let (boxes, texts) = (named(&document, "rect"), named(&document, "text"));
    assert_eq!((boxes.len(), texts.len()), (3, 3));
    let mut x = 0;
    for (area, text) in boxes.iter().zip(&texts) {
        assert_eq!(number(*area, "x"), x);
        let width = number(*area, "width");
        assert_eq!(number(*text, "x"), x + 5);
        assert_eq!(number(*text, "textLength"), width - 10);
        // Verdana's digits are 7 pixels wide, a dot and a space 4.
        if text.text().unwrap().starts_with("0.1") {
            assert!((36..=40).contains(&(width - 10)), "{width}");
        }
        x += width;
    }
    assert_eq!(number(document.root_element(), "width"), x);
    assert_eq!(number(document.root_element(), "height"), 20);
}

/// The contrast of white on a colour, by WCAG 2.
fn contrast_of_white(color: &str) -> f64 {
    let part = |at: usize| {
        let c = f64::from(u8::from_str_radix(&color[at..at + 2], 16).unwrap()) / 255.0;
        match c <= 0.04045 {
            true => c / 12.92,
            false => ((c + 0.055) / 1.055).powf(2.4),
        }
    };
    let luminance = 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5);
    1.05 / (luminance + 0.05)
}

#[test]
fn white_text_can_be_read_on_every_colour_of_a_badge() {
    let mut colors = BTreeMap::new();
    let amber = Verdict {
        compiled: Some(0),
        build_status: BuildStatus::Success,
        reason: None,
        ..Verdict::failed(Reason::CompileError, "")
    };
    let mut store = store();
    let check = checks::latest(&store, 1).unwrap().remove(0).id;
    let build = builds::insert(&mut store, check, "0.14.1", 0).unwrap();
    finish(&mut store, build, &amber, 0);
    let id = packages::by_name(&store, "zig-clap").unwrap().unwrap().id;
    let results = zigcheck::app::store::results::of_package(&store, id).unwrap();
    let toolchains = ["0.17.1", "0.16.0", "0.15.2", "0.14.1"].map(String::from);
    let svg = Badge::of_package("zig-clap", &results, &[], &toolchains).svg();
    let document = Document::parse(&svg).unwrap();
    let shown: Vec<&str> = named(&document, "text")
        .iter()
        .filter_map(|node| node.text())
        .collect();
    assert_eq!(
        shown,
        [
            "zig",
            "0.17 \u{b7}",
            "0.16 \u{2713}",
            "0.15 \u{2717}",
            "0.14 ~"
        ]
    );
    for node in named(&document, "rect") {
        let color = node.attribute("fill").unwrap().to_string();
        let contrast = contrast_of_white(&color);
        assert!(contrast >= 4.5, "{color}: {contrast}");
        *colors.entry(color).or_insert(0) += 1;
    }
    assert_eq!(colors.len(), 5, "no two alike: {colors:?}");
}

#[test]
fn versions_of_one_minor_release_are_told_apart() {
    let of = |toolchains: &[&str]| {
        let toolchains: Vec<String> = toolchains.iter().map(|v| v.to_string()).collect();
        let badge = Badge::of_package("p", &[], &[], &toolchains);
        let cells = badge.cells.iter().map(|cell| cell.text.to_string());
        cells.collect::<Vec<String>>().join(" ")
    };
    assert_eq!(of(&["0.17.1", "0.1.2"]), "0.17 \u{b7} 0.1 \u{b7}");
    assert_eq!(of(&["0.17.1", "0.17.0"]), "0.17.1 \u{b7} 0.17.0 \u{b7}");
    let dev = "0.18.0-dev.12+ab";
    assert_eq!(of(&[dev, "0.17.1"]), format!("{dev} \u{b7} 0.17 \u{b7}"));
}

#[test]
fn forges_keep_a_badge_for_a_while_and_ask_whether_it_changed() {
    let mut inside = Inside::open("badge-cache", store(), 1);
    for form in ["svg", "json"] {
        let target = format!("/badge/zig-clap.{form}");
        let response = get(&mut inside, &target);
        let keep = header(&response, "Cache-Control");
        assert_eq!(keep, ["public, max-age=120"]);
        let tag = header(&response, "ETag")[0].to_string();
        let headers = [("if-none-match", tag.as_str())];
        let same = inside.request("GET", &target, &headers, b"");
        assert_eq!((same.status, same.body.len()), (304, 0));
        assert_eq!(header(&same, "Cache-Control"), ["public, max-age=120"]);
        assert_eq!(header(&same, "ETag"), [tag]);
    }
    let score = inside.json("/api/packages/zig-clap")["popularity_score"].clone();
    assert_eq!(score, 0, "an image in a README is no view of the page");
}

#[test]
fn the_badge_of_a_package_that_is_not_there_says_so_and_is_an_image() {
    let mut inside = Inside::open("badge-unknown", store(), 1);
    for name in [
        "nobody",
        "a/b",
        "..",
        "%22%3E%3Cscript%3E",
        "x%20y",
        ".svg",
        "%00",
    ] {
        let response = get(&mut inside, &format!("/badge/{name}.svg"));
        assert_eq!(response.status, 200, "{name}");
        let text = String::from_utf8(response.body).unwrap();
        let document = Document::parse(&text).unwrap();
        let last = named(&document, "text").pop().unwrap();
        assert_eq!(last.text(), Some("unknown package"), "{name}");
        let value = inside.json(&format!("/badge/{name}.json"));
        assert_eq!(value["isError"], true);
        assert_eq!(value["message"], "unknown package");
    }
    for target in ["/badge/zig-clap", "/badge/zig-clap.png", "/badge/"] {
        assert_eq!(get(&mut inside, target).status, 404, "{target}");
    }
}
