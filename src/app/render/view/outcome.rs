//! What happened to a build, in words for people.

use crate::app::domain::verdict::{Reason, State, TestStatus};
use crate::app::store::builds::BuildRow;

/// What the build did, as the rest of a sentence that begins with its package.
pub fn outcome(row: &BuildRow) -> String {
    let tests = match (row.tests_passed, row.tests_total) {
        (Some(passed), Some(total)) => Some((passed, total)),
        _ => None,
    };
    match row.statuses().describe() {
        "success" => match (row.test_status, tests) {
            (Some(TestStatus::NoTests), _) => "builds; it has no tests".to_string(),
            (_, Some((passed, total))) => format!("builds, and {passed} of its {total} tests pass"),
            _ => "builds".to_string(),
        },
        "not exercised" => "builds, but nothing of it was compiled".to_string(),
        "tests skipped" => "builds, but none of its tests was executed".to_string(),
        "partial import" => {
            "builds, but as a dependency some of its declarations do not compile".to_string()
        }
        "tests failed" => match (row.reason, tests) {
            (Some(Reason::CompileError), _) => "builds, but its tests do not compile".to_string(),
            (Some(Reason::TestFailure) | None, Some((passed, total))) => {
                format!("builds, but only {passed} of its {total} tests pass")
            }
            (reason, _) => format!("builds, but its tests {}", failure(reason)),
        },
        "import failed" => "builds, but cannot be used as a dependency".to_string(),
        "failed" => failure(row.reason).to_string(),
        "error" => format!("could not be tried: it {}", failure(row.reason)),
        _ => state(row.state).to_string(),
    }
}

fn state(state: State) -> &'static str {
    match state {
        State::Queued => "waits",
        State::Fetching => "is being fetched",
        State::Building => "is being built",
        State::Testing => "is being tested",
        State::Finished => "has no verdict",
        State::Cancelled => "was cancelled",
    }
}

pub fn failure(reason: Option<Reason>) -> &'static str {
    let Some(reason) = reason else {
        return "failed";
    };
    match reason {
        Reason::CompileError => "failed to compile",
        Reason::TestFailure => "failed its tests",
        Reason::StepFailure => "failed in a command that the build runs",
        Reason::NoBuildZig => "has no build.zig",
        Reason::DependencyUnavailable => "lacks a dependency",
        Reason::SourceUnavailable => "has no source that can be fetched",
        Reason::HostNotAllowed => "needs a host that this server does not allow",
        Reason::MissingSystemLibrary => "needs a system library that the image lacks",
        Reason::Timeout => "took too long",
        Reason::Silent => "did nothing for too long",
        Reason::OutOfMemory => "ran out of memory",
        Reason::DiskLimit => "ran out of disk",
        Reason::OutputLimit => "wrote too much output",
        Reason::Cancelled => "was cancelled",
        Reason::EngineError => "met an error of the container engine",
        Reason::Lost => "was lost with its container",
    }
}

/// What helps; none where we do not know.
pub fn advice(row: &BuildRow) -> Option<&'static str> {
    if row.statuses().describe() == "not exercised" {
        return Some(
            "A library with an empty install step compiles nothing: a test step that imports it would show more.",
        );
    }
    let advice = match row.reason? {
        Reason::CompileError => {
            "The first error below is where to begin. Zig changes its language and library between versions: \
             its release notes say what took the place of what is gone."
        }
        Reason::TestFailure => {
            "The package compiles; the failing test is below, and its output in the log."
        }
        Reason::StepFailure => "The log shows what the command said.",
        Reason::NoBuildZig => {
            "If it is in another directory, submit the package with that directory."
        }
        Reason::DependencyUnavailable => {
            "Check the url and hash of the dependency in build.zig.zon; `zig fetch --save URL` renews both."
        }
        Reason::SourceUnavailable => {
            "Check the URL and the ref; a private repository cannot be checked."
        }
        Reason::HostNotAllowed => "The owner of this server can allow the host (--allow-hosts).",
        Reason::MissingSystemLibrary => {
            "This says nothing about the package: the image has few system libraries."
        }
        Reason::Timeout | Reason::Silent => {
            "A test that waits for input or for the network never ends here."
        }
        Reason::OutOfMemory => "The limits and the peak are below.",
        Reason::DiskLimit | Reason::OutputLimit => "The limits are below.",
        Reason::Cancelled => "Check the package again to have a verdict.",
        Reason::EngineError | Reason::Lost => "Nothing is wrong with the package: check it again.",
    };
    Some(advice)
}
