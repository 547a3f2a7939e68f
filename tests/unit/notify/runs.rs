//! The core of the notifier without its loop: what it starts and ends, and when.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use zigcheck::interface::event::{Action, Event, Exit, Input, JobId, Now, Pipe, Worker};
use zigcheck::notify::limits::{CALL_LIMIT_S, GRACE_MS};
use zigcheck::notify::notifier::Notifier;
use zigcheck::notify::store::Store;

use super::read;

const START: i64 = 1_700_000_000_000;

/// A notifier, and the children that it has started and that have not ended.
struct Run {
    notifier: Notifier,
    ms: u64,
    children: BTreeMap<JobId, String>,
    killed: Vec<JobId>,
}

fn place(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("notify-runs");
    std::fs::create_dir_all(&dir).unwrap();
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(dir.join(format!("{name}.db{end}")));
    }
    dir.join(format!("{name}.db"))
}

/// Webhooks of `zeit` at that many hosts.
fn hooks(count: usize) -> Value {
    let urls = (0..count).map(|nth| format!("https://hook{nth}.example/x"));
    let (all, rest): (Vec<String>, Vec<String>) =
        (urls.clone().take(20).collect(), urls.skip(20).collect());
    json!({
        "webhook_secret_file": "secret",
        "packages": [{ "package": "zeit", "webhooks": all }, { "package": "zeit", "webhooks": rest }],
    })
}

/// All that is heard of a child that ends well.
fn whole<'b>(job: JobId, stdout: &'b [u8], stderr: &'b [u8]) -> [Event<'b>; 5] {
    let output = |pipe, bytes| Event::Output { job, pipe, bytes };
    let eof = |pipe| Event::Eof { job, pipe };
    let exit = Exit::Code(0);
    [
        output(Pipe::Stdout, stdout),
        output(Pipe::Stderr, stderr),
        Event::Exited { job, exit },
        eof(Pipe::Stdout),
        eof(Pipe::Stderr),
    ]
}

impl Run {
    fn new(place: &Path, config: &Value) -> Run {
        let store = Store::open(place).unwrap();
        let mut run = Run {
            notifier: Notifier::new(read(config).unwrap(), store),
            ms: 0,
            children: BTreeMap::new(),
            killed: Vec::new(),
        };
        run.turn(&[Event::Time]);
        run
    }

    fn now(&self) -> Now {
        Now {
            mono_ms: self.ms,
            unix_ms: START + self.ms as i64,
        }
    }

    /// One turn: events, commit, actions.
    fn turn(&mut self, events: &[Event]) {
        self.handle(events);
        self.notifier.commit(self.now()).unwrap();
    }

    fn handle(&mut self, events: &[Event]) {
        let now = self.now();
        for event in events {
            let event = match event {
                Event::Output { job, pipe, bytes } => Event::Output {
                    job: *job,
                    pipe: *pipe,
                    bytes,
                },
                Event::Eof { job, pipe } => Event::Eof {
                    job: *job,
                    pipe: *pipe,
                },
                Event::Exited { job, exit } => Event::Exited {
                    job: *job,
                    exit: exit.clone(),
                },
                _ => Event::Time,
            };
            self.notifier.handle(event, now);
            while let Some(action) = self.notifier.next_action() {
                match action {
                    Action::Spawn { job, command } => {
                        let [Input::Bytes(bytes)] = &command.stdin[..] else {
                            panic!("{command:?}")
                        };
                        let text = String::from_utf8(bytes.clone()).unwrap();
                        let url = text.lines().find_map(|line| line.strip_prefix("url = "));
                        self.children
                            .insert(job, url.unwrap().trim_matches('"').to_string());
                    }
                    Action::Kill { job } => self.killed.push(job),
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    /// Passes the time up to the deadline.
    fn pass(&mut self) {
        self.ms = self
            .notifier
            .deadline()
            .expect("something is due")
            .max(self.ms);
        self.turn(&[Event::Time]);
    }

    fn job(&self, url: &str) -> JobId {
        let found = self.children.iter().find(|(_, known)| known.contains(url));
        *found
            .unwrap_or_else(|| panic!("no {url} in {:?}", self.children))
            .0
    }

    fn to(&self, url: &str) -> usize {
        self.children
            .values()
            .filter(|known| known.contains(url))
            .count()
    }

    fn says(&mut self, text: &str) {
        let job = self.job("/api/events");
        self.turn(&[Event::Output {
            job,
            pipe: Pipe::Stdout,
            bytes: text.as_bytes(),
        }]);
    }

    /// An event of `zeit`: its build has ended.
    fn event(&mut self, seq: u64) {
        let event = json!({
            "seq": seq,
            "type": "build",
            "id": seq,
            "package": "zeit",
            "zig_version": "0.16.0",
            "state": "finished",
            "at": "2026-11-28T15:29:36.165Z",
        });
        self.says(&format!("id: {seq}\ndata: {event}\n\n"));
    }

    fn answer(&mut self, url: &str, said: &str, body: &Value) {
        let job = self.job(url);
        self.children.remove(&job);
        let body = body.to_string();
        let said = format!("\n{said}");
        self.turn(&whole(job, body.as_bytes(), said.as_bytes()));
    }

    /// Answers the lookup of an event.
    fn looked_up(&mut self, seq: u64) {
        let build = json!({
            "id": seq,
            "package": "zeit",
            "uploaded": false,
            "priority": 0,
            "state": "finished",
            "build_status": "failed",
        });
        self.answer(&format!("/api/builds/{seq}"), "200\t\t\t", &build);
        let package = json!({ "name": "zeit", "url": "https://a.b/x/zeit", "ref": null });
        self.answer("/api/packages/zeit", "200\t\t\t", &package);
    }
}

#[test]
fn each_receiver_gets_one_request_at_a_time_and_so_many_at_once() {
    let mut run = Run::new(&place("receivers"), &hooks(18));
    run.event(1);
    run.event(2);
    assert_eq!(run.to("/api/builds/"), 1, "the server is one as well");
    run.looked_up(1);
    run.looked_up(2);
    assert_eq!(run.to("hook"), 16, "{:?}", run.children);
    let first: Vec<String> = run.children.values().cloned().collect();
    assert!(first.iter().all(|url| run.to(url) == 1), "{first:?}");
    let free = run
        .children
        .values()
        .find(|url| url.contains("hook"))
        .cloned()
        .unwrap();
    run.answer(&free, "200\t\t\t", &json!({}));
    assert_eq!(run.to("hook"), 16);
    // Those that waited because of the number come before a second request of any other.
    let free = run
        .children
        .values()
        .find(|url| url.contains("hook"))
        .cloned()
        .unwrap();
    run.answer(&free, "200\t\t\t", &json!({}));
    let hosts: Vec<&String> = run
        .children
        .values()
        .filter(|url| url.contains("hook"))
        .collect();
    let new = hosts.iter().filter(|url| !first.contains(url)).count();
    assert_eq!(new, 2, "{hosts:?}");
    while run.to("hook") > 0 {
        let next = run
            .children
            .values()
            .find(|url| url.contains("hook"))
            .cloned()
            .unwrap();
        run.answer(&next, "200\t\t\t", &json!({}));
    }
    assert_eq!(
        run.children.len(),
        1,
        "the stream alone: {:?}",
        run.children
    );
}

#[test]
fn what_was_not_committed_happens_again_and_what_was_does_not() {
    let place = place("again");
    let mut run = Run::new(&place, &hooks(1));
    run.says("id: 4\ndata: {\"type\":\"reset\"}\n\n");
    run.event(5);
    run.looked_up(5);
    // Killed before the commit of the answer: the hook hears it again.
    let job = run.job("hook0");
    run.handle(&whole(job, b"", b"\n200\t\t\t"));
    drop(run);
    let mut run = Run::new(&place, &hooks(1));
    assert_eq!((run.to("hook0"), run.to("/api/builds")), (1, 0));
    run.answer("hook0", "204\t\t\t", &json!({}));
    drop(run);
    let mut run = Run::new(&place, &hooks(1));
    assert_eq!(
        run.children.len(),
        1,
        "the stream alone: {:?}",
        run.children
    );
    // The same event again is the same task.
    run.event(5);
    assert_eq!(run.to("/api/builds"), 0);
    run.event(6);
    assert_eq!(run.to("/api/builds/6"), 1);
}

#[test]
fn a_child_that_does_not_end_is_ended_and_its_task_is_tried_again() {
    let mut run = Run::new(&place("hangs"), &hooks(2));
    run.event(1);
    run.looked_up(1);
    run.answer("hook1", "200\t\t\t", &json!({}));
    let job = run.job("hook0");
    run.pass();
    assert_eq!(run.ms, CALL_LIMIT_S * 1_000 + GRACE_MS);
    assert_eq!(run.killed, [job]);
    // Its end is heard; one of its pipes never ends.
    run.turn(&[
        Event::Exited {
            job,
            exit: Exit::Signal(9),
        },
        Event::Eof {
            job,
            pipe: Pipe::Stderr,
        },
    ]);
    assert_eq!(run.to("hook0"), 1);
    run.children.remove(&job);
    run.pass();
    assert_eq!(run.killed, [job, job]);
    assert_eq!(run.to("hook0"), 0, "after its pause");
    let before = run.ms;
    run.pass();
    assert_eq!((run.to("hook0"), run.ms - before), (1, 60_000));
}

#[test]
fn a_receiver_that_asks_for_it_is_left_alone_with_all_that_waits_for_it() {
    let mut run = Run::new(&place("paused"), &hooks(1));
    run.event(1);
    run.event(2);
    run.looked_up(1);
    run.looked_up(2);
    run.answer("hook0", "429\t600\t\t", &json!({}));
    assert_eq!(run.to("hook0"), 0, "the second one waits as well");
    run.pass();
    assert_eq!((run.to("hook0"), run.ms), (1, 600_000));
}

#[test]
fn a_stream_that_ends_begins_anew_after_the_last_event() {
    let mut run = Run::new(&place("stream"), &hooks(1));
    run.event(7);
    for pause in [1_000, 2_000, 4_000] {
        let job = run.job("/api/events");
        run.children.remove(&job);
        let before = run.ms;
        run.turn(&[Event::Exited {
            job,
            exit: Exit::Code(7),
        }]);
        // The lookup of its event has a limit of its own, which is later.
        assert_eq!(run.to("/api/events"), 0);
        run.pass();
        assert_eq!((run.to("/api/events"), run.ms - before), (1, pause));
    }
    // What waits for the server is due as soon as it speaks.
    run.answer("/api/builds/7", "503\t\t\t", &json!({}));
    assert_eq!(run.to("/api/builds/7"), 0);
    run.says(": hello\n");
    assert_eq!(run.to("/api/builds/7"), 1);
}

#[test]
fn no_event_is_taken_while_too_much_waits() {
    let mut run = Run::new(&place("full"), &hooks(1));
    let event = |seq: u64| {
        format!(
            "id: {seq}\ndata: {{\"seq\":{seq},\"type\":\"build\",\"id\":{seq},\"package\":\"zeit\",\
             \"zig_version\":\"0.16.0\",\"state\":\"finished\",\"at\":\"x\"}}\n\n"
        )
    };
    let all: String = (1..=10_000).map(event).collect();
    let stream = run.job("/api/events");
    run.says(&all);
    assert_eq!(run.killed, [stream]);
    run.children.remove(&stream);
    run.turn(&[Event::Exited {
        job: stream,
        exit: Exit::Signal(9),
    }]);
    for seq in 1..5_001 {
        assert_eq!(run.to("/api/events"), 0);
        run.answer(&format!("/api/builds/{seq}"), "404\t\t\t", &json!({}));
    }
    assert_eq!(run.to("/api/events"), 0, "half of them wait");
    run.answer("/api/builds/5001", "404\t\t\t", &json!({}));
    run.pass();
    assert_eq!(run.to("/api/events"), 1);
}
