//! The verdict on a build: `build_status`, `test_status` and reason; and the states of a build.

use crate::app::domain::limits::{DETAIL_LIMIT_BYTES, ERROR_LOG_LIMIT_BYTES};

/// An enum with one fixed string for each variant, the same in schema, JSON and pages.
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
pub(crate) use str_enum;

str_enum! {
    /// The verdict on the build itself.
    BuildStatus { Pending = "pending", Success = "success", Failed = "failed", Error = "error" }
}

str_enum! {
    /// The verdict on its tests; none if they were not run.
    TestStatus {
        Success = "success",
        Failed = "failed",
        NoTests = "no_tests",
        Skipped = "skipped",
    }
}

str_enum! {
    /// How the package does as a dependency of another one; none if that was not tried.
    ImportStatus {
        Success = "success",
        Partial = "partial",
        Failed = "failed",
        None = "none",
    }
}

/// What people see of a verdict at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grade {
    /// It was exercised, and all of it works.
    Green,
    /// It builds; not all of it was exercised, or not all can be used.
    Amber,
    /// Build, tests or import failed.
    Red,
    /// There is no verdict on the package.
    Grey,
}

/// The statuses of a build, and what they are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statuses {
    pub build: BuildStatus,
    pub test: Option<TestStatus>,
    pub import: Option<ImportStatus>,
    /// The number of compile steps.
    pub compiled: Option<u32>,
}

impl Grade {
    /// The grade of a verdict in the words of `Statuses::describe`.
    pub fn of_word(word: &str) -> Grade {
        match word {
            "success" => Grade::Green,
            "not exercised" | "tests skipped" | "partial import" => Grade::Amber,
            "failed" | "tests failed" | "import failed" => Grade::Red,
            _ => Grade::Grey,
        }
    }
}

impl Statuses {
    pub fn grade(self) -> Grade {
        Grade::of_word(self.describe())
    }

    /// True where it builds, and neither its tests nor its import failed; none where nothing is said of the package.
    pub fn works(self) -> Option<bool> {
        match self.grade() {
            Grade::Green | Grade::Amber => Some(true),
            Grade::Red => Some(false),
            Grade::Grey => None,
        }
    }

    /// The verdict in the words that people see.
    pub fn describe(self) -> &'static str {
        match (self.build, self.test, self.import) {
            (BuildStatus::Pending, ..) => "pending",
            (BuildStatus::Error, ..) => "error",
            (BuildStatus::Failed, ..) => "failed",
            (BuildStatus::Success, Some(TestStatus::Failed), _) => "tests failed",
            (BuildStatus::Success, _, Some(ImportStatus::Failed)) => "import failed",
            // Nothing was compiled, so the package was not tried.
            (BuildStatus::Success, ..) if self.compiled == Some(0) => "not exercised",
            (BuildStatus::Success, _, Some(ImportStatus::Partial)) => "partial import",
            (BuildStatus::Success, Some(TestStatus::Skipped), _) => "tests skipped",
            (BuildStatus::Success, ..) => "success",
        }
    }
}

str_enum! {
    /// Why a verdict is not success.
    Reason {
        CompileError = "compile_error",
        TestFailure = "test_failure",
        StepFailure = "step_failure",
        NoBuildZig = "no_build_zig",
        DependencyUnavailable = "dependency_unavailable",
        SourceUnavailable = "source_unavailable",
        HostNotAllowed = "host_not_allowed",
        MissingSystemLibrary = "missing_system_library",
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

/// The result of a finished build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub build_status: BuildStatus,
    pub test_status: Option<TestStatus>,
    pub import_status: Option<ImportStatus>,
    pub reason: Option<Reason>,
    /// One sentence that says what happened; empty if there is nothing to say.
    pub detail: String,
    /// The number of compile steps that the build, its tests and its use as a dependency ran.
    pub compiled: Option<u32>,
    pub tests_passed: Option<u32>,
    pub tests_skipped: Option<u32>,
    pub tests_total: Option<u32>,
    /// The exported modules and artifacts with their states, as JSON; empty if none was tried.
    pub modules: String,
    /// What `zig build -l` lists, the names apart by line ends.
    pub steps: String,
    /// The lowest Zig version that its manifest declares.
    pub minimum_zig_version: Option<String>,
    /// What `zig version` prints, without build metadata: another one than the toolchain is named after, if that is
    /// `master`.
    pub dated_version: Option<String>,
    /// How long its steps took, by Zig's own summaries.
    pub zig_ms: Option<u32>,
    /// The first errors as people read them.
    pub error_log: String,
    pub peak_memory_bytes: Option<u64>,
}

impl Verdict {
    pub fn statuses(&self) -> Statuses {
        Statuses {
            build: self.build_status,
            test: self.test_status,
            import: self.import_status,
            compiled: self.compiled,
        }
    }

    /// True for a verdict on a package that builds, tests or imports badly; an error is none.
    pub fn fails(&self) -> bool {
        self.statuses().works() == Some(false)
    }

    /// A verdict that has no result record behind it.
    pub fn without_record(
        status: BuildStatus,
        reason: Reason,
        error_log: impl Into<String>,
    ) -> Verdict {
        let error_log = error_log.into();
        Verdict {
            build_status: status,
            test_status: None,
            import_status: None,
            reason: Some(reason),
            detail: detail_of(&error_log),
            compiled: None,
            tests_passed: None,
            tests_skipped: None,
            tests_total: None,
            modules: String::new(),
            steps: String::new(),
            minimum_zig_version: None,
            dated_version: None,
            zig_ms: None,
            error_log,
            peak_memory_bytes: None,
        }
    }

    /// An error that is not the package's: it is retried and never counted against the package.
    pub fn error(reason: Reason, error_log: impl Into<String>) -> Verdict {
        Verdict::without_record(BuildStatus::Error, reason, error_log)
    }

    /// A failure of the package.
    pub fn failed(reason: Reason, error_log: impl Into<String>) -> Verdict {
        Verdict::without_record(BuildStatus::Failed, reason, error_log)
    }
}

str_enum! {
    /// The outcome of fetching the dependencies of a package: all were fetched; Zig rejects the manifest (the build
    /// will say so itself); a host answered with something else than the manifest promises; a host was unreachable.
    DepsOutcome {
        Fetched = "fetched",
        BadManifest = "manifest",
        Refused = "refused",
        Unreachable = "unreachable",
    }
}

/// The limits of a container, and the memory that it did use, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ResourceLimits {
    pub memory_bytes: u64,
    pub build_timeout_ms: u64,
    pub silence_timeout_ms: u64,
    /// Its peak memory, if known.
    pub peak_bytes: Option<u64>,
}

impl ResourceLimits {
    /// The memory it used and may use, as people read it.
    pub fn describe_memory(&self) -> String {
        let limit = self.memory_bytes >> 20;
        match self.peak_bytes {
            Some(peak) => format!("memory: at most {} MiB of {limit} MiB", peak >> 20),
            None => format!("memory: no more than {limit} MiB"),
        }
    }
}

/// The text, cut at the end of a character to at most `ERROR_LOG_LIMIT_BYTES`.
pub fn truncate_error_log(text: &str) -> String {
    truncate(text, ERROR_LOG_LIMIT_BYTES)
}

/// The first line of a text as a detail, cut to at most `DETAIL_LIMIT_BYTES`.
pub fn detail_of(text: &str) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty());
    truncate(line.unwrap_or("").trim(), DETAIL_LIMIT_BYTES)
}

fn truncate(text: &str, limit: usize) -> String {
    text[..text.floor_char_boundary(limit)].to_string()
}

str_enum! {
    /// The progress of a build.
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
    /// True if a build in this state never changes again.
    pub fn is_final(self) -> bool {
        matches!(self, State::Finished | State::Cancelled)
    }
}
