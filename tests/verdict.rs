//! The table of `judge`, row by row, and that of the look after it.

#[path = "common/record.rs"]
mod record;

use record::{end, failed_with, good, judged, line, of, with};
use serde_json::{Value, json};
use zigcheck::event::Exit;
use zigcheck::job::{End, Why};
use zigcheck::verdict::{
    BuildStatus, Container, Dependencies, Judgement, Reason, TestStatus, Verdict, after_look,
};

#[test]
fn each_way_to_fail_has_its_reason() {
    use BuildStatus::{Failed, Success};
    let tests_failed = json!({"test_status": "failed", "test_exit": 1});
    let also = |name: &str, value: Value| {
        let mut record = with(tests_failed.clone());
        record[name] = value;
        record
    };
    let failed = Some(TestStatus::Failed);
    for (record, status, tests, reason) in [
        (
            with(tests_failed.clone()),
            Success,
            failed,
            Reason::TestFailure,
        ),
        (
            also("compile_failures", json!(1)),
            Success,
            failed,
            Reason::CompileError,
        ),
        (
            also("oom_kills", json!(1)),
            Success,
            failed,
            Reason::OutOfMemory,
        ),
        (
            also("disk_full", json!(true)),
            Success,
            failed,
            Reason::DiskLimit,
        ),
        (failed_with(json!({})), Failed, None, Reason::CompileError),
        (
            failed_with(json!({"oom_kills": 2})),
            Failed,
            None,
            Reason::OutOfMemory,
        ),
        (
            failed_with(json!({"disk_full": true})),
            Failed,
            None,
            Reason::DiskLimit,
        ),
        (
            failed_with(json!({"build_zig": false, "build_exit": null})),
            Failed,
            None,
            Reason::NoBuildZig,
        ),
        // A source that did not fit was not looked into: nothing is known of its build.zig.
        (
            failed_with(json!({"build_zig": false, "build_exit": null, "disk_full": true})),
            Failed,
            None,
            Reason::DiskLimit,
        ),
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
        (Dependencies::Ready, Failed, compile),
        (Dependencies::Manifest, Failed, compile),
        (Dependencies::Refused, Failed, wanting),
        (Dependencies::Unreachable, Error, wanting),
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
fn an_end_by_us_is_the_package_s_failure_unless_the_record_came_first() {
    let words = [
        (Why::Timeout, Reason::Timeout),
        (Why::Silent, Reason::Silent),
        (Why::OutputLimit, Reason::OutputLimit),
    ];
    let testing = b"{\"state\":\"testing\",\"compiled\":4}\n";
    for (why, reason) in words {
        for exit in [
            Some(Exit::Code(137)),
            Some(Exit::Code(125)),
            Some(Exit::Signal(9)),
            None,
        ] {
            let ended = End {
                exit,
                why: Some(why),
            };
            for bytes in [&b""[..], &line(&good())] {
                let wanted = (BuildStatus::Failed, None, Some(reason), None);
                assert_eq!(in_words(judged(bytes, &ended, Dependencies::Ready)), wanted);
            }
            // The build itself had succeeded: it is its tests that hang.
            let tests = Some(TestStatus::Failed);
            let wanted = (BuildStatus::Success, tests, Some(reason), Some(4));
            assert_eq!(
                in_words(judged(testing, &ended, Dependencies::Ready)),
                wanted
            );
        }
        let late = end(Exit::Code(0), Some(why));
        let wanted = (
            BuildStatus::Success,
            Some(TestStatus::Success),
            None,
            Some(3),
        );
        assert_eq!(
            in_words(judged(&line(&good()), &late, Dependencies::Ready)),
            wanted
        );
        let wanted = (BuildStatus::Failed, None, Some(reason), None);
        assert_eq!(in_words(judged(b"", &late, Dependencies::Ready)), wanted);
    }
}

type Words = (BuildStatus, Option<TestStatus>, Option<Reason>, Option<u32>);

#[track_caller]
fn in_words(judgement: Judgement) -> Words {
    let Judgement::Verdict(verdict) = judgement else {
        panic!("no look is needed");
    };
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
        let judged = |exit| judged(bytes, &end(exit, None), Dependencies::Ready);
        for code in [1, 2, 64, 66, 125, 126, 127, 128, 137, 143, 255, -1] {
            assert_eq!(judged(Exit::Code(code)), Judgement::Look, "{code}");
        }
        assert_eq!(judged(Exit::Signal(9)), Judgement::Look);
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
fn after_a_look_only_want_of_memory_is_the_package_s_doing() {
    let other = || Container::Other("the container is exited 137".to_string());
    let error = |reason| (BuildStatus::Error, None, Some(reason), None);
    let memory = (BuildStatus::Failed, None, Some(Reason::OutOfMemory), None);
    for (exit, container, wanted) in [
        (Exit::Code(137), Container::OutOfMemory, memory),
        (Exit::Code(125), Container::OutOfMemory, memory),
        (Exit::Code(137), other(), error(Reason::Lost)),
        (Exit::Code(1), other(), error(Reason::Lost)),
        (Exit::Code(124), other(), error(Reason::Lost)),
        (Exit::Code(128), other(), error(Reason::Lost)),
        (Exit::Signal(9), other(), error(Reason::Lost)),
        (Exit::Code(125), other(), error(Reason::EngineError)),
        (Exit::Code(126), other(), error(Reason::EngineError)),
        (Exit::Code(127), other(), error(Reason::EngineError)),
        (
            Exit::Code(1),
            Container::Unknown,
            error(Reason::EngineError),
        ),
    ] {
        let of = |testing| in_words(Judgement::Verdict(after_look(&exit, &container, testing)));
        assert_eq!(of(None), wanted, "{exit:?} {container:?}");
        // An error stays one; want of memory is then said of the tests.
        let in_tests = match wanted.0 {
            BuildStatus::Failed => {
                let tests = Some(TestStatus::Failed);
                (BuildStatus::Success, tests, wanted.2, Some(2))
            }
            _ => wanted,
        };
        assert_eq!(of(Some(2)), in_tests, "{exit:?} {container:?}");
    }
}
