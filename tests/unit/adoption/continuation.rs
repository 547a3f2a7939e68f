//! What goes on after an adoption: time, states, logs and leftovers.

use super::killed::*;
use crate::common::core::Inside;
use crate::common::core_steps::framed;
use crate::common::pack;
use serde_json::{Value, json};
use zigcheck::app::builds::limits::{
    ERRORS_LIMIT, NOT_YET_VISIBLE_LIMIT_MS, NOT_YET_VISIBLE_PAUSE_MS,
};
use zigcheck::app::engine::limits::CLEANUP_DELAY_MS;
use zigcheck::app::live::limits::{LOG_HEAD_BYTES, LOG_TAIL_BYTES};
use zigcheck::config::limits::RETRY_PAUSE_MS;
use zigcheck::interface::event::{Event, Pipe};

#[test]
fn the_time_of_a_container_does_not_begin_anew() {
    let (inside, memory) = begun("adopt-time");
    let limit_ms = inside.settings.build_timeout_ms;
    let mut killed = inside.killed();
    killed.ms = limit_ms / 2;
    let mut inside = killed.starts(&memory);
    inside.engine.peak = Some("123731968\n".to_string());
    // It is never silent for long.
    while inside.ms + 20_000 < limit_ms {
        inside.pass_step_by_step(20_000);
        inside.logs(ONE, "more\n");
    }
    let left = limit_ms - inside.ms;
    inside.pass_step_by_step(left - 1);
    inside.is(1, "building", "pending", None, 1);
    assert_eq!(inside.engine.count("exec "), 0);
    inside.pass_step_by_step(1);
    inside.is(1, "finished", "failed", Some("timeout"), 1);
    assert_eq!(
        (inside.engine.count("exec "), inside.engine.count("kill ")),
        (1, 1)
    );
    let row = inside.build(1);
    assert_eq!(row["peak_memory_bytes"], 123_731_968);
    let words = row["error_log"].as_str().unwrap();
    let (seconds, memory) = (limit_ms / 1_000, inside.settings.memory_bytes >> 20);
    let wanted = format!(
        "ended: it took longer than --build-timeout, {seconds} s; \
         memory: at most 118 MiB of {memory} MiB"
    );
    assert_eq!(words, wanted);
    assert!(inside.engine.all().is_empty());
}

#[test]
fn a_container_whose_time_was_up_meanwhile_is_ended_at_once() {
    for ended in [false, true] {
        let (mut killed, memory) = killed(&format!("adopt-late-{ended}"));
        killed.ms += killed.settings.build_timeout_ms + 60_000;
        if ended {
            // It was in time, for all that anybody knows.
            says_good(&mut killed, ONE);
            killed.engine.ends(ONE, 0, false);
        }
        let mut inside = killed.starts(&memory);
        inside.pass_step_by_step(0);
        match ended {
            true => ended_once(&mut inside, &memory, "one\ntwo\n"),
            false => {
                inside.is(1, "finished", "failed", Some("timeout"), 1);
                assert_eq!(inside.log(1), "one\ntwo\n");
                assert_eq!(inside.build(1)["peak_memory_bytes"], Value::Null);
            }
        }
    }
}

#[test]
fn a_container_that_is_silent_is_given_the_whole_time_for_it() {
    let (killed, memory) = killed("adopt-silent");
    let silence_ms = killed.settings.silence_timeout_ms;
    let mut inside = killed.starts(&memory);
    inside.pass_step_by_step(silence_ms - 1);
    inside.is(1, "building", "pending", None, 1);
    inside.pass_step_by_step(1);
    inside.is(1, "finished", "failed", Some("silent"), 1);
}

#[test]
fn a_record_that_came_just_before_the_end_counts() {
    let (killed, memory) = killed("adopt-just");
    let left = killed.settings.build_timeout_ms - killed.ms;
    let mut inside = killed.starts(&memory);
    while inside.ms + 20_000 < left {
        inside.pass_step_by_step(20_000);
        inside.logs(ONE, ".\n");
    }
    // It ends by itself while it is asked for its memory.
    inside.engine.hung = true;
    let rest = inside.settings.build_timeout_ms - inside.ms;
    inside.pass_step_by_step(rest);
    inside.engine.hung = false;
    inside.is(1, "building", "pending", None, 1);
    inside.build_succeeds(ONE);
    inside.is(1, "finished", "success", None, 1);
}

#[test]
fn tests_that_have_begun_go_on() {
    for before in [true, false] {
        let (mut inside, memory) = begun(&format!("adopt-testing-{before}"));
        let mut killed = match before {
            true => {
                inside.tests_begin(ONE);
                inside.killed()
            }
            false => {
                let mut killed = inside.killed();
                let line = b"{\"state\":\"testing\",\"compiled\":2}\n";
                killed.engine.writes(ONE, Pipe::Stdout, line);
                killed
            }
        };
        killed.engine.up = false;
        let mut inside = killed.starts(&memory);
        inside.is(
            1,
            if before { "testing" } else { "building" },
            "pending",
            None,
            1,
        );
        inside.engine.up = true;
        inside.pass_step_by_step(1_000);
        inside.is(1, "testing", "pending", None, 1);
        // Want of memory is then said of the tests.
        inside.engine.ends(ONE, 137, true);
        inside.pump();
        inside.is(1, "finished", "success", Some("out_of_memory"), 1);
        assert_eq!(inside.build(1)["test_status"], "failed");
        assert_eq!(
            memory.events(1),
            ["queued", "building", "testing", "finished"]
        );
    }
}

/// A compiler prints nothing for minutes: its runner says that it works.
#[test]
fn a_sign_of_life_is_activity_and_nothing_else() {
    let (mut inside, memory) = Inside::begin("working", 1);
    inside.submit("a");
    inside.source_is("zigcheck-source-1-1", b"one", false);
    let pause_ms = inside.settings.silence_timeout_ms * 3 / 4;
    for _ in 0..3 {
        inside.pass(pause_ms);
        inside
            .engine
            .writes(ONE, Pipe::Stdout, b"{\"state\":\"working\"}\n");
        inside.pump();
        inside.is(1, "building", "pending", None, 1);
    }
    let events = ["queued", "fetching", "queued", "building"];
    assert_eq!(memory.events(1), events);
    assert!(!inside.curl("/api/builds/1/log").contains("working"));
    inside.pass(pause_ms);
    inside.is(1, "building", "pending", None, 1);
    assert_eq!(inside.engine.count("kill"), 0);
    inside.pass(inside.settings.silence_timeout_ms);
    assert_eq!(inside.engine.count("kill"), 1);
}

#[test]
fn containers_that_are_found_hold_their_slots() {
    let (mut inside, memory) = Inside::begin("adopt-slots", 2);
    for words in ["a", "b", "c", "d"] {
        upload(&mut inside, words);
    }
    let mut inside = inside.restarted_with(&memory, |settings| settings.max_builds = 1);
    assert_eq!(inside.names(), [ONE, "zigcheck-2-1"]);
    let queue = inside.json("/api/queue");
    let ids = |list: &str| -> Vec<i64> {
        let rows = queue[list].as_array().unwrap().iter();
        rows.map(|row| row["id"].as_i64().unwrap()).collect()
    };
    assert_eq!((ids("running"), ids("waiting")), (vec![1, 2], vec![3, 4]));
    inside.build_succeeds(ONE);
    assert_eq!(inside.names(), ["zigcheck-2-1"], "one slot is not free yet");
    inside.build_succeeds("zigcheck-2-1");
    assert_eq!(inside.names(), ["zigcheck-3-1"]);
    inside.build_succeeds("zigcheck-3-1");
    inside.build_succeeds("zigcheck-4-1");
    for build in 1..=4 {
        inside.is(build, "finished", "success", None, 1);
    }
}

#[test]
fn an_interrupted_fetch_begins_again_however_often() {
    let (mut inside, memory) = Inside::begin("adopt-fetch", 1);
    let body = br#"{"url": "https://github.com/x/a", "zig_versions": ["0.16.0"]}"#;
    inside.request("POST", "/api/packages", &[], body);
    let last = ERRORS_LIMIT + 3;
    for attempt in 1..last {
        let name = format!("zigcheck-source-1-{attempt}");
        assert_eq!(inside.engine.all(), [name.as_str()]);
        inside.is(1, "fetching", "pending", None, 1);
        inside = inside.restarted(&memory);
    }
    inside.source_is(&format!("zigcheck-source-1-{last}"), b"one", true);
    for attempt in 1..last {
        let name = format!("zigcheck-fetch-1-{attempt}");
        assert_eq!(inside.engine.all(), [name.as_str()]);
        inside.is(1, "fetching", "pending", None, attempt);
        inside = inside.restarted(&memory);
    }
    let said = framed(json!({"dependencies": "fetched"}), b"deps");
    inside.container_ends(&format!("zigcheck-fetch-1-{last}"), &said, 0);
    inside.build_succeeds(&format!("zigcheck-1-{last}"));
    inside.is(1, "finished", "success", None, last);
    let line = "\n[zigcheck: the server was restarted; attempt 2 follows]\n";
    assert!(inside.log(1).starts_with(line), "{}", inside.log(1));
}

#[test]
fn attempts_that_restarts_have_cost_leave_all_repetitions_of_an_error() {
    let (mut inside, memory) = Inside::begin("adopt-errors", 1);
    let body = br#"{"url": "https://github.com/x/a", "zig_versions": ["0.16.0"]}"#;
    inside.request("POST", "/api/packages", &[], body);
    for _ in 0..ERRORS_LIMIT {
        inside = inside.restarted(&memory);
    }
    let first = ERRORS_LIMIT + 1;
    for (errors, pause_ms) in RETRY_PAUSE_MS.iter().enumerate() {
        let name = format!("zigcheck-source-1-{}", first + errors as u32);
        inside.container_ends(&name, b"", 10);
        inside.is(1, "queued", "pending", None, 1);
        inside.pass(*pause_ms);
    }
    let last = first + ERRORS_LIMIT - 1;
    inside.source_is(&format!("zigcheck-source-1-{last}"), b"one", true);
    for _ in 0..ERRORS_LIMIT {
        inside = inside.restarted(&memory);
    }
    for (errors, pause_ms) in RETRY_PAUSE_MS.iter().enumerate() {
        let attempt = first + errors as u32;
        inside.container_ends(&format!("zigcheck-fetch-1-{attempt}"), b"", 1);
        inside.is(1, "queued", "pending", None, attempt + 1);
        // What is known of it outlives a restart as well.
        inside = inside.restarted(&memory);
        inside.pass(*pause_ms);
    }
    inside.container_ends(&format!("zigcheck-fetch-1-{last}"), b"", 1);
    inside.is(1, "finished", "error", Some("lost"), last);
    assert_eq!(inside.build(1)["error_log"], "the fetch was cut off");
}

#[test]
fn what_was_fetched_in_vain_is_remembered() {
    let (mut inside, memory) = Inside::begin("adopt-deps", 1);
    inside.submit("a");
    inside.source_is("zigcheck-source-1-1", b"one", true);
    let said = framed(json!({"dependencies": "unreachable"}), b"");
    inside.container_ends("zigcheck-fetch-1-1", &said, 0);
    assert_eq!(inside.names(), [ONE]);
    let mut inside = inside.restarted(&memory);
    inside.build_fails_for(ONE, "compile_error");
    inside.is(1, "finished", "failed", Some("compile_error"), 1);
    inside.container_ends("zigcheck-fetch-2-1", &said, 0);
    inside.build_succeeds("zigcheck-2-1");
    // The failure may be the doing of a host that was down: the next check runs it again.
    inside.request("POST", "/api/packages/a/builds", &[], b"");
    inside.source_is("zigcheck-source-2-1", b"one", true);
    assert_eq!(inside.names(), ["zigcheck-fetch-3-1"]);
}

#[test]
fn what_stood_before_the_container_stays_before_it() {
    let (mut inside, memory) = begun("adopt-log");
    inside.container_ends(ONE, b"", 0);
    inside.pass_step_by_step(2_000);
    inside.logs("zigcheck-1-2", "second\n");
    let mut killed = inside.killed();
    killed
        .engine
        .writes("zigcheck-1-2", Pipe::Stderr, b"\xc3\xbc\n");
    let mut inside = killed.starts(&memory);
    inside.logs("zigcheck-1-2", "end\n");
    let log = "one\n\n[zigcheck: engine_error; attempt 2 follows]\nsecond\nü\nend\n";
    assert_eq!(inside.log(1), log);
    inside.build_succeeds("zigcheck-1-2");
    assert_eq!(inside.log(1), log);
    assert_eq!(inside.build(1)["log_bytes"], log.len());
}

#[test]
fn a_flood_is_found_whole() {
    let (mut inside, memory) = begun("adopt-flood");
    let (head, tail) = (LOG_HEAD_BYTES as usize, LOG_TAIL_BYTES as usize);
    let line = |n: usize| format!("{n:015}\n");
    let lines = |from: usize, to: usize| (from..to).map(line).collect::<String>();
    // Past the end of the ring, and half of it once more.
    let (first, second) = ((head + tail + tail / 2) / 16, (head + 3 * tail) / 16);
    inside.logs(ONE, &lines(0, first));
    let mut killed = inside.killed();
    let more = lines(first, second);
    killed.engine.writes(ONE, Pipe::Stderr, more.as_bytes());
    let mut inside = killed.starts(&memory);
    let end = lines(second, second + 3);
    inside.logs(ONE, &end);
    inside.build_succeeds(ONE);
    let all = format!("one\n{}{end}", lines(0, second));
    let log = inside.log(1);
    assert!(log.starts_with(&all[..head]) && log.ends_with(&all[all.len() - tail..]));
    let row = inside.build(1);
    assert_eq!(
        (&row["log_bytes"], &row["log_truncated"]),
        (&json!(all.len()), &json!(true))
    );
}

#[test]
fn containers_that_belong_to_nothing_are_removed() {
    let (mut inside, memory) = begun("adopt-stray");
    inside.submit("b");
    let mut killed = inside.killed();
    for stray in [
        "zigcheck-1-7",
        "zigcheck-9-1",
        "zigcheck-source-1-1",
        "zigcheck-remote-3-1",
    ] {
        killed.engine.has_stray(stray);
    }
    let inside = killed.starts(&memory);
    assert_eq!(inside.engine.all(), [ONE]);
}

/// A client that outlived its server has a container made, a moment later.
#[test]
fn a_container_that_comes_late_is_removed_too() {
    let (inside, memory) = begun("adopt-orphan");
    let mut killed = inside.killed();
    killed.engine.forgets(ONE);
    let mut inside = killed.starts(&memory);
    // It might still come: it is looked for again and again.
    inside.pass_step_by_step(NOT_YET_VISIBLE_LIMIT_MS as u64 + NOT_YET_VISIBLE_PAUSE_MS);
    assert_eq!(inside.engine.all(), ["zigcheck-1-2"]);
    inside.engine.has_stray(ONE);
    inside.pass_step_by_step(CLEANUP_DELAY_MS);
    assert_eq!(inside.engine.all(), ["zigcheck-1-2"]);
    inside.build_succeeds("zigcheck-1-2");
    inside.is(1, "finished", "success", None, 2);
}

#[test]
fn a_server_that_is_asked_to_stop_leaves_builds_to_the_next() {
    let (mut inside, memory) = Inside::begin("adopt-stop", 2);
    upload(&mut inside, "a");
    inside.submit("b");
    inside.logs(ONE, "one\n");
    assert_eq!(inside.names(), [ONE, "zigcheck-source-2-1"]);
    inside.tell(Event::Stop);
    inside.pump();
    assert!(inside.stopped());
    // What fetches is of no use to the next, which removes it.
    assert_eq!(inside.engine.all(), [ONE, "zigcheck-source-2-1"]);
    inside.is(1, "building", "pending", None, 1);
    let mut killed = inside.killed();
    killed.engine.writes(ONE, Pipe::Stderr, b"two\n");
    let mut inside = killed.starts(&memory);
    assert_eq!(inside.names(), [ONE, "zigcheck-source-2-2"]);
    inside.build_succeeds(ONE);
    ended_but_for(&mut inside, "one\ntwo\n");
}

fn ended_but_for(inside: &mut Inside, log: &str) {
    inside.is(1, "finished", "success", None, 1);
    assert_eq!(inside.log(1), log);
    assert_eq!(inside.engine.count(&format!("run --name={ONE} ")), 1);
}

#[test]
fn a_server_that_runs_dry_starts_nothing_and_ends_when_nothing_runs() {
    let (mut inside, memory) = begun("adopt-drain");
    upload(&mut inside, "b");
    inside.tell(Event::Drain);
    inside.pump();
    assert!(!inside.stopped());
    inside.logs(ONE, "two\n");
    inside.build_succeeds(ONE);
    inside.is(1, "finished", "success", None, 1);
    assert!(inside.names().is_empty() && inside.stopped());
    let inside = inside.restarted(&memory);
    assert_eq!(inside.names(), ["zigcheck-2-1"]);
}

#[test]
fn a_build_whose_engine_lost_the_beginning_of_its_output_has_built() {
    let (mut inside, _memory) = Inside::begin("adoption-lost-beginning", 1);
    inside.upload(&pack::tar(&[pack::file("build.zig", b"")]));
    inside.tests_begin(ONE);
    inside.engine.container(ONE).kept = Some(Default::default());
    inside.engine.client_ends(ONE, 125, "");
    inside.pump();
    inside.engine.ends(ONE, 137, true);
    inside.pump();
    let build = inside.build(1);
    let words = [
        &build["build_status"],
        &build["test_status"],
        &build["reason"],
    ];
    assert_eq!(words, ["success", "failed", "out_of_memory"], "{build}");
}
