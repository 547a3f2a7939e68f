//! Feeds: an entry for each change of a verdict, in a form that every reader takes.

use std::collections::HashSet;

use roxmltree::{Document, Node};

use crate::common::core::{Inside, START};
use crate::common::html;
use crate::common::rows::{self, finish, in_memory};
use zigcheck::app::domain::ids::PackageId;
use zigcheck::app::domain::verdict::{BuildStatus, ImportStatus, Reason, TestStatus, Verdict};
use zigcheck::app::store::store::Store;
use zigcheck::app::store::{builds, packages};
use zigcheck::interface::message::Response;

const ATOM: &str = "http://www.w3.org/2005/Atom";

fn works() -> Verdict {
    Verdict {
        build_status: BuildStatus::Success,
        test_status: Some(TestStatus::Success),
        import_status: Some(ImportStatus::Success),
        reason: None,
        compiled: Some(3),
        ..Verdict::failed(Reason::CompileError, "")
    }
}

fn fails(error: &str) -> Verdict {
    Verdict::failed(Reason::CompileError, format!("a.zig:1:2: error: {error}\n"))
}

fn package(store: &mut Store, name: &str) -> PackageId {
    let new = packages::NewPackage {
        name: name.to_string(),
        url: format!("https://github.com/owner/{name}"),
        ..packages::NewPackage::default()
    };
    packages::insert(store, &new, 0).unwrap()
}

/// A verdict on that commit of a package; gives its build.
fn verdict(
    store: &mut Store,
    (id, name): (PackageId, &str),
    commit: u32,
    version: &str,
    verdict: &Verdict,
) -> i64 {
    let check = rows::check((Some(id), name), Some(("https://github.com/owner/x", None)));
    let check = rows::fetched(store, &check, &format!("{commit:040x}"), 0);
    let build = builds::insert(store, check, version, 0).unwrap();
    builds::set_started(store, build, &format!("sha256:{version}"), None, 0).unwrap();
    finish(store, build, verdict, START + build.get() * 1_000);
    build.get()
}

/// Two packages: "one" broke under 0.16.0 and was fixed, "two" failed from the first.
fn store() -> Store {
    let mut store = in_memory();
    let one = (package(&mut store, "one"), "one");
    let two = (package(&mut store, "two"), "two");
    for (of, commit, version, said) in [
        (one, 1, "0.16.0", works()),
        (one, 1, "0.15.2", works()),
        (two, 1, "0.16.0", fails("no member named 'x'")),
        // The same again is no change.
        (one, 2, "0.16.0", works()),
        (one, 3, "0.16.0", fails("expected type 'u8'")),
        (one, 3, "0.15.2", works()),
        (one, 4, "0.16.0", works()),
    ] {
        verdict(&mut store, of, commit, version, &said);
    }
    store.commit().unwrap();
    store
}

fn child<'a>(node: Node<'a, 'a>, name: &str) -> Vec<Node<'a, 'a>> {
    let children = node.children();
    children
        .filter(|child| child.has_tag_name((ATOM, name)))
        .collect()
}

#[track_caller]
fn one<'a>(node: Node<'a, 'a>, name: &str) -> &'a str {
    let found = child(node, name);
    assert_eq!(found.len(), 1, "{name}");
    found[0].text().unwrap_or_default()
}

fn absolute(iri: &str) -> bool {
    ["http://", "https://", "tag:"]
        .iter()
        .any(|scheme| iri.starts_with(scheme))
        && !iri.contains(' ')
}

/// The rules of RFC 4287 that a feed of ours can break, as the W3C's validator has them.
fn check(text: &str) {
    let document = Document::parse(text).unwrap();
    let feed = document.root_element();
    assert!(feed.has_tag_name((ATOM, "feed")));
    let of_feed = "id title updated author link entry";
    let of_entry = "id title updated link category summary";
    let known = |node: Node, names: &str| {
        for child in node.children().filter(Node::is_element) {
            assert_eq!(child.tag_name().namespace(), Some(ATOM));
            let name = child.tag_name().name();
            assert!(
                names.split(' ').any(|known| known == name),
                "{name} in {node:?}"
            );
        }
    };
    known(feed, of_feed);
    assert_eq!(
        child(feed, "author").len(),
        1,
        "all entries are without one"
    );
    assert!(!one(child(feed, "author")[0], "name").is_empty());
    let links = |node| -> Vec<(String, String)> {
        let link = |link: Node| {
            let of = |name| link.attribute(name).unwrap().to_string();
            assert!(absolute(link.attribute("href").unwrap()), "{link:?}");
            (of("rel"), of("href"))
        };
        child(node, "link").into_iter().map(link).collect()
    };
    let own = links(feed).into_iter().find(|(rel, _)| rel == "self");
    assert_eq!(
        own.unwrap().1,
        one(feed, "id"),
        "a feed is known by its address"
    );
    let date = |node| {
        let text = one(node, "updated");
        humantime::parse_rfc3339(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    };
    let (mut ids, mut last) = (HashSet::new(), date(feed));
    for entry in child(feed, "entry") {
        known(entry, of_entry);
        assert!(!one(entry, "title").is_empty() && !one(entry, "summary").is_empty());
        assert!(
            ids.insert(one(entry, "id")),
            "an id twice: {}",
            one(entry, "id")
        );
        assert!(absolute(one(entry, "id")));
        assert!(date(entry) <= last, "newest first");
        last = date(entry);
        let alternates = links(entry);
        assert_eq!(alternates.len(), 1);
        assert_eq!(alternates[0].0, "alternate");
        assert!(child(entry, "category")[0].attribute("term").is_some());
    }
}

fn get(inside: &mut Inside, target: &str) -> Response {
    let headers = [
        ("host", "zig.example.org:8443"),
        ("x-forwarded-proto", "https"),
    ];
    inside.request("GET", target, &headers, b"")
}

/// The titles of the entries of a feed that follows the rules.
#[track_caller]
fn titles(inside: &mut Inside, target: &str) -> Vec<String> {
    let response = get(inside, target);
    let text = String::from_utf8(response.body).unwrap();
    assert_eq!(response.status, 200, "{target}: {text}");
    check(&text);
    let document = Document::parse(&text).unwrap();
    let entries = child(document.root_element(), "entry");
    entries
        .into_iter()
        .map(|entry| one(entry, "title").to_string())
        .collect()
}

#[test]
fn each_change_of_a_verdict_has_an_entry() {
    let mut inside = Inside::open("atom-changes", store(), 1);
    let fixed = "\u{2713} one under Zig 0.16.0: success (was failed)";
    let broken = "\u{2717} one under Zig 0.16.0: failed (was success)";
    let two = "\u{2717} two under Zig 0.16.0: failed (first verdict)";
    let old = "\u{2713} one under Zig 0.15.2: success (first verdict)";
    let new = "\u{2713} one under Zig 0.16.0: success (first verdict)";
    for (target, wanted) in [
        ("/feed.atom", &[fixed, broken, two, old, new][..]),
        ("/feed.atom?zig_version=0.15.2", &[old]),
        ("/feed.atom?only=broken", &[broken]),
        ("/feed.atom?only=broken&zig_version=0.15.2", &[]),
        ("/feed.atom?zig_version=%22%3E%3Cx%3E", &[]),
        ("/packages/two/feed.atom", &[two]),
        ("/packages/one/feed.atom?only=broken", &[broken]),
        ("/feed.atom?only=fixed", &[fixed]),
        (
            "/packages/one/feed.atom?only=fixed&zig_version=0.16.0",
            &[fixed],
        ),
        ("/packages/two/feed.atom?only=fixed", &[]),
        ("/packages/owner/two/feed.atom", &[two]),
        ("/packages/github.com/owner/two/feed.atom", &[two]),
    ] {
        assert_eq!(titles(&mut inside, target), wanted, "{target}");
    }
    for (target, status) in [
        ("/feed.atom?only=other", 400),
        ("/packages/nobody/feed.atom", 404),
        ("/packages/owner/nobody/feed.atom", 404),
    ] {
        assert_eq!(get(&mut inside, target).status, status, "{target}");
    }
}

#[test]
fn an_entry_leads_to_the_build_and_keeps_its_id() {
    let mut inside = Inside::open("atom-entry", store(), 1);
    let text = String::from_utf8(get(&mut inside, "/feed.atom?only=broken").body).unwrap();
    let document = Document::parse(&text).unwrap();
    let feed = document.root_element();
    assert_eq!(
        one(feed, "id"),
        "https://zig.example.org:8443/feed.atom?only=broken"
    );
    let entry = child(feed, "entry")[0];
    let link = child(entry, "link")[0].attribute("href");
    assert_eq!(link, Some("https://zig.example.org:8443/builds/5"));
    assert_eq!(get(&mut inside, "/builds/5").status, 200);
    let at = START + 5_000;
    assert_eq!(
        one(entry, "id"),
        format!("tag:zig.example.org,2023-11-14:verdict/5/{at}")
    );
    let commit = format!("{:040x}", 3);
    let summary = format!("failed at commit {commit}: compile_error, expected type 'u8'");
    assert_eq!(one(entry, "summary"), summary);
    assert_eq!(
        child(entry, "category")[0].attribute("term"),
        Some("broken")
    );
    let id = one(entry, "id").to_string();
    // Retention deletes the build: nothing but the link changes.
    inside.pass(60_000);
    let text = String::from_utf8(get(&mut inside, "/feed.atom?only=broken").body).unwrap();
    let document = Document::parse(&text).unwrap();
    let entry = child(document.root_element(), "entry")[0];
    assert_eq!(one(entry, "id"), id);
    let link = child(entry, "link")[0].attribute("href");
    assert_eq!(link, Some("https://zig.example.org:8443/packages/one"));
}

#[test]
fn a_feed_is_sent_again_only_if_it_changed() {
    let mut inside = Inside::open("atom-etag", store(), 1);
    let response = get(&mut inside, "/feed.atom");
    let header = |response: &Response, name: &str| {
        let mut named = response.headers.iter().filter(|(known, _)| *known == name);
        named.next().map(|(_, value)| value.to_string())
    };
    let kind = header(&response, "Content-Type");
    assert_eq!(kind.as_deref(), Some("application/atom+xml; charset=utf-8"));
    let tag = header(&response, "ETag").expect("a tag");
    let headers = [
        ("host", "zig.example.org:8443"),
        ("x-forwarded-proto", "https"),
        ("if-none-match", tag.as_str()),
    ];
    let same = inside.request("GET", "/feed.atom", &headers, b"");
    let said = String::from_utf8_lossy(&same.body);
    assert_eq!(
        (same.status, &*said),
        (304, ""),
        "{}",
        String::from_utf8_lossy(&response.body)
    );
}

#[test]
fn a_feed_is_bounded_and_an_empty_one_is_a_feed() {
    let mut inside = Inside::open("atom-empty", in_memory(), 1);
    assert!(titles(&mut inside, "/feed.atom").is_empty());
    let mut store = in_memory();
    let one = (package(&mut store, "one"), "one");
    for commit in 0..120 {
        let said = if commit % 2 == 0 { works() } else { fails("x") };
        verdict(&mut store, one, commit, "0.16.0", &said);
    }
    store.commit().unwrap();
    let mut inside = Inside::open("atom-bounded", store, 1);
    assert_eq!(titles(&mut inside, "/feed.atom").len(), 50);
    assert_eq!(titles(&mut inside, "/feed.atom?only=broken").len(), 50);
}

#[test]
fn a_page_names_its_feed_for_feed_readers() {
    let mut inside = Inside::open("atom-found", store(), 1);
    for (target, path) in [
        ("/", "/feed.atom"),
        ("/packages/two", "/packages/two/feed.atom"),
        ("/packages/owner/two", "/packages/two/feed.atom"),
    ] {
        let page = inside.request("GET", target, &[("accept", "text/html")], b"");
        let page = html::parse(std::str::from_utf8(&page.body).unwrap());
        let links = page.named("link").into_iter();
        let mut feeds = links.filter(|link| link.attribute("rel") == Some("alternate"));
        let feed = feeds.next().expect(target);
        assert_eq!(feed.attribute("type"), Some("application/atom+xml"));
        assert_eq!(feed.attribute("href"), Some(path));
        assert!(feeds.next().is_none());
        let text = get(&mut inside, path).body;
        let text = std::str::from_utf8(&text).unwrap();
        let document = Document::parse(text).unwrap();
        let title = one(document.root_element(), "title");
        assert!(title.ends_with(", verdicts that changed"), "{title}");
        assert_eq!(feed.attribute("title"), Some(title));
    }
}
