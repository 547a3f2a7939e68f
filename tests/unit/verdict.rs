//! The table of `judge`, row by row, and that of the look after it.

use crate::common::record::{
    BOUNDS, contained, end, failed_with, good, judged, line, of, verdict, with,
};
use serde_json::json;
use zigcheck::app::builds::judge::{Judgement, ended_by_us, without_container};
use zigcheck::app::domain::verdict::{
    BuildStatus, Grade, ImportStatus, Reason, ResourceLimits, Statuses, TestStatus, Verdict,
};
use zigcheck::app::engine::job::{JobEnd, KillReason};
use zigcheck::interface::event::Exit;

/// The runner names the reason; the server knows better only where memory or disk ran out.
#[test]
fn each_way_to_fail_has_its_reason() {
    use BuildStatus::{Error, Failed, Success};
    let tests_failed = |reason: Reason| {
        with(json!({"test_status": "failed", "test_exit": 1, "reason": reason.as_str()}))
    };
    let import_failed = with(json!({"import_status": "failed", "reason": "compile_error"}));
    let not_built = |reason: Reason| {
        failed_with(json!({"reason": reason.as_str(), "build_exit": null, "compiled": 0}))
    };
    let tests = Some(TestStatus::Failed);
    let passed = Some(TestStatus::Success);
    for (record, status, tests, reason) in [
        (
            tests_failed(Reason::TestFailure),
            Success,
            tests,
            Reason::TestFailure,
        ),
        (
            tests_failed(Reason::CompileError),
            Success,
            tests,
            Reason::CompileError,
        ),
        (
            tests_failed(Reason::StepFailure),
            Success,
            tests,
            Reason::StepFailure,
        ),
        (import_failed, Success, passed, Reason::CompileError),
        (failed_with(json!({})), Failed, None, Reason::CompileError),
        (
            failed_with(json!({"reason": "step_failure"})),
            Failed,
            None,
            Reason::StepFailure,
        ),
        (
            not_built(Reason::NoBuildZig),
            Failed,
            None,
            Reason::NoBuildZig,
        ),
        (
            not_built(Reason::SourceUnavailable),
            Failed,
            None,
            Reason::SourceUnavailable,
        ),
        // Not the package's doing: the owner allows hosts and adds libraries.
        (
            failed_with(json!({"reason": "host_not_allowed"})),
            Error,
            None,
            Reason::HostNotAllowed,
        ),
        (
            failed_with(json!({"reason": "missing_system_library"})),
            Error,
            None,
            Reason::MissingSystemLibrary,
        ),
        (
            tests_failed(Reason::MissingSystemLibrary),
            Error,
            tests,
            Reason::MissingSystemLibrary,
        ),
    ] {
        assert_eq!(of(&record), (status, tests, Some(reason)), "{record}");
        // Memory and disk that ran out explain whatever the runner saw of it.
        let status = if status == Error && tests.is_none() {
            Failed
        } else {
            status
        };
        let status = if tests.is_some() { Success } else { status };
        for (name, value, reason) in [
            ("oom_kills", json!(1), Reason::OutOfMemory),
            ("disk_full", json!(true), Reason::DiskLimit),
        ] {
            let mut record = record.clone();
            record[name] = value;
            assert_eq!(of(&record), (status, tests, Some(reason)), "{record}");
        }
    }
    let no_tests = with(json!({"test_status": "no_tests", "test_exit": null}));
    assert_eq!(of(&no_tests), (Success, Some(TestStatus::NoTests), None));
    // Killed processes and a full disk are no matter where all went well in the end.
    let spared = with(json!({"oom_kills": 1, "disk_full": true}));
    assert_eq!(of(&spared), (Success, Some(TestStatus::Success), None));
    let both = failed_with(json!({"oom_kills": 1, "disk_full": true}));
    assert_eq!(of(&both).2, Some(Reason::OutOfMemory));
}

#[test]
fn the_runner_s_sentence_is_kept_unless_a_limit_explains_more() {
    let detail = |fields| verdict(&line(&failed_with(fields))).detail;
    let said = "needs system library xcb";
    let missing = json!({"reason": "missing_system_library", "detail": said});
    assert_eq!(detail(missing), said);
    let full = json!({"detail": said, "disk_full": true});
    assert_eq!(detail(full), "the disk of the container is full");
    let killed = detail(json!({"detail": said, "oom_kills": 1}));
    assert!(
        killed.starts_with("a process was ended by the memory limit"),
        "{killed}"
    );
    let timeout = ended_by_us(KillReason::Timeout, None, &BOUNDS);
    assert_eq!(timeout.detail, timeout.error_log);
}

#[test]
fn a_dependency_of_a_host_that_is_down_is_no_failure_of_the_package() {
    use BuildStatus::{Error, Failed};
    let wanting = Some(Reason::DependencyUnavailable);
    let compile = Some(Reason::CompileError);
    for (dependency, status) in [
        (json!(null), Failed),
        (json!("refused"), Failed),
        (json!("unreachable"), Error),
    ] {
        let missing = json!({"reason": "dependency_unavailable", "dependency": dependency});
        assert_eq!(of(&failed_with(missing)), (status, None, wanting));
    }
    // The record says what failed: it was something else.
    let other = failed_with(json!({"dependency": "unreachable"}));
    assert_eq!(of(&other), (Failed, None, compile));
}

#[test]
fn a_verdict_has_the_grade_that_people_see() {
    use Grade::{Amber, Green, Grey, Red};
    let tests = TestStatus::ALL.iter().copied().map(Some).chain([None]);
    let tests: Vec<Option<TestStatus>> = tests.collect();
    let imports = ImportStatus::ALL.iter().copied().map(Some).chain([None]);
    let imports: Vec<Option<ImportStatus>> = imports.collect();
    let mut counts = [0; 4];
    for &build in BuildStatus::ALL {
        for (&test, &import) in tests
            .iter()
            .flat_map(|t| imports.iter().map(move |i| (t, i)))
        {
            for compiled in [None, Some(0), Some(1)] {
                let statuses = Statuses {
                    build,
                    test,
                    import,
                    compiled,
                };
                let failed = build == BuildStatus::Failed
                    || test == Some(TestStatus::Failed)
                    || import == Some(ImportStatus::Failed);
                let doubtful = compiled == Some(0)
                    || test == Some(TestStatus::Skipped)
                    || import == Some(ImportStatus::Partial);
                let wanted = match build {
                    BuildStatus::Pending | BuildStatus::Error => Grey,
                    _ if failed => Red,
                    _ if doubtful => Amber,
                    _ => Green,
                };
                assert_eq!(statuses.grade(), wanted, "{statuses:?}");
                counts[wanted as usize] += 1;
            }
        }
    }
    assert_eq!(counts.iter().sum::<i32>(), 4 * 5 * 5 * 3);
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

#[test]
fn an_end_by_us_is_looked_at_unless_the_record_came_first() {
    for (why, _) in WHYS {
        for exit in [
            Some(Exit::Code(137)),
            Some(Exit::Code(125)),
            Some(Exit::Code(0)),
            Some(Exit::Signal(9)),
            None,
        ] {
            let ended = JobEnd {
                exit,
                why: Some(why),
            };
            assert_eq!(judged(b"", &ended), Judgement::Inspect);
        }
        let late = end(Exit::Code(0), Some(why));
        let late = judged(&line(&good()), &late);
        assert_eq!(in_words(late), SUCCESS);
    }
}

const WHYS: [(KillReason, Reason); 3] = [
    (KillReason::Timeout, Reason::Timeout),
    (KillReason::Silent, Reason::Silent),
    (KillReason::OutputLimit, Reason::OutputLimit),
];

#[test]
fn a_container_that_we_ended_is_the_package_s_failure() {
    let testing = b"{\"state\":\"testing\",\"compiled\":4}\n";
    for (why, reason) in WHYS {
        for oom_killed in [false, true] {
            let ended = |bytes| words_of(contained(bytes, (137, oom_killed), Some(why)));
            let wanted = (BuildStatus::Failed, None, Some(reason), None);
            assert_eq!(ended(b""), wanted);
            // The build itself had succeeded: it is its tests that hang.
            let tests = Some(TestStatus::Failed);
            let wanted = (BuildStatus::Success, tests, Some(reason), Some(4));
            assert_eq!(ended(testing), wanted);
        }
        // It ended by itself in the last moment.
        for code in [0, 1, 12, 65, 127] {
            let by_itself = contained(b"", (code, false), None);
            assert_eq!(
                contained(b"", (code, false), Some(why)),
                by_itself,
                "{code}"
            );
        }
    }
}

#[test]
fn who_is_ended_hears_of_the_limit_and_of_the_memory_it_used() {
    let known = ResourceLimits {
        peak_bytes: Some(312 << 20),
        ..BOUNDS
    };
    for (why, bounds, sentence) in [
        (
            KillReason::Timeout,
            known,
            "ended: it took longer than --build-timeout, 1200 s; memory: at most 312 MiB of 2048 MiB",
        ),
        (
            KillReason::Silent,
            BOUNDS,
            "ended: no output and no processor time for --silence-timeout, 300 s; memory: no more than 2048 MiB",
        ),
        (
            KillReason::OutputLimit,
            BOUNDS,
            "ended: it wrote more than 256 MiB, each line counted with 64 bytes more; memory: no more than 2048 MiB",
        ),
    ] {
        let verdict = ended_by_us(why, None, &bounds);
        assert_eq!(verdict.error_log, sentence);
        assert_eq!(verdict.peak_memory_bytes, bounds.peak_bytes);
    }
    let oom_killed = contained(b"", (137, true), None);
    let sentence =
        "ended by the memory limit of its container; memory: at most 2048 MiB of 2048 MiB";
    assert_eq!(oom_killed.error_log, sentence);
    assert_eq!(oom_killed.peak_memory_bytes, Some(2 << 30));
    let killed = failed_with(json!({"oom_kills": 1, "peak_memory_bytes": 2_000u64 << 20}));
    let killed = contained(&line(&killed), (0, true), None);
    let first = "a process was ended by the memory limit of the container; \
        memory: at most 2000 MiB of 2048 MiB";
    assert_eq!(killed.error_log.lines().next(), Some(first));
    assert_eq!(killed.error_log.lines().nth(1), Some("error: no"));
}

type Words = (BuildStatus, Option<TestStatus>, Option<Reason>, Option<u32>);

/// What a good record comes to.
const SUCCESS: Words = (
    BuildStatus::Success,
    Some(TestStatus::Success),
    None,
    Some(3),
);

#[track_caller]
fn in_words(judgement: Judgement) -> Words {
    let Judgement::Verdict(verdict) = judgement else {
        panic!("no look is needed");
    };
    words_of(*verdict)
}

fn words_of(verdict: Verdict) -> Words {
    let Verdict {
        build_status,
        test_status,
        reason,
        compiled,
        ..
    } = verdict;
    (build_status, test_status, reason, compiled)
}

#[test]
fn an_odd_exit_is_never_the_record_s_word() {
    for bytes in [&b""[..], &line(&good())] {
        let judged = |exit| judged(bytes, &end(exit, None));
        for code in [1, 2, 64, 66, 125, 126, 127, 128, 137, 143, 255, -1] {
            assert_eq!(judged(Exit::Code(code)), Judgement::Inspect, "{code}");
        }
        assert_eq!(judged(Exit::Signal(9)), Judgement::Inspect);
        let wanted = (BuildStatus::Error, None, Some(Reason::Lost), None);
        assert_eq!(in_words(judged(Exit::Code(65))), wanted);
        let wanted = (BuildStatus::Failed, None, Some(Reason::DiskLimit), None);
        assert_eq!(in_words(judged(Exit::Code(12))), wanted);
        let wanted = (BuildStatus::Error, None, Some(Reason::EngineError), None);
        assert_eq!(
            in_words(judged(Exit::NotStarted("no docker".to_string()))),
            wanted
        );
    }
}

#[test]
fn of_containers_that_ended_by_themselves_only_want_of_memory_is_the_package_s_doing() {
    let error = |reason| (BuildStatus::Error, None, Some(reason), None);
    let memory = (BuildStatus::Failed, None, Some(Reason::OutOfMemory), None);
    let disk = (BuildStatus::Failed, None, Some(Reason::DiskLimit), None);
    for (code, oom_killed, wanted) in [
        (137, true, memory),
        (1, true, memory),
        (137, false, error(Reason::Lost)),
        (1, false, error(Reason::Lost)),
        (124, false, error(Reason::Lost)),
        (128, false, error(Reason::Lost)),
        (65, false, error(Reason::Lost)),
        (0, false, error(Reason::EngineError)),
        (125, false, error(Reason::EngineError)),
        (126, false, error(Reason::EngineError)),
        (127, false, error(Reason::EngineError)),
        (12, false, disk),
    ] {
        let of = |bytes| words_of(contained(bytes, (code, oom_killed), None));
        assert_eq!(of(b""), wanted, "{code} {oom_killed}");
        // An error stays one; want of memory is then said of the tests.
        let in_tests = match wanted {
            (BuildStatus::Failed, _, Some(Reason::OutOfMemory), _) => {
                let tests = Some(TestStatus::Failed);
                (BuildStatus::Success, tests, wanted.2, Some(2))
            }
            _ => wanted,
        };
        let testing = b"{\"state\":\"testing\",\"compiled\":2}\n";
        assert_eq!(of(testing), in_tests, "{code} {oom_killed}");
    }
}

#[test]
fn a_record_counts_by_the_exit_of_its_container() {
    let good = line(&good());
    // The limit had ended a process that nobody missed.
    for oom_killed in [false, true] {
        assert_eq!(words_of(contained(&good, (0, oom_killed), None)), SUCCESS);
    }
    let lost = (BuildStatus::Error, None, Some(Reason::Lost), None);
    assert_eq!(words_of(contained(&good, (137, false), None)), lost);
}

#[test]
fn without_a_container_nothing_is_said_of_the_package() {
    use Reason::EngineError;
    let of = |exit, why| without_container(exit, why, "docker: no such luck");
    let code = |code| Some(Exit::Code(code));
    let (timeout, silent) = (Some(KillReason::Timeout), Some(KillReason::Silent));
    for (verdict, reason, words) in [
        (of(None, None), Reason::Lost, "never started"),
        (of(code(125), None), EngineError, "exited with 125"),
        (of(Some(Exit::Signal(9)), None), EngineError, "signal 9"),
        (of(code(137), timeout), EngineError, "no such luck"),
        (of(None, silent), EngineError, "did not create it in time"),
    ] {
        assert_eq!(verdict.build_status, BuildStatus::Error);
        assert_eq!(verdict.reason, Some(reason));
        assert!(verdict.error_log.contains(words), "{}", verdict.error_log);
    }
}

#[test]
fn what_ends_in_the_import_stage_is_the_import_s_failure() {
    let progress = |tests: &str| {
        let text = format!(
            "{{\"state\":\"testing\",\"compiled\":2}}\n{{\"state\":\"working\"}}\n\
             {{\"state\":\"testing\",\"compiled\":4,\"test_status\":\"{tests}\",\
             \"tests_passed\":3,\"tests_skipped\":1,\"tests_total\":5}}\n"
        );
        text.into_bytes()
    };
    let ends = WHYS.map(|(why, reason)| (Some(why), false, reason));
    let ends = ends.into_iter().chain([(None, true, Reason::OutOfMemory)]);
    for (why, oom_killed, reason) in ends {
        for &tests in TestStatus::ALL {
            let verdict = contained(&progress(tests.as_str()), (137, oom_killed), why);
            assert_eq!(verdict.build_status, BuildStatus::Success, "{reason:?}");
            // The tests had come to their end: theirs is what they said.
            assert_eq!(verdict.test_status, Some(tests), "{reason:?}");
            assert_eq!(verdict.import_status, Some(ImportStatus::Failed));
            assert_eq!((verdict.reason, verdict.compiled), (Some(reason), Some(4)));
            let counts = (
                verdict.tests_passed,
                verdict.tests_skipped,
                verdict.tests_total,
            );
            assert_eq!(counts, (Some(3), Some(1), Some(5)));
        }
        // While the tests run it is theirs, and nothing was imported.
        let testing = b"{\"state\":\"testing\",\"compiled\":2}\n";
        let verdict = contained(testing, (137, oom_killed), why);
        let found = (verdict.test_status, verdict.import_status);
        assert_eq!(found, (Some(TestStatus::Failed), None), "{reason:?}");
    }
    // An error is nobody's failure, whatever had begun.
    let lost = contained(&progress("success"), (137, false), None);
    let found = (lost.build_status, lost.test_status, lost.import_status);
    assert_eq!(found, (BuildStatus::Error, None, None));
}
