//! Exit codes and the result record become build_status, test_status and reason.

use serde_json::Value;

use crate::config::{ERROR_LOG_LIMIT_BYTES, RECORD_LIMIT_BYTES};
use crate::docker::exit;
use crate::event::Exit;
use crate::job::{End, Why};

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

/// How fetching the dependencies of a package went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dependencies {
    /// There are none to fetch, or all were fetched.
    Ready,
    /// Zig does not take the manifest; the build will say so itself.
    Manifest,
    /// A host answered, but not with what the manifest promises.
    Refused,
    /// A host could not be reached.
    Unreachable,
}

/// The result record of a runner, checked.
#[derive(Debug, Clone, PartialEq)]
struct Record {
    build_status: BuildStatus,
    test_status: Option<TestStatus>,
    compiled: u32,
    tests_passed: Option<u32>,
    tests_total: Option<u32>,
    error_log: String,
    peak_memory_bytes: Option<u64>,
    build_zig: bool,
    compile_failures: u32,
    oom_kills: u32,
    disk_full: bool,
}

/// What a runner wrote on its standard output, line by line as it comes; keeps no more than
/// `RECORD_LIMIT_BYTES`.
#[derive(Debug, Default)]
pub struct Records {
    line: Vec<u8>,
    /// The line at hand is over the limit: the rest of it is dropped.
    overflowing: bool,
    /// The last whole line, or that it was too long.
    last: Option<Result<Vec<u8>, Unusable>>,
    /// Compile steps that had run when the tests began.
    testing: Option<u32>,
}

/// Why there is no record to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unusable {
    Missing,
    Oversized,
    Broken(String),
    Foreign,
}

impl Unusable {
    fn sentence(&self) -> String {
        match self {
            Unusable::Missing => "the runner left no result record".to_string(),
            Unusable::Oversized => {
                format!("the result record is longer than {RECORD_LIMIT_BYTES} bytes")
            }
            Unusable::Broken(why) => format!("the result record is broken: {why}"),
            Unusable::Foreign => "the result record is that of another build".to_string(),
        }
    }
}

impl Records {
    /// Takes the next bytes. True if they say that the tests have begun.
    pub fn take(&mut self, bytes: &[u8]) -> bool {
        let before = self.testing.is_some();
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let (piece, ends) = match piece.split_last() {
                Some((b'\n', piece)) => (piece, true),
                _ => (piece, false),
            };
            if self.line.len() + piece.len() > RECORD_LIMIT_BYTES {
                self.overflowing = true;
                self.line = Vec::new();
            }
            if !self.overflowing {
                self.line.extend_from_slice(piece);
            }
            if ends {
                self.end_line();
            }
        }
        !before && self.testing.is_some()
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.overflowing) {
            self.last = Some(Err(Unusable::Oversized));
            return;
        }
        if line.is_empty() {
            return;
        }
        let value: Option<Value> = serde_json::from_slice(&line).ok();
        match value {
            Some(value) if value["state"] == "testing" => {
                self.testing = Some(count(&value, "compiled").ok().flatten().unwrap_or(0));
            }
            _ => self.last = Some(Ok(line)),
        }
    }

    /// Compile steps that had run when the tests began, if they have begun.
    pub fn testing(&self) -> Option<u32> {
        self.testing
    }

    /// The last line as the record of that build. Ends an unfinished last line.
    fn record(&mut self, build: i64) -> Result<Record, Unusable> {
        if !self.line.is_empty() || self.overflowing {
            self.end_line();
        }
        match &self.last {
            None => Err(Unusable::Missing),
            Some(Err(why)) => Err(why.clone()),
            Some(Ok(line)) => read_record(line, build),
        }
    }
}

fn read_record(line: &[u8], build: i64) -> Result<Record, Unusable> {
    let broken = |why: &str| Unusable::Broken(why.to_string());
    let value: Value = serde_json::from_slice(line).map_err(|e| broken(&e.to_string()))?;
    if !value.is_object() {
        return Err(broken("not an object"));
    }
    if value["build_id"] != build {
        return Err(Unusable::Foreign);
    }
    let build_status = match value["build_status"].as_str() {
        Some("success") => BuildStatus::Success,
        Some("failed") => BuildStatus::Failed,
        _ => return Err(broken("build_status")),
    };
    let test_status = match &value["test_status"] {
        Value::Null => None,
        word => Some(
            word.as_str()
                .and_then(TestStatus::parse)
                .ok_or_else(|| broken("test_status"))?,
        ),
    };
    // A status that its own exit code contradicts was not written by our runner.
    let agrees = |exit: &Value, success: bool| exit.as_i64().map(|code| code == 0) == Some(success);
    let built = build_status == BuildStatus::Success;
    // A build that was not even begun has no exit code.
    let begun = built || !value["build_exit"].is_null();
    if begun && !agrees(&value["build_exit"], built) {
        return Err(broken("build_exit"));
    }
    let tested = matches!(test_status, Some(TestStatus::Success | TestStatus::Failed));
    if tested
        && !agrees(
            &value["test_exit"],
            test_status == Some(TestStatus::Success),
        )
    {
        return Err(broken("test_exit"));
    }
    // Every build that succeeded goes on to its tests, and no other does.
    if built != test_status.is_some() {
        return Err(broken("test_status"));
    }
    let flag = |name: &str| value[name].as_bool();
    Ok(Record {
        build_status,
        test_status,
        compiled: count(&value, "compiled")?.unwrap_or(0),
        tests_passed: count(&value, "tests_passed")?,
        tests_total: count(&value, "tests_total")?,
        error_log: shorten(value["error_log"].as_str().unwrap_or("")),
        peak_memory_bytes: value["peak_memory_bytes"].as_u64(),
        build_zig: flag("build_zig").unwrap_or(true),
        compile_failures: count(&value, "compile_failures")?.unwrap_or(0),
        oom_kills: count(&value, "oom_kills")?.unwrap_or(0),
        disk_full: flag("disk_full").unwrap_or(false),
    })
}

fn count(record: &Value, name: &str) -> Result<Option<u32>, Unusable> {
    match &record[name] {
        Value::Null => Ok(None),
        value => {
            let number = value.as_u64().and_then(|n| u32::try_from(n).ok());
            let number = number.ok_or_else(|| Unusable::Broken(name.to_string()))?;
            Ok(Some(number))
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
/// | ended by us | - | failed, with why |
/// | exit 0 | none to trust | error, engine_error |
/// | not started | - | error, engine_error |
/// | 12 | - | failed, disk_limit: the source does not fit |
/// | 65 | - | error, lost: the source did not arrive whole |
/// | other | - | look at the container |
pub fn judge(build: i64, end: &End, records: &mut Records, deps: Dependencies) -> Judgement {
    let record = records.record(build);
    let engine_error =
        |sentence: &str| Judgement::Verdict(Verdict::error(Reason::EngineError, sentence));
    match (&end.exit, end.why, record) {
        (Some(Exit::Code(0)), _, Ok(record)) => Judgement::Verdict(from_record(record, deps)),
        (_, Some(why), _) => Judgement::Verdict(ended_by_us(why, records.testing())),
        (Some(Exit::Code(0)), None, Err(unusable)) => engine_error(&unusable.sentence()),
        (Some(Exit::NotStarted(words)), ..) => engine_error(words),
        (Some(Exit::Code(exit::TOO_LARGE)), ..) => {
            let sentence = "the source and its dependencies do not fit into the container";
            Judgement::Verdict(Verdict::failed(Reason::DiskLimit, sentence))
        }
        (Some(Exit::Code(exit::CUT_OFF)), ..) => {
            let sentence = "the source did not reach the container whole";
            Judgement::Verdict(Verdict::error(Reason::Lost, sentence))
        }
        _ => Judgement::Look,
    }
}

fn from_record(record: Record, deps: Dependencies) -> Verdict {
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
    Verdict {
        build_status,
        test_status: record.test_status,
        reason,
        compiled: Some(record.compiled),
        tests_passed: record.tests_passed,
        tests_total: record.tests_total,
        error_log: record.error_log,
        peak_memory_bytes: record.peak_memory_bytes,
    }
}

fn ended_by_us(why: Why, testing: Option<u32>) -> Verdict {
    let (reason, sentence) = match why {
        Why::Timeout => (
            Reason::Timeout,
            "ended: it took longer than --build-timeout",
        ),
        Why::Silent => (Reason::Silent, "ended: no output for --silence-timeout"),
        Why::OutputLimit => (Reason::OutputLimit, "ended: it wrote too much output"),
    };
    in_stage(Verdict::failed(reason, sentence), testing)
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

/// What the engine knows of a container whose client ended oddly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Container {
    OutOfMemory,
    /// Its state and exit code, in words.
    Other(String),
    /// There is no such container, or the engine does not answer.
    Unknown,
}

/// The verdict after a look at the container.
pub fn after_look(exit: &Exit, container: &Container, testing: Option<u32>) -> Verdict {
    match (container, exit) {
        (Container::OutOfMemory, _) => {
            let sentence = "ended by the memory limit of its container";
            in_stage(Verdict::failed(Reason::OutOfMemory, sentence), testing)
        }
        (_, Exit::Code(exit::REFUSED..=127)) | (Container::Unknown, _) => {
            let sentence = format!(
                "the engine could not run the container ({})",
                words_of(exit)
            );
            Verdict::error(Reason::EngineError, sentence)
        }
        (Container::Other(state), _) => {
            let sentence = format!("the build was cut off ({}; {state})", words_of(exit));
            Verdict::error(Reason::Lost, sentence)
        }
    }
}

fn words_of(exit: &Exit) -> String {
    match exit {
        Exit::Code(code) => format!("docker run exited with {code}"),
        Exit::Signal(signal) => format!("docker run was ended by signal {signal}"),
        Exit::NotStarted(words) => words.clone(),
    }
}
