//! How fetches end whose host is busy or not allowed: the pause before the next attempt, the reason, and what the admin is told.

use std::path::PathBuf;

use zigcheck::app::builds::attempt::AttemptState;
use zigcheck::app::builds::attempt_context::AttemptContext;
use zigcheck::app::builds::build::{Build, Input, JobKind, JobLimits, JobOutcome, Step};
use zigcheck::app::domain::verdict::{BuildStatus, Reason, ResourceLimits, Verdict};
use zigcheck::app::engine::exit;
use zigcheck::app::engine::job::{JobEnd, Limits};
use zigcheck::app::store::limits::REFUSED_HOSTS_LIMIT;
use zigcheck::app::store::refused_hosts;
use zigcheck::app::store::store::Store;
use zigcheck::config::limits::{RETRY_AFTER_LIMIT_MS, RETRY_PAUSE_MS};
use zigcheck::interface::event::{Exit, Pipe};

fn scratch(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).expect("a directory");
    path
}

/// The outcome of a fetch of a source that sends this line and ends with that exit code, and the hosts to be noted.
fn outcome(code: i32, line: &str) -> (JobOutcome, Vec<String>) {
    let sources = scratch("busy-hosts");
    let mut state = AttemptState::default();
    state.begin(JobKind::FetchSource, &sources, "part", "");
    state.stdout(line.as_bytes());
    state.stderr(b"zigcheck: why\n");
    let context = AttemptContext {
        record_id: None,
        next: JobKind::Build,
        main: JobKind::Build,
        is_scheduled: false,
        sources: &sources,
        limits: ResourceLimits::default(),
        not_yet_visible: false,
    };
    let end = JobEnd {
        exit: Some(Exit::Code(code)),
        why: None,
    };
    let outcome = state.interpret(JobKind::FetchSource, end, &context);
    (outcome, state.take_hosts_refused())
}

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What `fetch-source` says of a source that it could not fetch.
pub fn head(hosts: &str, retry_after: &str) -> String {
    format!(
        "{{\"bytes\":0,\"sha256\":\"{EMPTY}\",\"hosts_refused\":{hosts},\"retry_after\":{retry_after}}}\n"
    )
}

#[test]
fn a_busy_host_is_an_error_that_waits_as_long_as_it_asked() {
    let error = Verdict::error(Reason::SourceUnavailable, "zigcheck: why");
    let (busy, hosts) = outcome(exit::BUSY, &head("[]", "7"));
    let pause_ms = 7_000;
    let wanted = JobOutcome::Busy {
        error: error.clone(),
        pause_ms,
    };
    assert_eq!((busy, hosts), (wanted, vec![]));
    for line in [
        head("[]", "null"),
        head("[]", "-1"),
        String::new(),
        "{".to_string(),
    ] {
        let (busy, _) = outcome(exit::BUSY, &line);
        assert_eq!(busy, JobOutcome::Verdict(error.clone()), "{line}");
    }
    // What is gone is gone, whatever else is said.
    let (gone, _) = outcome(exit::NOT_THERE, &head("[]", "7"));
    assert_eq!(gone, JobOutcome::Final(error));
}

#[test]
fn a_host_that_is_not_allowed_is_named_and_not_asked_again() {
    let (refused, hosts) = outcome(exit::NOT_THERE, &head("[\"www.sqlite.org\"]", "null"));
    let JobOutcome::Final(verdict) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        (verdict.build_status, verdict.reason),
        (BuildStatus::Error, Some(Reason::HostNotAllowed))
    );
    let words = "needs host www.sqlite.org, which this server does not allow";
    assert_eq!(verdict.detail, words);
    assert_eq!(hosts, ["www.sqlite.org"]);
    // A name that no host has is no name.
    let odd = format!(
        "[\"a b\", 7, \"\", \"{}\", \"<b>\", \"[::1]\"]",
        "a".repeat(254)
    );
    let (_, hosts) = outcome(exit::NOT_THERE, &head(&odd, "null"));
    assert_eq!(hosts, ["[::1]"]);
    let many = format!("[{}]", vec!["\"a\""; 99].join(","));
    assert_eq!(outcome(exit::NOT_THERE, &head(&many, "null")).1.len(), 32);
}

#[test]
fn pauses_grow_and_what_a_host_asks_for_has_a_limit() {
    let limits = Limits {
        total_ms: 1_000_000,
        silence_ms: 1_000_000,
        output_bytes: 1 << 20,
    };
    let limits = JobLimits {
        fetch: limits,
        place: limits,
        build: limits,
        targets: limits,
        inspect: limits,
        read_logs: limits,
    };
    let pauses = |asked_ms: u64| -> Vec<u64> {
        let mut build = Build::new(1, 0, limits);
        let error = Verdict::error(Reason::SourceUnavailable, "busy");
        let mut pauses = Vec::new();
        loop {
            build.step(Input::Start(JobKind::FetchSource), 0);
            build.step(Input::Eof(Pipe::Stdout), 0);
            build.step(Input::Eof(Pipe::Stderr), 0);
            build.step(Input::Exited(Exit::Code(exit::BUSY)), 0);
            let busy = JobOutcome::Busy {
                error: error.clone(),
                pause_ms: asked_ms,
            };
            match build.step(Input::Interpreted(busy), 0) {
                Some(Step::Retry { at_ms, .. }) => pauses.push(at_ms),
                Some(Step::Finish(verdict)) => {
                    assert_eq!(verdict, error);
                    return pauses;
                }
                other => panic!("{other:?}"),
            }
        }
    };
    assert_eq!(pauses(0), RETRY_PAUSE_MS);
    assert_eq!(pauses(10_000), [10_000, 10_000, 32_000]);
    assert_eq!(pauses(u64::MAX), [RETRY_AFTER_LIMIT_MS; 3]);
}

#[test]
fn hosts_that_are_needed_are_counted_in_a_table_of_bounded_size() {
    let mut store = Store::open(&scratch("refused-hosts").join("db")).expect("a database");
    for at in 0..3 {
        refused_hosts::note(&mut store, "www.lua.org", at).expect("a row");
    }
    for n in 0..2 * REFUSED_HOSTS_LIMIT as i64 {
        refused_hosts::note(&mut store, &format!("{n}.example"), 10 + n).expect("a row");
    }
    let all = refused_hosts::all(&store).expect("rows");
    assert_eq!(all.len(), REFUSED_HOSTS_LIMIT);
    assert_eq!(
        (all[0].host.as_str(), all[0].count, all[0].last_at),
        ("www.lua.org", 3, 2)
    );
    let newest = format!("{}.example", 2 * REFUSED_HOSTS_LIMIT - 1);
    assert_eq!(all[1].host, newest);
}
