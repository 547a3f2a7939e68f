//! Result records as runners write them, and what is made of them.

use serde_json::{Value, json};
use zigcheck::app::builds::judge::{ContainerExit, Judgement, judge, judge_container};
use zigcheck::app::builds::record::RecordReader;
use zigcheck::app::domain::ids::BuildId;
use zigcheck::app::domain::verdict::{BuildStatus, Reason, ResourceLimits, TestStatus, Verdict};
use zigcheck::app::engine::docker::RecordId;
use zigcheck::app::engine::job::{JobEnd, KillReason};
use zigcheck::interface::event::Exit;

pub const BUILD: i64 = 7;
pub const NONCE: &str = "0123456789abcdef";

pub fn record_id() -> RecordId {
    let nonce = NONCE.to_string();
    RecordId {
        build: BuildId(BUILD),
        nonce,
    }
}

/// What its container may use; how much memory it did use, nobody knows.
pub const BOUNDS: ResourceLimits = ResourceLimits {
    memory_bytes: 2 << 30,
    build_timeout_ms: 1_200_000,
    silence_timeout_ms: 300_000,
    peak_bytes: None,
};

pub fn good() -> Value {
    json!({
        "build_id": BUILD, "nonce": NONCE, "package_name": "p", "zig_version": "0.16.0",
        "start_time": "2025-01-01T00:00:00Z", "end_time": "2025-01-01T00:00:09Z",
        "build_status": "success", "test_status": "success", "compiled": 3,
        "import_status": "success", "reason": null, "detail": null,
        "tests_passed": 5, "tests_skipped": 1, "tests_total": 6, "build_exit": 0, "test_exit": 0,
        "error_log": "", "modules": [{"name": "p", "status": "success"}],
        "peak_memory_bytes": 9_000_000, "oom_kills": 0, "disk_full": false, "dependency": null
    })
}

pub fn with(fields: Value) -> Value {
    let mut record = good();
    for (name, value) in fields.as_object().unwrap() {
        record[name] = value.clone();
    }
    record
}

/// The record of a build that failed, with some fields set otherwise.
pub fn failed_with(fields: Value) -> Value {
    let mut record = with(json!({
        "build_status": "failed", "test_status": null, "import_status": null,
        "reason": "compile_error", "detail": "error: no", "build_exit": 1, "test_exit": null,
        "tests_passed": null, "tests_skipped": null, "tests_total": null, "modules": [],
        "error_log": "error: no"
    }));
    for (name, value) in fields.as_object().unwrap() {
        record[name] = value.clone();
    }
    record
}

pub fn line(record: &Value) -> Vec<u8> {
    format!("{record}\n").into_bytes()
}

pub fn end(exit: Exit, why: Option<KillReason>) -> JobEnd {
    let exit = Some(exit);
    JobEnd { exit, why }
}

pub fn judged(bytes: &[u8], end: &JobEnd) -> Judgement {
    let mut records = RecordReader::default();
    records.take(bytes);
    judge(&record_id(), end, &mut records, &BOUNDS)
}

/// The verdict on a container that ended with that code, and perhaps for want of memory, after it
/// had said those bytes.
pub fn contained(bytes: &[u8], ended: (i32, bool), why: Option<KillReason>) -> Verdict {
    let (code, oom_killed) = ended;
    let mut records = RecordReader::default();
    records.take(bytes);
    judge_container(
        &record_id(),
        ContainerExit { code, oom_killed },
        why,
        &mut records,
        &BOUNDS,
    )
}

/// The verdict on an exit with 0 after those bytes.
pub fn verdict(bytes: &[u8]) -> Verdict {
    match judged(bytes, &end(Exit::Code(0), None)) {
        Judgement::Verdict(verdict) => *verdict,
        Judgement::Inspect => panic!("an exit with 0 needs no look"),
    }
}

pub fn of(record: &Value) -> (BuildStatus, Option<TestStatus>, Option<Reason>) {
    let verdict = verdict(&line(record));
    (verdict.build_status, verdict.test_status, verdict.reason)
}
