//! Servers that were killed, and what they left.

use crate::common::core::{Inside, Killed, Memory};
use crate::common::core_steps::good;
use crate::common::pack;
use serde_json::json;
use zigcheck::interface::event::Pipe;

pub const ONE: &str = "zigcheck-1-1";

pub fn upload(inside: &mut Inside, words: &str) {
    inside.upload(&pack::tar(&[pack::file("build.zig", words.as_bytes())]));
}

/// One slot, and build 1 in its container, which has said "one\n".
pub fn begun(name: &str) -> (Inside, Memory) {
    let (mut inside, memory) = Inside::begin(name, 1);
    upload(&mut inside, "a");
    assert_eq!(inside.names(), [ONE]);
    inside.logs(ONE, "one\n");
    inside.pass(1_000);
    (inside, memory)
}

/// The server is killed, and the container goes on to say "two\n".
pub fn killed(name: &str) -> (Killed, Memory) {
    let (inside, memory) = begun(name);
    let mut killed = inside.killed();
    killed.engine.writes(ONE, Pipe::Stderr, b"two\n");
    killed.ms += 1_000;
    (killed, memory)
}

pub fn says_good(killed: &mut Killed, name: &str) {
    killed.engine.writes(name, Pipe::Stdout, &good(name));
}

#[track_caller]
pub fn ended_once(inside: &mut Inside, memory: &Memory, log: &str) {
    inside.is(1, "finished", "success", None, 1);
    assert_eq!(inside.log(1), log);
    let row = inside.build(1);
    assert_eq!(
        (&row["tests_passed"], &row["log_bytes"]),
        (&json!(3), &json!(log.len()))
    );
    assert_eq!(row["started_at"], "2023-11-14T22:13:20.000Z");
    assert_eq!(memory.events(1), ["queued", "building", "finished"]);
    assert_eq!(inside.engine.count("run "), 1, "it ran once");
    assert!(inside.engine.all().is_empty(), "its container is removed");
    assert_eq!(inside.json("/api/queue")["total"], 0);
}
