//! The standard output of a runner: lines of JSON, the last of which is the result record.

use serde_json::Value;

use crate::app::builds::limits::RECORD_LIMIT_BYTES;
use crate::app::domain::verdict::{BuildStatus, TestStatus, truncate_error_log};
use crate::app::engine::docker::RecordId;

/// The result record of a runner, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    pub build_status: BuildStatus,
    pub test_status: Option<TestStatus>,
    pub compiled: u32,
    pub tests_passed: Option<u32>,
    pub tests_total: Option<u32>,
    pub error_log: String,
    pub peak_memory_bytes: Option<u64>,
    pub build_zig: bool,
    pub compile_failures: u32,
    pub oom_kills: u32,
    pub disk_full: bool,
}

/// Reads the standard output of a runner as it comes; keeps at most one line of `RECORD_LIMIT_BYTES`.
#[derive(Debug, Default)]
pub struct RecordReader {
    line: Vec<u8>,
    /// The current line is over the limit: the rest of it is dropped.
    overflowing: bool,
    /// The last complete line, unless it was too long.
    last: Option<Result<Vec<u8>, Unusable>>,
    /// Compile steps that had run when the tests began.
    pub testing: Option<u32>,
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
    /// Takes the next bytes; true if they say that the tests have begun.
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

    /// The last line as the record of that attempt. A last line without an end counts.
    pub(crate) fn record(&mut self, record_id: &RecordId) -> Result<Record, Unusable> {
        if !self.line.is_empty() || self.overflowing {
            self.end_line();
        }
        match &self.last {
            None => Err(Unusable::Missing),
            Some(Err(why)) => Err(why.clone()),
            Some(Ok(line)) => read_record(line, record_id),
        }
    }
}

/// All fields that a runner writes. The times, the package and the version are for people who read it.
const FIELDS: [&str; 19] = [
    "build_id",
    "nonce",
    "package_name",
    "zig_version",
    "start_time",
    "end_time",
    "build_status",
    "test_status",
    "compiled",
    "tests_passed",
    "tests_total",
    "build_exit",
    "test_exit",
    "error_log",
    "peak_memory_bytes",
    "build_zig",
    "compile_failures",
    "oom_kills",
    "disk_full",
];

fn read_record(line: &[u8], record_id: &RecordId) -> Result<Record, Unusable> {
    let broken = |why: &str| Unusable::Broken(why.to_string());
    let value: Value = serde_json::from_slice(line).map_err(|e| broken(&e.to_string()))?;
    let fields = value.as_object().ok_or_else(|| broken("not an object"))?;
    if let Some(other) = fields.keys().find(|name| !FIELDS.contains(&&***name)) {
        return Err(broken(&format!("unknown field {other:?}")));
    }
    if value["build_id"] != record_id.build.get() {
        return Err(Unusable::Foreign);
    }
    if value["nonce"] != *record_id.nonce {
        return Err(Unusable::WrongNonce);
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
    // The runner never writes a status that contradicts its own exit code.
    let agrees = |exit: &Value, success: bool| exit.as_i64().map(|code| code == 0) == Some(success);
    let built = build_status == BuildStatus::Success;
    // A build that did not begin has no exit code.
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
    // Tests follow every build that succeeds, and no other.
    if built != test_status.is_some() {
        return Err(broken("test_status"));
    }
    let error_log = typed(&value, "error_log", Value::as_str)?.unwrap_or("");
    let flag = |name: &str| typed(&value, name, Value::as_bool);
    Ok(Record {
        build_status,
        test_status,
        compiled: count(&value, "compiled")?.unwrap_or(0),
        tests_passed: count(&value, "tests_passed")?,
        tests_total: count(&value, "tests_total")?,
        error_log: truncate_error_log(error_log),
        peak_memory_bytes: typed(&value, "peak_memory_bytes", Value::as_u64)?,
        build_zig: flag("build_zig")?.unwrap_or(true),
        compile_failures: count(&value, "compile_failures")?.unwrap_or(0),
        oom_kills: count(&value, "oom_kills")?.unwrap_or(0),
        disk_full: flag("disk_full")?.unwrap_or(false),
    })
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
