//! Everything that is shown of a package, of its builds and of their logs.

use std::collections::BTreeSet;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{ANY, HOSTILE, HTML, LINES, Parsed, TEXT, harmless, value};
use crate::common::core::{Inside, START, TOKEN};
use crate::common::html::parse;
use crate::common::rows::{self, finish, in_memory};
use crate::live_pages::{building, open, text};
use zigcheck::app::domain::declared::Declared;
use zigcheck::app::domain::ids::CheckId;
use zigcheck::app::domain::verdict::{BuildStatus, Reason, Verdict};
use zigcheck::app::render::sanitize::Clean;
use zigcheck::app::store::packages::{self, NewPackage};
use zigcheck::app::store::store::Store;
use zigcheck::app::store::{builds, declared, events, uses};
use zigcheck::app::web::routes::table;
use zigcheck::base::control_chars::{escaped, is_control};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A database in which everything is that word: a package and what it says of itself, its commit, its versions, its
/// errors, what it depends on.
fn store(word: &str) -> Store {
    let mut store = in_memory();
    let web = format!("https://mark/{word}");
    let (x, y) = ("https://github.com/x/x", "https://github.com/x/y");
    for (name, url) in [("p", word), ("q", &web), ("x", x), (word, y)] {
        let text = Some(word.to_string());
        let package = NewPackage {
            name: name.to_string(),
            url: url.to_string(),
            reference: text.clone(),
            dir: text.clone(),
            description: text.clone(),
            author: text.clone(),
            license: text.clone(),
        };
        let id = packages::insert(&mut store, &package, START).unwrap();
        let depends = |order: u32, url: &str| Declared {
            name: format!("{order}{word}"),
            url: url.to_string(),
            hash: text.clone(),
            lazy: false,
        };
        declared::set(
            &mut store,
            id,
            &[depends(1, y), depends(2, &format!("https://other/{word}"))],
        )
        .unwrap();
        uses::set(&mut store, id, &[x.to_string()]).unwrap();
        // Only what has a commit is history.
        for commit in [word, COMMIT] {
            let check = rows::check((Some(id), name), Some((url, Some(word))));
            let check = rows::fetched(&mut store, &check, commit, START);
            // Under a toolchain that is there, and under one that is no more, if it ever was.
            for version in ["0.16.0", word] {
                let build = builds::insert(&mut store, check, version, START).unwrap();
                let image = format!("sha256:{version}");
                builds::set_started(&mut store, build, &image, None, START - 9_000).unwrap();
                let error = format!("{word}\na.zig:1:2: error: {word}\n");
                let verdict = Verdict {
                    detail: word.to_string(),
                    ..Verdict::failed(Reason::CompileError, error)
                };
                finish(&mut store, build, &verdict, START);
                let row = builds::by_id(&store, build).unwrap().unwrap();
                events::insert(&mut store, &row, None, START).unwrap();
            }
            // And one that waits.
            builds::insert(&mut store, check, "0.15.2", START).unwrap();
        }
    }
    // Each worked under an older version: it is newly broken.
    for check in [2, 4, 6, 8] {
        let build = builds::insert(&mut store, CheckId(check), "0.14.1", START).unwrap();
        let works = Verdict {
            build_status: BuildStatus::Success,
            reason: None,
            ..Verdict::failed(Reason::Lost, "")
        };
        finish(&mut store, build, &works, START);
    }
    store.commit().unwrap();
    store
}

/// The packages, checks and builds of `store`: the packages by their names and as repositories.
const PARAMETERS: [(&str, &[&str]); 9] = [
    ("upgrade/*", &["0.16.0"]),
    ("compare/*", &["0.14.1..0.16.0"]),
    ("/badge/*", &["p.svg", "p.json"]),
    ("/badge/**", &["x/y.svg", "x/y.json"]),
    ("/docs/*", &["ci"]),
    ("checks/*", &["1", "4", "7", "8"]),
    ("builds/*", &["1", "2", "8", "11", "20", "21", "23"]),
    ("packages/**", &["x/y"]),
    ("packages/*", &["p", "q", "x"]),
];

/// Addresses of everything that can be read.
fn targets(word: &str) -> Vec<String> {
    let mut targets = Vec::new();
    for (method, route) in table::all() {
        // A WebSocket sends what the events have.
        if method != "GET" || route == "/ws" {
            continue;
        }
        let route = route.replace("packages/*/upgrade", "packages/x/upgrade");
        let route = route.replace("packages/**/upgrade", "packages/x/y/upgrade");
        let found = PARAMETERS.iter().find(|(pattern, _)| {
            let end = route.find(pattern).map(|at| at + pattern.len());
            end.is_some_and(|end| !route[end..].starts_with('*'))
        });
        let parameters = match route.contains('*') {
            true => found.expect("a parameter").1,
            false => &[""],
        };
        let route = route.replace("**", "*").replace("events", "events?since=0");
        let of = |parameter: &&str| route.replace('*', parameter);
        targets.extend(parameters.iter().map(of));
    }
    for target in ["/", "/packages/x/y", "/checks/8", "/builds/23", "/queue"] {
        targets.push(format!("{target}?color"));
    }
    let encoded = utf8_percent_encode(word, NON_ALPHANUMERIC);
    for query in [
        "/?search=",
        "/submit?url=",
        "/feed.atom?zig_version=",
        "/api/builds?zig_version=",
    ] {
        targets.push(format!("{query}{encoded}"));
    }
    targets
}

/// What is escaped in an address.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Each answer to be read where everything is that word, with the request.
fn everything(word: &str, host: &str) -> Vec<(String, Parsed)> {
    let mut inside = Inside::open("hostile-everything", store(word), 1);
    for build in 1..=24 {
        let log = inside.settings.data.join(format!("logs/{build}.log"));
        std::fs::write(log, format!("{word}\na.zig:1:2: error: {word}\n")).unwrap();
    }
    let browser = ("user-agent", "Mozilla/5.0 Firefox/128.0");
    let bearer = format!("Bearer {TOKEN}");
    let mut all = Vec::new();
    for target in targets(word) {
        for accept in [&[ANY][..], &[TEXT], &[LINES], &[HTML], &[HTML, browser]] {
            let headers = [accept, &[("host", host), ("authorization", &bearer)]].concat();
            let response = inside.request("GET", &target, &headers, b"");
            let what = format!("{target} {accept:?}");
            assert_eq!(response.status, 200, "{what} {word:?}");
            // A log is passed on as it is.
            let is_raw = target.ends_with("/log") && !response.body.starts_with(b"<!");
            if !is_raw {
                all.push((
                    what.clone(),
                    harmless(response, &format!("{what} {word:?}")),
                ));
            }
        }
    }
    all
}

/// What has nothing of a package, or only its name and the key of an error, which is no text as it was written.
const OWN: &str = "/admin/status /admin/audit /admin/hosts /admin/issues /admin/nodes /admin/quotas /admin/tokens /api/health /metrics /docs /favicon.ico /openapi.json /robots.txt /submit /badge/p. \
    /badge/q. /badge/x/y.json /api/packages/p/compat /api/packages/q/compat /api/packages/x/compat \
    /api/packages/p/dependents /api/packages/q/dependents /upgrade/0.16.0 /api/upgrade/0.16.0";

#[test]
fn what_a_package_says_is_text_wherever_it_is_shown() {
    let harmless = everything("mark", "zig.example.org");
    let known: BTreeSet<&String> = harmless
        .iter()
        .flat_map(|(_, parsed)| &parsed.form)
        .collect();
    for word in HOSTILE {
        // A table of text clips it.
        let line = word.lines().next().unwrap_or_default();
        let shown: String = Clean::new(line).as_str().chars().take(16).collect();
        for host in ["zig.example.org", word] {
            for (what, parsed) in everything(word, host) {
                let new = parsed.form.iter().find(|form| !known.contains(form));
                assert_eq!(new, None, "{what} {word:?}");
                let is_own = OWN.split(' ').any(|own| what.starts_with(own));
                let is_said = parsed.says(word) || parsed.says(&shown);
                assert!(is_said || is_own, "{what} {word:?}");
            }
        }
    }
}

#[test]
fn what_forges_and_chats_show_of_a_page_is_what_its_package_says() {
    for word in HOSTILE {
        let mut inside = Inside::open("hostile-head", store(word), 1);
        let headers = [HTML, ("host", "zig.example.org")];
        let page = inside.request("GET", "/packages/x/y", &headers, b"");
        let page = parse(std::str::from_utf8(&page.body).unwrap());
        let clean = Clean::new(word);
        let head = |named: &str, name: &str, value: &str| {
            let mut all = page.named(named).into_iter();
            let found = all.find(|element| {
                element.attribute("property").or(element.attribute("rel")) == Some(name)
            });
            found
                .and_then(|element| element.attribute(value))
                .expect(name)
                .to_string()
        };
        assert!(head("meta", "og:title", "content").starts_with(&format!("{clean}: ")));
        assert_eq!(head("meta", "og:description", "content"), clean.as_str());
        assert!(head("link", "alternate", "title").contains(clean.as_str()));
        let path = format!("/packages/{}", utf8_percent_encode(word, PATH));
        let address = format!("http://zig.example.org{path}");
        assert_eq!(head("link", "canonical", "href"), address);
        assert_eq!(head("meta", "og:url", "content"), address);
        assert_eq!(
            head("link", "alternate", "href"),
            format!("{path}/feed.atom")
        );
    }
}

/// A log is passed on as it is, and as nothing but text; on its page it is text as well, live and later.
#[test]
fn a_log_is_text_whatever_is_in_it() {
    for (nth, word) in HOSTILE.iter().enumerate() {
        let (mut inside, _memory) = building(&format!("hostile-log-{nth}"));
        let live = open(&mut inside, "/builds/1/log").unwrap();
        inside.logs("zigcheck-1-1", word);
        inside.build_fails("zigcheck-1-1");
        let (live, _) = text(&inside, live);
        inside.streams = None;
        for target in ["/api/builds/1/log", "/builds/1/log"] {
            for accept in [ANY, HTML, TEXT] {
                let response = inside.request("GET", target, &[accept], b"");
                if value(&response, "Content-Type") == Some("text/html; charset=utf-8") {
                    continue;
                }
                let kind = value(&response, "Content-Type");
                assert_eq!(kind, Some("text/plain; charset=utf-8"));
                assert_eq!(response.body, word.as_bytes());
                assert_eq!(value(&response, "Content-Disposition"), None);
            }
        }
        let later = inside.request("GET", "/builds/1/log", &[HTML], b"");
        let later = String::from_utf8(later.body).unwrap();
        let line = word.lines().next().unwrap_or_default();
        for page in [live, later] {
            let unseen = page.find(|c: char| is_control(c) && c != '\n');
            assert_eq!(unseen, None, "{word:?}");
            let page = parse(&page);
            assert!(
                page.text("pre").contains(Clean::new(line).as_str()),
                "{word:?}"
            );
            let raw = page
                .named("a")
                .into_iter()
                .find_map(|link| link.attribute("download"));
            assert_eq!(raw, Some("build-1.log"), "no name of a stranger");
        }
    }
}

#[test]
fn json_says_the_same_without_what_is_not_seen() {
    let mut all: Vec<char> = (0..=0x10ffffu32).filter_map(char::from_u32).collect();
    all.retain(|c| is_control(*c) || matches!(c, ' ' | 'a' | '"' | '\\' | 'é' | '😀'));
    assert!(all.len() > 4_000);
    for some in all.chunks(100) {
        let text: String = some.iter().collect();
        let json = escaped(json!({ "a": text }).to_string());
        assert_eq!(json.chars().find(|c| is_control(*c)), None);
        let value: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["a"], text);
    }
    let plain = r#"{"a":"é \u0007 x"}"#;
    assert_eq!(escaped(plain.to_string()), plain);
}
