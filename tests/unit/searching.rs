//! Searches for a commit that works, in the core: lists, builds, answers, and restarts at any step.

use serde_json::{Value, json};
use zigcheck::app::builds::limits::SEARCHES_LIMIT_PACKAGES;
use zigcheck::app::domain::limits::TRIES_LIMIT;

use crate::common::core::{Inside, Memory};
use crate::common::core_steps::framed;

/// The commit of that index in the list, newest first.
fn commit(at: usize) -> String {
    format!("{at:040x}")
}

fn index(commit: &str) -> usize {
    usize::from_str_radix(commit, 16).expect("one of the list")
}

fn list(commits: usize) -> String {
    let line = |at: usize| format!("{} {} - -\n", commit(at), 1_700_000_000 - at);
    format!("complete\n{}", (0..commits).map(line).collect::<String>())
}

/// A package with so many commits, and which of them work under which version.
struct World<'w> {
    commits: usize,
    works: &'w dyn Fn(&str, usize) -> bool,
    /// The commits that were built, with their versions, in order.
    built: Vec<(String, usize)>,
}

impl World<'_> {
    /// Ends one container that runs; false if none does.
    fn step(&mut self, inside: &mut Inside) -> bool {
        let Some(name) = inside.names().into_iter().next() else {
            return false;
        };
        let words: Vec<&str> = name.split('-').collect();
        match words[1..] {
            ["source", check, _] => {
                let check = inside.json(&format!("/api/checks/{check}"));
                let commit = check["ref"]
                    .as_str()
                    .map_or_else(|| commit(0), String::from);
                let head = json!({"format": "tar.gz", "commit": commit, "dependencies": false,
                    "commit_time": 1_700_000_000 - index(&commit), "manifest": ""});
                inside.container_ends(&name, &framed(head, commit.as_bytes()), 0);
            }
            ["commits", ..] => inside.container_ends(&name, list(self.commits).as_bytes(), 0),
            [build, _] => {
                let build = inside.build(build.parse().expect("a build"));
                let at = index(build["commit"].as_str().expect("a commit"));
                let version = build["zig_version"]
                    .as_str()
                    .expect("a version")
                    .to_string();
                match (self.works)(&version, at) {
                    true => inside.build_succeeds(&name),
                    false => inside.build_fails(&name),
                }
                self.built.push((version, at));
            }
            _ => panic!("{name} was not expected"),
        }
        true
    }

    fn tries(&self, version: &str) -> Vec<usize> {
        let of_version = self.built.iter().filter(|(of, _)| of == version);
        of_version.map(|(_, at)| *at).collect()
    }
}

fn world(commits: usize, works: &dyn Fn(&str, usize) -> bool) -> World<'_> {
    World {
        commits,
        works,
        built: Vec::new(),
    }
}

fn searching(name: &str) -> (Inside, Memory) {
    let memory = Memory::new(name);
    let inside = Inside::with(name, memory.open(), |settings| {
        settings.commit_search = true;
        settings.max_builds = 2;
    });
    (inside, memory)
}

fn compat(inside: &mut Inside, version: &str) -> Value {
    let answer = inside.json("/api/packages/p/compat");
    let lines = answer["compat"].as_array().expect("lines");
    let line = lines.iter().find(|line| line["zig_version"] == version);
    line.expect("a line for each version").clone()
}

#[test]
fn where_the_latest_commit_fails_an_older_one_is_searched() {
    let (mut inside, _memory) = searching("searches");
    inside.submit("p");
    let works = |version: &str, at: usize| version == "0.16.0" || at >= 9;
    let mut world = world(30, &works);
    assert_eq!(compat(&mut inside, "0.15.2")["state"], "unknown");
    while world.step(&mut inside) {}
    assert_eq!(world.tries("0.16.0"), [0], "the latest commit works");
    let line = compat(&mut inside, "0.16.0");
    assert_eq!(
        (&line["state"], &line["is_head"], &line["behind"]),
        (&json!("works"), &json!(true), &json!(0))
    );
    let line = compat(&mut inside, "0.15.2");
    assert_eq!(line["state"], "works");
    assert_eq!(line["commit"], commit(9));
    assert_eq!(line["is_head"], false);
    assert_eq!(line["behind"], 9);
    assert_eq!(line["next_failing"]["commit"], commit(8));
    assert_eq!(line["next_failing"]["reason"], "compile_error");
    let fetch = line["fetch"].as_str().expect("a command");
    assert!(
        fetch.starts_with("zig fetch --save git+https://"),
        "{fetch}"
    );
    assert!(fetch.ends_with(&format!("#{}", commit(9))), "{fetch}");
    // Every commit that is newer than the answer was tried: there are fewer than tries.
    let tries = world.tries("0.15.2");
    assert_eq!(line["tried"], tries.len() - 1);
    assert!((0..=9).all(|at| tries.contains(&at)), "{tries:?}");
    // What was tried is neither the latest verdict of the package nor a change of it.
    let package = inside.json("/api/packages/p");
    let results = package["build_results"].as_array().expect("results");
    assert!(results.iter().all(|result| result["commit"] == commit(0)));
    let feed = inside.curl("/feed.atom");
    assert_eq!(feed.matches("<entry>").count(), 2, "{feed}");
    // People see it as well.
    let page = inside.curl("/packages/p");
    assert!(
        page.contains("9 commits behind the latest; the next one, 0000000, fails: "),
        "{page}"
    );
    assert!(page.contains(&format!("#{}", commit(9))), "{page}");
    let badge = inside.json("/badge/p.json");
    assert_eq!(badge["message"], "0.16 \u{2713} 0.15 000000000000");
}

#[test]
fn a_search_through_commits_of_which_none_works_ends_with_its_tries() {
    let (mut inside, _memory) = searching("no commit works");
    inside.submit("p");
    let mut world = world(2_000, &|_, _| false);
    while world.step(&mut inside) {}
    for version in ["0.16.0", "0.15.2"] {
        let line = compat(&mut inside, version);
        assert_eq!(line["state"], "none");
        assert_eq!(line["tried"], TRIES_LIMIT);
        assert_eq!(line["commit"], Value::Null);
        assert_eq!(world.tries(version).len(), TRIES_LIMIT as usize + 1);
    }
    // A person may ask again; what is known is not built again.
    let response = inside.request("POST", "/api/packages/p/compat", &[], b"");
    assert_eq!(response.status, 202);
    assert_eq!(compat(&mut inside, "0.15.2")["state"], "searching");
    while world.step(&mut inside) {}
    let mut tried = world.tries("0.15.2");
    tried.sort_unstable();
    tried.dedup();
    assert_eq!(tried.len(), 2 * TRIES_LIMIT as usize + 1);
}

#[test]
fn a_search_goes_on_after_a_restart_at_any_step() {
    for restarted_at in 0..24 {
        let (mut inside, memory) = searching(&format!("restart {restarted_at}"));
        inside.submit("p");
        let works = |version: &str, at: usize| version == "0.16.0" || at >= 5;
        let mut world = world(8, &works);
        for step in 0.. {
            if step == restarted_at {
                inside = inside.restarted(&memory);
                inside.pass(60_000);
            }
            if !world.step(&mut inside) {
                break;
            }
        }
        let line = compat(&mut inside, "0.15.2");
        assert_eq!(
            line["commit"],
            commit(5),
            "restarted at {restarted_at}: {line}"
        );
        assert_eq!(line["state"], "works");
        let open =
            "SELECT count(*) FROM commit_searches WHERE state NOT IN ('finished', 'cancelled')";
        let open: i64 = memory
            .db
            .query_row(open, [], |row| row.get(0))
            .expect("a count");
        let lists = "SELECT count(*) FROM commit_lists";
        let lists: i64 = memory
            .db
            .query_row(lists, [], |row| row.get(0))
            .expect("a count");
        assert_eq!((open, lists), (0, 0), "restarted at {restarted_at}");
    }
}

#[test]
fn a_search_is_cancelled_and_refused_as_other_calls_are() {
    let (mut inside, _memory) = searching("cancelled searches");
    inside.submit("p");
    let mut world = world(100, &|_, _| false);
    for _ in 0..8 {
        assert!(world.step(&mut inside));
    }
    assert_eq!(compat(&mut inside, "0.16.0")["state"], "searching");
    let response = inside.request("DELETE", "/api/packages/p/compat", &[], b"");
    assert_eq!(response.status, 401);
    let response = inside.as_admin("DELETE", "/api/packages/p/compat", b"");
    assert_eq!(response.status, 200);
    let before = world.built.len();
    while world.step(&mut inside) {}
    assert!(
        world.built.len() <= before + 2,
        "builds under way go on, others do not begin"
    );
    assert_eq!(compat(&mut inside, "0.16.0")["state"], "unknown");
    for (body, status) in [
        (&br#"{"zig_version": "0.99.0"}"#[..], 400),
        (b"[]", 400),
        (br#"{"zig_version": "0.15.2"}"#, 202),
    ] {
        let headers = [("content-type", "application/json")];
        let response = inside.request("POST", "/api/packages/p/compat", &headers, body);
        assert_eq!(response.status, status);
    }
    assert_eq!(
        inside
            .request("POST", "/api/packages/q/compat", &[], b"")
            .status,
        404
    );
    assert_eq!(compat(&mut inside, "0.15.2")["state"], "searching");
    assert_eq!(compat(&mut inside, "0.16.0")["state"], "unknown");
}

#[test]
fn commits_that_cannot_be_listed_end_the_search() {
    let (mut inside, _memory) = searching("no list");
    inside.submit("p");
    let mut world = world(3, &|version, _| version == "0.16.0");
    while !inside.names().iter().any(|name| name.contains("-commits-")) {
        assert!(world.step(&mut inside));
    }
    let name = "zigcheck-commits-1-1";
    inside.container_ends(name, b"complete\nnothing of the kind\n", 0);
    for attempt in 2..=4 {
        inside.pass(40_000);
        let name = format!("zigcheck-commits-1-{attempt}");
        inside.container_ends(&name, b"", 11);
        if !inside.names().contains(&name) {
            break;
        }
    }
    while world.step(&mut inside) {}
    assert_eq!(compat(&mut inside, "0.15.2")["state"], "unknown");
    assert_eq!(
        world.built.len(),
        2,
        "the latest commit under each version alone"
    );
}

#[test]
fn a_search_begins_when_packages_that_were_searched_are_deleted() {
    let (mut inside, _memory) = searching("deleted searches");
    let names = (0..=SEARCHES_LIMIT_PACKAGES).map(|nth| format!("p{nth}"));
    let names: Vec<String> = names.collect();
    for name in &names {
        inside.submit(name);
        let target = format!("/api/packages/{name}/compat");
        let response = inside.request("POST", &target, &[], b"");
        assert_eq!(response.status, 202);
    }
    let (last, others) = names.split_last().expect("seventeen");
    for name in others {
        let response = inside.as_admin("DELETE", &format!("/api/packages/{name}"), b"");
        assert_eq!(response.status, 200);
    }
    let mut world = world(3, &|_, _| false);
    // Each pass ends some builds that shared a verdict with others.
    loop {
        while world.step(&mut inside) {}
        inside.pass(1_000);
        if inside.names().is_empty() {
            break;
        }
    }
    let answer = inside.json(&format!("/api/packages/{last}/compat"));
    let lines = answer["compat"].as_array().expect("lines");
    let states: Vec<&Value> = lines.iter().map(|line| &line["state"]).collect();
    assert!(!states.contains(&&json!("searching")), "{states:?}");
}
