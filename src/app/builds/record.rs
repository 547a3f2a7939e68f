//! The standard output of a runner: lines of JSON, the last of which is the result record.

use serde_json::{Value, json};

use crate::app::builds::handed_out::HandedOut;
use crate::app::builds::limits::{
    MODULES_LIMIT_BYTES, RECORD_LIMIT_BYTES, STEPS_LIMIT_BYTES, VERSION_LIMIT_BYTES,
};
use crate::app::domain::targets::{self, TargetResult};
use crate::app::domain::verdict::{
    BuildStatus, DepsOutcome, ImportStatus, Reason, TestStatus, detail_of, truncate_error_log,
};
use crate::app::engine::docker::RecordId;

/// The result record of a runner, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    pub build_status: BuildStatus,
    pub test_status: Option<TestStatus>,
    pub import_status: Option<ImportStatus>,
    pub reason: Option<Reason>,
    pub detail: String,
    pub compiled: u32,
    pub tests: TestCounts,
    /// As `Verdict::modules`.
    pub modules: String,
    /// As `Verdict::steps`.
    pub steps: String,
    pub minimum_zig_version: Option<String>,
    pub dated_version: Option<String>,
    pub zig_ms: Option<u32>,
    pub error_log: String,
    pub peak_memory_bytes: Option<u64>,
    pub oom_kills: u32,
    pub disk_full: bool,
    /// What became of the dependency that the build failed for want of, if it did.
    pub dependency: Option<DepsOutcome>,
}

/// Zig's own counts of the tests; none where it gave none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TestCounts {
    pub passed: Option<u32>,
    pub skipped: Option<u32>,
    pub total: Option<u32>,
}

/// How far a runner has come, beyond the build itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Compile steps so far.
    pub compiled: u32,
    /// What the tests came to; none while they run.
    pub tested: Option<(TestStatus, TestCounts)>,
}

/// Reads the standard output of a runner as it comes; keeps at most one line of `RECORD_LIMIT_BYTES`.
#[derive(Debug, Default)]
pub struct RecordReader {
    line: Vec<u8>,
    /// The current line is over the limit: the rest of it is dropped.
    overflowing: bool,
    /// The last complete line that is no progress, unless it was too long.
    last: Option<Result<Vec<u8>, Unusable>>,
    /// How far the runner has come, if the build itself has succeeded.
    pub progress: Option<Progress>,
    /// What it leaves for the next build.
    pub handed_out: HandedOut,
    /// What the runner says of the cache that it was given: whether the build uses any of it.
    pub reuses: Option<bool>,
}

/// Why a record cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unusable {
    Missing,
    Oversized,
    Broken(String),
    Foreign,
    WrongNonce,
}

impl Unusable {
    pub(crate) fn sentence(&self) -> String {
        match self {
            Unusable::Missing => "the runner left no result record".to_string(),
            Unusable::Oversized => {
                format!("the result record is longer than {RECORD_LIMIT_BYTES} bytes")
            }
            Unusable::Broken(why) => format!("the result record is broken: {why}"),
            Unusable::Foreign => "the result record is that of another build".to_string(),
            Unusable::WrongNonce => "the result record lacks the nonce of this attempt: \
                the runner did not write it, or the image is older than the server (make docker-build)"
                .to_string(),
        }
    }
}

impl RecordReader {
    pub fn new(handed_out: HandedOut) -> RecordReader {
        RecordReader {
            handed_out,
            ..RecordReader::default()
        }
    }

    /// Reads the same output from its beginning. What a runner said before stays: the engine keeps so much output and
    /// no more, and may have lost that.
    pub fn again(&self, handed_out: HandedOut) -> RecordReader {
        RecordReader {
            progress: self.progress,
            reuses: self.reuses,
            ..RecordReader::new(handed_out)
        }
    }

    /// Takes the next bytes; true if they say that the tests have begun.
    pub fn take(&mut self, bytes: &[u8]) -> bool {
        let before = self.progress.is_some();
        let mut rest = self.handed_out.feed(bytes);
        while !rest.is_empty() {
            let (piece, behind, ends) = match rest.iter().position(|byte| *byte == b'\n') {
                Some(end) => (&rest[..end], &rest[end + 1..], true),
                None => (rest, &rest[rest.len()..], false),
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
            rest = self.handed_out.feed(behind);
        }
        !before && self.progress.is_some()
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
            Some(value) if value["state"] == "testing" => self.progress = Some(progress(&value)),
            // Only a sign of life: a compiler at work prints nothing.
            Some(value) if value["state"] == "working" => {}
            Some(value) if value["state"] == "reused" && self.handed_out.is_own(&value) => {
                self.reuses = value["reused"].as_bool();
            }
            Some(value) if value["state"] == "kept" && self.handed_out.begin(&value) => {}
            _ => self.last = Some(Ok(line)),
        }
    }

    /// The last line as the record of that attempt.
    pub(crate) fn record(&mut self, record_id: &RecordId) -> Result<Record, Unusable> {
        read_record(self.last_line()?, record_id)
    }

    /// The last line as the answer of that attempt about other targets.
    pub(crate) fn targets(&mut self, record_id: &RecordId) -> Result<Vec<TargetResult>, Unusable> {
        let value: Value =
            serde_json::from_slice(self.last_line()?).map_err(|e| broken(&e.to_string()))?;
        check_id(&value, record_id)?;
        targets::read(&value["targets"]).ok_or_else(|| broken("targets"))
    }

    /// The last line. One without an end counts.
    fn last_line(&mut self) -> Result<&[u8], Unusable> {
        if !self.line.is_empty() || self.overflowing {
            self.end_line();
        }
        match &self.last {
            None => Err(Unusable::Missing),
            Some(Err(why)) => Err(why.clone()),
            Some(Ok(line)) => Ok(line),
        }
    }
}

fn progress(value: &Value) -> Progress {
    let number = |name: &str| count(value, name).ok().flatten();
    let word = value["test_status"].as_str();
    Progress {
        compiled: number("compiled").unwrap_or(0),
        tested: word.and_then(TestStatus::parse).map(|status| {
            let tests = TestCounts {
                passed: number("tests_passed"),
                skipped: number("tests_skipped"),
                total: number("tests_total"),
            };
            (status, tests)
        }),
    }
}

/// All fields that a runner writes. The times, the package and the version are for people who read it.
const FIELDS: [&str; 27] = [
    "build_id",
    "nonce",
    "package_name",
    "zig_version",
    "start_time",
    "end_time",
    "build_status",
    "test_status",
    "import_status",
    "reason",
    "detail",
    "compiled",
    "tests_passed",
    "tests_skipped",
    "tests_total",
    "build_exit",
    "test_exit",
    "error_log",
    "modules",
    "steps",
    "minimum_zig_version",
    "dated_version",
    "zig_ms",
    "peak_memory_bytes",
    "oom_kills",
    "disk_full",
    "dependency",
];

/// The reasons that a runner may give. All others are for the server to see.
const REASONS: [Reason; 8] = [
    Reason::CompileError,
    Reason::TestFailure,
    Reason::StepFailure,
    Reason::NoBuildZig,
    Reason::DependencyUnavailable,
    Reason::SourceUnavailable,
    Reason::HostNotAllowed,
    Reason::MissingSystemLibrary,
];

fn read_record(line: &[u8], record_id: &RecordId) -> Result<Record, Unusable> {
    let value: Value = serde_json::from_slice(line).map_err(|e| broken(&e.to_string()))?;
    let fields = value.as_object().ok_or_else(|| broken("not an object"))?;
    if let Some(other) = fields.keys().find(|name| !FIELDS.contains(&&***name)) {
        return Err(broken(&format!("unknown field {other:?}")));
    }
    check_id(&value, record_id)?;
    let build_status = match value["build_status"].as_str() {
        Some("success") => BuildStatus::Success,
        Some("failed") => BuildStatus::Failed,
        _ => return Err(broken("build_status")),
    };
    let test_status = word(&value, "test_status", TestStatus::parse)?;
    check_exits(&value, build_status, test_status)?;
    let import_status = word(&value, "import_status", ImportStatus::parse)?;
    let reason = word(&value, "reason", Reason::parse)?;
    if reason.is_some_and(|reason| !REASONS.contains(&reason)) {
        return Err(broken("reason"));
    }
    let failed = build_status == BuildStatus::Failed
        || test_status == Some(TestStatus::Failed)
        || import_status == Some(ImportStatus::Failed);
    // Nothing fails without a reason.
    if failed && reason.is_none() {
        return Err(broken("reason"));
    }
    let text = |name: &str| typed(&value, name, Value::as_str).map(Option::unwrap_or_default);
    Ok(Record {
        build_status,
        test_status,
        import_status,
        reason,
        detail: detail_of(text("detail")?),
        compiled: count(&value, "compiled")?.unwrap_or(0),
        tests: TestCounts {
            passed: count(&value, "tests_passed")?,
            skipped: count(&value, "tests_skipped")?,
            total: count(&value, "tests_total")?,
        },
        modules: modules(&value)?,
        steps: steps(&value)?,
        minimum_zig_version: version(&value, "minimum_zig_version")?,
        dated_version: version(&value, "dated_version")?,
        zig_ms: count(&value, "zig_ms")?,
        error_log: truncate_error_log(text("error_log")?),
        peak_memory_bytes: typed(&value, "peak_memory_bytes", Value::as_u64)?,
        oom_kills: count(&value, "oom_kills")?.unwrap_or(0),
        disk_full: typed(&value, "disk_full", Value::as_bool)?.unwrap_or(false),
        dependency: word(&value, "dependency", DepsOutcome::parse)?,
    })
}

fn check_id(value: &Value, record_id: &RecordId) -> Result<(), Unusable> {
    if value["build_id"] != record_id.build.get() {
        return Err(Unusable::Foreign);
    }
    match value["nonce"] == *record_id.nonce {
        true => Ok(()),
        false => Err(Unusable::WrongNonce),
    }
}

/// The runner never writes a status that contradicts its own exit codes.
fn check_exits(
    value: &Value,
    build_status: BuildStatus,
    test_status: Option<TestStatus>,
) -> Result<(), Unusable> {
    let agrees = |exit: &Value, success: bool| exit.as_i64().map(|code| code == 0) == Some(success);
    let built = build_status == BuildStatus::Success;
    // A build that did not begin has no exit code.
    let begun = built || !value["build_exit"].is_null();
    if begun && !agrees(&value["build_exit"], built) {
        return Err(broken("build_exit"));
    }
    let passed = match test_status {
        Some(TestStatus::Success | TestStatus::Skipped) => Some(true),
        Some(TestStatus::Failed) => Some(false),
        Some(TestStatus::NoTests) | None => None,
    };
    if passed.is_some_and(|passed| !agrees(&value["test_exit"], passed)) {
        return Err(broken("test_exit"));
    }
    // Tests follow every build that succeeds, and no other.
    if built != test_status.is_some() {
        return Err(broken("test_status"));
    }
    Ok(())
}

/// The list of modules as compact JSON, of which the first are kept; empty without any.
fn modules(value: &Value) -> Result<String, Unusable> {
    let all = typed(value, "modules", Value::as_array)?;
    let mut kept = all.map(Vec::as_slice).unwrap_or_default();
    if kept.is_empty() {
        return Ok(String::new());
    }
    loop {
        let text = json!(kept).to_string();
        if text.len() <= MODULES_LIMIT_BYTES {
            return Ok(text);
        }
        kept = &kept[..kept.len() / 2];
    }
}

/// A version of Zig, unless it looks like none.
fn version(value: &Value, name: &str) -> Result<Option<String>, Unusable> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-+".contains(&byte);
    let text = typed(value, name, Value::as_str)?;
    let text = text.filter(|text| (1..=VERSION_LIMIT_BYTES).contains(&text.len()));
    Ok(text
        .filter(|text| text.bytes().all(is_plain))
        .map(str::to_string))
}

/// The first names of steps, as many as `STEPS_LIMIT_BYTES` hold.
fn steps(value: &Value) -> Result<String, Unusable> {
    let all = typed(value, "steps", Value::as_array)?
        .into_iter()
        .flatten();
    let mut kept = String::new();
    for name in all {
        let name = name.as_str().ok_or_else(|| broken("steps"))?;
        if kept.len() + name.len() >= STEPS_LIMIT_BYTES || name.contains('\n') {
            break;
        }
        if !kept.is_empty() {
            kept.push('\n');
        }
        kept.push_str(name);
    }
    Ok(kept)
}

fn broken(why: &str) -> Unusable {
    Unusable::Broken(why.to_string())
}

/// A word of a closed list; none if the field is null or missing.
fn word<T>(
    record: &Value,
    name: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Unusable> {
    typed(record, name, |value| value.as_str().and_then(&parse))
}

/// A field of that type; none if it is null or missing.
fn typed<'v, T>(
    record: &'v Value,
    name: &str,
    read: impl Fn(&'v Value) -> Option<T>,
) -> Result<Option<T>, Unusable> {
    match &record[name] {
        Value::Null => Ok(None),
        value => {
            let read = read(value).ok_or_else(|| Unusable::Broken(name.to_string()))?;
            Ok(Some(read))
        }
    }
}

fn count(record: &Value, name: &str) -> Result<Option<u32>, Unusable> {
    typed(record, name, |value| u32::try_from(value.as_u64()?).ok())
}
