//! The matrix of a check as plain text: one line for each toolchain, with the first errors under it.

use crate::app::domain::verdict::{BuildStatus, TestStatus};
use crate::app::render::limits::{
    SHOWN_COMMIT_CHARS, SHOWN_ERROR_LIMIT_CHARS, SHOWN_ERRORS_LIMIT_LINES,
};
use crate::app::render::sanitize::{clip, sanitize};
use crate::app::store::builds::BuildRow;
use crate::app::store::checks::CheckRow;

/// A verdict in the words that people see, without the state.
pub fn verdict(
    build_status: BuildStatus,
    test_status: Option<TestStatus>,
    compiled: Option<u32>,
) -> &'static str {
    match (build_status, test_status) {
        (BuildStatus::Pending, _) => "pending",
        (BuildStatus::Success, Some(TestStatus::Failed)) => "tests failed",
        // Nothing was compiled, so the package was not tried.
        (BuildStatus::Success, _) if compiled == Some(0) => "not exercised",
        (BuildStatus::Success, _) => "success",
        (BuildStatus::Failed, _) => "failed",
        (BuildStatus::Error, _) => "error",
    }
}

/// The verdict of a build in words, and its explanation.
pub fn describe(build: &BuildRow) -> (&'static str, String) {
    let reason = build.reason.map_or("", |reason| reason.as_str());
    let verdict = verdict(build.build_status, build.test_status, build.compiled);
    let detail = match verdict {
        "pending" => return (build.state.as_str(), String::new()),
        "tests failed" => format!("{reason}{}", tests(build, ", ")),
        "not exercised" => "builds, but nothing was compiled".to_string(),
        "success" if build.test_status == Some(TestStatus::NoTests) => "no tests".to_string(),
        "success" => tests(build, ""),
        _ => reason.to_string(),
    };
    (verdict, detail)
}

fn tests(build: &BuildRow, prefix: &str) -> String {
    match (build.tests_passed, build.tests_total) {
        (Some(passed), Some(total)) => format!("{prefix}tests {passed}/{total}"),
        _ => String::new(),
    }
}

/// The matrix of a check, with the first errors of each failed build.
pub fn matrix(check: &CheckRow, builds: &[BuildRow]) -> String {
    let rows = builds.iter().map(|build| row(build) + &errors(build));
    head(check) + &rows.collect::<String>()
}

/// The matrix of a check without errors.
pub fn without_errors(check: &CheckRow, builds: &[BuildRow]) -> String {
    head(check) + &builds.iter().map(row).collect::<String>()
}

/// The name and id of a check.
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
    let (verdict, detail) = describe(build);
    let time = match (build.cached_from, build.started_at, build.finished_at) {
        (Some(from), ..) => format!("as build {from}"),
        (None, Some(from), Some(to)) => format!("{:.1} s", (to - from).max(0) as f64 / 1000.0),
        _ => String::new(),
    };
    let line = format!(
        "  {} {time:>8}",
        columns(&build.zig_version, verdict, &detail)
    );
    line.trim_end().to_string() + "\n"
}

/// The columns to the left of the time, in a matrix and in progress lines.
pub fn columns(version: &str, word: &str, detail: &str) -> String {
    format!("{:<10} {word:<14} {detail:<34}", sanitize(version))
}

/// The first errors of a failed build, indented; empty for any other.
pub fn errors(build: &BuildRow) -> String {
    let lines = first_errors(build).into_iter();
    lines.map(|line| format!("             {line}\n")).collect()
}

/// The first lines of a failed build's errors, sanitized and clipped; none for any other build.
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
