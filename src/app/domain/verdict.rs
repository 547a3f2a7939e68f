//! Exit codes and the result record become build_status, test_status and reason.

use crate::app::domain::limits::ERROR_LOG_LIMIT_BYTES;

/// An enum with one fixed word for each variant: the same in schema, JSON and pages.
macro_rules! str_enum {
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

str_enum! {
    /// What a build says of the package.
    BuildStatus { Pending = "pending", Success = "success", Failed = "failed", Error = "error" }
}

str_enum! {
    /// What its tests say; none where no test was run.
    TestStatus { Success = "success", Failed = "failed", NoTests = "no_tests" }
}

str_enum! {
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

str_enum! {
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
pub struct ResourceLimits {
    pub memory_bytes: u64,
    pub build_timeout_ms: u64,
    pub silence_timeout_ms: u64,
    /// The most memory it used, where that is known.
    pub peak_bytes: Option<u64>,
}

impl ResourceLimits {
    pub fn memory(&self) -> String {
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

str_enum! {
    /// Where a build is, as everybody sees it.
    State {
        Queued = "queued",
        Fetching = "fetching",
        Building = "building",
        Testing = "testing",
        Finished = "finished",
        Cancelled = "cancelled",
    }
}

impl State {
    /// Nothing more happens to a build in this state.
    pub fn is_final(self) -> bool {
        matches!(self, State::Finished | State::Cancelled)
    }
}
