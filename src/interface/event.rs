//! The interface of the core: events go in, actions come out.

use std::path::PathBuf;

use crate::base::client_addr::ClientAddr;
use crate::base::slab::Key;
use crate::interface::counters::ShellCounters;
use crate::interface::message::{Admission, Head, Request, Response};
use crate::interface::peer::Peer;

/// One reading of both clocks, taken once per turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds of a clock that never goes back; its zero has no meaning.
    pub mono_ms: u64,
    /// Milliseconds since 1970 UTC, for rows and pages.
    pub unix_ms: i64,
}

/// Names one child process. Never used twice while the program runs.
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
    /// It could not be started, for this reason. None of its pipes existed.
    NotStarted(String),
}

/// The space on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskUsage {
    /// What processes that are not root can use.
    pub free_bytes: u64,
    pub total_bytes: u64,
}

/// What happened outside.
#[derive(Debug)]
pub enum Event<'a> {
    /// A request that was admitted has arrived: whole, or its head alone where it is `spooled`.
    Request { conn: Key, request: Request },
    /// A piece of a spooled body, in order. None follows once the request is answered.
    Body { conn: Key, bytes: &'a [u8] },
    /// The spooled body is complete.
    BodyEnd { conn: Key },
    /// The connection ended before its request was answered, or before the end of its stream was pulled; or it does not
    /// want the stream's body (HEAD). Later events of the connection belong to a new request.
    Aborted { conn: Key },
    Output {
        job: JobId,
        pipe: Pipe,
        bytes: &'a [u8],
    },
    /// The pipe has ended: no process holds its other end.
    Eof { job: JobId, pipe: Pipe },
    /// The process has ended; its pipes may still hold bytes.
    Exited { job: JobId, exit: Exit },
    /// The data disk was checked.
    DiskUsage(DiskUsage),
    /// The core's deadline has passed.
    Time,
    /// Stop: start nothing, wait for nothing.
    Stop,
    /// Drain: start nothing, and stop once nothing runs.
    Drain,
}

/// What the shell does for the app. It performs no action before the turn is committed.
#[derive(Debug, PartialEq)]
pub enum Action {
    Respond {
        conn: Key,
        response: Response,
    },
    /// Send this head, and a body that is pulled from the app while there is space for it.
    Stream {
        conn: Key,
        head: Response,
        body: Streamed,
    },
    /// Become a WebSocket, whose messages are pulled from the app. A request that is no handshake is answered with an
    /// error, and `Aborted` follows.
    Upgrade {
        conn: Key,
    },
    /// A stream that was `Idle` has bytes now, or has ended.
    Wake {
        conn: Key,
    },
    Spawn {
        job: JobId,
        command: Command,
    },
    /// Send SIGKILL to the child itself (of `docker run` the client, not the container). Where it has exited already,
    /// its pipes are closed and no further event of it follows.
    Kill {
        job: JobId,
    },
}

impl Action {
    /// The connection that this action answers.
    pub fn answers(&self) -> Option<Key> {
        match self {
            Action::Respond { conn, .. }
            | Action::Stream { conn, .. }
            | Action::Upgrade { conn } => Some(*conn),
            Action::Wake { .. } | Action::Spawn { .. } | Action::Kill { .. } => None,
        }
    }
}

/// How the body of a stream is framed and kept alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Streamed {
    /// The body's length in bytes, if known: the pulls give exactly that (where they end early, the connection ends).
    /// Otherwise the body is chunked.
    pub length: Option<u64>,
    /// Sent after `KEEPALIVE_MS` of silence; empty for no keepalive.
    pub keepalive: &'static str,
}

/// The result of a pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    /// Bytes, and maybe more at once. On a WebSocket they are one binary message.
    More,
    /// One text message of a WebSocket, and maybe more at once.
    Text,
    /// Nothing for now. A `Wake` follows once there is.
    Idle,
    /// The body is complete, with the bytes of this pull.
    End,
    /// Nothing follows, and the client has to see that the body is unfinished: the connection ends.
    Unfinished,
}

/// One child process to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Program and arguments. No shell reads them.
    pub argv: Vec<String>,
    /// The standard input, in order; it ends at once where this is empty.
    pub stdin: Vec<Input>,
}

/// A part of a child's standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    Bytes(Vec<u8>),
    /// A regular file, read piece by piece as the pipe takes it.
    File(PathBuf),
}

/// All that the shell knows of the core.
pub trait Core {
    /// Most tasks that run at once: what children and their open files are limited by.
    fn tasks_limit(&self) -> usize;
    /// The client that a connection counts for; none where it is not counted.
    fn counted(&self, from: Peer) -> Option<ClientAddr> {
        from.address().and_then(ClientAddr::of)
    }
    /// Decides on the body of a request by its head, once for each request. The request follows, unless it is refused
    /// or the connection ends first; no other head of that connection comes before it.
    fn admit(&mut self, conn: Key, from: Peer, head: &Head, now: Now) -> Admission;
    fn handle(&mut self, event: Event<'_>, now: Now);
    /// The next action that the last event caused; none after the last.
    fn next_action(&mut self) -> Option<Action>;
    /// Makes the turn's changes durable. Where it fails, no client sees anything of the turn.
    fn commit(&mut self, now: Now) -> Result<(), String>;
    /// When to dispatch `Time`, in `mono_ms`; at once where that has passed.
    fn deadline(&self) -> Option<u64>;
    /// Appends at most `limit_bytes` of this stream to `out`.
    fn pull(&mut self, conn: Key, limit_bytes: usize, out: &mut Vec<u8>) -> Pull;
    /// Nothing is left to wait for: the program may end.
    fn stopped(&self) -> bool;
    /// How much runs and waits, for the service manager's status line.
    fn load(&self) -> Load;
    /// A turn was completed: what the shell has counted so far.
    fn note_counters(&mut self, _counters: &ShellCounters) {}
}

/// What a core with children needs, be it with clients or without.
pub trait Worker {
    fn handle(&mut self, event: Event<'_>, now: Now);
    fn next_action(&mut self) -> Option<Action>;
    fn commit(&mut self, now: Now) -> Result<(), String>;
    fn deadline(&self) -> Option<u64>;
    fn stopped(&self) -> bool;
}

impl<C: Core> Worker for C {
    fn handle(&mut self, event: Event<'_>, now: Now) {
        Core::handle(self, event, now);
    }

    fn next_action(&mut self) -> Option<Action> {
        Core::next_action(self)
    }

    fn commit(&mut self, now: Now) -> Result<(), String> {
        Core::commit(self, now)
    }

    fn deadline(&self) -> Option<u64> {
        Core::deadline(self)
    }

    fn stopped(&self) -> bool {
        Core::stopped(self)
    }
}

/// The numbers of running and waiting tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Slots in use.
    pub running: usize,
    pub waiting: usize,
}

/// Passes events to the core and keeps its actions until the turn is committed.
pub struct Dispatcher<'a, C: Worker> {
    pub core: &'a mut C,
    pub now: Now,
    pub pending: Vec<Action>,
}

impl<'a, C: Worker> Dispatcher<'a, C> {
    pub fn new(core: &'a mut C, now: Now) -> Dispatcher<'a, C> {
        Dispatcher {
            core,
            now,
            pending: Vec::new(),
        }
    }

    pub fn dispatch(&mut self, event: Event<'_>) {
        self.core.handle(event, self.now);
        while let Some(action) = self.core.next_action() {
            self.pending.push(action);
        }
    }

    /// True where a pending action answers this connection.
    pub fn has_answered(&self, conn: Key) -> bool {
        let mut answered = self.pending.iter().filter_map(Action::answers);
        answered.any(|key| key == conn)
    }
}
