//! The verdict on a build, from the exit of its container and its record.

use crate::app::builds::limits::{LINE_COST_BYTES, OUTPUT_LIMIT_BYTES};
use crate::app::builds::record::{Progress, Record, RecordReader, TestCounts};
use crate::app::domain::verdict::{
    BuildStatus, DepsOutcome, ImportStatus, Reason, ResourceLimits, TestStatus, Verdict,
    truncate_error_log,
};
use crate::app::engine::docker::RecordId;
use crate::app::engine::exit;
use crate::app::engine::job::{JobEnd, KillReason};
use crate::interface::event::Exit;

/// Part of the cache key. Raise it when the runner, or the reading of its record, comes to other verdicts.
pub const RUNNER_VERSION: u32 = 4;

/// What follows from the exit of `docker run`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    Verdict(Box<Verdict>),
    /// The exit may be the client's own: inspect the container.
    Inspect,
}

impl Judgement {
    fn verdict(verdict: Verdict) -> Judgement {
        Judgement::Verdict(Box::new(verdict))
    }
}

/// The verdict on a build whose `docker run` has ended.
///
/// | end | record | judgement |
/// |---|---|---|
/// | exit 0 | good | that of the record, even if the server was about to end the build |
/// | ended by the server | - | inspect the container: if there is one, failed, with the reason |
/// | exit 0 | none to trust | error, engine_error |
/// | not started | - | error, engine_error |
/// | 12 | - | failed, disk_limit: the source does not fit |
/// | 65 | - | error, lost: the source did not arrive whole |
/// | other | - | inspect the container |
pub fn judge(
    record_id: &RecordId,
    end: &JobEnd,
    records: &mut RecordReader,
    limits: &ResourceLimits,
) -> Judgement {
    let record = records.record(record_id);
    let engine_error =
        |sentence: &str| Judgement::verdict(Verdict::error(Reason::EngineError, sentence));
    match (&end.exit, end.why, record) {
        (Some(Exit::Code(0)), _, Ok(record)) => Judgement::verdict(from_record(record, limits)),
        (_, Some(_), _) => Judgement::Inspect,
        (Some(Exit::Code(0)), None, Err(unusable)) => engine_error(&unusable.sentence()),
        (Some(Exit::NotStarted(why)), ..) => engine_error(why),
        (Some(Exit::Code(exit::TOO_LARGE)), ..) => {
            let sentence = "the source and its dependencies do not fit into the container";
            Judgement::verdict(Verdict::failed(Reason::DiskLimit, sentence))
        }
        (Some(Exit::Code(exit::TRUNCATED)), ..) => {
            Judgement::verdict(Verdict::error(Reason::Lost, INPUT_TRUNCATED))
        }
        _ => Judgement::Inspect,
    }
}

/// How a container exited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerExit {
    pub code: i32,
    /// The memory limit ended a process in it.
    pub oom_killed: bool,
}

/// The verdict on a build whose container has exited and whose output was read.
pub fn judge_container(
    record_id: &RecordId,
    exited: ContainerExit,
    why: Option<KillReason>,
    records: &mut RecordReader,
    limits: &ResourceLimits,
) -> Verdict {
    let ContainerExit { code, oom_killed } = exited;
    // Any code but that of a kill is its own: it exited before the server could end it.
    let why = why.filter(|_| code == exit::KILLED);
    let exit = Some(Exit::Code(code));
    let judgement = judge(record_id, &JobEnd { exit, why }, records, limits);
    match (judgement, why) {
        (Judgement::Verdict(verdict), _) => *verdict,
        (Judgement::Inspect, Some(why)) => ended_by_us(why, records.progress, limits),
        (Judgement::Inspect, None) if oom_killed => {
            // A container that the limit ended has reached the limit.
            let peak = limits.peak_bytes.or(Some(limits.memory_bytes));
            let limits = ResourceLimits {
                peak_bytes: peak,
                ..*limits
            };
            let sentence = format!(
                "ended by the memory limit of its container; {}",
                limits.describe_memory()
            );
            let verdict = Verdict {
                peak_memory_bytes: peak,
                ..Verdict::failed(Reason::OutOfMemory, sentence)
            };
            in_stage(verdict, records.progress)
        }
        (Judgement::Inspect, None) => {
            let reason = match code {
                exit::REFUSED..=127 => Reason::EngineError,
                _ => Reason::Lost,
            };
            Verdict::error(
                reason,
                format!("the container was cut off, with exit code {code}"),
            )
        }
    }
}

const INPUT_TRUNCATED: &str = "the source did not reach the container whole";

fn from_record(record: Record, limits: &ResourceLimits) -> Verdict {
    let mut reason = record.reason;
    let mut build_status = record.build_status;
    let (mut detail, mut error_log) = (record.detail, record.error_log);
    if reason.is_some() && record.oom_kills > 0 {
        reason = Some(Reason::OutOfMemory);
        let peak_bytes = record.peak_memory_bytes;
        let memory = ResourceLimits {
            peak_bytes,
            ..*limits
        }
        .describe_memory();
        detail = format!("a process was ended by the memory limit of the container; {memory}");
        error_log = truncate_error_log(&format!("{detail}\n{error_log}"));
    } else if reason.is_some() && record.disk_full {
        reason = Some(Reason::DiskLimit);
        detail = "the disk of the container is full".to_string();
    }
    match reason {
        // The server's doing, not the package's.
        Some(Reason::HostNotAllowed | Reason::MissingSystemLibrary) => {
            build_status = BuildStatus::Error;
        }
        Some(Reason::DependencyUnavailable)
            if record.dependency == Some(DepsOutcome::Unreachable) =>
        {
            build_status = BuildStatus::Error;
        }
        _ => {}
    }
    Verdict {
        build_status,
        test_status: record.test_status,
        import_status: record.import_status,
        reason,
        detail,
        compiled: Some(record.compiled),
        tests_passed: record.tests.passed,
        tests_skipped: record.tests.skipped,
        tests_total: record.tests.total,
        modules: record.modules,
        steps: record.steps,
        minimum_zig_version: record.minimum_zig_version,
        dated_version: record.dated_version,
        zig_ms: record.zig_ms,
        error_log,
        peak_memory_bytes: record.peak_memory_bytes,
    }
}

/// The verdict on a build that the server ended.
pub fn ended_by_us(
    why: KillReason,
    progress: Option<Progress>,
    limits: &ResourceLimits,
) -> Verdict {
    let seconds = |ms: u64| ms / 1_000;
    let (reason, sentence) = match why {
        KillReason::Timeout => (
            Reason::Timeout,
            format!(
                "it took longer than --build-timeout, {} s",
                seconds(limits.build_timeout_ms)
            ),
        ),
        KillReason::Silent => (
            Reason::Silent,
            format!(
                "no output and no processor time for --silence-timeout, {} s",
                seconds(limits.silence_timeout_ms)
            ),
        ),
        KillReason::OutputLimit => (
            Reason::OutputLimit,
            format!(
                "it wrote more than {} MiB, each line counted with {LINE_COST_BYTES} bytes more",
                OUTPUT_LIMIT_BYTES >> 20
            ),
        ),
    };
    let sentence = format!("ended: {sentence}; {}", limits.describe_memory());
    let verdict = Verdict {
        peak_memory_bytes: limits.peak_bytes,
        ..Verdict::failed(reason, sentence)
    };
    in_stage(verdict, progress)
}

/// A verdict on the tests or on the import, if what came before had already succeeded; else on the build.
fn in_stage(verdict: Verdict, progress: Option<Progress>) -> Verdict {
    let Some(Progress { compiled, tested }) = progress else {
        return verdict;
    };
    if verdict.build_status != BuildStatus::Failed {
        return verdict;
    }
    let (test_status, tests, import_status) = match tested {
        None => (TestStatus::Failed, TestCounts::default(), None),
        Some((status, tests)) => (status, tests, Some(ImportStatus::Failed)),
    };
    Verdict {
        build_status: BuildStatus::Success,
        test_status: Some(test_status),
        import_status,
        compiled: Some(compiled),
        tests_passed: tests.passed,
        tests_skipped: tests.skipped,
        tests_total: tests.total,
        ..verdict
    }
}

/// The error of a build that has no container. `exit`: how `docker run` exited, if that was seen; `why`: why the server
/// ended it, if it did.
pub fn without_container(exit: Option<Exit>, why: Option<KillReason>, stderr: &str) -> Verdict {
    let how = match (exit, why) {
        (Some(Exit::Code(code)), _) => format!("docker run exited with {code}"),
        (Some(Exit::Signal(signal)), _) => format!("docker run was ended by signal {signal}"),
        (Some(Exit::NotStarted(why)), _) => why,
        (None, Some(_)) => "docker run did not create it in time".to_string(),
        (None, None) => {
            let sentence = "its container was never started, or is gone";
            return Verdict::error(Reason::Lost, sentence);
        }
    };
    let sentence = format!(
        "the engine could not run the container ({how})\n{}",
        stderr.trim()
    );
    Verdict::error(Reason::EngineError, truncate_error_log(&sentence))
}
