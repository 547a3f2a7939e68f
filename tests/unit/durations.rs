//! What the database knows of durations, and of what is new.

use crate::common::rows;
use crate::common::rows::{everywhere, finish, in_memory, new};
use zigcheck::app::domain::ids::{BuildId, CheckId, PackageId};
use zigcheck::app::domain::verdict::{Reason, State, Verdict};
use zigcheck::app::store::builds;
use zigcheck::app::store::checks;
use zigcheck::app::store::durations;
use zigcheck::app::store::packages::{self, PackageChange};
use zigcheck::app::store::removals::{self, Removal};
use zigcheck::app::store::results::{self, ResultRow};
use zigcheck::app::store::store::Store;

/// A check of the package of that name, which is there afterwards.
fn check_of(store: &mut Store, package: &str) -> CheckId {
    let known = packages::with_name(store, package).unwrap();
    let id = match known {
        Some(row) => row.id,
        None => packages::insert(store, &new(package), 0).unwrap(),
    };
    let git = Some(("https://github.com/x/p", None));
    checks::insert(store, &rows::check((Some(id), package), git), 0).unwrap()
}

fn took(store: &mut Store, package: &str, version: &str, ms: i64, verdict: &Verdict) {
    let check = check_of(store, package);
    let build = builds::insert(store, check, version, 0).unwrap();
    builds::set_started(store, build, "sha256:a", None, 1_000).unwrap();
    finish(store, build, verdict, 1_000 + ms);
}

fn known(store: &Store, package: &str, version: &str) -> Option<u64> {
    let all = durations::of_package(store, package).unwrap();
    let mut found = all.iter().filter(|(known, _)| known == version);
    let ms = found.next().map(|(_, ms)| *ms);
    assert_eq!(found.next(), None, "twice");
    ms
}

fn failed() -> Verdict {
    Verdict::failed(Reason::CompileError, "")
}

#[test]
fn durations_are_kept_of_each_package_and_of_all() {
    everywhere("durations", |place| {
        let mut store = place.open();
        assert_eq!(known(&store, "p", "1"), None);
        took(&mut store, "p", "1", 100, &failed());
        took(&mut store, "p", "2", 900, &failed());
        took(&mut store, "q", "1", 300, &failed());
        let store = place.again(store);
        let of = |package: &str, version: &str| known(&store, package, version);
        assert_eq!((of("p", "1"), of("q", "1")), (Some(100), Some(300)));
        assert_eq!((of("", "1"), of("", "2")), (Some(200), Some(900)), "of all");
        assert_eq!((of("nobody", "1"), of("q", "2")), (None, None));
        assert_eq!(of("p", "3"), None);
        assert_eq!(of("p", ""), None, "no source was ever fetched");
    });
}

#[test]
fn the_average_moves_with_about_the_last_five() {
    let mut store = in_memory();
    let mut naive = 0;
    for (count, ms) in [1_000, 3_000, 2_000, 6_000, 500, 500, 500, 90_000]
        .into_iter()
        .enumerate()
    {
        took(&mut store, "p", "1", ms, &failed());
        naive += (ms - naive) / (count as i64 + 1).min(5);
        assert_eq!(known(&store, "p", "1"), Some(naive as u64));
    }
    for _ in 0..30 {
        took(&mut store, "p", "1", 700, &failed());
    }
    let settled = known(&store, "p", "1").unwrap();
    assert!((700..730).contains(&settled), "{settled}");
}

#[test]
fn only_builds_that_ran_and_came_to_a_verdict_count() {
    let mut store = in_memory();
    took(&mut store, "p", "1", 100, &Verdict::error(Reason::Lost, ""));
    assert_eq!(known(&store, "p", "1"), None, "an error of ours");
    let check = check_of(&mut store, "p");
    let build = builds::insert(&mut store, check, "1", 0).unwrap();
    let unavailable = Verdict::failed(Reason::SourceUnavailable, "");
    finish(&mut store, build, &unavailable, 9_000);
    assert_eq!(known(&store, "p", "1"), None, "it never ran");
    // A clock that went back.
    took(&mut store, "p", "1", -5_000, &failed());
    assert_eq!(known(&store, "p", "1"), Some(0));
}

#[test]
fn fetching_a_source_is_timed_beside_the_builds() {
    let mut store = in_memory();
    let check = check_of(&mut store, "p");
    durations::add_fetch(&mut store, check, 4_000).unwrap();
    let other = check_of(&mut store, "q");
    durations::add_fetch(&mut store, other, 2_000).unwrap();
    assert_eq!(known(&store, "p", ""), Some(4_000));
    assert_eq!(known(&store, "", ""), Some(3_000));
    assert_eq!(known(&store, "p", "1"), None);
}

/// A package and an upload of one name say nothing of each other, and a package keeps its averages under a new name.
#[test]
fn an_upload_changes_no_average_of_the_package_whose_name_it_bears() {
    let mut store = in_memory();
    let package = packages::insert(&mut store, &new("p"), 0).unwrap();
    for (package_id, ms) in [(Some(package), 100), (None, 9_000)] {
        let check = checks::insert(&mut store, &rows::check((package_id, "p"), None), 0).unwrap();
        durations::add_fetch(&mut store, check, ms).unwrap();
    }
    assert_eq!(known(&store, "p", ""), Some(100));
    let key = durations::key("p", true);
    assert_eq!(known(&store, &key, ""), Some(9_000));
    let row = packages::by_id(&store, package).unwrap().unwrap();
    let change = PackageChange {
        name: Some("q".to_string()),
        ..PackageChange::default()
    };
    packages::update(&mut store, &row, &change, 0).unwrap();
    assert_eq!(
        (known(&store, "p", ""), known(&store, "q", "")),
        (None, Some(100))
    );
    assert_eq!(known(&store, &key, ""), Some(9_000));
}

/// A build and a fetch that end after their package is gone leave nothing under a name: it may be another one's by now.
#[test]
fn what_ends_after_its_package_was_removed_counts_for_no_name() {
    for removal in [Removal::Delete, Removal::Detach] {
        let mut store = in_memory();
        let check = check_of(&mut store, "p");
        let build = builds::insert(&mut store, check, "1", 0).unwrap();
        builds::set_started(&mut store, build, "sha256:a", None, 1_000).unwrap();
        let package = packages::with_name(&store, "p").unwrap().unwrap();
        removals::begin(&mut store, &package, removal).unwrap();
        let placeholder = format!("~{}", package.id.get());
        let of_names = |store: &Store| {
            ["p", &placeholder].map(|name| (known(store, name, "1"), known(store, name, "")))
        };
        durations::add_fetch(&mut store, check, 4_000).unwrap();
        finish(&mut store, build, &failed(), 9_000);
        assert_eq!(of_names(&store), [(None, None); 2], "{removal:?}");
        removals::detach_checks(&mut store, package.id, 9).unwrap();
        finish(&mut store, build, &failed(), 9_000);
        assert_eq!(of_names(&store), [(None, None); 2], "{removal:?}, detached");
        assert_eq!(known(&store, "", "1"), Some(8_000), "of all");
    }
}

#[test]
fn the_latest_checks_are_counted_build_by_build() {
    let mut store = in_memory();
    assert_eq!(checks::latest(&store, 5).unwrap(), []);
    for (name, verdicts) in [
        ("a", &[Some(failed())][..]),
        ("b", &[Some(failed()), None, None]),
        ("c", &[None]),
    ] {
        let check = checks::insert(&mut store, &rows::check((None, name), None), 7).unwrap();
        for verdict in verdicts {
            let build = builds::insert(&mut store, check, "1", 0).unwrap();
            if let Some(verdict) = verdict {
                finish(&mut store, build, verdict, 9);
            }
        }
    }
    let success = Verdict {
        build_status: zigcheck::app::domain::verdict::BuildStatus::Success,
        ..failed()
    };
    finish(&mut store, BuildId(3), &success, 9);
    let lines = checks::latest(&store, 2).unwrap();
    let said = lines
        .iter()
        .map(|c| (c.id.get(), c.package.as_str(), c.builds, c.good, c.open));
    assert_eq!(
        said.collect::<Vec<_>>(),
        [(3, "c", 1, 0, 1), (2, "b", 3, 1, 1)]
    );
    assert_eq!(lines[0].created_at, 7);
    assert_eq!(checks::latest(&store, 9).unwrap().len(), 3);
}

#[test]
fn the_newest_build_of_each_toolchain_has_its_own_state() {
    let mut store = in_memory();
    let package = packages::insert(&mut store, &new("p"), 0).unwrap();
    for round in 0..2 {
        let check =
            checks::insert(&mut store, &rows::check((Some(package), "p"), None), 0).unwrap();
        for version in ["2", "1"] {
            let build = builds::insert(&mut store, check, version, 0).unwrap();
            match round {
                0 => finish(&mut store, build, &failed(), 9),
                _ => assert!(builds::set_state(&mut store, build, State::Testing, 1).unwrap()),
            }
        }
    }
    let alone = checks::insert(&mut store, &rows::check((Some(package), "p"), None), 0).unwrap();
    let build = builds::insert(&mut store, alone, "1", 0).unwrap();
    finish(&mut store, build, &failed(), 9);
    let other = PackageId(package.get() + 1);
    let newest = |store: &Store| -> Vec<(String, Option<i64>, State)> {
        let rows = results::of_packages(store, &[other, package]).unwrap();
        assert_eq!(rows[0], []);
        let rows = rows[1].iter();
        let row = |r: &ResultRow| {
            (
                r.zig_version.clone(),
                r.newest_build.map(BuildId::get),
                r.state,
            )
        };
        rows.map(row).collect()
    };
    let of = |version: &str, build, state| (version.to_string(), Some(build), state);
    let testing = of("2", 3, State::Testing);
    let wanted = [of("1", 5, State::Finished), testing.clone()];
    assert_eq!(newest(&store), wanted);
    // The shown verdict is that of build 5: build 6 goes, and 5 is the newest again.
    let build = builds::insert(&mut store, alone, "1", 0).unwrap();
    assert_eq!(newest(&store), [of("1", 6, State::Queued), testing]);
    builds::delete(&mut store, build).unwrap();
    assert_eq!(newest(&store), wanted);
}
