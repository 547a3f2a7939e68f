//! What is known of the engine, and the short commands that find it out.

use zigcheck::app::engine::commands::Answer;
use zigcheck::app::engine::commands::{Answered, EngineCommands, Purpose};
use zigcheck::app::engine::engine::{Engine, EngineAction};
use zigcheck::app::engine::limits::{
    ANSWER_LIMIT_BYTES, DRAIN_GRACE_MS, ENGINE_RETRY_MS, ENGINE_TIMEOUT_MS, KILL_GRACE_MS,
};
use zigcheck::app::engine::routing::Place;
use zigcheck::config::limits::ENGINE_FRESH_MS;
use zigcheck::interface::event::{Action, Command, Exit, JobId, Pipe};
use zigcheck::interface::outbox::Outbox;

fn ok(text: &str) -> Answer {
    Ok(text.to_string())
}

fn no_answer() -> Answer {
    Err("no engine".to_string())
}

/// What a whole engine says of itself.
const INFO: &str = r#"{"MemoryLimit": true, "SwapLimit": true, "CpuCfsQuota": true, "PidsLimit": true,
    "SecurityOptions": ["name=seccomp,profile=default", "name=userns"]}"#;

/// Asks an engine that has just come what it is, and is satisfied.
#[track_caller]
fn check(engine: &mut Engine) {
    assert_eq!(engine.refresh(), Some(EngineAction::ReadInfo));
    assert_eq!(engine.answer(ok(INFO), 0), Some(EngineAction::ListImages));
}

/// An engine that was asked and has no strays left to remove.
fn ready(now: u64) -> Engine {
    let mut engine = Engine::new(false);
    check(&mut engine);
    assert_eq!(
        engine.answer(ok("zigcheck:0.16.0 sha256:aa"), now),
        Some(EngineAction::ListContainers)
    );
    assert_eq!(engine.answer(ok(""), now), None);
    assert!(engine.is_ready());
    engine
}

#[test]
fn nothing_starts_before_what_was_left_over_is_removed() {
    let mut engine = Engine::new(false);
    assert_eq!(
        (engine.is_ready(), engine.is_fresh(0), engine.retry_ms()),
        (false, false, Some(0))
    );
    check(&mut engine);
    assert_eq!(
        engine.answer(ok("zigcheck:0.16.0 sha256:aa"), 10),
        Some(EngineAction::ListContainers)
    );
    let left = EngineAction::Remove(vec!["zigcheck-1-1".to_string(), "zigcheck-2-1".to_string()]);
    assert_eq!(
        engine.answer(ok("zigcheck-1-1\nzigcheck-2-1\n"), 20),
        Some(left)
    );
    assert!(engine.is_asking() && !engine.is_ready() && !engine.is_fresh(20));
    assert_eq!(engine.answer(ok("zigcheck-1-1\nzigcheck-2-1\n"), 30), None);
    assert!(engine.is_ready() && !engine.is_asking());
    assert_eq!((engine.latest(), engine.retry_ms()), (Ok(()), None));
    assert_eq!(
        (image(&engine, "0.16.0"), image(&engine, "0.15.2")),
        (Some("sha256:aa"), None)
    );
}

fn image<'e>(engine: &'e Engine, version: &str) -> Option<&'e str> {
    engine.image(version).map(|image| image.name.as_str())
}

#[test]
fn it_is_swept_at_first_and_when_it_comes_back() {
    let mut engine = ready(0);
    assert_eq!(engine.refresh(), Some(EngineAction::ListImages));
    assert_eq!(engine.answer(ok("zigcheck:0.15.2 sha256:bb"), 10), None);
    assert!(engine.is_ready());
    assert_eq!(
        (image(&engine, "0.16.0"), image(&engine, "0.15.2")),
        (None, Some("sha256:bb"))
    );
    engine.refresh();
    engine.answer(no_answer(), 20);
    check(&mut engine);
    assert_eq!(
        engine.answer(ok(""), 30),
        Some(EngineAction::ListContainers)
    );
    assert!(!engine.is_ready());
    assert_eq!(engine.answer(ok(""), 40), None);
    assert!(engine.is_ready());
}

#[test]
fn strays_that_were_not_removed_are_listed_again() {
    for answers in [&[][..], &[ok("zigcheck-1-1")]] {
        let mut engine = Engine::new(false);
        check(&mut engine);
        engine.answer(ok(""), 0);
        for answer in answers {
            engine.answer(answer.clone(), 0);
        }
        assert_eq!(engine.answer(no_answer(), 0), None);
        assert_eq!(
            (engine.is_ready(), engine.latest()),
            (false, Err("no engine"))
        );
        check(&mut engine);
        assert_eq!(engine.answer(ok(""), 0), Some(EngineAction::ListContainers));
    }
}

#[test]
fn a_container_that_goes_by_itself_is_no_fault_of_the_engine() {
    let goes = || {
        let why =
            "Error response from daemon: removal of container zigcheck-1-1 is already in progress";
        Err(why.to_string())
    };
    let removing = || {
        let mut engine = Engine::new(false);
        check(&mut engine);
        engine.answer(ok(""), 0);
        engine.answer(ok("zigcheck-1-1 exited\nzigcheck-2-1 running"), 0);
        assert_eq!(engine.answer(goes(), 0), Some(EngineAction::ListContainers));
        engine
    };
    let mut engine = removing();
    assert_eq!(engine.answer(ok("zigcheck-1-1 removing"), 0), None);
    assert!(engine.is_ready());
    // The other one was not removed: its error was not the last one.
    let mut engine = removing();
    let other = EngineAction::Remove(vec!["zigcheck-2-1".to_string()]);
    let listed = "zigcheck-1-1 removing\nzigcheck-2-1 running";
    assert_eq!(engine.answer(ok(listed), 0), Some(other));
    assert_eq!(engine.answer(ok("zigcheck-2-1"), 0), None);
    assert!(engine.is_ready());
    // It does not go at all.
    let mut engine = removing();
    engine.answer(ok("zigcheck-1-1 exited"), 0);
    assert_eq!(engine.answer(goes(), 0), None);
    assert!(!engine.is_ready() && engine.retry_ms().is_some());
}

#[test]
fn nothing_starts_before_the_network_of_fetches_is_found_closed() {
    let image = || ok("zigcheck:0.16.0 sha256:aa\nzigcheck:0.15.2 sha256:bb\n");
    let mut engine = Engine::new(true);
    check(&mut engine);
    assert_eq!(
        engine.answer(image(), 0),
        Some(EngineAction::ListContainers)
    );
    assert_eq!(engine.answer(ok(""), 0), Some(EngineAction::ProbeNetwork));
    assert!(engine.is_asking() && !engine.is_ready() && !engine.is_guarded());
    assert_eq!(engine.any_image(), "sha256:aa");
    // It is open, or not there: as good as no engine, until it is made and found closed.
    for (answer, why) in [
        (ok("it reaches 10.0.0.1\n"), "it reaches 10.0.0.1"),
        (ok(""), ""),
        (
            no_answer(),
            "no engine; `make fetch-network` as root makes it",
        ),
    ] {
        assert_eq!(engine.answer(answer, 0), None);
        let why = format!("the fetch network: {why}");
        assert_eq!(engine.latest(), Err(why.as_str()));
        assert!(engine.retry_ms().is_some() && !engine.is_guarded());
        check(&mut engine);
        engine.answer(image(), 0);
        assert_eq!(engine.answer(ok(""), 0), Some(EngineAction::ProbeNetwork));
    }
    assert_eq!(engine.answer(ok("closed\n"), 0), None);
    assert!(engine.is_ready() && engine.is_guarded());
    // Known for as long as the engine is there, and looked at anew when it comes back.
    engine.invalidate();
    engine.refresh();
    assert_eq!(engine.answer(image(), 0), None);
    assert!(engine.is_ready());
    engine.refresh();
    engine.answer(no_answer(), 0);
    assert!(!engine.is_guarded());
    check(&mut engine);
    engine.answer(image(), 0);
    assert_eq!(engine.answer(ok(""), 0), Some(EngineAction::ProbeNetwork));
    // Without an image there is nothing to look from, and nothing that could fetch.
    let mut engine = Engine::new(true);
    check(&mut engine);
    engine.answer(ok(""), 0);
    assert_eq!(engine.answer(ok(""), 0), None);
    assert!(engine.is_ready() && !engine.is_guarded());
}

#[test]
fn an_absent_engine_is_asked_after_growing_pauses() {
    let mut engine = Engine::new(false);
    let mut pauses = Vec::new();
    for _ in 0..9 {
        assert_eq!(engine.refresh(), Some(EngineAction::ReadInfo));
        assert_eq!(
            (engine.refresh(), engine.retry_ms()),
            (None, None),
            "asked twice at once"
        );
        engine.answer(no_answer(), 500);
        pauses.push(engine.retry_ms().unwrap() - 500);
    }
    let (first, longest) = ENGINE_RETRY_MS;
    assert_eq!(pauses[..4], [first, 2 * first, 4 * first, 8 * first]);
    assert_eq!(pauses[7..], [longest, longest]);
    // Once it answers, the pauses begin anew.
    check(&mut engine);
    engine.answer(ok(""), 0);
    engine.answer(ok(""), 0);
    engine.refresh();
    engine.answer(no_answer(), 0);
    assert_eq!(engine.retry_ms(), Some(first));
}

#[test]
fn an_answer_is_good_for_a_while_only() {
    let engine = ready(100);
    assert!(engine.is_fresh(100));
    assert!(engine.is_fresh(100 + ENGINE_FRESH_MS - 1));
    assert!(!engine.is_fresh(100 + ENGINE_FRESH_MS));
    // Old is not absent: what waits may start.
    assert!(engine.is_ready());
}

#[test]
fn doubt_ends_what_was_known_but_not_what_is_being_asked() {
    let mut engine = ready(0);
    engine.invalidate();
    assert_eq!(
        (engine.is_ready(), engine.is_fresh(0), engine.retry_ms()),
        (false, false, Some(0))
    );
    assert!(engine.latest().is_err());
    assert_eq!(engine.refresh(), Some(EngineAction::ListImages));
    engine.invalidate();
    assert!(engine.is_asking());
    assert_eq!(engine.refresh(), None, "asked twice at once");
    engine.answer(no_answer(), 7);
    engine.invalidate();
    assert_eq!(
        engine.retry_ms(),
        Some(7 + ENGINE_RETRY_MS.0),
        "doubt forgot the pause"
    );
}

#[test]
fn an_answer_that_nobody_asked_for_says_nothing() {
    for answer in [ok("zigcheck:9 sha256:ff"), no_answer()] {
        let mut engine = ready(0);
        assert_eq!(engine.answer(answer.clone(), 9), None);
        assert_eq!((engine.is_ready(), engine.image("9")), (true, None));
        engine.invalidate();
        assert_eq!(engine.answer(answer.clone(), 9), None);
        assert_eq!((engine.is_ready(), engine.retry_ms()), (false, Some(0)));
        engine.refresh();
        engine.answer(no_answer(), 9);
        assert_eq!(engine.answer(answer, 99), None);
        assert_eq!(engine.retry_ms(), Some(9 + ENGINE_RETRY_MS.0));
    }
}

#[test]
fn an_engine_that_may_not_run_anything_is_none() {
    let unfit = INFO.replace("profile=default", "profile=unconfined");
    let why = "it has no seccomp";
    let mut engine = Engine::new(false);
    engine.refresh();
    assert_eq!(engine.answer(ok(&unfit), 5), None);
    assert_eq!((engine.is_ready(), engine.latest()), (false, Err(why)));
    assert_eq!(engine.refused(), Some(why));
    // One that comes later is asked, too; a server that has run builds waits for another.
    check(&mut engine);
    assert_eq!(engine.refused(), None);
    engine.answer(ok(""), 5);
    engine.answer(ok(""), 5);
    assert!(engine.is_ready() && engine.recommended().is_empty());
    engine.refresh();
    engine.answer(no_answer(), 6);
    engine.refresh();
    engine.answer(ok(&unfit), 7);
    assert_eq!((engine.latest(), engine.refused()), (Err(why), None));
    // And what an engine would be better with is known of it.
    assert_eq!(engine.refresh(), Some(EngineAction::ReadInfo));
    let rooted = INFO.replace("name=userns", "name=cgroupns");
    assert_eq!(
        engine.answer(ok(&rooted), 8),
        Some(EngineAction::ListImages)
    );
    assert_eq!(engine.recommended(), ["user namespaces"]);
}

struct Sent {
    commands: EngineCommands,
    out: Outbox,
    job: JobId,
}

fn sent(purpose: Purpose) -> Sent {
    let (mut commands, mut out) = (EngineCommands::default(), Outbox::default());
    let argv = vec!["docker".to_string(), "images".to_string()];
    let command = Command {
        argv,
        stdin: Vec::new(),
    };
    commands.start(command.clone(), purpose, &mut out, 0);
    let Some(Action::Spawn {
        job,
        command: spawned,
    }) = out.take()
    else {
        panic!("nothing was started");
    };
    assert_eq!((spawned, out.take()), (command, None));
    assert!(!commands.is_empty());
    Sent { commands, out, job }
}

impl Sent {
    fn say(&mut self, pipe: Pipe, bytes: &[u8]) {
        self.commands.output(self.job, pipe, bytes, 1);
    }

    fn close(&mut self) -> Option<Answer> {
        self.close_both().map(|answered| answered.answer)
    }

    fn close_both(&mut self) -> Option<Answered> {
        let first = self.commands.eof(self.job, Pipe::Stderr);
        first.or_else(|| self.commands.eof(self.job, Pipe::Stdout))
    }

    fn exit(&mut self, exit: Exit) -> Option<Answer> {
        let answer = self.commands.exited(self.job, exit, 5);
        answer.map(|answered| answered.answer)
    }

    fn time(&mut self, now: u64) -> (Vec<Answer>, Option<Action>) {
        let answers = self.commands.on_time(&mut self.out, now);
        let answers = answers.into_iter().map(|answered| answered.answer);
        (answers.collect(), self.out.take())
    }
}

#[test]
fn an_errand_answers_when_it_has_exited_and_its_pipes_have_ended() {
    for exit_first in [true, false] {
        let mut sent = sent(Purpose::Engine(Place::Here));
        sent.say(Pipe::Stdout, b"a\n");
        sent.say(Pipe::Stderr, b"a warning\n");
        sent.say(Pipe::Stdout, b"b\n");
        let (early, answer) = match exit_first {
            true => (sent.exit(Exit::Code(0)), sent.close()),
            false => (sent.close(), sent.exit(Exit::Code(0))),
        };
        assert_eq!((early, answer), (None, Some(ok("a\nb\n"))));
        assert!(sent.commands.is_empty());
        assert_eq!(
            (sent.commands.deadline_ms(), sent.time(1 << 40)),
            (None, (vec![], None))
        );
    }
}

#[test]
fn an_errand_that_failed_says_its_last_words() {
    let of = |stderr: &[u8], exit: Exit| {
        let mut sent = sent(Purpose::Engine(Place::Here));
        sent.say(Pipe::Stdout, b"out\n");
        sent.say(Pipe::Stderr, stderr);
        let early = sent.close();
        early.or_else(|| sent.exit(exit)).unwrap().unwrap_err()
    };
    assert_eq!(of(b"first\n last \n\n", Exit::Code(1)), "last");
    assert_eq!(of(b"\xff\n", Exit::Signal(9)), "\u{fffd}");
    assert!(of(b"", Exit::Code(3)).contains('3'));
    let mut sent = sent(Purpose::Engine(Place::Here));
    let answer = sent.exit(Exit::NotStarted("no such program".to_string()));
    assert_eq!(answer, Some(Err("no such program".to_string())));
}

#[test]
fn an_errand_keeps_no_more_output_than_the_limit() {
    let limit = ANSWER_LIMIT_BYTES;
    for (piece, pieces) in [(limit, 1), (1 << 16, 17), (limit - 1, 2), (limit + 1, 3)] {
        let mut sent = sent(Purpose::Engine(Place::Here));
        for _ in 0..pieces {
            sent.say(Pipe::Stdout, &vec![b'x'; piece]);
            sent.say(Pipe::Stderr, &vec![b'y'; piece]);
        }
        sent.close();
        let answer = sent.exit(Exit::Code(0)).unwrap();
        // Where a part is lost, the rest is no answer: nodes would be missing.
        let wanted = match piece * pieces > limit {
            true => Err("the engine's answer is longer than 1 MiB".to_string()),
            false => Ok("x".repeat(limit)),
        };
        assert!(answer == wanted, "{pieces} of {piece}");
    }
}

#[test]
fn an_errand_that_takes_too_long_is_killed_and_answers_without() {
    let mut sent = sent(Purpose::Engine(Place::Here));
    let job = sent.job;
    // Output does not make it live longer.
    sent.say(Pipe::Stdout, b"x");
    assert_eq!(sent.commands.deadline_ms(), Some(ENGINE_TIMEOUT_MS));
    assert_eq!(sent.time(ENGINE_TIMEOUT_MS - 1), (vec![], None));
    assert_eq!(
        sent.time(ENGINE_TIMEOUT_MS),
        (vec![], Some(Action::Kill { job }))
    );
    let given_up = ENGINE_TIMEOUT_MS + KILL_GRACE_MS;
    assert_eq!(sent.commands.deadline_ms(), Some(given_up));
    let (answers, _) = sent.time(given_up);
    assert!(
        matches!(&answers[..], [Err(why)] if why.contains("20 s")),
        "{answers:?}"
    );
    // What comes late is of nobody.
    sent.say(Pipe::Stdout, b"x");
    assert_eq!((sent.close(), sent.exit(Exit::Code(0))), (None, None));
}

#[test]
fn an_exit_after_the_kill_is_no_answer_either() {
    let mut sent = sent(Purpose::Engine(Place::Here));
    sent.say(Pipe::Stdout, b"zigcheck:0.16.0 sha256:aa");
    sent.time(ENGINE_TIMEOUT_MS);
    sent.close();
    assert!(sent.exit(Exit::Code(0)).unwrap().is_err());
}

#[test]
fn a_pipe_that_stays_open_after_the_exit_is_not_waited_for_long() {
    let mut sent = sent(Purpose::Engine(Place::Here));
    sent.say(Pipe::Stdout, b"x");
    assert_eq!(sent.exit(Exit::Code(0)), None);
    assert_eq!(sent.commands.deadline_ms(), Some(5 + DRAIN_GRACE_MS));
    assert_eq!(sent.time(5 + DRAIN_GRACE_MS - 1), (vec![], None));
    let job = sent.job;
    assert_eq!(
        sent.time(5 + DRAIN_GRACE_MS),
        (vec![ok("x")], Some(Action::Kill { job }))
    );
    assert!(sent.commands.is_empty());
}

#[test]
fn an_errand_that_nobody_waits_for_gives_no_answer() {
    let mut one = sent(Purpose::Nothing);
    one.close();
    assert_eq!(one.exit(Exit::Code(0)), None);
    assert!(one.commands.is_empty());
    let mut one = sent(Purpose::Nothing);
    one.time(ENGINE_TIMEOUT_MS);
    assert_eq!(one.time(ENGINE_TIMEOUT_MS + KILL_GRACE_MS).0, []);
    assert!(one.commands.is_empty());
}
