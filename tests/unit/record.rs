//! What a runner may write, and that only a whole and true record becomes a verdict.

use crate::common::record::{
    BOUNDS, BUILD, end, failed_with, good, line, of, record_id, verdict, with,
};
use crate::common::seed::Seed;
use serde_json::{Value, json};
use zigcheck::app::builds::judge::{Judgement, judge};
use zigcheck::app::builds::limits::{MODULES_LIMIT_BYTES, RECORD_LIMIT_BYTES};
use zigcheck::app::builds::record::{Progress, RecordReader, TestCounts};
use zigcheck::app::domain::limits::{DETAIL_LIMIT_BYTES, ERROR_LOG_LIMIT_BYTES};
use zigcheck::app::domain::verdict::{
    BuildStatus, ImportStatus, Reason, TestStatus, Verdict, truncate_error_log,
};
use zigcheck::interface::event::Exit;

/// A sign of life.
const WORKING: &[u8] = b"{\"state\":\"working\"}\n";

/// The progress of a runner whose tests have begun after that many compile steps.
fn begun(compiled: u32) -> Progress {
    let tested = None;
    Progress { compiled, tested }
}

#[track_caller]
fn is_refused(bytes: &[u8], word: &str) {
    let verdict = verdict(bytes);
    let got = (verdict.build_status, verdict.test_status, verdict.reason);
    let error = (BuildStatus::Error, None, Some(Reason::EngineError));
    assert_eq!(got, error, "{}", String::from_utf8_lossy(bytes));
    assert!(verdict.error_log.contains(word), "{}", verdict.error_log);
}

#[test]
fn a_good_record_is_taken_at_its_word() {
    let verdict = verdict(&line(&good()));
    let wanted = Verdict {
        build_status: BuildStatus::Success,
        test_status: Some(TestStatus::Success),
        import_status: Some(ImportStatus::Success),
        reason: None,
        detail: String::new(),
        compiled: Some(3),
        tests_passed: Some(5),
        tests_skipped: Some(1),
        tests_total: Some(6),
        modules: r#"[{"name":"p","status":"success"}]"#.to_string(),
        steps: String::new(),
        minimum_zig_version: None,
        dated_version: None,
        zig_ms: None,
        error_log: String::new(),
        peak_memory_bytes: Some(9_000_000),
    };
    assert_eq!(verdict, wanted);
}

#[test]
fn a_record_that_is_missing_oversized_foreign_or_broken_is_our_error() {
    is_refused(b"", "no result record");
    is_refused(b"\n\n", "no result record");
    let testing = b"{\"state\":\"testing\",\"compiled\":2}\n";
    is_refused(testing, "no result record");
    is_refused(&[WORKING, testing, WORKING].concat(), "no result record");
    is_refused(
        &line(&with(json!({"build_id": BUILD + 1}))),
        "another build",
    );
    is_refused(
        &line(&with(json!({"build_id": BUILD.to_string()}))),
        "another build",
    );
    is_refused(&line(&with(json!({"build_id": null}))), "another build");
    for other in [json!(null), json!("0123456789abcdeF"), json!(""), json!(7)] {
        is_refused(&line(&with(json!({ "nonce": other }))), "nonce");
    }
    is_refused(
        &line(&with(json!({"builds": 1}))),
        "unknown field \"builds\"",
    );
    is_refused(
        &line(&with(json!({"error_log": "x".repeat(RECORD_LIMIT_BYTES)}))),
        "longer than",
    );
    for broken in ["nonsense\n", "[7]\n", "7\n", "\"success\"\n", "null\n"] {
        is_refused(broken.as_bytes(), "broken");
    }
    // Its own words for all that it would take to be good, but not in one line.
    is_refused(
        good().to_string().replace(",\"", "\n,\"").as_bytes(),
        "broken",
    );
    is_refused(
        &[line(&good()), b"and then some\n".to_vec()].concat(),
        "broken",
    );
}

#[test]
fn a_record_of_the_greatest_length_is_still_one() {
    let bare = with(json!({"error_log": ""})).to_string().len();
    let fill =
        |more: usize| with(json!({"error_log": "x".repeat(RECORD_LIMIT_BYTES - bare + more)}));
    assert_eq!(of(&fill(0)).0, BuildStatus::Success);
    is_refused(&line(&fill(1)), "longer than");
}

#[test]
fn no_field_of_a_wrong_type_passes_for_success() {
    let wrong = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!("x"),
        json!([0]),
        json!({}),
    ];
    let needed = [
        "build_id",
        "nonce",
        "build_status",
        "test_status",
        "build_exit",
        "test_exit",
    ];
    for name in needed {
        let mut record = good();
        record.as_object_mut().unwrap().remove(name);
        is_refused(&line(&record), "");
        for value in &wrong {
            record[name] = value.clone();
            is_refused(&line(&record), "");
        }
    }
    for name in [
        "compiled",
        "tests_passed",
        "tests_skipped",
        "tests_total",
        "oom_kills",
    ] {
        let too_large = json!(1u64 << 32);
        for value in wrong
            .iter()
            .chain([&too_large])
            .filter(|value| !value.is_null())
        {
            is_refused(&line(&with(json!({ name: value }))), name);
        }
        assert_eq!(
            of(&with(json!({ name: null }))).0,
            BuildStatus::Success,
            "{name}"
        );
    }
    for status in ["pending", "error", "Success", ""] {
        is_refused(
            &line(&with(json!({ "build_status": status }))),
            "build_status",
        );
    }
}

#[test]
fn a_status_that_its_exit_code_contradicts_is_not_believed() {
    for (fields, word) in [
        (json!({"build_exit": 1}), "build_exit"),
        (json!({"test_exit": 1}), "test_exit"),
        (json!({"test_status": "failed"}), "test_exit"),
        (
            json!({"test_status": null, "test_exit": null}),
            "test_status",
        ),
        (json!({"build_status": "failed"}), "build_exit"),
        (
            json!({"build_status": "failed", "build_exit": 1}),
            "test_status",
        ),
    ] {
        is_refused(&line(&with(fields)), word);
    }
    for code in [json!(0), json!("1"), json!(true)] {
        is_refused(
            &line(&failed_with(json!({ "build_exit": code }))),
            "build_exit",
        );
    }
}

#[test]
fn what_is_taken_does_not_depend_on_how_it_comes() {
    let testing = b"{\"state\":\"testing\",\"compiled\":2}\n".to_vec();
    let whole = [WORKING, &testing, b"\n", WORKING, &line(&good()), WORKING].concat();
    let wanted = verdict(&whole);
    let mut chance = Seed(5);
    let cut: Vec<Vec<&[u8]>> = (0..50).map(|n| chance.pieces(&whole, 1 + 9 * n)).collect();
    let bytewise: Vec<&[u8]> = whole.chunks(1).collect();
    for pieces in cut.iter().chain([&bytewise]) {
        let mut records = RecordReader::default();
        let began = pieces.iter().filter(|piece| records.take(piece)).count();
        assert_eq!((began, records.progress), (1, Some(begun(2))));
        let exit = end(Exit::Code(0), None);
        let judgement = judge(&record_id(), &exit, &mut records, &BOUNDS);
        assert_eq!(judgement, Judgement::Verdict(Box::new(wanted.clone())));
    }
}

#[test]
fn a_last_line_needs_no_end() {
    assert_eq!(
        verdict(good().to_string().as_bytes()).build_status,
        BuildStatus::Success
    );
    let cut = good().to_string();
    is_refused(&cut.as_bytes()[..cut.len() - 1], "broken");
    is_refused(&vec![b'x'; RECORD_LIMIT_BYTES + 1], "longer than");
}

#[test]
fn a_testing_line_after_the_record_changes_no_verdict() {
    let forged = b"{\"state\":\"testing\",\"compiled\":9}\n".to_vec();
    let record = failed_with(json!({}));
    let behind = [line(&record), forged].concat();
    assert_eq!(verdict(&behind), verdict(&line(&record)));
}

#[test]
fn nothing_fails_without_a_reason() {
    for fields in [
        json!({"test_status": "failed", "test_exit": 1}),
        json!({"import_status": "failed"}),
    ] {
        is_refused(&line(&with(fields)), "reason");
    }
    for reason in [
        json!(null),
        json!("no_such_reason"),
        json!(7),
        json!(""),
        json!(["lost"]),
    ] {
        is_refused(&line(&failed_with(json!({ "reason": reason }))), "reason");
    }
    // What only the server can know is not the runner's to say.
    for reason in [
        Reason::Timeout,
        Reason::Silent,
        Reason::OutOfMemory,
        Reason::DiskLimit,
        Reason::OutputLimit,
        Reason::Cancelled,
        Reason::EngineError,
        Reason::Lost,
    ] {
        let record = failed_with(json!({ "reason": reason.as_str() }));
        is_refused(&line(&record), "reason");
    }
}

#[test]
fn a_word_that_is_in_no_list_is_refused() {
    for value in [json!("passed"), json!(""), json!(1), json!({})] {
        for name in ["test_status", "import_status", "reason"] {
            is_refused(&line(&with(json!({ name: value }))), name);
        }
    }
    for name in ["detail", "error_log"] {
        is_refused(&line(&with(json!({ name: 7 }))), name);
    }
    for value in [json!("[]"), json!({}), json!(7)] {
        is_refused(&line(&with(json!({ "modules": value }))), "modules");
    }
    // Fields of older runners.
    for name in ["build_zig", "compile_failures"] {
        is_refused(&line(&with(json!({ name: 0 }))), "unknown field");
    }
}

#[test]
fn tests_that_were_not_executed_are_skipped_ones_that_passed() {
    let skipped = json!({"test_status": "skipped", "tests_passed": 0, "tests_skipped": 6});
    let found = verdict(&line(&with(skipped.clone())));
    assert_eq!(found.test_status, Some(TestStatus::Skipped));
    let counts = (found.tests_passed, found.tests_skipped, found.tests_total);
    assert_eq!(counts, (Some(0), Some(6), Some(6)));
    let mut contradicted = with(skipped);
    contradicted["test_exit"] = json!(1);
    is_refused(&line(&contradicted), "test_exit");
}

#[test]
fn modules_are_kept_up_to_their_limit() {
    let module = |nth: usize| json!({"name": format!("m{nth}"), "error": "e".repeat(90)});
    let kept = |count: usize| {
        let modules: Vec<Value> = (0..count).map(module).collect();
        let text = verdict(&line(&with(json!({ "modules": modules })))).modules;
        assert!(text.len() <= MODULES_LIMIT_BYTES, "{}", text.len());
        let kept: Vec<Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(kept, modules[..kept.len()], "the first ones");
        kept.len()
    };
    assert_eq!(kept(100), 100);
    let some = kept(450);
    assert!((100..450).contains(&some), "{some}");
    // One that alone is too long.
    let long = json!([{"name": "x".repeat(MODULES_LIMIT_BYTES)}]);
    assert_eq!(
        verdict(&line(&with(json!({ "modules": long })))).modules,
        "[]"
    );
    assert_eq!(verdict(&line(&with(json!({"modules": []})))).modules, "");
}

#[test]
fn a_detail_is_one_short_line() {
    let of = |text: &str| verdict(&line(&failed_with(json!({ "detail": text })))).detail;
    assert_eq!(of("\n  needs host x  \nand more"), "needs host x");
    assert_eq!(
        of("\u{e9}".repeat(DETAIL_LIMIT_BYTES).as_str()).len(),
        DETAIL_LIMIT_BYTES
    );
    assert_eq!(of(" \n"), "");
}

/// What a package may write to the standard output of its runner.
#[test]
fn a_hostile_progress_line_makes_no_verdict_and_costs_nothing() {
    let read = |text: &str| {
        let mut records = RecordReader::default();
        records.take(text.as_bytes());
        records.progress
    };
    assert_eq!(
        read(r#"{"state":"testing","compiled":-1}"#),
        None,
        "no end yet"
    );
    for (text, progress) in [
        (r#"{"state":"testing"}"#, Some(begun(0))),
        (
            r#"{"state":"testing","compiled":4294967296}"#,
            Some(begun(0)),
        ),
        (r#"{"state":"testing","compiled":"9"}"#, Some(begun(0))),
        (
            r#"{"state":"testing","compiled":9,"test_status":"superb"}"#,
            Some(begun(9)),
        ),
        (
            r#"{"state":"testing","compiled":9,"test_status":["failed"]}"#,
            Some(begun(9)),
        ),
        (
            r#"{"state":"working","compiled":9,"test_status":"success"}"#,
            None,
        ),
        (r#"{"state":["testing"]}"#, None),
        (r#"[{"state":"testing"}]"#, None),
        (r#""testing""#, None),
    ] {
        assert_eq!(read(&format!("{text}\n")), progress, "{text}");
    }
    let counts = r#"{"state":"testing","compiled":9,"test_status":"success","tests_passed":-1,"tests_skipped":1e99,"tests_total":3}"#;
    let tests = TestCounts {
        passed: None,
        skipped: None,
        total: Some(3),
    };
    let tested = Some((TestStatus::Success, tests));
    assert_eq!(
        read(&format!("{counts}\n")),
        Some(Progress {
            compiled: 9,
            tested
        })
    );
    // A line over the limit is no progress, whatever it says.
    let fill = " ".repeat(RECORD_LIMIT_BYTES);
    assert_eq!(read(&format!("{{\"state\":\"testing\"{fill}}}\n")), None);
    // Lines without a record stay an error, and none makes the record behind them a success.
    let lines = format!("{counts}\n").repeat(1_000);
    is_refused(lines.as_bytes(), "no result record");
    let failed = [
        lines.as_bytes(),
        &line(&failed_with(json!({}))),
        lines.as_bytes(),
    ]
    .concat();
    assert_eq!(verdict(&failed), verdict(&line(&failed_with(json!({})))));
}

#[test]
fn a_long_error_log_is_cut_at_the_end_of_a_character() {
    for lead in 0..4 {
        let text = "x".repeat(lead) + &"\u{1f980}".repeat(ERROR_LOG_LIMIT_BYTES / 4);
        let kept = verdict(&line(&failed_with(json!({ "error_log": text })))).error_log;
        assert!(text.starts_with(&kept) && kept == truncate_error_log(&text));
        let least = ERROR_LOG_LIMIT_BYTES - 3;
        assert!(
            (least..=ERROR_LOG_LIMIT_BYTES).contains(&kept.len()),
            "{}",
            kept.len()
        );
    }
    assert_eq!(truncate_error_log("whole"), "whole");
}

#[test]
fn chance_never_makes_a_success() {
    let mut chance = Seed(11);
    let record = line(&failed_with(json!({"error_log": "success success"})));
    for round in 0..4_000 {
        let bytes = match round % 2 {
            0 => {
                let count = chance.below(200);
                chance.bytes(count)
            }
            // A real record, damaged in a few places.
            _ => {
                let mut bytes = record.clone();
                for _ in 0..chance.between(1, 4) {
                    let at = chance.below(bytes.len());
                    bytes[at] = chance.next() as u8;
                }
                bytes
            }
        };
        let verdict = verdict(&bytes);
        assert_ne!(verdict.build_status, BuildStatus::Success, "{bytes:?}");
    }
}
