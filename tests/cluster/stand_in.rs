//! What stands in for the runner in the image: it reads what a runner reads, and writes a record.

use serde_json::json;

use crate::common::record::with;

/// Counts aloud, in bytes that are no text, until somebody makes `/work/go` in its container.
const COUNTS: &str = r"until [ -e /work/go ]; do printf 'tick %04d \377\000\n' $((n += 1)); sleep 0.1; done >&2
printf 'the end' >&2";

/// The runner of tests: it ends when it is let go.
pub fn runner() -> String {
    runner_that(COUNTS)
}

/// The runner, with what it does between its input and its record, in bash. The head of the input is `$head`.
pub fn runner_that(works: &str) -> String {
    let record = with(json!({"build_id": "BUILD", "nonce": "NONCE"})).to_string();
    let record = record
        .replace("\"BUILD\"", "'$build'")
        .replace("NONCE", "'$nonce'");
    format!(
        r#"#!/bin/bash
read -r head
[[ $head =~ \"build_id\":([0-9]+) ]] && build=${{BASH_REMATCH[1]}}
[[ $head =~ \"nonce\":\"([0-9a-f]+)\" ]] && nonce=${{BASH_REMATCH[1]}}
cat >/dev/null
{works}
echo '{record}'
"#
    )
}

/// The ticks in a log; panics unless each is there once and nothing is missing between the first and the end.
#[track_caller]
pub fn ticks(log: &[u8]) -> usize {
    let begin = log.windows(5).position(|word| word == b"tick ");
    let own = &log[begin.expect("ticks")..];
    let count = own.iter().filter(|byte| **byte == b'\n').count();
    let mut said = Vec::new();
    for n in 1..=count {
        said.extend(format!("tick {n:04} ").bytes().chain([0xff, 0x00, b'\n']));
    }
    said.extend_from_slice(b"the end");
    assert!(own == said, "{}", String::from_utf8_lossy(log));
    count
}
