//! The matrix of a check as plain text: one line for each toolchain, with the first errors under it.

use crate::app::domain::verdict::{Grade, TestStatus};
use crate::app::render::limits::{
    SHOWN_COMMIT_CHARS, SHOWN_ERROR_LIMIT_CHARS, SHOWN_ERRORS_LIMIT_LINES,
};
use crate::app::render::sanitize::{clip, sanitize};
use crate::app::render::targets::{lines, targets};
use crate::app::store::builds::BuildRow;
use crate::app::store::checks::CheckRow;

/// The verdict of a build in words, and its explanation.
pub fn describe(build: &BuildRow) -> (&'static str, String) {
    let reason = build.reason.map_or("", |reason| reason.as_str());
    let verdict = build.statuses().describe();
    let detail = match verdict {
        "pending" => return (build.state.as_str(), String::new()),
        "tests failed" => format!("{reason}{}", tests(build, ", ")),
        "not exercised" => "builds, but nothing was compiled".to_string(),
        "partial import" => format!("imported, in part{}", tests(build, ", ")),
        "tests skipped" => "no test was executed".to_string(),
        "success" if build.test_status == Some(TestStatus::NoTests) => "no tests".to_string(),
        "success" => tests(build, ""),
        _ => reason.to_string(),
    };
    match build.flaky {
        true => (verdict, format!("{detail}, flaky")),
        false => (verdict, detail),
    }
}

fn tests(build: &BuildRow, prefix: &str) -> String {
    match (build.tests_passed, build.tests_total) {
        (Some(passed), Some(total)) => format!("{prefix}tests {passed}/{total}"),
        _ => String::new(),
    }
}

/// The matrix of a check, with the first errors of each failed build.
pub fn matrix(check: &CheckRow, builds: &[BuildRow]) -> String {
    let rows = builds
        .iter()
        .map(|build| row(build) + &errors(build) + &compiles_for(build));
    head(check) + &rows.collect::<String>() + cached_note(builds)
}

/// The matrix of a check without errors.
pub fn without_errors(check: &CheckRow, builds: &[BuildRow]) -> String {
    head(check) + &builds.iter().map(row).collect::<String>()
}

/// How to run builds anew, where a verdict came from the cache; else empty.
pub fn cached_note(builds: &[BuildRow]) -> &'static str {
    match builds.iter().any(|build| build.cached_from.is_some()) {
        true => "\ncached verdicts: submit again with the parameter fresh to run them anew\n",
        false => "",
    }
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

/// The other targets that a build compiles for, indented; empty while they are not known.
fn compiles_for(build: &BuildRow) -> String {
    let lines = lines(&targets(&build.targets)).into_iter();
    lines.map(|line| format!("             {line}\n")).collect()
}

/// What happened to a build that is not green, and the first lines of its errors, sanitized and clipped.
pub fn first_errors(build: &BuildRow) -> Vec<String> {
    if matches!(build.statuses().grade(), Grade::Green) {
        return Vec::new();
    }
    // The line that the detail was made of would say the same again.
    let says_more = |line: &&str| {
        let without_word = line.replacen("error: ", "", 1);
        let same = line.contains(&build.detail) || without_word.contains(&build.detail);
        build.detail.is_empty() || !same
    };
    let lines = build.error_log.lines().filter(says_more);
    let lines = std::iter::once(build.detail.as_str())
        .chain(lines)
        .map(sanitize);
    let lines = lines.filter(|line| !line.trim().is_empty());
    let lines = lines.map(|line| clip(&line, SHOWN_ERROR_LIMIT_CHARS));
    lines.take(SHOWN_ERRORS_LIMIT_LINES).collect()
}
