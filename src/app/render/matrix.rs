//! The matrix of a check as plain text: one line for each toolchain, the first errors under it.

use crate::app::domain::verdict::{BuildStatus, TestStatus};
use crate::app::render::limits::{
    SHOWN_COMMIT_CHARS, SHOWN_ERROR_LIMIT_CHARS, SHOWN_ERRORS_LIMIT_LINES,
};
use crate::app::render::sanitize::{clip, sanitize};
use crate::app::store::builds::BuildRow;
use crate::app::store::checks::CheckRow;

/// A verdict in the words that people see; the state stands beside it.
pub fn verdict(
    build_status: BuildStatus,
    test_status: Option<TestStatus>,
    compiled: Option<u32>,
) -> &'static str {
    match (build_status, test_status) {
        (BuildStatus::Pending, _) => "pending",
        (BuildStatus::Success, Some(TestStatus::Failed)) => "tests failed",
        // Nothing was compiled: that says nothing about the package, and must not look as if.
        (BuildStatus::Success, _) if compiled == Some(0) => "not exercised",
        (BuildStatus::Success, _) => "success",
        (BuildStatus::Failed, _) => "failed",
        (BuildStatus::Error, _) => "error",
    }
}

/// What a toolchain's line says, in words: the verdict, and what stands behind it.
pub fn words(build: &BuildRow) -> (&'static str, String) {
    let reason = build.reason.map_or("", |reason| reason.as_str());
    let verdict = verdict(build.build_status, build.test_status, build.compiled);
    let behind = match verdict {
        "pending" => return (build.state.as_str(), String::new()),
        "tests failed" => format!("{reason}{}", tests(build, ", ")),
        "not exercised" => "builds, but nothing was compiled".to_string(),
        "success" if build.test_status == Some(TestStatus::NoTests) => "no tests".to_string(),
        "success" => tests(build, ""),
        _ => reason.to_string(),
    };
    (verdict, behind)
}

fn tests(build: &BuildRow, before: &str) -> String {
    match (build.tests_passed, build.tests_total) {
        (Some(passed), Some(total)) => format!("{before}tests {passed}/{total}"),
        _ => String::new(),
    }
}

/// The matrix of a check, with the first errors of what did not go well.
pub fn matrix(check: &CheckRow, builds: &[BuildRow]) -> String {
    let rows = builds.iter().map(|build| row(build) + &errors(build));
    head(check) + &rows.collect::<String>()
}

/// The matrix alone.
pub fn bare(check: &CheckRow, builds: &[BuildRow]) -> String {
    head(check) + &builds.iter().map(row).collect::<String>()
}

/// Which check it is.
pub fn title(check: &CheckRow) -> String {
    format!("{}  check {}", sanitize(&check.package), check.id)
}

fn head(check: &CheckRow) -> String {
    let mut text = title(check);
    if let Some(commit) = &check.commit {
        let commit: String = commit.chars().take(SHOWN_COMMIT_CHARS).collect();
        text += &format!("  commit {}", sanitize(&commit));
    }
    text + "\n\n"
}

fn row(build: &BuildRow) -> String {
    let (verdict, behind) = words(build);
    let time = match (build.cached_from, build.started_at, build.finished_at) {
        (Some(from), ..) => format!("as build {from}"),
        (None, Some(from), Some(to)) => format!("{:.1} s", (to - from).max(0) as f64 / 1000.0),
        _ => String::new(),
    };
    let line = format!(
        "  {} {time:>8}",
        columns(&build.zig_version, verdict, &behind)
    );
    line.trim_end().to_string() + "\n"
}

/// What stands left of the time, in a matrix as in the lines that lead to it.
pub fn columns(version: &str, word: &str, behind: &str) -> String {
    format!("{:<10} {word:<14} {behind:<34}", sanitize(version))
}

/// The first errors of a build that did not go well, indented; nothing of one that did.
pub fn errors(build: &BuildRow) -> String {
    let lines = first_errors(build).into_iter();
    lines.map(|line| format!("             {line}\n")).collect()
}

/// The first lines of what went wrong, fit for a terminal; none where nothing did.
pub fn first_errors(build: &BuildRow) -> Vec<String> {
    let tests_failed = build.test_status == Some(TestStatus::Failed);
    if build.build_status == BuildStatus::Success && !tests_failed {
        return Vec::new();
    }
    let lines = build.error_log.lines().map(sanitize);
    let lines = lines.filter(|line| !line.trim().is_empty());
    let lines = lines.map(|line| clip(&line, SHOWN_ERROR_LIMIT_CHARS));
    lines.take(SHOWN_ERRORS_LIMIT_LINES).collect()
}
