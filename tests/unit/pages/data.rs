//! A database with packages and verdicts.

use crate::common::core::START;
use crate::common::rows::{self, finish, in_memory};
use zigcheck::app::domain::ids::{CheckId, PackageId};
use zigcheck::app::domain::verdict::{BuildStatus, Reason, TestStatus, Verdict};
use zigcheck::app::store::builds;
use zigcheck::app::store::checks;
use zigcheck::app::store::packages::{self, NewPackage};
use zigcheck::app::store::store::Store;

pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;

pub fn success(tests: Option<(TestStatus, u32, u32)>, compiled: u32) -> Verdict {
    Verdict {
        build_status: BuildStatus::Success,
        reason: None,
        test_status: tests.map(|t| t.0),
        tests_passed: tests.map(|t| t.1),
        tests_total: tests.map(|t| t.2),
        compiled: Some(compiled),
        ..Verdict::failed(Reason::Lost, "")
    }
}

pub fn good() -> Verdict {
    success(Some((TestStatus::Success, 3, 3)), 2)
}

pub fn tests_failed() -> Verdict {
    Verdict {
        reason: Some(Reason::TestFailure),
        error_log: "1 of 6 tests failed\n".to_string(),
        ..success(Some((TestStatus::Failed, 5, 6)), 2)
    }
}

pub fn new(name: &str, description: Option<&str>) -> NewPackage {
    NewPackage {
        description: description.map(str::to_string),
        ..rows::new(name)
    }
}

pub fn fetched(store: &mut Store, package: (Option<PackageId>, &str), at: i64) -> i64 {
    let url = format!("https://github.com/x/{}", package.1);
    let git = package.0.map(|_| (url.as_str(), None));
    let check = checks::insert(store, &crate::common::rows::check(package, git), at).unwrap();
    let source = rows::source(&format!("h{check}"));
    let commit = package
        .0
        .map(|_| "0123456789abcdef0123456789abcdef01234567");
    checks::set_source(store, check, &source, commit, at).unwrap();
    check.get()
}

/// A build that ended so at that time, under that version.
pub fn built(store: &mut Store, check: i64, version: &str, verdict: &Verdict, at: i64) {
    let build = builds::insert(store, CheckId(check), version, at).unwrap();
    builds::set_started(store, build, "sha256:a", None, at - 9_000).unwrap();
    finish(store, build, verdict, at);
}

/// Packages of all kinds, one of which is being checked again, and an uploaded tree.
pub fn some() -> Store {
    let mut store = in_memory();
    let compile_error = "clap.zig:9:1: error: no\n\n    \tcode\n    ^~~~\n";
    let failed = Verdict::failed(Reason::CompileError, compile_error);
    let words = Some("Command line argument parsing");
    let mut clap = new("zig-clap", words);
    clap.reference = Some("v1".to_string());
    clap.author = Some("Hejsil".to_string());
    clap.license = Some("MIT".to_string());
    for (package, verdicts, at) in [
        (clap, [failed, good()], START - 3 * HOUR),
        (
            new("folders", None),
            [success(None, 0), tests_failed()],
            START - 12 * MINUTE,
        ),
        (
            new("old", None),
            [
                Verdict::error(Reason::EngineError, "no engine"),
                success(Some((TestStatus::NoTests, 0, 0)), 1),
            ],
            START - 50 * HOUR,
        ),
    ] {
        let id = packages::insert(&mut store, &package, at).unwrap();
        let check = fetched(
            &mut store,
            (
                Some(zigcheck::app::domain::ids::PackageId(id.get())),
                &package.name,
            ),
            at,
        );
        for (version, verdict) in ["0.16.0", "0.15.2"].iter().zip(&verdicts) {
            built(&mut store, check, version, verdict, at);
        }
    }
    let upload = fetched(&mut store, (None, "upload"), START - 5_000);
    built(&mut store, upload, "0.16.0", &good(), START - 4_000);
    let known = packages::by_name(&store, "folders").unwrap().unwrap();
    let again = fetched(
        &mut store,
        (
            Some(zigcheck::app::domain::ids::PackageId(known.id.get())),
            "folders",
        ),
        START - 1_000,
    );
    for version in ["0.16.0", "0.15.2"] {
        builds::insert(&mut store, CheckId(again), version, START - 1_000).unwrap();
    }
    store.commit().unwrap();
    store
}
