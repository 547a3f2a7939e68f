//! Exit codes and the result record become build_status, test_status and reason.

mod record;

use crate::config::{ERROR_LOG_LIMIT_BYTES, LINE_COST_BYTES, OUTPUT_LIMIT_BYTES};
use crate::docker::exit;
use crate::event::Exit;
use crate::job::{End, Why};
use record::Record;
pub use record::{Records, Seal};

/// An enum with one fixed word for each variant: the same in schema, JSON and pages.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($variant),+ }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            pub fn parse(word: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|known| known.as_str() == word)
            }
        }
    };
}
pub(crate) use words;

words! {
    /// What a build says of the package.
    BuildStatus { Pending = "pending", Success = "success", Failed = "failed", Error = "error" }
}

words! {
    /// What its tests say; none where no test was run.
    TestStatus { Success = "success", Failed = "failed", NoTests = "no_tests" }
}

words! {
    /// Why a verdict is not success.
    Reason {
        CompileError = "compile_error",
        TestFailure = "test_failure",
        NoBuildZig = "no_build_zig",
        DependencyUnavailable = "dependency_unavailable",
        SourceUnavailable = "source_unavailable",
        Timeout = "timeout",
        Silent = "silent",
        OutOfMemory = "out_of_memory",
        DiskLimit = "disk_limit",
        OutputLimit = "output_limit",
        Cancelled = "cancelled",
        EngineError = "engine_error",
        Lost = "lost",
    }
}

/// What a finished build says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub build_status: BuildStatus,
    pub test_status: Option<TestStatus>,
    pub reason: Option<Reason>,
    /// Compile steps that ran, of the build and its tests.
    pub compiled: Option<u32>,
    pub tests_passed: Option<u32>,
    pub tests_total: Option<u32>,
    /// The first errors, for people.
    pub error_log: String,
    pub peak_memory_bytes: Option<u64>,
}

impl Verdict {
    /// A verdict without a record behind it.
    pub fn without_record(
        status: BuildStatus,
        reason: Reason,
        error_log: impl Into<String>,
    ) -> Verdict {
        Verdict {
            build_status: status,
            test_status: None,
            reason: Some(reason),
            compiled: None,
            tests_passed: None,
            tests_total: None,
            error_log: error_log.into(),
            peak_memory_bytes: None,
        }
    }

    /// Our doing: said of no package, worth another attempt.
    pub fn error(reason: Reason, error_log: impl Into<String>) -> Verdict {
        Verdict::without_record(BuildStatus::Error, reason, error_log)
    }

    /// The package's doing.
    pub fn failed(reason: Reason, error_log: impl Into<String>) -> Verdict {
        Verdict::without_record(BuildStatus::Failed, reason, error_log)
    }
}

words! {
    /// How fetching the dependencies of a package went: all were fetched; Zig does not take the
    /// manifest, and the build will say so itself; a host answered, but not with what the manifest
    /// promises; a host could not be reached.
    Dependencies {
        Ready = "fetched",
        Manifest = "manifest",
        Refused = "refused",
        Unreachable = "unreachable",
    }
}

/// What a container may use, and what it did use, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Bounds {
    pub memory_bytes: u64,
    pub build_timeout_ms: u64,
    pub silence_timeout_ms: u64,
    /// The most memory it used, where that is known.
    pub peak_bytes: Option<u64>,
}

impl Bounds {
    fn memory(&self) -> String {
        let limit = self.memory_bytes >> 20;
        match self.peak_bytes {
            Some(peak) => format!("memory: at most {} MiB of {limit} MiB", peak >> 20),
            None => format!("memory: no more than {limit} MiB"),
        }
    }
}

/// The text, cut at a character's end to `ERROR_LOG_LIMIT_BYTES`.
pub fn shorten(text: &str) -> String {
    let end = text.floor_char_boundary(ERROR_LOG_LIMIT_BYTES);
    text[..end].to_string()
}

/// What the end of a build's container amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    Verdict(Verdict),
    /// The client's exit is not the package's word: only the container can say.
    Look,
}

/// The verdict on a build whose `docker run` has ended.
///
/// | end | record | judgement |
/// |---|---|---|
/// | exit 0 | good | what it says, even where we were about to end the build |
/// | ended by us | - | look at the container: failed, with why, if there is one |
/// | exit 0 | none to trust | error, engine_error |
/// | not started | - | error, engine_error |
/// | 12 | - | failed, disk_limit: the source does not fit |
/// | 65 | - | error, lost: the source did not arrive whole |
/// | other | - | look at the container |
pub fn judge(
    seal: &Seal,
    end: &End,
    records: &mut Records,
    deps: Dependencies,
    bounds: &Bounds,
) -> Judgement {
    let record = records.record(seal);
    let engine_error =
        |sentence: &str| Judgement::Verdict(Verdict::error(Reason::EngineError, sentence));
    match (&end.exit, end.why, record) {
        (Some(Exit::Code(0)), _, Ok(record)) => {
            Judgement::Verdict(from_record(record, deps, bounds))
        }
        (_, Some(_), _) => Judgement::Look,
        (Some(Exit::Code(0)), None, Err(unusable)) => engine_error(&unusable.sentence()),
        (Some(Exit::NotStarted(words)), ..) => engine_error(words),
        (Some(Exit::Code(exit::TOO_LARGE)), ..) => {
            let sentence = "the source and its dependencies do not fit into the container";
            Judgement::Verdict(Verdict::failed(Reason::DiskLimit, sentence))
        }
        (Some(Exit::Code(exit::CUT_OFF)), ..) => {
            Judgement::Verdict(Verdict::error(Reason::Lost, CUT_OFF))
        }
        _ => Judgement::Look,
    }
}

/// The verdict on a build by its container, which has ended and whose output was read.
pub fn judge_container(
    seal: &Seal,
    (code, starved): (i32, bool),
    why: Option<Why>,
    records: &mut Records,
    deps: Dependencies,
    bounds: &Bounds,
) -> Verdict {
    // Another code than that of a kill is its own: it ended before we could end it.
    let why = why.filter(|_| code == exit::KILLED);
    let exit = Some(Exit::Code(code));
    let judgement = judge(seal, &End { exit, why }, records, deps, bounds);
    match (judgement, why) {
        (Judgement::Verdict(verdict), _) => verdict,
        (Judgement::Look, Some(why)) => ended_by_us(why, records.testing(), bounds),
        (Judgement::Look, None) if starved => {
            // Whoever is ended by the limit has reached it.
            let peak = bounds.peak_bytes.or(Some(bounds.memory_bytes));
            let bounds = Bounds {
                peak_bytes: peak,
                ..*bounds
            };
            let sentence = format!(
                "ended by the memory limit of its container; {}",
                bounds.memory()
            );
            let verdict = Verdict {
                peak_memory_bytes: peak,
                ..Verdict::failed(Reason::OutOfMemory, sentence)
            };
            in_stage(verdict, records.testing())
        }
        (Judgement::Look, None) => {
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

const CUT_OFF: &str = "the source did not reach the container whole";

fn from_record(record: Record, deps: Dependencies, bounds: &Bounds) -> Verdict {
    let mut build_status = record.build_status;
    let short = if record.oom_kills > 0 {
        Some(Reason::OutOfMemory)
    } else if record.disk_full {
        Some(Reason::DiskLimit)
    } else {
        None
    };
    let reason = match (build_status, record.test_status) {
        (BuildStatus::Success, Some(TestStatus::Failed)) => {
            let tests = match record.compile_failures {
                0 => Reason::TestFailure,
                _ => Reason::CompileError,
            };
            Some(short.unwrap_or(tests))
        }
        (BuildStatus::Success, _) => None,
        // A source that did not fit was not looked into.
        _ if !record.build_zig => Some(short.unwrap_or(Reason::NoBuildZig)),
        _ => Some(short.unwrap_or(match deps {
            Dependencies::Refused => Reason::DependencyUnavailable,
            Dependencies::Unreachable => {
                build_status = BuildStatus::Error;
                Reason::DependencyUnavailable
            }
            Dependencies::Ready | Dependencies::Manifest => Reason::CompileError,
        })),
    };
    let mut error_log = record.error_log;
    if reason == Some(Reason::OutOfMemory) {
        let peak_bytes = record.peak_memory_bytes;
        let memory = Bounds {
            peak_bytes,
            ..*bounds
        }
        .memory();
        let sentence =
            format!("a process was ended by the memory limit of the container; {memory}");
        error_log = shorten(&format!("{sentence}\n{error_log}"));
    }
    Verdict {
        build_status,
        test_status: record.test_status,
        reason,
        compiled: Some(record.compiled),
        tests_passed: record.tests_passed,
        tests_total: record.tests_total,
        error_log,
        peak_memory_bytes: record.peak_memory_bytes,
    }
}

/// The verdict on a build that we ended.
pub fn ended_by_us(why: Why, testing: Option<u32>, bounds: &Bounds) -> Verdict {
    let seconds = |ms: u64| ms / 1_000;
    let (reason, sentence) = match why {
        Why::Timeout => (
            Reason::Timeout,
            format!(
                "it took longer than --build-timeout, {} s",
                seconds(bounds.build_timeout_ms)
            ),
        ),
        Why::Silent => (
            Reason::Silent,
            format!(
                "no output for --silence-timeout, {} s",
                seconds(bounds.silence_timeout_ms)
            ),
        ),
        Why::OutputLimit => (
            Reason::OutputLimit,
            format!(
                "it wrote more than {} MiB, each line counted with {LINE_COST_BYTES} bytes more",
                OUTPUT_LIMIT_BYTES >> 20
            ),
        ),
    };
    let sentence = format!("ended: {sentence}; {}", bounds.memory());
    let verdict = Verdict {
        peak_memory_bytes: bounds.peak_bytes,
        ..Verdict::failed(reason, sentence)
    };
    in_stage(verdict, testing)
}

/// The verdict, said of the tests where the build itself had already succeeded.
fn in_stage(verdict: Verdict, testing: Option<u32>) -> Verdict {
    match testing {
        Some(compiled) if verdict.build_status == BuildStatus::Failed => Verdict {
            build_status: BuildStatus::Success,
            test_status: Some(TestStatus::Failed),
            compiled: Some(compiled),
            ..verdict
        },
        _ => verdict,
    }
}

/// What the engine knows of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Container {
    Running,
    /// With its exit code; starved where the memory limit ended a process in it.
    Exited {
        code: i32,
        starved: bool,
    },
    /// Made, but never started.
    Created,
    /// There is none of that name.
    Gone,
    /// One of that name is another server's.
    Foreign,
    /// The engine does not say; what it said instead.
    Silent(String),
}

/// The error of a build that has no container, by how `docker run` ended, where that was seen, and why
/// we ended it, if we did.
pub fn without_container(client: (Option<Exit>, Option<Why>), words: &str) -> Verdict {
    let how = match client {
        (Some(Exit::Code(code)), _) => format!("docker run exited with {code}"),
        (Some(Exit::Signal(signal)), _) => format!("docker run was ended by signal {signal}"),
        (Some(Exit::NotStarted(words)), _) => words,
        (None, Some(_)) => "docker run did not come to it in time".to_string(),
        (None, None) => {
            let sentence = "its container was never started, or is gone";
            return Verdict::error(Reason::Lost, sentence);
        }
    };
    // What the engine's client complained of.
    let sentence = format!(
        "the engine could not run the container ({how})\n{}",
        words.trim()
    );
    Verdict::error(Reason::EngineError, shorten(&sentence))
}
