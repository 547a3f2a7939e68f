//! The matrix of a check as plain text: one line for each toolchain, the first errors under it.

use crate::config::{SHOWN_ERROR_LIMIT_CHARS, SHOWN_ERRORS_LIMIT_LINES};
use crate::store::{BuildRow, CheckRow};
use crate::verdict::{BuildStatus, TestStatus};

/// What a toolchain's line says, in words: the verdict, and what stands behind it.
pub fn words(build: &BuildRow) -> (&'static str, String) {
    let reason = build
        .reason
        .map_or("", |reason| reason.as_str())
        .to_string();
    match (build.build_status, build.test_status) {
        (BuildStatus::Pending, _) => (build.state.as_str(), String::new()),
        (BuildStatus::Success, Some(TestStatus::Failed)) => {
            ("tests failed", format!("{reason}{}", tests(build, ", ")))
        }
        // Nothing was compiled: that says nothing about the package, and must not look as if.
        (BuildStatus::Success, _) if build.compiled == Some(0) => (
            "not exercised",
            "builds, but nothing was compiled".to_string(),
        ),
        (BuildStatus::Success, Some(TestStatus::NoTests)) => ("success", "no tests".to_string()),
        (BuildStatus::Success, _) => ("success", tests(build, "")),
        (BuildStatus::Failed, _) => ("failed", reason),
        (BuildStatus::Error, _) => ("error", reason),
    }
}

fn tests(build: &BuildRow, before: &str) -> String {
    match (build.tests_passed, build.tests_total) {
        (Some(passed), Some(total)) => format!("{before}tests {passed}/{total}"),
        _ => String::new(),
    }
}

/// The matrix of a check.
pub fn matrix(check: &CheckRow, builds: &[BuildRow]) -> String {
    let mut text = format!("{}  check {}", check.package, check.id);
    if let Some(commit) = &check.commit {
        text += &format!("  commit {}", &commit[..commit.len().min(12)]);
    }
    text += "\n\n";
    for build in builds {
        let (verdict, behind) = words(build);
        let time = match (build.started_at, build.finished_at) {
            (Some(from), Some(to)) => format!("{:.1} s", (to - from).max(0) as f64 / 1000.0),
            _ => String::new(),
        };
        let version = &build.zig_version;
        let line = format!("  {version:<10} {verdict:<14} {behind:<34} {time:>8}");
        text += line.trim_end();
        text.push('\n');
        let is_good = build.build_status == BuildStatus::Success
            && build.test_status != Some(TestStatus::Failed);
        if !is_good {
            let lines = build.error_log.lines().map(printable);
            let lines = lines.filter(|line| !line.trim().is_empty());
            for line in lines.take(SHOWN_ERRORS_LIMIT_LINES) {
                text += &format!("             {line}\n");
            }
        }
    }
    text
}

/// The line without what could move a terminal's cursor, and not too long.
fn printable(line: &str) -> String {
    let plain = |c: char| if c == '\t' { ' ' } else { c };
    let plain = line.chars().map(plain).filter(|c| !c.is_control());
    plain.take(SHOWN_ERROR_LIMIT_CHARS).collect()
}
