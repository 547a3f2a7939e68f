//! Live pages: each change of what they show is sent once, and the page ends with its subject.

use std::collections::BTreeMap;

use zigcheck::app::live::limits::VERSIONS_LIMIT;
use zigcheck::base::slab::Key;
use zigcheck::interface::event::{Core, Event, Pull};
use zigcheck::interface::peer::Peer;

use crate::common::core::{Inside, Memory, request};

pub const BROWSER: [(&str, &str); 4] = [
    ("host", "zig.example.org"),
    ("accept", "text/html"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0",
    ),
    ("content-length", "0"),
];

/// A server whose package has its source, and builds it under the first of two toolchains.
pub fn building(name: &str) -> (Inside, Memory) {
    let (mut inside, memory) = Inside::begin(name, 1);
    inside.streams = Some(BTreeMap::new());
    inside.submit("zeit");
    inside.source_is_there("zigcheck-source-1-1");
    (inside, memory)
}

/// Opens a page in a browser; None: it came whole.
pub fn open(inside: &mut Inside, target: &str) -> Option<Key> {
    open_as(inside, target, &BROWSER)
}

fn open_as(inside: &mut Inside, target: &str, headers: &[(&str, &str)]) -> Option<Key> {
    let conn = inside.key();
    let request = request("GET", target, headers, b"");
    let now = inside.now();
    inside.app().admit(conn, Peer::Unix, &request.head, now);
    inside.tell(Event::Request { conn, request });
    inside.pump();
    let streams = inside.streams.as_ref().unwrap();
    streams.contains_key(&conn).then_some(conn)
}

pub fn text(inside: &Inside, conn: Key) -> (String, bool) {
    let (bytes, end) = &inside.streams.as_ref().unwrap()[&conn];
    let text = String::from_utf8(bytes.clone()).unwrap();
    (text, *end == Some(Pull::End))
}

/// The versions that came, without what stands before and behind them.
fn versions(inside: &Inside, conn: Key) -> Vec<String> {
    let (text, _) = text(inside, conn);
    let (_, versions) = text.split_once("<main>").unwrap();
    let versions = versions.split("<div slot=").skip(1);
    versions.map(str::to_string).collect()
}

#[test]
fn a_check_changes_with_its_builds_and_ends_with_the_last() {
    let (mut inside, _memory) = building("live-check");
    let page = open(&mut inside, "/checks/1").unwrap();
    let other = open(&mut inside, "/checks/1").unwrap();
    assert_eq!(versions(&inside, page).len(), 1);
    inside.tests_begin("zigcheck-1-1");
    assert!(versions(&inside, page)[1].contains("testing"));
    inside.build_succeeds("zigcheck-1-1");
    let (so_far, is_over) = text(&inside, page);
    assert!(so_far.contains("1 of 2 build") && !is_over, "{so_far}");
    inside.build_fails("zigcheck-2-1");
    let (whole, is_over) = text(&inside, page);
    assert!(is_over && whole.ends_with("</html>\n"), "{whole}");
    let last = versions(&inside, page).pop().unwrap();
    assert!(last.contains("compile_error"), "{last}");
    assert!(!whole.contains("http-equiv=\"refresh\""));
    assert_eq!(text(&inside, other), (whole, true));
    // Now it is a page like others.
    assert_eq!(open(&mut inside, "/checks/1"), None);
}

#[test]
fn a_build_shows_its_own_changes_alone() {
    let (mut inside, _memory) = building("live-build");
    let page = open(&mut inside, "/builds/2").unwrap();
    let before = versions(&inside, page).len();
    inside.tests_begin("zigcheck-1-1");
    assert_eq!(versions(&inside, page).len(), before, "that was build 1");
    inside.build_succeeds("zigcheck-1-1");
    assert!(versions(&inside, page).len() > before);
    inside.build_succeeds("zigcheck-2-1");
    let (whole, is_over) = text(&inside, page);
    assert!(is_over && whole.contains("success"), "{whole}");
}

#[test]
fn the_queue_never_ends_and_is_loaded_anew_after_so_many_changes() {
    let (mut inside, _memory) = building("live-queue");
    let page = open(&mut inside, "/queue").unwrap();
    let mut build = 3;
    while !text(&inside, page).1 {
        inside.submit(&format!("p{build}"));
        for id in [build, build + 1] {
            let cancelled = inside.as_admin("DELETE", &format!("/api/builds/{id}"), b"");
            assert_eq!(cancelled.status, 200, "{cancelled:?}");
        }
        build += 2;
        assert!(build <= 2 * VERSIONS_LIMIT as i64, "it grows for ever");
    }
    let (whole, _) = text(&inside, page);
    assert_eq!(versions(&inside, page).len(), VERSIONS_LIMIT);
    assert!(whole.contains("<meta http-equiv=\"refresh\" content=\"0\">"));
}

#[test]
fn who_cannot_show_a_page_as_it_comes_gets_it_whole_and_loads_it_again() {
    let (mut inside, _memory) = building("live-lynx");
    let refreshes = |page: &str| page.contains("http-equiv=\"refresh\"");
    for target in ["/checks/1", "/builds/1", "/queue"] {
        let lynx = [("accept", "text/html"), ("user-agent", "Lynx/2.9.0")];
        let page = inside.request("GET", target, &lynx, b"");
        assert!(
            refreshes(&String::from_utf8(page.body).unwrap()),
            "{target}"
        );
        let page = open(&mut inside, target).unwrap();
        assert!(!refreshes(&text(&inside, page).0), "{target}");
    }
}

#[test]
fn who_has_left_is_not_sent_anything() {
    let (mut inside, _memory) = building("live-gone");
    let page = open(&mut inside, "/checks/1").unwrap();
    inside.tell(Event::Aborted { conn: page });
    let before = text(&inside, page);
    inside.build_succeeds("zigcheck-1-1");
    assert_eq!(text(&inside, page), before);
}

#[test]
fn the_slot_of_a_version_holds_that_of_the_version_before() {
    let (mut inside, _memory) = building("live-slots");
    let conn = open(&mut inside, "/checks/1").unwrap();
    inside.tests_begin("zigcheck-1-1");
    inside.build_succeeds("zigcheck-1-1");
    let (page, _) = text(&inside, conn);
    let (_, shadow) = page
        .split_once("<template shadowrootmode=\"open\">")
        .unwrap();
    let (shadow, sent) = shadow.split_once("</template>").unwrap();
    let slots = (1..=VERSIONS_LIMIT).rev();
    let slots: String = slots
        .map(|slot| format!("<slot name=\"{slot}\">"))
        .collect();
    assert_eq!(shadow, slots + &"</slot>".repeat(VERSIONS_LIMIT));
    for (nth, version) in sent.split("<div slot=").skip(1).enumerate() {
        let slot = format!("\"{}\">", nth + 1);
        assert!(version.starts_with(&slot), "{version}");
    }
}

#[test]
fn a_page_is_live_in_browsers_that_know_declarative_shadow_roots() {
    let (mut inside, _memory) = building("live-browsers");
    let linux = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)";
    let mac =
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)";
    for (agent, is_live) in [
        (format!("{linux} Chrome/111.0.0.0 Safari/537.36"), true),
        (
            format!("{linux} HeadlessChrome/142.0.0.0 Safari/537.36"),
            true,
        ),
        (format!("{linux} Chrome/110.0.0.0 Safari/537.36"), false),
        (format!("{mac} Version/16.4 Safari/605.1.15"), true),
        (format!("{mac} Version/17 Safari/605.1.15"), true),
        (format!("{mac} Version/16.3 Safari/605.1.15"), false),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0".to_string(),
            true,
        ),
        (
            "Mozilla/5.0 (X11; rv:109.0) Gecko/20100101 Firefox/122.0".to_string(),
            false,
        ),
        ("Firefox/99999999999999999999".to_string(), false),
        ("Firefox/".to_string(), false),
        ("Mozilla/5.0 (compatible; Bot/2.1)".to_string(), false),
        (String::new(), false),
    ] {
        let agent = ("user-agent", agent.as_str());
        let headers = [("accept", "text/html"), agent, ("content-length", "0")];
        let conn = open_as(&mut inside, "/queue", &headers);
        assert_eq!(conn.is_some(), is_live, "{agent:?}");
    }
}
