//! Pages as HTML, and texts of strangers in them.

use super::data::*;
use super::text::stripped;
use crate::common::core::{Inside, START};
use crate::common::rows::in_memory;
use zigcheck::app::domain::verdict::{Reason, Verdict};
use zigcheck::app::store::packages;
use zigcheck::app::store::store::Store;
use zigcheck::app::web::conditional::etag;
use zigcheck::interface::message::Response;

/// Text that would take over a terminal or a page.
const HOSTILE: &str = "\x1b]0;x\x07<script>alert('\"&')</script>\u{9b}31m\u{202e}\u{2066}\
    \u{200b}\r\n\tend\x7f\0";

fn hostile() -> Store {
    let mut store = in_memory();
    let mut package = new("p", Some(&HOSTILE.replace('\0', "")));
    package.author = Some("<i>".to_string());
    package.license = Some("L".repeat(500));
    let id = packages::insert(&mut store, &package, START).unwrap();
    let check = fetched(
        &mut store,
        (Some(zigcheck::app::domain::ids::PackageId(id.get())), "p"),
        START,
    );
    let error = format!("{HOSTILE}\n{}\n", "e".repeat(500));
    let verdict = Verdict::failed(Reason::CompileError, &error);
    built(&mut store, check, "0.16.0", &verdict, START);
    store.commit().unwrap();
    store
}

#[test]
fn what_a_package_says_cannot_leave_its_place() {
    let mut inside = Inside::open("hostile", hostile(), 1);
    let text = inside.curl("/packages/p");
    let foreign = |c: char| c != '\n' && (c.is_control() || "\u{202e}\u{2066}\u{200b}".contains(c));
    assert!(!text.contains(foreign), "{text:?}");
    let line = text.lines().nth(2).unwrap();
    let clean = "<script>alert('\"&')</script>  end";
    assert_eq!(line, format!("description  {clean}"));
    assert!(
        text.contains("    <script>alert('\"&')</script>\n"),
        "{text}"
    );
    let widest = text.lines().map(|line| line.chars().count()).max();
    assert_eq!(widest, Some("description  ".len() + 160));
    let (without, _) = stripped(&inside.curl("/packages/p?color"));
    assert_eq!(without, text);
}

fn html(inside: &mut Inside, target: &str) -> Response {
    let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    inside.request("GET", target, &[("accept", accept), ("host", "h")], b"")
}

/// The elements of a page in order, each open one closed; and its text.
fn elements(html: &str) -> (Vec<String>, String) {
    let (mut all, mut open, mut text) = (Vec::new(), Vec::new(), String::new());
    let html = html.strip_prefix("<!DOCTYPE html>\n").expect("a doctype");
    for piece in html.split('<').skip(1) {
        let (tag, behind) = piece.split_once('>').expect("a whole tag");
        let name = tag.split(' ').next().unwrap();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop().as_deref(), Some(name), "in {piece}"),
            None if name == "meta" => {}
            None => {
                open.push(name.to_string());
                all.push(name.to_string());
            }
        }
        assert!(
            !behind.contains('>') || open.iter().any(|o| o == "style"),
            "{piece}"
        );
        if !open.iter().any(|name| name == "style") {
            text += behind;
        }
    }
    assert!(open.is_empty(), "{open:?} never end");
    (all, text)
}

#[test]
fn a_browser_gets_the_same_words_as_html() {
    let mut inside = Inside::open("html", some(), 1);
    for path in ["/", "/packages/zig-clap", "/packages/folders"] {
        let response = html(&mut inside, path);
        let page = String::from_utf8(response.body).unwrap();
        let (all, shown) = elements(&page);
        assert!(!all.iter().any(|name| name == "script"));
        let unescaped = shown.replace("&#39;", "'").replace("&quot;", "\"");
        let unescaped = unescaped.replace("&lt;", "<").replace("&gt;", ">");
        let unescaped = unescaped.replace("&amp;", "&");
        let text = inside.curl(path).replace("zig.example.org", "h");
        let words = text.split_whitespace().map(str::to_string);
        for word in words {
            assert!(
                unescaped.contains(&word),
                "{path} lacks {word}: {unescaped}"
            );
        }
    }
    let front = String::from_utf8(html(&mut inside, "/?limit=1").body).unwrap();
    for link in [
        "<a href=\"/packages/folders\">folders</a>",
        "<a href=\"/api/checks/4\">4</a>",
        "<a href=\"/api/queue\">/api/queue</a>",
        "<a href=\"/?limit=1&amp;page=2\">",
    ] {
        assert!(front.contains(link), "{link} is not in {front}");
    }
    let one = String::from_utf8(html(&mut inside, "/packages/zig-clap").body).unwrap();
    for link in [
        "<a href=\"/\">/</a>",
        "<a href=\"/api/packages/zig-clap\">",
        "<a href=\"/api/builds/1/log\">",
        "<a href=\"https://github.com/x/zig-clap\">",
        "<span class=\"bad\">failed</span>",
        "<title>zig-clap: zigcheck</title>",
    ] {
        assert!(one.contains(link), "{link} is not in {one}");
    }
}

#[test]
fn what_a_package_says_is_no_html() {
    let mut inside = Inside::open("escaped", hostile(), 1);
    let page = String::from_utf8(html(&mut inside, "/packages/p").body).unwrap();
    elements(&page);
    let clean = "&lt;script&gt;alert(&#39;&quot;&amp;&#39;)&lt;/script&gt;  end";
    assert!(page.contains(clean), "{page}");
    assert!(page.contains("&lt;i&gt;") && !page.contains("<i>"));
    let target = "/?search=%22%3E%3Cscript%3E";
    let page = String::from_utf8(html(&mut inside, target).body).unwrap();
    elements(&page);
    assert!(
        page.contains("No package matches &quot;&gt;&lt;script&gt;"),
        "{page}"
    );
}

fn value<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    let found = response.headers.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| value.as_str())
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
