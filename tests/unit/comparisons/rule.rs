//! The rules by themselves: what two verdicts mean beside each other, which version is older, how an error was got
//! past.

use std::cmp::Ordering;

use zigcheck::app::domain::comparison::{Cause, Outcome, Step, Tried, compare, got_past};
use zigcheck::app::domain::verdict::{
    BuildStatus, Grade, ImportStatus, Reason, Statuses, TestStatus,
};
use zigcheck::app::domain::zig_version;

fn tried(statuses: Statuses) -> Tried<&'static str> {
    Tried {
        statuses,
        reason: Some(Reason::CompileError),
        error_key: Some("no member named 'x'"),
        error_place: Some("dependency:zul"),
    }
}

/// All statuses that a build can have.
fn all() -> Vec<Statuses> {
    let tests = TestStatus::ALL.iter().copied().map(Some).chain([None]);
    let imports: Vec<_> = ImportStatus::ALL.iter().copied().map(Some).collect();
    let mut all = Vec::new();
    for test in tests {
        for import in imports.iter().copied().chain([None]) {
            for build in BuildStatus::ALL.iter().copied() {
                for compiled in [None, Some(0), Some(7)] {
                    all.push(Statuses {
                        build,
                        test,
                        import,
                        compiled,
                    });
                }
            }
        }
    }
    all
}

#[test]
fn any_two_verdicts_have_one_outcome_by_what_people_see_of_them() {
    let is_unexercised = |s: &Statuses| s.grade() == Grade::Amber && s.compiled == Some(0);
    let mut seen = std::collections::HashSet::new();
    for older in all() {
        for newer in all() {
            let (outcome, cause) = compare(&tried(older), &tried(newer));
            let expected = match (older.grade(), newer.grade()) {
                (Grade::Grey, _) | (_, Grade::Grey) => Outcome::NotItsDoing,
                (Grade::Red, Grade::Red) => Outcome::StillFailing,
                (Grade::Red, _) => Outcome::NewlyFixed,
                (_, Grade::Red) => Outcome::NewlyBroken,
                _ if is_unexercised(&older) || is_unexercised(&newer) => Outcome::NotExercised,
                _ => Outcome::StillWorking,
            };
            assert_eq!(outcome, expected, "{older:?} {newer:?}");
            assert_eq!(cause.is_some(), outcome == Outcome::NewlyBroken);
            seen.insert(outcome);
        }
    }
    assert_eq!(seen.len(), Outcome::ALL.len());
}

#[test]
fn a_package_is_said_to_work_where_build_tests_and_import_did_not_fail() {
    for statuses in all() {
        let works = statuses.build == BuildStatus::Success
            && statuses.test != Some(TestStatus::Failed)
            && statuses.import != Some(ImportStatus::Failed);
        assert_eq!(tried(statuses).works(), works, "{statuses:?}");
    }
}

#[test]
fn a_cause_is_the_error_with_its_place_or_else_the_reason() {
    let failed = Statuses {
        build: BuildStatus::Failed,
        test: None,
        import: None,
        compiled: None,
    };
    let works = Statuses {
        build: BuildStatus::Success,
        ..failed
    };
    let (_, cause) = compare(&tried(works), &tried(failed));
    let expected = Cause {
        error_key: Some("no member named 'x'"),
        error_place: Some("dependency:zul"),
        reason: None,
    };
    assert_eq!(cause, Some(expected));
    let silent = Tried {
        reason: Some(Reason::Silent),
        error_key: None,
        error_place: None,
        ..tried(failed)
    };
    let (_, cause) = compare(&tried(works), &silent);
    let expected = Cause {
        error_key: None,
        error_place: None,
        reason: Some(Reason::Silent),
    };
    assert_eq!(cause, Some(expected));
}

#[test]
fn versions_are_ordered_as_semantic_versions_and_names_are_the_newest() {
    let ordered = [
        "0.9.1",
        "0.14.1",
        "0.17.0-dev.9",
        "0.17.0-dev.12",
        "0.17.0-dev.12+0a1b2c",
        "0.17.0-rc.1",
        "0.17.0",
        "0.17.1",
        "1.0.0",
        "master",
        "nightly",
    ];
    for (i, a) in ordered.iter().enumerate() {
        for (j, b) in ordered.iter().enumerate() {
            assert_eq!(zig_version::compare(a, b), i.cmp(&j), "{a} {b}");
        }
    }
    assert_eq!(zig_version::compare("0.16", "0.16.0"), Ordering::Less);
}

/// Verdicts of one letter for a commit: `w` works, `f` fails; the commits in the order of their times.
fn steps(letters: &str) -> Vec<Step<&'static str>> {
    let step = |(nth, letter): (usize, char)| {
        let build = match letter {
            'w' => BuildStatus::Success,
            _ => BuildStatus::Failed,
        };
        Step {
            commit: vec![nth as u8],
            commit_time: nth as i64,
            row: nth as i64,
            tried: tried(Statuses {
                build,
                test: None,
                import: None,
                compiled: None,
            }),
        }
    };
    letters.chars().enumerate().map(step).collect()
}

#[test]
fn an_error_is_got_past_at_the_first_commit_that_works_behind_the_last_that_failed() {
    for (letters, expected) in [
        ("", None),
        ("w", None),
        ("f", None),
        ("www", None),
        ("wwf", None),
        ("fw", Some((0, 1))),
        ("ffww", Some((1, 2))),
        ("fwfww", Some((2, 3))),
        ("fwfwf", None),
    ] {
        let mut all = steps(letters);
        for _ in 0..all.len().max(1) {
            let found = got_past(all.clone()).map(|past| (past.failing[0], past.working[0]));
            assert_eq!(found, expected, "{letters}");
            let first = 1.min(all.len());
            all.rotate_left(first);
        }
    }
}

#[test]
fn of_several_verdicts_on_one_commit_the_latest_counts() {
    let mut all = steps("fw");
    let mut again = steps("fw").remove(1);
    again.row = 9;
    again.tried.statuses.build = BuildStatus::Failed;
    all.push(again.clone());
    assert_eq!(got_past(all.clone()), None);
    again.row = 10;
    again.tried.statuses.build = BuildStatus::Success;
    all.push(again);
    assert!(got_past(all).is_some());
}
