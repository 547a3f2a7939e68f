//! Lists out of the database: filters, search, order and pages.

use crate::common::rows;
use std::collections::BTreeSet;

use crate::common::rows::{finish, in_memory, new, page, up};
use zigcheck::app::domain::ids::CheckId;
use zigcheck::app::domain::verdict::{BuildStatus, Reason, State, Verdict};
use zigcheck::app::store::build_list::{self, BuildFilter};
use zigcheck::app::store::builds::{self, BuildRow};
use zigcheck::app::store::checks;
use zigcheck::app::store::list::{Page, Paging, Position, Sort};
use zigcheck::app::store::package_list::{self, PackageFilter};
use zigcheck::app::store::packages::{self, PackageRow};
use zigcheck::app::store::store::Store;

/// Every column a list can be sorted by, as the routes name them.
const OF_PACKAGES: [&str; 4] = ["name", "id", "last_updated", "popularity_score"];
const OF_BUILDS: [&str; 3] = ["b.id", "ifnull(b.finished_at, 0)", "b.zig_version"];

fn listed(store: &Store, filter: &PackageFilter, sort: Sort, page: Paging) -> Page<PackageRow> {
    package_list::page(store, filter, sort, &page)
        .unwrap()
        .unwrap()
}

fn built(store: &Store, filter: &BuildFilter, sort: Sort, page: Paging) -> Page<BuildRow> {
    build_list::page(store, filter, sort, &page)
        .unwrap()
        .unwrap()
}

fn text(text: &str) -> Option<String> {
    Some(text.to_string())
}

/// Three packages under two versions: `a` failed and succeeded, `b` is in error, `c` waits.
fn some() -> Store {
    let mut store = in_memory();
    let verdicts = [
        ("a", "1", Some(Verdict::failed(Reason::CompileError, ""))),
        ("a", "2", Some(success())),
        ("b", "1", Some(Verdict::error(Reason::Lost, ""))),
        ("c", "2", None),
    ];
    let mut at = 0;
    for (name, license, author) in [("a", "MIT", "x"), ("b", "MIT", "y"), ("c", "BSD", "x")] {
        let mut package = new(name);
        package.license = text(license);
        package.author = text(author);
        let id = packages::insert(&mut store, &package, at).unwrap();
        let check = checks::insert(&mut store, &rows::check((Some(id), name), None), at).unwrap();
        for (_, version, verdict) in verdicts.iter().filter(|row| row.0 == name) {
            at += 1;
            let build = builds::insert(&mut store, check, version, at).unwrap();
            if let Some(verdict) = verdict {
                finish(&mut store, build, verdict, at);
            }
        }
    }
    store
}

fn success() -> Verdict {
    let (build_status, reason) = (BuildStatus::Success, None);
    Verdict {
        build_status,
        reason,
        ..Verdict::failed(Reason::Lost, "")
    }
}

fn names(store: &Store, filter: &PackageFilter) -> String {
    let found = listed(store, filter, up("name"), page(1, 100));
    assert_eq!(found.rows.len() as u64, found.total, "{filter:?}");
    assert_eq!((found.is_bounded, found.next), (false, None), "{filter:?}");
    found.rows.into_iter().map(|row| row.name).collect()
}

#[test]
fn packages_are_found_by_each_filter_and_by_all_together() {
    let store = some();
    let all = PackageFilter::default;
    let status = |status| PackageFilter {
        status: Some(status),
        ..all()
    };
    let version = |version: &str| PackageFilter {
        zig_version: text(version),
        ..all()
    };
    assert_eq!(names(&store, &all()), "abc");
    assert_eq!(
        names(
            &store,
            &PackageFilter {
                license: text("MIT"),
                ..all()
            }
        ),
        "ab"
    );
    assert_eq!(
        names(
            &store,
            &PackageFilter {
                license: text("mit"),
                ..all()
            }
        ),
        ""
    );
    assert_eq!(
        names(
            &store,
            &PackageFilter {
                author: text("x"),
                ..all()
            }
        ),
        "ac"
    );
    assert_eq!(names(&store, &status(BuildStatus::Success)), "a");
    assert_eq!(names(&store, &status(BuildStatus::Failed)), "a");
    assert_eq!(names(&store, &status(BuildStatus::Error)), "b");
    assert_eq!(names(&store, &status(BuildStatus::Pending)), "c");
    assert_eq!(names(&store, &version("1")), "ab");
    assert_eq!(names(&store, &version("2")), "ac");
    assert_eq!(names(&store, &version("3")), "");
    // The status is that under this very version.
    let failed = PackageFilter {
        status: Some(BuildStatus::Failed),
        ..version("2")
    };
    assert_eq!(names(&store, &failed), "");
    let whole = PackageFilter {
        search: text("github.com/x/a"),
        zig_version: text("1"),
        status: Some(BuildStatus::Failed),
        license: text("MIT"),
        author: text("x"),
    };
    assert_eq!(names(&store, &whole), "a");
    assert_eq!(
        names(
            &store,
            &PackageFilter {
                author: text("y"),
                ..whole
            }
        ),
        ""
    );
}

#[test]
fn builds_are_found_by_each_filter_and_by_all_together() {
    let store = some();
    let all = BuildFilter::default;
    let ids = |filter: BuildFilter| {
        let found = built(&store, &filter, up("b.id"), page(1, 100));
        assert_eq!(found.rows.len() as u64, found.total, "{filter:?}");
        found
            .rows
            .into_iter()
            .map(|row| row.id.get())
            .collect::<Vec<i64>>()
    };
    let none: [i64; 0] = [];
    assert_eq!(ids(all()), [1, 2, 3, 4]);
    assert_eq!(
        ids(BuildFilter {
            package: text("a"),
            ..all()
        }),
        [1, 2]
    );
    assert_eq!(
        ids(BuildFilter {
            check: Some(CheckId(2)),
            ..all()
        }),
        [3]
    );
    assert_eq!(
        ids(BuildFilter {
            zig_version: text("2"),
            ..all()
        }),
        [2, 4]
    );
    assert_eq!(
        ids(BuildFilter {
            status: Some(BuildStatus::Error),
            ..all()
        }),
        [3]
    );
    assert_eq!(
        ids(BuildFilter {
            status: Some(BuildStatus::Pending),
            ..all()
        }),
        [4]
    );
    assert_eq!(
        ids(BuildFilter {
            state: Some(State::Finished),
            ..all()
        }),
        [1, 2, 3]
    );
    assert_eq!(
        ids(BuildFilter {
            state: Some(State::Testing),
            ..all()
        }),
        none
    );
    let whole = BuildFilter {
        package: text("a"),
        uploads: false,
        check: Some(CheckId(1)),
        zig_version: text("2"),
        status: Some(BuildStatus::Success),
        state: Some(State::Finished),
    };
    assert_eq!(ids(whole.clone()), [2]);
    assert_eq!(
        ids(BuildFilter {
            check: Some(CheckId(2)),
            ..whole
        }),
        none
    );
}

#[test]
fn a_search_takes_every_character_for_itself() {
    let mut store = in_memory();
    for (name, description) in [
        ("a", "100% zig"),
        ("b", "1000 zigs"),
        ("c", "snake_case"),
        ("d", "snakescase"),
        ("e", "back\\slash"),
        ("f", "it's \"quoted\""),
        ("g", "\u{e9}t\u{e9}"),
    ] {
        let mut package = new(name);
        package.description = text(description);
        packages::insert(&mut store, &package, 0).unwrap();
    }
    packages::insert(&mut store, &new("Needle"), 0).unwrap();
    let found = |part: &str| {
        let search = text(part);
        names(
            &store,
            &PackageFilter {
                search,
                ..PackageFilter::default()
            },
        )
    };
    assert_eq!(found("100%"), "a");
    assert_eq!(found("%"), "a");
    assert_eq!(found("e_c"), "c");
    assert_eq!(found("_"), "c");
    assert_eq!(found("\\"), "e");
    assert_eq!(found("\\s"), "e");
    assert_eq!(found("it's \"q"), "f");
    assert_eq!(found("\u{e9}t"), "g");
    // Names and URLs are searched too, whatever the case, also where there is no description.
    assert_eq!(found("nEEdle"), "Needle");
    assert_eq!(found("x/needle"), "Needle");
    assert_eq!(found("ZIG"), "ab");
    assert_eq!(found("' OR 1=1 --"), "");
}

#[test]
fn no_package_is_on_two_pages_or_on_none() {
    let mut store = in_memory();
    for n in 0..23 {
        // Few times, so that most rows are equal in what they are sorted by.
        packages::insert(&mut store, &new(&format!("p{n:02}")), n / 8).unwrap();
    }
    let filter = PackageFilter::default();
    for column in OF_PACKAGES {
        for down in [false, true] {
            for limit in [1, 5, 23, 100] {
                let mut seen = Vec::new();
                for at in 1..=24 {
                    let sort = Sort { column, down };
                    let found = listed(&store, &filter, sort, page(at, limit));
                    assert_eq!(found.total, 23);
                    assert!(found.rows.len() as u64 <= limit);
                    seen.extend(found.rows.into_iter().map(|row| (row.created_at, row.name)));
                }
                let all: BTreeSet<_> = seen.iter().cloned().collect();
                assert_eq!((seen.len(), all.len()), (23, 23), "{column} {down} {limit}");
                let (mut times, mut words): (Vec<i64>, Vec<String>) = seen.into_iter().unzip();
                if down {
                    times.reverse();
                    words.reverse();
                }
                match column {
                    "name" => assert!(words.is_sorted(), "{words:?}"),
                    "popularity_score" => {}
                    _ => assert!(times.is_sorted(), "{times:?}"),
                }
            }
        }
    }
    let far = listed(&store, &filter, up("name"), page(u64::MAX, 100));
    assert_eq!((far.rows, far.total), (vec![], 23));
}

#[test]
fn no_build_is_on_two_pages_or_on_none() {
    let mut store = in_memory();
    let verdict = success();
    for n in 0..9 {
        let package = ["p", "q", "r"][n % 3];
        let check = checks::insert(&mut store, &rows::check((None, package), None), 0).unwrap();
        for version in ["1", "2"] {
            let build = builds::insert(&mut store, check, version, n as i64 % 2).unwrap();
            if n % 4 != 0 {
                finish(&mut store, build, &verdict, 1 + n as i64 % 3);
            }
        }
    }
    let filter = BuildFilter::default();
    for column in OF_BUILDS {
        for down in [false, true] {
            for limit in [1, 4, 18] {
                let mut seen = Vec::new();
                for at in 1..=19 {
                    let sort = Sort { column, down };
                    let found = built(&store, &filter, sort, page(at, limit));
                    assert_eq!(found.total, 18);
                    seen.extend(found.rows);
                }
                let ids: BTreeSet<i64> = seen.iter().map(|row| row.id.get()).collect();
                assert_eq!((seen.len(), ids.len()), (18, 18), "{column} {down} {limit}");
                if down {
                    seen.reverse();
                }
                assert!(
                    seen.is_sorted_by_key(|row| {
                        let of_time = |time: Option<i64>| (time, String::new());
                        let of_word = |word: &String| (None, word.clone());
                        let key = match column {
                            "b.id" => of_time(None),
                            "b.zig_version" => of_word(&row.zig_version),
                            _ => of_time(row.finished_at),
                        };
                        // What is equal goes by its number.
                        (key, row.id)
                    }),
                    "{column} {down}"
                );
            }
        }
    }
}

#[test]
fn lists_are_empty_at_first() {
    let store = in_memory();
    let (filter, of_builds) = (PackageFilter::default(), BuildFilter::default());
    let found = listed(&store, &filter, up("name"), page(1, 20));
    assert_eq!((found.rows, found.total), (vec![], 0));
    let sort = Sort {
        column: "b.id",
        down: true,
    };
    let found = built(&store, &of_builds, sort, page(1, 20));
    assert_eq!((found.rows, found.total), (vec![], 0));
    assert_eq!(builds::interrupted(&store).unwrap(), vec![]);
}

/// All rows of a list, three at a time, each page behind the last row of the one before.
fn all_behind<T>(list: impl Fn(&Paging) -> Page<T>) -> Vec<T> {
    let mut paging = page(1, 3);
    let mut rows = Vec::new();
    loop {
        let found = list(&paging);
        rows.extend(found.rows);
        match found.next {
            None => return rows,
            Some(next) => {
                let text = next.to_string();
                assert!(
                    text.bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                );
                assert_eq!(Position::parse(&text), Some(next.clone()));
                paging.after = Some(next);
            }
        }
    }
}

#[test]
fn a_list_goes_on_behind_its_last_row_in_every_order() {
    let mut store = some();
    for n in 0..20 {
        let id = packages::insert(&mut store, &new(&format!("p{n}")), 100 + n / 3).unwrap();
        packages::add_views(&mut store, &[(id, n % 4)]).unwrap();
    }
    let licensed = PackageFilter {
        license: text("MIT"),
        ..PackageFilter::default()
    };
    for filter in [PackageFilter::default(), licensed] {
        for column in OF_PACKAGES {
            for down in [false, true] {
                let sort = Sort { column, down };
                let whole = listed(&store, &filter, sort, page(1, 100)).rows;
                let rows = all_behind(|paging| listed(&store, &filter, sort, paging.clone()));
                assert_eq!(rows, whole, "{column} {down}");
            }
        }
    }
    for filter in [BuildFilter::default(), of_package("a")] {
        for column in OF_BUILDS {
            let sort = up(column);
            let whole = built(&store, &filter, sort, page(1, 100)).rows;
            let rows = all_behind(|paging| built(&store, &filter, sort, paging.clone()));
            assert_eq!(rows, whole, "{column}");
        }
    }
}

fn of_package(name: &str) -> BuildFilter {
    BuildFilter {
        package: text(name),
        ..BuildFilter::default()
    }
}
