//! Containers in every state, an engine that is away, and odd ends of its clients.

use super::killed::*;
use crate::common::core_steps::good;
use crate::common::engine::container::State;
use zigcheck::app::builds::limits::{
    ERRORS_LIMIT, INSPECTIONS_LIMIT, NOT_YET_VISIBLE_LIMIT_MS, NOT_YET_VISIBLE_PAUSE_MS,
};
use zigcheck::app::engine::limits::CLEANUP_DELAY_MS;
use zigcheck::interface::event::Pipe;

#[test]
fn a_container_that_runs_is_followed_to_its_end() {
    let (killed, memory) = killed("adopt-running");
    let mut inside = killed.starts(&memory);
    inside.is(1, "building", "pending", None, 1);
    assert_eq!(inside.log(1), "one\ntwo\n");
    inside.logs(ONE, "three\n");
    inside.pass(1_000);
    // A last line without an end comes with the rest alone.
    inside.logs(ONE, "four");
    inside.build_succeeds(ONE);
    ended_once(&mut inside, &memory, "one\ntwo\nthree\nfour");
    assert_eq!(inside.engine.count("logs --follow "), 1);
    assert_eq!(inside.engine.count("logs zigcheck"), 1);
}

#[test]
fn a_server_may_be_gone_any_number_of_times() {
    let (mut inside, memory) = begun("adopt-often");
    let mut log = "one\n".to_string();
    for n in 0..10 {
        inside.logs(ONE, &format!("{n} before\n"));
        let mut killed = inside.killed();
        let line = format!("{n} meanwhile\n");
        killed.engine.writes(ONE, Pipe::Stderr, line.as_bytes());
        inside = killed.starts(&memory);
        log += &format!("{n} before\n{n} meanwhile\n");
        assert_eq!(inside.log(1), log);
    }
    inside.build_succeeds(ONE);
    ended_once(&mut inside, &memory, &log);
}

#[test]
fn the_end_that_nobody_saw_is_the_container_s_own() {
    let (mut killed, memory) = killed("adopt-exited");
    says_good(&mut killed, ONE);
    killed.engine.ends(ONE, 0, false);
    let mut inside = killed.starts(&memory);
    ended_once(&mut inside, &memory, "one\ntwo\n");
    assert_eq!(inside.engine.count("logs --follow "), 0);
}

#[test]
fn it_is_judged_by_what_the_engine_says_of_it() {
    for (nth, (code, oom_killed, status, reason)) in [
        (137, true, "failed", "out_of_memory"),
        (12, false, "failed", "disk_limit"),
    ]
    .into_iter()
    .enumerate()
    {
        let (mut killed, memory) = killed(&format!("adopt-judged-{nth}"));
        killed.engine.ends(ONE, code, oom_killed);
        let mut inside = killed.starts(&memory);
        inside.is(1, "finished", status, Some(reason), 1);
        assert_eq!(inside.log(1), "one\ntwo\n");
    }
}

#[test]
fn a_container_that_somebody_killed_is_tried_again_after_a_pause() {
    let (mut killed, memory) = killed("adopt-killed");
    killed.engine.ends(ONE, 137, false);
    let mut inside = killed.starts(&memory);
    inside.is(1, "queued", "pending", None, 2);
    assert!(inside.engine.all().is_empty());
    inside.pass_step_by_step(2_000);
    inside.logs("zigcheck-1-2", "again\n");
    inside.build_succeeds("zigcheck-1-2");
    inside.is(1, "finished", "success", None, 2);
    let log = "one\ntwo\n\n[zigcheck: lost; attempt 2 follows]\nagain\n";
    assert_eq!(inside.log(1), log);
    let wanted = ["queued", "building", "queued", "building", "finished"];
    assert_eq!(memory.events(1), wanted);
}

/// Its client was killed with the server, before it had sent the source.
#[test]
fn a_container_whose_source_was_interrupted_is_tried_again_at_once() {
    let (mut killed, memory) = killed("adopt-source");
    killed.engine.ends(ONE, 65, false);
    let mut inside = killed.starts(&memory);
    assert_eq!(inside.names(), ["zigcheck-1-2"]);
    inside.is(1, "building", "pending", None, 2);
    assert_eq!(inside.engine.all(), ["zigcheck-1-2"]);
    let kept = inside.sources();
    assert_eq!(kept.len(), 1, "its file is as good as it was: {kept:?}");
}

#[test]
fn a_container_that_was_made_and_not_started_is_made_anew() {
    let (mut killed, memory) = killed("adopt-created");
    killed.engine.container(ONE).state = State::Created;
    let mut inside = killed.starts(&memory);
    // It might still come: it is looked for again and again.
    inside.pass_step_by_step(NOT_YET_VISIBLE_LIMIT_MS as u64 + NOT_YET_VISIBLE_PAUSE_MS);
    assert_eq!(inside.engine.all(), ["zigcheck-1-2"]);
    inside.is(1, "building", "pending", None, 2);
    assert!(
        inside
            .log(1)
            .ends_with("[zigcheck: lost; attempt 2 follows]\n")
    );
    inside.build_succeeds("zigcheck-1-2");
    inside.is(1, "finished", "success", None, 2);
}

#[test]
fn a_build_whose_container_is_gone_is_tried_again_and_lost_in_the_end() {
    let (inside, memory) = begun("adopt-gone");
    let mut killed = inside.killed();
    for attempt in 1..ERRORS_LIMIT {
        killed.engine.forgets(&format!("zigcheck-1-{attempt}"));
        let mut inside = killed.starts(&memory);
        // It might still come: it is looked for again and again.
        inside.pass_step_by_step(NOT_YET_VISIBLE_LIMIT_MS as u64 + NOT_YET_VISIBLE_PAUSE_MS);
        let next = format!("zigcheck-1-{}", attempt + 1);
        assert_eq!(inside.engine.all(), [next.as_str()], "attempt {attempt}");
        inside.is(1, "building", "pending", None, attempt + 1);
        killed = inside.killed();
    }
    killed.engine.forgets(&format!("zigcheck-1-{ERRORS_LIMIT}"));
    let mut inside = killed.starts(&memory);
    inside.pass_step_by_step(NOT_YET_VISIBLE_LIMIT_MS as u64 + NOT_YET_VISIBLE_PAUSE_MS);
    inside.is(1, "finished", "error", Some("lost"), ERRORS_LIMIT);
    let sentence = "its container was never started, or is gone";
    assert_eq!(inside.build(1)["error_log"], sentence);
    assert!(inside.engine.all().is_empty());
    let log = "one\n\n[zigcheck: lost; attempt 2 follows]\n\
        \n[zigcheck: lost; attempt 3 follows]\n\n[zigcheck: lost; attempt 4 follows]\n";
    assert_eq!(inside.log(1), log);
    let events = memory.events(1);
    assert_eq!(events.len(), 1 + 4 + 3 + 1, "{events:?}");
}

/// Another data directory has another id: its containers of the same builds and attempts have other names.
#[test]
fn containers_of_another_server_are_left_alone() {
    let (mut killed, memory) = killed("adopt-other");
    let others = ["1-1", "2-1", "source-1-1", "fetch-1-1", "remote-1-1"];
    let others = others.map(|name| format!("zigcheck-fedcba98-{name}"));
    for name in &others {
        killed.engine.add_foreign(name);
    }
    let mut inside = killed.starts(&memory);
    inside.build_succeeds(ONE);
    inside.is(1, "finished", "success", None, 1);
    upload(&mut inside, "b");
    let response = inside.as_admin("DELETE", "/api/builds/2", b"");
    assert_eq!(response.status, 200);
    inside.submit("c");
    inside
        .engine
        .client_ends("zigcheck-source-3-1", 1, "some error\n");
    inside.pass_step_by_step(2 * CLEANUP_DELAY_MS);
    let mut running = inside.engine.running();
    running.retain(|name| !name.starts_with("zigcheck-source-3-"));
    assert_eq!(running, others);
    let named = |asked: &&String| asked.contains("fedcba98");
    assert_eq!(inside.engine.asked.iter().find(named), None);
}

#[test]
fn while_the_engine_is_away_nothing_is_said_of_its_containers() {
    let (mut killed, memory) = killed("adopt-away");
    killed.engine.up = false;
    let mut inside = killed.starts(&memory);
    for _ in 0..10 {
        inside.pass_step_by_step(60_000);
        inside.is(1, "building", "pending", None, 1);
    }
    assert_eq!(inside.engine.count("inspect"), 0);
    // Not even if this server is gone as well.
    let mut killed = inside.killed();
    killed.engine.writes(ONE, Pipe::Stderr, b"three\n");
    let mut inside = killed.starts(&memory);
    inside.pass_step_by_step(60_000);
    inside.is(1, "building", "pending", None, 1);
    inside.engine.writes(ONE, Pipe::Stdout, &good(ONE));
    inside.engine.ends(ONE, 0, false);
    inside.engine.up = true;
    inside.pass_step_by_step(60_000);
    ended_once(&mut inside, &memory, "one\ntwo\nthree\n");
}

#[test]
fn an_engine_that_goes_away_under_a_build_is_waited_for() {
    let (mut inside, memory) = begun("adopt-outage");
    for n in 0..2 * INSPECTIONS_LIMIT {
        // The first time it takes the client of `docker run` with it, then the follower.
        inside.engine.up = false;
        match n {
            0 => inside
                .engine
                .client_ends(ONE, 125, "error waiting for container\n"),
            _ => inside.engine.follower_ends(ONE, 1),
        }
        inside.pass_step_by_step(30_000);
        inside.is(1, "building", "pending", None, 1);
        inside.engine.writes(ONE, Pipe::Stderr, b"more\n");
        inside.engine.up = true;
        inside.pass_step_by_step(30_000);
        inside.is(1, "building", "pending", None, 1);
        assert_eq!(
            inside.log(1),
            format!("one\n{}", "more\n".repeat(n as usize + 1))
        );
    }
    inside.build_succeeds(ONE);
    let log = format!("one\n{}", "more\n".repeat(2 * INSPECTIONS_LIMIT as usize));
    ended_once(&mut inside, &memory, &log);
}

#[test]
fn an_engine_that_talks_nonsense_is_believed_at_last_to_have_no_answer() {
    for nonsense in ["", "\n", "no idea", "false what 0", "false"] {
        let name = format!("adopt-nonsense-{}", nonsense.len());
        let (mut killed, memory) = killed(&name);
        killed.engine.container(ONE).inspected_as = Some(nonsense.to_string());
        let mut inside = killed.starts(&memory);
        inside.pass_step_by_step(0);
        assert_eq!(
            inside.engine.count("inspect"),
            INSPECTIONS_LIMIT as usize,
            "{nonsense}"
        );
        inside.is(1, "queued", "pending", None, 2);
        assert!(inside.engine.all().is_empty(), "nobody can say how it is");
        inside.pass_step_by_step(2_000);
        assert_eq!(inside.names(), ["zigcheck-1-2"]);
        let log = inside.log(1);
        assert!(
            log.ends_with("[zigcheck: engine_error; attempt 2 follows]\n"),
            "{log}"
        );
    }
}

/// The engine knows the container, and nobody can read what it said.
#[test]
fn an_output_that_cannot_be_read_is_not_asked_for_for_ever() {
    for runs in [true, false] {
        let (mut killed, memory) = killed(&format!("adopt-mute-{runs}"));
        if !runs {
            says_good(&mut killed, ONE);
            killed.engine.ends(ONE, 0, false);
        }
        killed.engine.container(ONE).kept = None;
        let mut inside = killed.starts(&memory);
        inside.pass_step_by_step(0);
        assert_eq!(inside.engine.count("logs"), INSPECTIONS_LIMIT as usize);
        inside.is(1, "queued", "pending", None, 2);
        assert!(inside.engine.all().is_empty());
        // As often in the next attempt, if it comes to that.
        inside.pass_step_by_step(2_000);
        inside.build_succeeds("zigcheck-1-2");
        inside.is(1, "finished", "success", None, 2);
    }
}

#[test]
fn a_client_that_ends_oddly_leaves_its_container_to_be_followed() {
    for (nth, (code, words)) in [
        (125, "error waiting for container: unexpected EOF\n"),
        (1, ""),
        (137, ""),
        (0, ""),
    ]
    .into_iter()
    .enumerate()
    {
        let (mut inside, memory) = begun(&format!("adopt-odd-{nth}"));
        // The half of a line is heard three times, and is a part of the whole the last time.
        inside.engine.writes(ONE, Pipe::Stdout, b"{\"state\":");
        if code == 0 {
            // It ends well, and so has the container: but its record was not heard.
            inside.engine.client_ends(ONE, code, words);
            inside.pump();
            inside.is(1, "queued", "pending", None, 2);
            continue;
        }
        inside.engine.client_ends(ONE, code, words);
        inside.pump();
        inside.is(1, "building", "pending", None, 1);
        assert_eq!(
            inside.log(1),
            "one\n",
            "the words of the client are none of it"
        );
        inside.logs(ONE, "two\n");
        inside.engine.follower_ends(ONE, 1);
        inside.pump();
        let rest = b"\"testing\",\"compiled\":2}\n";
        inside.engine.writes(ONE, Pipe::Stdout, rest);
        inside.pump();
        inside.is(1, "testing", "pending", None, 1);
        inside.build_succeeds(ONE);
        inside.is(1, "finished", "success", None, 1);
        assert_eq!(inside.log(1), "one\ntwo\n");
        assert_eq!(
            memory.events(1),
            ["queued", "building", "testing", "finished"]
        );
        assert_eq!(inside.engine.count("run "), 1);
    }
}

#[test]
fn what_was_refused_says_why_and_is_tried_again_after_a_pause() {
    let (mut inside, _memory) = begun("adopt-refused");
    inside
        .engine
        .client_ends(ONE, 125, "docker: no space left on device.\n");
    inside.engine.forgets(ONE);
    inside.pump();
    inside.is(1, "queued", "pending", None, 2);
    for attempt in 2..=ERRORS_LIMIT {
        inside.pass_step_by_step(32_000);
        let name = &inside.names()[0].to_string();
        assert!(name.starts_with(&format!("zigcheck-1-{attempt}")), "{name}");
        inside
            .engine
            .client_ends(name, 125, "docker: no space left on device.\n");
        inside.engine.forgets(name);
        inside.pump();
    }
    inside.is(1, "finished", "error", Some("engine_error"), ERRORS_LIMIT);
    let sentence = "the engine could not run the container (docker run exited with 125)\n\
        docker: no space left on device.";
    assert_eq!(inside.build(1)["error_log"], sentence);
}
