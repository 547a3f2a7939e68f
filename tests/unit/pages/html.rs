//! Pages as HTML.

use super::data::*;
use super::text::stripped;
use crate::common::core::{Inside, START};
use crate::common::html::{Document, parse};
use crate::common::rows::in_memory;
use zigcheck::app::domain::verdict::{Reason, Verdict};
use zigcheck::app::store::packages;
use zigcheck::app::store::store::Store;
use zigcheck::app::web::conditional::etag;
use zigcheck::interface::message::Response;

/// A package that says more than a line holds.
fn talkative() -> Store {
    let mut store = in_memory();
    let mut package = new("p", Some(&"d".repeat(500)));
    package.license = Some("L".repeat(500));
    let id = packages::insert(&mut store, &package, START).unwrap();
    let check = fetched(&mut store, (Some(id), "p"), START);
    let error = format!("error: no\n{}\n", "e".repeat(500));
    let verdict = Verdict::failed(Reason::CompileError, &error);
    built(&mut store, check, "0.16.0", &verdict, START);
    store.commit().unwrap();
    store
}

#[test]
fn a_line_of_text_is_clipped_with_and_without_colours() {
    let mut inside = Inside::open("talkative", talkative(), 1);
    let text = inside.curl("/packages/p");
    let widest = text.lines().map(|line| line.chars().count()).max();
    assert_eq!(widest, Some("description  ".len() + 160));
    let (without, _) = stripped(&inside.curl("/packages/p?color"));
    assert_eq!(without, text);
}

pub fn html(inside: &mut Inside, target: &str) -> Response {
    let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    inside.request("GET", target, &[("accept", accept), ("host", "h")], b"")
}

pub fn document(inside: &mut Inside, target: &str) -> Document {
    parse(&String::from_utf8(html(inside, target).body).unwrap())
}

#[test]
fn a_browser_gets_the_same_facts_as_html() {
    let mut inside = Inside::open("html", some(), 1);
    for (path, facts) in [
        (
            "/",
            "zig-clap folders old 0.16.0 0.15.2 failed success error building… queued… 12&min&ago",
        ),
        (
            "/packages/zig-clap",
            "zig-clap Hejsil MIT v1 0.16.0 failed compile_error tests&3/3 0123456789ab 3&h&ago \
             https://github.com/x/zig-clap clap.zig:9:1:&error:&no",
        ),
        (
            "/packages/folders",
            "not&exercised building… tests&failed queued… 1&of&6&tests&failed",
        ),
    ] {
        let (page, text) = (document(&mut inside, path), inside.curl(path));
        for fact in facts.split_whitespace() {
            let fact = fact.replace('&', " ");
            assert!(
                page.text("body").contains(&fact),
                "{path} has no {fact} as HTML"
            );
            assert!(text.contains(&fact), "{path} has no {fact} as text");
        }
    }
}

#[test]
fn a_verdict_is_a_sign_a_word_and_a_colour_with_a_legend() {
    let mut inside = Inside::open("signs", some(), 1);
    let page = document(&mut inside, "/");
    for (class, sign, word) in [
        ("good", "✓", "success"),
        ("doubtful", "~", "not exercised"),
        ("bad", "✗", "tests failed"),
        ("dim", "·", "error"),
    ] {
        let spans = page.named("span").into_iter();
        let mut shown = spans.filter(|span| span.attribute("class") == Some(class));
        let wanted = format!("{sign}{word}");
        assert!(shown.any(|span| span.text == wanted), "{wanted}");
        let legend = page.named("li").into_iter();
        let mut legend = legend.filter(|item| item.attribute("class") == Some(class));
        assert!(legend.any(|item| item.text.starts_with(sign)), "{sign}");
    }
    let title = document(&mut inside, "/packages/zig-clap")
        .text("title")
        .to_string();
    assert_eq!(title, "zig-clap: 0.16.0 ✗ 0.15.2 ✓");
}

pub fn value<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    let found = response.headers.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| value.as_str())
}

#[test]
fn a_dot_stands_where_a_build_runs_and_not_where_one_waits() {
    let mut inside = Inside::open("dots", some(), 1);
    for path in ["/", "/packages/folders"] {
        let page = document(&mut inside, path);
        let cells: Vec<&str> = page
            .named("td")
            .iter()
            .map(|cell| cell.text.as_str())
            .collect();
        let of = |state: &str| cells.iter().find(|cell| cell.ends_with(state)).copied();
        assert_eq!(
            of("building\u{2026}"),
            Some("~not exercised \u{25cf} building\u{2026}")
        );
        assert_eq!(
            of("queued\u{2026}"),
            Some("\u{2717}tests failed queued\u{2026}")
        );
    }
}

#[test]
fn what_has_not_changed_is_not_sent_again() {
    let mut inside = Inside::open("unchanged", some(), 1);
    let mut tags = Vec::new();
    for target in [
        "/",
        "/?color",
        "/packages/zig-clap",
        "/api/packages",
        "/api/packages/old",
        "/api/checks/1",
        "/api/builds",
        "/api/builds/1",
        "/api/queue",
    ] {
        let open = target.starts_with("/api").then_some("*");
        let first = inside.request("GET", target, &[], b"");
        let tag = value(&first, "ETag").unwrap().to_string();
        assert_eq!((first.status, &tag), (200, &etag(&first.body)), "{target}");
        assert_eq!(value(&first, "Access-Control-Allow-Origin"), open);
        let headers = [("if-none-match", tag.as_str())];
        let again = inside.request("GET", target, &headers, b"");
        assert_eq!((again.status, again.body.len()), (304, 0), "{target}");
        assert_eq!(value(&again, "ETag"), Some(tag.as_str()));
        assert_eq!(value(&again, "Access-Control-Allow-Origin"), open);
        assert_eq!(value(&again, "Vary"), value(&first, "Vary"));
        let varies = target.starts_with("/api/checks") || open.is_none();
        assert_eq!(
            value(&first, "Vary"),
            varies.then_some("Accept"),
            "{target}"
        );
        tags.push(tag);
    }
    let of_html = html(&mut inside, "/");
    assert_eq!(
        value(&of_html, "Content-Type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(value(&of_html, "Vary"), Some("Accept"));
    tags.push(value(&of_html, "ETag").unwrap().to_string());
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 10, "two answers of one tag");
    // A verdict changes what is asked for again.
    let headers = [("if-none-match", tags[0].as_str())];
    assert_eq!(
        inside.request("GET", "/api/nothing", &headers, b"").status,
        404
    );
    let before = value(&inside.request("GET", "/", &[], b""), "ETag").map(str::to_string);
    inside.build_succeeds("zigcheck-8-1");
    let headers = [("if-none-match", before.as_deref().unwrap())];
    assert_eq!(inside.request("GET", "/", &headers, b"").status, 200);
}
