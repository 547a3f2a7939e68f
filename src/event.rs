//! The words between shell and core: events go in, actions come out.

use std::path::PathBuf;

use crate::message::{Request, Response};
use crate::slab::Key;

/// One reading of both clocks, taken once per turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds of a clock that never goes back; its zero means nothing.
    pub mono_ms: u64,
    /// Milliseconds since 1970 UTC, for rows and pages.
    pub unix_ms: i64,
}

/// Names one child process for as long as the program runs; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub u64);

/// One of the two pipes a child writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pipe {
    Stdout,
    Stderr,
}

/// How a child process ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Exit {
    Code(i32),
    Signal(i32),
    /// It could not be started at all; why, in words. No pipe of it ever existed.
    NotStarted(String),
}

/// What the world did.
#[derive(Debug)]
pub enum Event<'a> {
    /// A request is there: whole, or, where `spooled`, its head alone.
    Request { conn: Key, request: Request },
    /// A piece of a spooled body, in order.
    Body { conn: Key, bytes: &'a [u8] },
    /// The spooled body is complete.
    BodyEnd { conn: Key },
    /// The connection ended before it was answered; its key says nothing any more.
    Gone { conn: Key },
    Output { job: JobId, pipe: Pipe, bytes: &'a [u8] },
    /// The pipe has ended: nobody holds its other end.
    Eof { job: JobId, pipe: Pipe },
    /// The process has ended; its pipes may still hold bytes.
    Exited { job: JobId, exit: Exit },
    /// The deadline the app named has passed.
    Time,
    /// Asked to stop: finish nothing new, let go.
    Stop,
}

/// What the app wants done. Nothing is done before the turn is committed.
#[derive(Debug, PartialEq)]
pub enum Action {
    Respond { conn: Key, response: Response },
    /// Send this head with a chunked body; the body is pulled from the app as there is room.
    Stream { conn: Key, head: Response },
    /// A stream that had nothing to give has something now, or has ended.
    Wake { conn: Key },
    Spawn { job: JobId, command: Command },
    /// SIGKILL to the child itself (for `docker run`: the client; the container has its own kill).
    Kill { job: JobId },
}

/// What a pull gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    /// Bytes, and perhaps more at once.
    More,
    /// Nothing for now: a `Wake` will say when.
    Idle,
    /// The body is complete (bytes of this pull included).
    End,
}

/// One child process to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Program and arguments; never passed through a shell.
    pub argv: Vec<String>,
    /// What its standard input reads, in order; empty is an input that ends at once.
    pub stdin: Vec<Input>,
}

/// A part of a child's standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    Bytes(Vec<u8>),
    /// A regular file, read piece by piece as the pipe takes it.
    File(PathBuf),
}
