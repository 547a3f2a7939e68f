//! What a container says: the record of a build, and the framed files of fetches.

use serde_json::Value;
use sha2::{Digest, Sha256};
use zigcheck::app::builds::judge::{Judgement, judge};
use zigcheck::app::builds::record::{Progress, RecordReader};
use zigcheck::app::domain::limits::ERROR_LOG_LIMIT_BYTES;
use zigcheck::app::domain::verdict::{BuildStatus, Verdict};
use zigcheck::app::source::frame::FrameReader;
use zigcheck::app::source::limits::FRAME_HEAD_LIMIT_BYTES;
use zigcheck::interface::event::Exit;

use crate::common::record::{BOUNDS, BUILD, NONCE, end, failed_with, good, line, record_id, with};
use crate::common::seed::Seed;
use crate::mutate::{input, piece};

fn judged(bytes: &[u8], mut size: impl FnMut() -> usize) -> (Verdict, Option<Progress>, usize) {
    let mut records = RecordReader::default();
    let (mut rest, mut told) = (bytes, 0);
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(size().min(rest.len()));
        told += usize::from(records.take(piece));
        rest = behind;
    }
    let progress = records.progress;
    let exit = end(Exit::Code(0), None);
    match judge(&record_id(), &exit, &mut records, &BOUNDS) {
        Judgement::Verdict(verdict) => (*verdict, progress, told),
        Judgement::Inspect => panic!("an exit with 0 needs no look"),
    }
}

/// The pieces do not matter; only a last line that says so itself is a success.
pub fn record(random: &mut Seed) -> bool {
    let testing = b"{\"state\":\"testing\",\"compiled\":2}\n".to_vec();
    let tested = b"{\"state\":\"testing\",\"compiled\":2,\"test_status\":\"success\",\
        \"tests_passed\":1,\"tests_skipped\":0,\"tests_total\":1}\n"
        .to_vec();
    let working = b"{\"state\":\"working\"}\n".to_vec();
    let long = with(serde_json::json!({"error_log": "error: x\n".repeat(3_000)}));
    let failed = failed_with(serde_json::json!({}));
    let records = [
        line(&good()),
        [testing.clone(), line(&good())].concat(),
        line(&failed),
        [testing.clone(), line(&failed)].concat(),
        [
            working.clone(),
            testing,
            working.clone(),
            tested,
            line(&good()),
            working,
        ]
        .concat(),
        line(&long),
    ];
    let tokens = [
        "\n",
        "{",
        "}",
        "\"build_id\":7",
        "\"success\"",
        "null",
        ",",
        ":",
        "\"state\":\"testing\"",
        "\"state\":\"working\"",
        "\"test_status\":\"failed\"",
        "\"reason\":null",
    ];
    let bytes = input(random, &records, &tokens);
    let whole = judged(&bytes, || usize::MAX);
    let pieces = judged(&bytes, || piece(random));
    assert_eq!(pieces, whole);
    let (verdict, progress, told) = whole;
    assert_eq!(told, usize::from(progress.is_some()), "it is told once");
    assert!(verdict.error_log.len() <= ERROR_LOG_LIMIT_BYTES + 64);
    if verdict.build_status == BuildStatus::Success {
        let mut lines = bytes
            .split(|byte| *byte == b'\n')
            .rev()
            .filter(|line| !line.is_empty());
        let is_record = |value: &Value| value["state"] != "testing" && value["state"] != "working";
        let last = lines.find(|line| {
            let value: Option<Value> = serde_json::from_slice(line).ok();
            value.is_none_or(|value| is_record(&value))
        });
        let value: Value = serde_json::from_slice(last.expect("a line")).expect("a record");
        assert_eq!(value["build_id"], BUILD);
        assert_eq!(value["nonce"], NONCE);
        assert_eq!(value["build_status"], "success");
        assert_eq!(value["build_exit"], 0);
    }
    verdict.build_status != BuildStatus::Error
}

const LIMIT_BYTES: u64 = 100;

fn received(bytes: &[u8], mut size: impl FnMut() -> usize) -> Result<(Value, Vec<u8>), String> {
    let mut framed = FrameReader::new(LIMIT_BYTES);
    let (mut rest, mut body) = (bytes, Vec::new());
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(size().min(rest.len()));
        body.extend_from_slice(framed.feed(piece)?);
        assert!(body.len() as u64 <= LIMIT_BYTES);
        rest = behind;
    }
    let hash = hex(&body);
    Ok((framed.finish(&hash)?, body))
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

pub fn framed(random: &mut Seed) -> bool {
    let file = |body: &[u8]| {
        let head = serde_json::json!({"format": "tar.gz", "bytes": body.len(), "sha256": hex(body),
            "uses": ["https://github.com/a/b"], "commit_time": 1,
            "declared": [{"name": "b", "url": "https://github.com/a/b", "hash": "h", "lazy": true}], "commit": "0123456789abcdef"});
        [format!("{head}\n").as_bytes(), body].concat()
    };
    let files = [file(b""), file(b"abc"), file(&[7; 100]), file(&[7; 101])];
    let tokens = [
        "\n",
        "{",
        "}",
        "\"bytes\":",
        "\"sha256\":",
        "-1",
        "1e2",
        "3.0",
    ];
    let mut bytes = input(random, &files, &tokens);
    if random.once_in(40) {
        bytes.splice(0..0, vec![b' '; FRAME_HEAD_LIMIT_BYTES]);
    }
    let whole = received(&bytes, || usize::MAX);
    let pieces = received(&bytes, || piece(random));
    match (&whole, &pieces) {
        (Ok(whole), Ok(pieces)) => assert_eq!(whole, pieces),
        // Which of two faults comes first may hang on the pieces; that there is one, never.
        (Err(_), Err(_)) => {}
        other => panic!("{other:?}"),
    }
    let Ok((head, body)) = whole else {
        return false;
    };
    assert_eq!(head["bytes"], body.len());
    assert_eq!(head["sha256"], hex(&body).as_str());
    assert!(bytes.ends_with(&body));
    true
}
