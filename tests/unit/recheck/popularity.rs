//! How popular packages are.

use crate::common::core::Inside;
use crate::common::rows::{Place, in_memory, new};
use crate::common::seed::Seed;
use std::collections::BTreeSet;
use zigcheck::app::domain::ids::PackageId;
use zigcheck::app::domain::limits::VIEWS_LIMIT;
use zigcheck::app::domain::popularity::{USE_SCORE, Views};
use zigcheck::app::store::packages::{self, NewPackage, recheck_statements};
use zigcheck::app::store::results::CELL_STATEMENTS;
use zigcheck::app::store::uses::{self, ADD_SCORE, COUNT_USERS, USES};
use zigcheck::interface::message::Head;

/// Some ways to name one of few repositories.
fn some_url(chance: &mut Seed) -> (String, usize) {
    let n = chance.below(8);
    let url = match chance.below(5) {
        0 => format!("https://github.com/x/p{n}"),
        1 => format!("git+https://github.com/X/P{n}.git?ref=v1#0a1b"),
        2 => format!("https://github.com/x/p{n}/archive/refs/tags/v1.tar.gz"),
        3 => format!("https://codeload.github.com/x/p{n}/tar.gz/v1"),
        _ => format!("https://GitHub.com/x/p{n}.git"),
    };
    (url, n)
}

#[test]
fn popularity_is_who_uses_it_and_how_often_it_is_looked_at() {
    for seed in 0..100 {
        let mut chance = Seed(seed);
        let mut store = in_memory();
        // For each package: its row, its repository, what it uses, how often its page was viewed.
        let mut model: Vec<(i64, usize, BTreeSet<usize>, i64)> = Vec::new();
        for step in 0..80 {
            match chance.below(4) {
                _ if model.is_empty() => {}
                0 => {}
                1 | 2 => {
                    let urls: Vec<(String, usize)> = (0..chance.below(6))
                        .map(|_| some_url(&mut chance))
                        .collect();
                    let of = chance.below(model.len());
                    let mut named: Vec<String> = urls.iter().map(|u| u.0.clone()).collect();
                    named.push("../local".to_string());
                    uses::set(&mut store, PackageId(model[of].0), &named).unwrap();
                    model[of].2 = urls.iter().map(|u| u.1).collect();
                }
                _ => {
                    let of = chance.below(model.len());
                    let count = [1, 7, 600_000][chance.below(3)];
                    packages::add_views(&mut store, &[(PackageId(model[of].0), count)]).unwrap();
                    model[of].3 = (model[of].3 + count).min(USE_SCORE - 1);
                }
            }
            if model.is_empty() || chance.once_in(6) {
                let (url, n) = some_url(&mut chance);
                if model.iter().any(|other| other.1 == n) {
                    continue;
                }
                let package = NewPackage {
                    url: format!("{url}?{step}"),
                    ..new(&format!("n{step}"))
                };
                let id = packages::insert(&mut store, &package, 0).unwrap();
                model.push((id.get(), n, BTreeSet::new(), 0));
            }
            for (id, repository, _, seen) in &model {
                let users = model
                    .iter()
                    .filter(|other| other.0 != *id && other.2.contains(repository));
                let expected = users.count() as i64 * USE_SCORE + seen;
                let score = packages::recheck(&store, PackageId(*id))
                    .unwrap()
                    .unwrap()
                    .popularity_score;
                assert_eq!(score, expected, "seed {seed}, step {step}");
            }
        }
    }
}

#[test]
fn uses_are_kept_in_one_form_and_the_same_ones_are_not_written_again() {
    let mut store = in_memory();
    let package = packages::insert(&mut store, &new("a"), 0).unwrap();
    let urls = |names: &[&str]| {
        names
            .iter()
            .map(|name| name.to_string())
            .collect::<Vec<_>>()
    };
    let first = urls(&[
        "https://x.org/b.git",
        "git+https://GitHub.com/A/b#1",
        "https://github.com/a/b",
    ]);
    uses::set(&mut store, package, &first).unwrap();
    assert_eq!(
        uses::of_package(&store, package).unwrap(),
        ["https://github.com/a/b", "https://x.org/b"]
    );
    store.commit().unwrap();
    uses::set(
        &mut store,
        package,
        &urls(&["https://x.org/b", "https://github.com/A/b.git"]),
    )
    .unwrap();
    assert!(!store.is_writing());
    let many: Vec<String> = (0..5_000).map(|n| format!("https://x.org/{n}")).collect();
    uses::set(&mut store, package, &many).unwrap();
    assert_eq!(uses::of_package(&store, package).unwrap().len(), 256);
    uses::set(&mut store, package, &[]).unwrap();
    assert_eq!(uses::of_package(&store, package).unwrap().len(), 0);
}

fn head(method: &str, headers: &[(&str, &str)]) -> Head {
    let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    Head {
        method: method.to_string(),
        headers: headers.iter().map(owned).collect(),
        ..Head::default()
    }
}

#[test]
fn views_are_bounded_and_those_least_looked_at_make_room() {
    let (mut views, get) = (Views::default(), head("GET", &[]));
    let last = VIEWS_LIMIT as i64;
    for package in 1..=last {
        for _ in 0..=(package % 3) {
            views.count(PackageId(package), &get);
        }
    }
    views.count(PackageId(last + 1), &get);
    let taken = views.take(10);
    let first: Vec<(PackageId, i64)> = [1, 2, 4, 5, 6, 7, 8, 9, 10, 11]
        .map(|p| (PackageId(p), p % 3 + 1))
        .to_vec();
    assert_eq!(taken, first, "package 3 was seen once, and gone");
    let rest = views.take(usize::MAX);
    assert_eq!(rest.len(), VIEWS_LIMIT - 10);
    assert_eq!(rest.last(), Some(&(PackageId(last + 1), 1)));
    assert_eq!(views.take(9), []);
}

#[test]
fn who_asks_whether_anything_is_new_does_not_look() {
    let counted = |head: &Head| {
        let mut views = Views::default();
        views.count(PackageId(1), head);
        !views.take(1).is_empty()
    };
    assert!(counted(&head("GET", &[("accept", "*/*")])));
    assert!(!counted(&head("HEAD", &[])));
    assert!(!counted(&head("GET", &[("if-none-match", "\"x\"")])));
}

#[test]
fn looks_at_packages_are_written_with_what_is_written_anyway() {
    let place = Place::on_disk("views");
    let mut store = place.open();
    let package = packages::insert(&mut store, &new("a"), 0).unwrap();
    packages::insert(&mut store, &new("b"), 0).unwrap();
    store.commit().unwrap();
    let mut inside = Inside::open("views", store, 1);
    let other = place.open();
    let score = || {
        packages::recheck(&other, package)
            .unwrap()
            .unwrap()
            .popularity_score
    };
    for target in [
        "/packages/a",
        "/api/packages/a",
        "/api/packages",
        "/",
        "/packages/c",
    ] {
        inside.curl(target);
    }
    inside.request("HEAD", "/api/packages/a", &[], b"");
    inside.request("GET", "/api/packages/a", &[("if-none-match", "\"x\"")], b"");
    assert_eq!(score(), 0, "nothing was written");
    assert!(!inside.curl("/packages/a").contains("used by"));
    inside.submit("c");
    assert_eq!(score(), 3);
    let mut other = place.open();
    let c = packages::by_name(&other, "c").unwrap().unwrap().id;
    uses::set(&mut other, c, &[new("a").url]).unwrap();
    other.commit().unwrap();
    assert!(
        inside
            .curl("/packages/a")
            .contains("\nused by  1 package\n")
    );
    assert_eq!(
        inside.json("/api/packages/a")["popularity_score"],
        USE_SCORE + 3
    );
}

#[test]
fn no_statement_of_these_goes_through_whole_tables() {
    let place = Place::on_disk("plans");
    drop(place.open());
    let db = rusqlite::Connection::open(place.path()).unwrap();
    let mut statements = recheck_statements();
    statements.extend(CELL_STATEMENTS.map(str::to_string));
    statements.extend([ADD_SCORE, COUNT_USERS, USES].map(str::to_string));
    for sql in statements {
        let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = plan.raw_query().mapped(|row| row.get::<_, String>(3));
        let steps: Vec<String> = steps.map(Result::unwrap).collect();
        let whole = |step: &String| step.starts_with("SCAN") || step.contains("TEMP B-TREE");
        assert!(!steps.iter().any(whole), "{sql}: {steps:#?}");
        assert!(!steps.is_empty());
    }
}
