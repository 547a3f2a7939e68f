//! The table of `judge`, row by row, and that of the look after it.

use crate::common::record::{BOUNDS, contained, end, failed_with, good, judged, line, of, with};
use serde_json::{Value, json};
use zigcheck::app::builds::judge::{Judgement, ended_by_us, without_container};
use zigcheck::app::domain::verdict::{
    BuildStatus, DepsOutcome, Reason, ResourceLimits, TestStatus, Verdict,
};
use zigcheck::app::engine::job::{JobEnd, KillReason};
use zigcheck::interface::event::Exit;

#[test]
fn each_way_to_fail_has_its_reason() {
    use BuildStatus::{Failed, Success};
    use Reason::{CompileError, DiskLimit, NoBuildZig, OutOfMemory, TestFailure};
    let tests_failed = json!({"test_status": "failed", "test_exit": 1});
    let also = |name: &str, value: Value| {
        let mut record = with(tests_failed.clone());
        record[name] = value;
        record
    };
    let tests = Some(TestStatus::Failed);
    let no_build_zig = json!({"build_zig": false, "build_exit": null});
    let full = json!({"build_zig": false, "build_exit": null, "disk_full": true});
    for (record, status, tests, reason) in [
        (with(tests_failed.clone()), Success, tests, TestFailure),
        (
            also("compile_failures", json!(1)),
            Success,
            tests,
            CompileError,
        ),
        (also("oom_kills", json!(1)), Success, tests, OutOfMemory),
        (also("disk_full", json!(true)), Success, tests, DiskLimit),
        (failed_with(json!({})), Failed, None, CompileError),
        (
            failed_with(json!({"oom_kills": 2})),
            Failed,
            None,
            OutOfMemory,
        ),
        (
            failed_with(json!({"disk_full": true})),
            Failed,
            None,
            DiskLimit,
        ),
        (failed_with(no_build_zig), Failed, None, NoBuildZig),
        // A source that did not fit was not looked into: nothing is known of its build.zig.
        (failed_with(full), Failed, None, DiskLimit),
    ] {
        assert_eq!(of(&record), (status, tests, Some(reason)), "{record}");
    }
    let no_tests = with(json!({"test_status": "no_tests", "test_exit": null}));
    assert_eq!(of(&no_tests), (Success, Some(TestStatus::NoTests), None));
    // Killed processes and a full disk are no matter where all went well in the end.
    let spared = with(json!({"oom_kills": 1, "disk_full": true}));
    assert_eq!(of(&spared), (Success, Some(TestStatus::Success), None));
}

#[test]
fn a_build_that_failed_without_its_dependencies_failed_for_want_of_them() {
    use BuildStatus::{Error, Failed, Success};
    let wanting = Some(Reason::DependencyUnavailable);
    let compile = Some(Reason::CompileError);
    for (deps, status, reason) in [
        (DepsOutcome::Fetched, Failed, compile),
        (DepsOutcome::BadManifest, Failed, compile),
        (DepsOutcome::Refused, Failed, wanting),
        (DepsOutcome::Unreachable, Error, wanting),
    ] {
        let exit = end(Exit::Code(0), None);
        let Judgement::Verdict(verdict) = judged(&line(&failed_with(json!({}))), &exit, deps)
        else {
            panic!("{deps:?}: a record needs no look");
        };
        assert_eq!(
            (verdict.build_status, verdict.reason),
            (status, reason),
            "{deps:?}"
        );
        // A build that needed none of them is a success all the same.
        let Judgement::Verdict(verdict) = judged(&line(&good()), &exit, deps) else {
            panic!("{deps:?}: a record needs no look");
        };
        assert_eq!(
            (verdict.build_status, verdict.reason),
            (Success, None),
            "{deps:?}"
        );
    }
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
            assert_eq!(
                judged(b"", &ended, DepsOutcome::Fetched),
                Judgement::Inspect
            );
        }
        let late = end(Exit::Code(0), Some(why));
        let late = judged(&line(&good()), &late, DepsOutcome::Fetched);
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
            "ended: no output for --silence-timeout, 300 s; memory: no more than 2048 MiB",
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
    words_of(verdict)
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
        let judged = |exit| judged(bytes, &end(exit, None), DepsOutcome::Fetched);
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
