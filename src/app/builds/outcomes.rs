//! Whether an attempt that failed is repeated, and when: what the hosts that it needed have to do with it.

use crate::app::builds::attempt_context::AttemptContext;
use crate::app::builds::build::JobOutcome;
use crate::app::domain::verdict::{BuildStatus, Reason, Verdict, truncate_error_log};
use crate::app::engine::exit;
use crate::app::engine::job::JobEnd;
use crate::interface::event::Exit;

/// The outcome of a fetch that failed, with what its head says: the hosts that are not allowed, and the seconds for
/// which a busy host asked to be left alone.
pub fn failed_fetch(
    outcome: JobOutcome,
    hosts_refused: &[String],
    retry_after: Option<u64>,
) -> JobOutcome {
    match (outcome, hosts_refused.first()) {
        (JobOutcome::Final(verdict), Some(host))
            if verdict.reason == Some(Reason::SourceUnavailable) =>
        {
            JobOutcome::Final(Verdict {
                reason: Some(Reason::HostNotAllowed),
                detail: format!("needs host {host}, which this server does not allow"),
                ..verdict
            })
        }
        (JobOutcome::Verdict(verdict), _) => with_pause(verdict, retry_after),
        (outcome, _) => outcome,
    }
}

/// The verdict as an outcome: an error that another attempt would only repeat is final, and one of a busy host waits as
/// long as that host asked.
pub fn with_pause(verdict: Verdict, retry_after: Option<u64>) -> JobOutcome {
    match (verdict.reason, retry_after) {
        (Some(Reason::HostNotAllowed | Reason::MissingSystemLibrary), _) => {
            JobOutcome::Final(verdict)
        }
        (Some(Reason::DependencyUnavailable | Reason::SourceUnavailable), Some(seconds))
            if verdict.build_status == BuildStatus::Error =>
        {
            JobOutcome::Busy {
                error: verdict,
                pause_ms: seconds.saturating_mul(1_000),
            }
        }
        _ => JobOutcome::Verdict(verdict),
    }
}

/// The outcome of an analysis for other targets that another attempt would only repeat, if this is one.
pub fn not_analysed(end: &JobEnd) -> Option<JobOutcome> {
    let why = match (end.why, &end.exit) {
        (Some(_), _) => "the analysis for other targets took too long",
        (None, Some(Exit::Code(exit::NO_SCRIPT))) => {
            "the image is older than the server: run make docker-build"
        }
        _ => return None,
    };
    Some(JobOutcome::Final(Verdict::error(Reason::EngineError, why)))
}

/// The outcome where an engine does not give the state of a container: of a cluster it is one among others.
pub fn silent_or_detached(why: &str, context: &AttemptContext) -> JobOutcome {
    let sentence = format!("the engine does not give the state of the container: {why}");
    let error = Verdict::error(Reason::EngineError, truncate_error_log(&sentence));
    match context.is_scheduled {
        true => JobOutcome::Silent(error),
        false => JobOutcome::Detached(error),
    }
}

/// The outcome of a job of a container that reused what an earlier build left: a verdict that is no success does not
/// count, and the build runs again without it. Errors have attempts of their own.
pub fn in_doubt(outcome: JobOutcome) -> JobOutcome {
    match outcome {
        JobOutcome::Verdict(verdict) if verdict.fails() => JobOutcome::InDoubt(verdict),
        JobOutcome::Final(verdict) => JobOutcome::InDoubt(verdict),
        outcome => outcome,
    }
}
