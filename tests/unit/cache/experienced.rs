//! Servers that know a verdict.

use crate::common::pack;

use crate::common::core::{Inside, Memory};
use serde_json::{Value, json};

pub fn tree(words: &str) -> Vec<u8> {
    pack::tar(&[pack::file("build.zig", words.as_bytes())])
}

pub fn id(build: &Value) -> i64 {
    build["id"].as_i64().unwrap()
}

/// A server with that many slots that has built a tree once: build 1, a success.
pub fn experienced(name: &str, slots: usize) -> (Inside, Memory) {
    let (mut inside, memory) = Inside::begin(name, slots);
    let first = inside.upload(&tree("a"));
    assert_eq!((id(&first), &first["state"]), (1, &json!("queued")));
    inside.logs("zigcheck-1-1", "the only log\n");
    inside.pass(5_000);
    inside.build_succeeds("zigcheck-1-1");
    (inside, memory)
}

/// It was answered with the verdict of that build, and nothing was started for it.
#[track_caller]
pub fn is_that_of(inside: &mut Inside, build: i64, from: i64) {
    let (row, original) = (inside.build(build), inside.build(from));
    assert_eq!(row["cached"], true, "{row}");
    assert_eq!(row["cached_from"], from);
    assert_eq!(row["log_url"], format!("/api/builds/{from}/log"));
    for name in [
        "state",
        "build_status",
        "test_status",
        "import_status",
        "reason",
        "detail",
        "compiled",
        "tests_passed",
        "tests_skipped",
        "tests_total",
        "modules",
        "flaky",
        "error_log",
        "toolchain",
        "peak_memory_bytes",
        "log_bytes",
        "log_truncated",
    ] {
        assert_eq!(row[name], original[name], "{name}");
    }
    assert_eq!(row["queue_position"], Value::Null);
    let own = format!("run --name=zigcheck-{build}-");
    assert_eq!(inside.engine.count(&own), 0, "it ran");
}
