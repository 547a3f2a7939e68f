//! The database, in memory and on disk: what goes in comes out, and what may not change stays.

use crate::common::rows;
use crate::common::rows::{Place, everywhere, in_memory, new};
use zigcheck::app::domain::ids::{BuildId, CheckId, PackageId};
use zigcheck::app::domain::repository::identity;
use zigcheck::app::domain::verdict::{
    BuildStatus, ImportStatus, Reason, State, TestStatus, Verdict,
};
use zigcheck::app::store::builds::{self, LogSize};
use zigcheck::app::store::checks;
use zigcheck::app::store::packages::{self, NewPackage};
use zigcheck::app::store::results;
use zigcheck::app::store::sources::{self, SourceRow};
use zigcheck::app::store::store::Store;

fn success() -> Verdict {
    Verdict {
        build_status: BuildStatus::Success,
        test_status: Some(TestStatus::Failed),
        import_status: Some(ImportStatus::Partial),
        reason: Some(Reason::TestFailure),
        detail: "1 of 5 tests failed".to_string(),
        compiled: Some(3),
        tests_passed: Some(3),
        tests_skipped: Some(1),
        tests_total: Some(5),
        modules: "[{\"name\":\"a\"}]".to_string(),
        steps: String::new(),
        minimum_zig_version: None,
        dated_version: None,
        zig_ms: None,
        error_log: "e\u{e9}\n".to_string(),
        peak_memory_bytes: Some(1 << 40),
    }
}

fn finish(store: &mut Store, build: i64, verdict: &Verdict, at: i64) {
    let log = LogSize {
        written: 1 << 33,
        is_truncated: true,
    };
    builds::finish(store, BuildId(build), verdict, log, at).unwrap();
}

fn source(hash: &str) -> SourceRow {
    let (hash, format) = (hash.to_string(), "tar.zst".to_string());
    SourceRow {
        hash,
        format,
        bytes: 1 << 33,
        dependencies: true,
        manifest: None,
    }
}

#[test]
fn a_package_comes_out_as_it_went_in() {
    everywhere("package", |place| {
        let mut store = place.open();
        let mut whole = new("a");
        whole.reference = Some("v1".to_string());
        whole.dir = Some("lib/a".to_string());
        whole.description = Some("d'\u{1f980}\"".to_string());
        whole.author = Some("au".to_string());
        whole.license = Some("MIT".to_string());
        let id = packages::insert(&mut store, &whole, 5).unwrap();
        let other = packages::insert(&mut store, &new("b"), 6).unwrap();
        assert!(other > id);
        let store = place.again(store);
        let row = packages::by_name(&store, "a").unwrap().unwrap();
        assert_eq!((row.id, row.name, row.url), (id, whole.name, whole.url));
        assert_eq!(
            (row.reference, row.description),
            (whole.reference, whole.description)
        );
        assert_eq!((row.author, row.license), (whole.author, whole.license));
        assert_eq!(
            (row.created_at, row.last_updated, row.popularity_score),
            (5, 5, 0)
        );
        assert_eq!(
            packages::by_name(&store, "b").unwrap().unwrap().description,
            None
        );
        assert_eq!(packages::by_name(&store, "A").unwrap(), None);
    });
}

#[test]
fn a_package_is_found_by_its_name_and_by_its_repository() {
    let mut store = in_memory();
    let a = packages::insert(&mut store, &new("a"), 0).unwrap();
    let named = |name: &str| packages::with_name(&store, name).unwrap();
    assert_eq!(named("a").map(|holder| holder.id), Some(a));
    assert_eq!(named("A"), None);
    let of = |url: &str| packages::with_repository(&store, &identity(url), url).unwrap();
    for url in [
        "https://github.com/x/a",
        "http://www.GitHub.com:80/X/A.git/",
    ] {
        assert_eq!(of(url).map(|holder| holder.id), Some(a), "{url}");
    }
    assert_eq!(of("https://github.com/y/a"), None);
    let again = |name: &str, url: &str| NewPackage {
        name: name.to_string(),
        url: url.to_string(),
        ..NewPackage::default()
    };
    for package in [
        again("a", "https://github.com/y/a"),
        again("b", "https://github.com/x/a.git"),
    ] {
        assert!(
            packages::insert(&mut store, &package, 0).is_err(),
            "{package:?}"
        );
    }
}

#[test]
fn a_check_has_its_source_once_that_is_there() {
    everywhere("check", |place| {
        let mut store = place.open();
        let package = packages::insert(&mut store, &new("p"), 0).unwrap();
        let git = Some(("https://github.com/a/b", Some("main")));
        let check = checks::insert(&mut store, &rows::check((Some(package), "p"), git), 7).unwrap();
        let upload = checks::insert(&mut store, &rows::check((None, "upload"), None), 8).unwrap();
        checks::set_attempt(&mut store, check, 2, 1).unwrap();
        let row = checks::by_id(&store, check).unwrap().unwrap();
        assert_eq!((row.package_id, row.package.as_str()), (Some(package), "p"));
        assert_eq!(
            (row.url.as_deref(), row.reference.as_deref()),
            (git.map(|g| g.0), Some("main"))
        );
        assert_eq!(
            (
                row.source,
                row.commit,
                row.attempt,
                row.errors,
                row.created_at
            ),
            (None, None, 2, 1, 7)
        );
        checks::set_source(&mut store, check, &source("h"), Some("c0"), 9).unwrap();
        // The same source again: one row, two checks.
        checks::set_source(&mut store, upload, &source("h"), None, 9).unwrap();
        let store = place.again(store);
        let row = checks::by_id(&store, check).unwrap().unwrap();
        assert_eq!(
            (row.source, row.commit.as_deref()),
            (Some(source("h")), Some("c0"))
        );
        let row = checks::by_id(&store, upload).unwrap().unwrap();
        assert_eq!(
            (row.source, row.commit, row.url),
            (Some(source("h")), None, None)
        );
        assert_eq!((row.package_id, row.attempt), (None, 1));
        assert!(sources::keeps_file(&store, "h.tar.zst").unwrap());
        assert_eq!(checks::by_id(&store, CheckId(99)).unwrap(), None);
    });
}

#[test]
fn a_build_comes_out_as_it_ended() {
    everywhere("build", |place| {
        let mut store = place.open();
        let check = checks::insert(&mut store, &rows::check((None, "p"), None), 0).unwrap();
        checks::set_source(&mut store, check, &source("h"), Some("c0"), 0).unwrap();
        let build = builds::insert(&mut store, check, "0.16.0", 1).unwrap();
        let other = builds::insert(&mut store, check, "0.15.2", 2).unwrap();
        let row = builds::by_id(&store, build).unwrap().unwrap();
        assert_eq!(
            (row.state, row.build_status),
            (State::Queued, BuildStatus::Pending)
        );
        assert_eq!((row.check, row.attempt, row.created_at), (check, 1, 1));
        builds::set_started(&mut store, build, "sha256:aa", None, 3).unwrap();
        builds::set_state(&mut store, build, State::Testing, 2).unwrap();
        let row = builds::by_id(&store, build).unwrap().unwrap();
        assert_eq!(
            (row.state, row.attempt, row.started_at),
            (State::Testing, 2, Some(3))
        );
        finish(&mut store, build.get(), &success(), 4);
        let mut store = place.again(store);
        let row = builds::by_id(&store, build).unwrap().unwrap();
        let verdict = Verdict {
            build_status: row.build_status,
            test_status: row.test_status,
            import_status: row.import_status,
            reason: row.reason,
            detail: row.detail,
            compiled: row.compiled,
            tests_passed: row.tests_passed,
            tests_skipped: row.tests_skipped,
            tests_total: row.tests_total,
            modules: row.modules,
            steps: String::new(),
            minimum_zig_version: None,
            dated_version: None,
            zig_ms: None,
            error_log: row.error_log,
            peak_memory_bytes: row.peak_memory_bytes,
        };
        assert_eq!(verdict, success());
        assert_eq!(
            (row.state, row.started_at, row.finished_at),
            (State::Finished, Some(3), Some(4))
        );
        assert_eq!(
            (row.log_bytes, row.log_truncated, row.attempt),
            (1 << 33, true, 2)
        );
        let words = [
            row.package,
            row.zig_version,
            row.commit.unwrap(),
            row.source.unwrap(),
            row.toolchain.unwrap(),
        ];
        assert_eq!(words, ["p", "0.16.0", "c0", "h", "sha256:aa"]);
        let rows = builds::of_check(&store, check).unwrap();
        assert_eq!(
            rows.iter().map(|row| row.id).collect::<Vec<_>>(),
            [build, other]
        );
        // The other one was not touched, and keeps its check open.
        assert_eq!((rows[1].state, rows[1].finished_at), (State::Queued, None));
        let open = |store: &Store| builds::open_of_check(store, check).unwrap().len();
        assert_eq!((open(&store), builds::count_open(&store).unwrap()), (1, 1));
        finish(&mut store, other.get(), &success(), 5);
        assert_eq!((open(&store), builds::count_open(&store).unwrap()), (0, 0));
        assert_eq!(builds::by_id(&store, BuildId(99)).unwrap(), None);
    });
}

#[test]
fn a_build_that_was_overtaken_does_not_replace_the_later_verdict() {
    let error = Verdict::error(Reason::Lost, "");
    let failed = Verdict::failed(Reason::CompileError, "");
    // The later build ends first; then the earlier one ends.
    for (later, earlier, stays) in [
        (&success(), &failed, true),
        (&success(), &error, true),
        (&error, &failed, false),
    ] {
        let mut store = in_memory();
        let package = packages::insert(&mut store, &new("p"), 0).unwrap();
        let check =
            checks::insert(&mut store, &rows::check((Some(package), "p"), None), 0).unwrap();
        let builds = [1, 2].map(|at| builds::insert(&mut store, check, "0.16.0", at).unwrap());
        finish(&mut store, builds[1].get(), later, 3);
        finish(&mut store, builds[0].get(), earlier, 4);
        let shown = results::of_package(&store, package)
            .unwrap()
            .remove(0)
            .build_id;
        assert_eq!(
            shown == Some(builds[1]),
            stays,
            "{later:?}, then {earlier:?}"
        );
    }
}

#[test]
fn an_error_of_ours_replaces_no_verdict_on_the_package() {
    let mut store = in_memory();
    let package = packages::insert(&mut store, &new("p"), 0).unwrap();
    let check = checks::insert(&mut store, &rows::check((Some(package), "p"), None), 0).unwrap();
    let error = Verdict::error(Reason::Lost, "lost");
    let failed = Verdict::failed(Reason::CompileError, "error: x");
    use BuildStatus::{Error, Failed, Pending, Success};
    let mut at = 10;
    let mut told = |store: &mut Store, verdict: Option<&Verdict>| {
        let build = builds::insert(store, check, "0.16.0", at).unwrap();
        at += 10;
        if let Some(verdict) = verdict {
            finish(store, build.get(), verdict, at);
        }
        let rows = results::of_package(store, package).unwrap();
        assert_eq!(rows.len(), 1);
        let row = &rows[0];
        let mine = row.build_id == Some(build);
        (
            row.build_status,
            mine,
            row.state,
            row.last_checked,
            row.compiled,
        )
    };
    let of = |status, mine, state, at, compiled| (status, mine, state, at, compiled);
    let done = State::Finished;
    assert_eq!(
        told(&mut store, None),
        of(Pending, false, State::Queued, None, None)
    );
    assert_eq!(
        told(&mut store, Some(&error)),
        of(Error, true, done, Some(30), None)
    );
    assert_eq!(
        told(&mut store, Some(&error)),
        of(Error, true, done, Some(40), None)
    );
    assert_eq!(
        told(&mut store, Some(&failed)),
        of(Failed, true, done, Some(50), None)
    );
    assert_eq!(
        told(&mut store, Some(&error)),
        of(Failed, false, done, Some(50), None)
    );
    assert_eq!(
        told(&mut store, Some(&success())),
        of(Success, true, done, Some(70), Some(3))
    );
    assert_eq!(
        told(&mut store, None),
        of(Success, false, State::Queued, Some(70), Some(3))
    );
    assert_eq!(
        told(&mut store, Some(&error)),
        of(Success, false, done, Some(70), Some(3))
    );
    assert_eq!(
        told(&mut store, Some(&failed)),
        of(Failed, true, done, Some(100), None)
    );
    assert_eq!(
        packages::by_name(&store, "p")
            .unwrap()
            .unwrap()
            .last_updated,
        100
    );
}

#[test]
fn verdicts_of_other_versions_packages_and_uploads_stay_apart() {
    let mut store = in_memory();
    let ids = ["a", "b"].map(|name| packages::insert(&mut store, &new(name), 0).unwrap());
    let checks =
        ids.map(|id| checks::insert(&mut store, &rows::check((Some(id), "x"), None), 0).unwrap());
    let upload = checks::insert(&mut store, &rows::check((None, "a"), None), 0).unwrap();
    let mut builds = Vec::new();
    for check in [checks[0], checks[1], upload] {
        builds.push(builds::insert(&mut store, check, "1", 0).unwrap());
        builds.push(builds::insert(&mut store, check, "2", 0).unwrap());
    }
    finish(&mut store, builds[0].get(), &success(), 1);
    finish(&mut store, builds[4].get(), &success(), 2);
    let of = |id: i64| {
        let rows = results::of_package(&store, PackageId(id))
            .unwrap()
            .into_iter();
        let mut rows: Vec<_> = rows
            .map(|row| (row.zig_version, row.build_status))
            .collect();
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        rows.into_iter().map(|row| row.1).collect::<Vec<_>>()
    };
    assert_eq!(
        of(ids[0].get()),
        [BuildStatus::Success, BuildStatus::Pending]
    );
    assert_eq!(
        of(ids[1].get()),
        [BuildStatus::Pending, BuildStatus::Pending]
    );
}

#[test]
fn what_is_not_committed_is_not_there_after_a_crash() {
    let place = Place::on_disk("crash");
    let mut store = place.open();
    packages::insert(&mut store, &new("kept"), 0).unwrap();
    store.commit().unwrap();
    packages::insert(&mut store, &new("lost"), 0).unwrap();
    assert!(
        packages::by_name(&store, "lost").unwrap().is_some(),
        "a turn reads what it wrote"
    );
    drop(store);
    let store = place.open();
    assert!(packages::by_name(&store, "kept").unwrap().is_some());
    assert_eq!(packages::by_name(&store, "lost").unwrap(), None);
}

#[test]
fn a_data_directory_keeps_its_name_and_another_has_another() {
    let place = Place::on_disk("name");
    let first = place.open();
    let id = first.identity.data_id.clone();
    assert!(
        id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()),
        "{id}"
    );
    assert_eq!(place.open().identity.data_id, id, "opened twice at once");
    drop(first);
    assert_eq!(place.open().identity.data_id, id);
    assert_ne!(Place::on_disk("other name").open().identity.data_id, id);
}

#[test]
fn a_database_whose_file_is_gone_is_not_connected() {
    let place = Place::on_disk("gone");
    let store = place.open();
    assert!(store.is_connected() && in_memory().is_connected());
    std::fs::rename(place.path(), place.path().with_extension("away")).unwrap();
    assert!(!store.is_connected());
    std::fs::write(place.path(), b"").unwrap();
    assert!(!store.is_connected(), "another file in its place");
}
