//! Packages that stop to work under a version, or begin to: found with every verdict, told as events, shown on the front
//! page.

use crate::common::core::Inside;
use crate::common::rows::{self, in_memory, works};
use serde_json::Value;
use zigcheck::app::domain::ids::{BuildId, CheckId, PackageId};
use zigcheck::app::domain::transition::Transition;
use zigcheck::app::domain::verdict::{Reason, Verdict};
use zigcheck::app::store::builds::{self, LogSize};
use zigcheck::app::store::store::Store;
use zigcheck::app::store::transitions::{self, TransitionFilter};
use zigcheck::app::store::{checks, packages};

const BROKEN: Option<Transition> = Some(Transition::NewlyBroken);
const FIXED: Option<Transition> = Some(Transition::NewlyFixed);

fn fails() -> Verdict {
    Verdict::failed(Reason::CompileError, "a.zig:1:2: error: no\n")
}

fn error() -> Verdict {
    Verdict::error(Reason::EngineError, "no engine")
}

fn package(store: &mut Store) -> PackageId {
    packages::insert(store, &rows::new("p"), 0).unwrap()
}

/// A check of that commit of the package.
fn check(store: &mut Store, package: PackageId, commit: u32) -> CheckId {
    let url = "https://github.com/x/p";
    let check = rows::check((Some(package), "p"), Some((url, None)));
    rows::fetched(store, &check, &format!("{commit:040x}"), 0)
}

fn begin(store: &mut Store, check: CheckId, version: &str) -> BuildId {
    let build = builds::insert(store, check, version, 0).unwrap();
    builds::set_started(store, build, &format!("sha256:{version}"), None, 0).unwrap();
    build
}

fn end(store: &mut Store, build: BuildId, verdict: &Verdict) -> Option<Transition> {
    let at = build.get() * 1_000;
    builds::finish(store, build, verdict, LogSize::default(), at).unwrap()
}

/// What a verdict on that commit changes, in a check of its own.
fn verdict(
    store: &mut Store,
    package: PackageId,
    commit: u32,
    version: &str,
    verdict: &Verdict,
) -> Option<Transition> {
    let check = check(store, package, commit);
    let build = begin(store, check, version);
    end(store, build, verdict)
}

#[test]
fn a_package_breaks_and_is_fixed_by_a_commit_and_by_a_recheck_of_the_same_one() {
    let mut store = in_memory();
    let p = package(&mut store);
    for (commit, said, changes) in [
        (1, works(), None),
        (2, works(), None),
        (3, fails(), BROKEN),
        (4, fails(), None),
        (4, works(), FIXED),
        (4, fails(), BROKEN),
        // An error says nothing of the package: what was known before it counts.
        (5, error(), None),
        (5, fails(), None),
        (6, error(), None),
        (6, works(), FIXED),
    ] {
        let found = verdict(&mut store, p, commit, "0.16.0", &said);
        assert_eq!(found, changes, "commit {commit}");
    }
    let filter = TransitionFilter::default();
    let broken = transitions::newest(&store, Transition::NewlyBroken, filter, 9).unwrap();
    let commits: Vec<_> = broken
        .iter()
        .map(|row| {
            [&row.old_commit, &row.commit].map(|one| one.as_ref().unwrap()[39..].to_string())
        })
        .collect();
    assert_eq!(commits, [["4", "4"], ["2", "3"]], "newest first");
    assert_eq!(
        (&*broken[0].word, &*broken[0].old_word),
        ("failed", "success")
    );
    assert_eq!(broken[0].build, Some(BuildId(6)));
    let none = transitions::newest(&store, Transition::NewlyFixed, filter, 0).unwrap();
    assert!(none.is_empty());
}

#[test]
fn the_first_verdict_under_a_newer_version_follows_that_under_the_next_older_one() {
    let mut store = in_memory();
    let p = package(&mut store);
    verdict(&mut store, p, 1, "0.14.1", &fails());
    verdict(&mut store, p, 1, "0.16.0", &works());
    // That of the next older one is an error, and says nothing.
    verdict(&mut store, p, 1, "0.16.1", &error());
    assert_eq!(verdict(&mut store, p, 1, "0.17.1", &fails()), BROKEN);
    let filter = TransitionFilter::default();
    let newest = transitions::newest(&store, Transition::NewlyBroken, filter, 1).unwrap();
    let versions = (&*newest[0].old_version, &*newest[0].zig_version);
    assert_eq!(versions, ("0.16.0", "0.17.1"));
    // No verdict under an older version is known.
    assert_eq!(verdict(&mut store, p, 1, "0.13.0", &fails()), None);
    assert_eq!(verdict(&mut store, p, 1, "0.17.2", &works()), FIXED);
    assert_eq!(verdict(&mut store, p, 1, "0.18.0", &works()), None);
}

#[test]
fn nothing_is_newly_broken_about_a_new_package_an_upload_or_a_try() {
    let mut store = in_memory();
    let p = package(&mut store);
    let first = check(&mut store, p, 1);
    for (version, said) in [("0.15.2", works()), ("0.16.0", fails())] {
        let build = begin(&mut store, first, version);
        assert_eq!(end(&mut store, build, &said), None, "{version}");
    }
    let upload = rows::check((None, "p"), None);
    let upload = checks::insert(&mut store, &upload, 0).unwrap();
    let build = begin(&mut store, upload, "0.15.2");
    assert_eq!(end(&mut store, build, &fails()), None);
    // Later than a newer verdict comes that of an older build.
    let (late, soon) = (check(&mut store, p, 2), check(&mut store, p, 3));
    let late = begin(&mut store, late, "0.15.2");
    let soon = begin(&mut store, soon, "0.15.2");
    assert_eq!(end(&mut store, soon, &works()), None);
    assert_eq!(end(&mut store, late, &fails()), None);
    let tried = check(&mut store, p, 0);
    let commit = checks::TriedCommit {
        time: 0,
        position: None,
        tag: None,
    };
    checks::set_tried(&mut store, tried, &commit).unwrap();
    let build = begin(&mut store, tried, "0.15.2");
    assert_eq!(end(&mut store, build, &fails()), None);
}

/// The events that are no states of builds, as type, build and version.
fn told(inside: &mut Inside, query: &str) -> Vec<(String, i64, String)> {
    let text = inside.curl(&format!("/api/events?since=0{query}"));
    let events = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let events = events.map(|json| serde_json::from_str::<Value>(json).unwrap());
    let word = |event: &Value, name: &str| event[name].as_str().unwrap().to_string();
    events
        .filter(|event| event["type"] != "build")
        .map(|event| {
            assert_eq!(event["state"], "finished");
            let id = event["id"].as_i64().unwrap();
            (word(&event, "type"), id, word(&event, "zig_version"))
        })
        .collect()
}

#[test]
fn watchers_are_told_what_is_newly_broken_and_newly_fixed_also_after_a_restart() {
    let (mut inside, memory) = Inside::begin("transitions-told", 1);
    inside.submit("p");
    inside.source_is("zigcheck-source-1-1", b"first", false);
    inside.build_succeeds("zigcheck-1-1");
    inside.build_succeeds("zigcheck-2-1");
    assert_eq!(told(&mut inside, ""), []);
    for check in [2, 3] {
        let again = inside.request("POST", "/api/packages/p/builds", &[], b"");
        assert_eq!(again.status, 202);
        let tree = format!("tree {check}");
        inside.source_is(
            &format!("zigcheck-source-{check}-1"),
            tree.as_bytes(),
            false,
        );
        let [newer, older] = [2 * check - 1, 2 * check].map(|id| format!("zigcheck-{id}-1"));
        match check {
            2 => inside.build_fails(&newer),
            _ => inside.build_succeeds(&newer),
        }
        inside.build_succeeds(&older);
    }
    let event = |kind: &str, id| (kind.to_string(), id, "0.16.0".to_string());
    let wanted = [event("newly_broken", 3), event("newly_fixed", 5)];
    for query in ["", "&package=p"] {
        assert_eq!(told(&mut inside, query), wanted, "{query}");
    }
    assert_eq!(told(&mut inside, "&check=2"), wanted[..1]);
    // A follower of a check hears of its builds alone, and of its end.
    let followed = inside.curl("/api/checks/2?follow");
    assert_eq!(followed.matches("failed").count(), 2, "{followed}");
    assert!(followed.contains("result: 1 of 2 build"), "{followed}");
    let mut inside = inside.restarted(&memory);
    assert_eq!(told(&mut inside, ""), wanted);
    let page = inside.curl("/");
    for line in [
        "NEWLY BROKEN\n  p under 0.16.0: \u{2717} failed (was success), 0 s ago",
        "NEWLY FIXED\n  p under 0.16.0: \u{2713} success (was failed), 0 s ago",
        "    /builds/3\n",
        "    /builds/5\n",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
    assert!(!inside.curl("/?search=p").contains("NEWLY"));
}

#[test]
fn the_front_page_shows_the_newest_five_with_the_diff_at_the_forge() {
    let mut store = in_memory();
    let p = package(&mut store);
    for commit in 0..14 {
        let said = if commit % 2 == 0 { works() } else { fails() };
        verdict(&mut store, p, commit, "0.16.0", &said);
    }
    store.commit().unwrap();
    let mut inside = Inside::open("transitions-front", store, 1);
    let text = inside.curl("/");
    assert_eq!(text.matches("(was success)").count(), 5, "{text}");
    assert_eq!(text.matches("(was failed)").count(), 5, "{text}");
    let diff = format!("https://github.com/x/p/compare/{:040x}...{:040x}", 12, 13);
    assert!(text.contains(&diff), "{text}");
    let page = inside.request("GET", "/", &[("accept", "text/html")], b"");
    let page = String::from_utf8(page.body).unwrap();
    for part in [
        "<h2>Newly broken</h2>",
        "<h2>Newly fixed</h2>",
        "href=\"/builds/14\"",
        &format!("href=\"{diff}\""),
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    // A package that is gone has no news.
    let gone = inside.as_admin("DELETE", "/api/packages/p", b"");
    assert_eq!(gone.status, 200);
    assert!(!inside.curl("/").contains("NEWLY"));
}
