//! The words between shell and core: events go in, actions come out.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::base::client_addr::ClientAddr;
use crate::base::slab::Key;
use crate::interface::message::{Admission, Head, Request, Response};

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

/// How much room there is on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskUsage {
    /// For who is not root.
    pub free_bytes: u64,
    pub total_bytes: u64,
}

/// What the world did.
#[derive(Debug)]
pub enum Event<'a> {
    /// A request is there: whole, or, where `spooled`, its head alone; from which address, unless
    /// through a unix socket.
    Request {
        conn: Key,
        from: Option<IpAddr>,
        request: Request,
    },
    /// A piece of a spooled body, in order; none once the request is answered.
    Body { conn: Key, bytes: &'a [u8] },
    /// The spooled body is complete.
    BodyEnd { conn: Key },
    /// Nothing more is wanted of what the app began for this connection: it ended before its
    /// request was answered (a stream: before its end was pulled), or has no use for the body of
    /// that stream (HEAD). What is told of such a connection afterwards is a new request.
    Aborted { conn: Key },
    Output {
        job: JobId,
        pipe: Pipe,
        bytes: &'a [u8],
    },
    /// The pipe has ended: nobody holds its other end.
    Eof { job: JobId, pipe: Pipe },
    /// The process has ended; its pipes may still hold bytes.
    Exited { job: JobId, exit: Exit },
    /// The disk that holds the data was looked at.
    DiskUsage(DiskUsage),
    /// The deadline the app named has passed.
    Time,
    /// Asked to stop: finish nothing new, let go.
    Stop,
    /// Asked to run dry: start nothing new, and end once nothing runs.
    Drain,
}

/// What the app wants done. Nothing is done before the turn is committed.
#[derive(Debug, PartialEq)]
pub enum Action {
    Respond {
        conn: Key,
        response: Response,
    },
    /// Send this head, and a body that is pulled from the app as there is room.
    Stream {
        conn: Key,
        head: Response,
        body: Streamed,
    },
    /// Go on as a WebSocket, whose messages are pulled from the app as there is room. Where the
    /// request is no handshake the connection answers why, and the app hears `Aborted`.
    Upgrade {
        conn: Key,
    },
    /// A stream that had nothing to give has something now, or has ended.
    Wake {
        conn: Key,
    },
    Spawn {
        job: JobId,
        command: Command,
    },
    /// SIGKILL to the child itself (for `docker run`: the client; the container has its own
    /// kill). Where it has ended already: its pipes are let go of, and nothing more is told of it.
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
    /// Where known: the body's length in bytes, of which the pulls give neither more nor less
    /// (where they end early, the connection breaks off). Else the body is chunked.
    pub length: Option<u64>,
    /// Sent whenever nothing else was for `KEEPALIVE_MS`; empty where silence means nothing.
    pub keepalive: &'static str,
}

/// What a pull gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    /// Bytes, and perhaps more at once; on a WebSocket these are one binary message.
    More,
    /// On a WebSocket alone: the bytes are one text message, and perhaps there is more at once.
    Text,
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

/// The whole of what the shell knows of the core.
pub trait Core {
    /// Whose connection that is, coming from that address; none where it is not counted.
    fn counted(&self, from: Option<IpAddr>) -> Option<ClientAddr> {
        from.and_then(ClientAddr::of)
    }
    /// What may become of the body of this request, which comes from there. A look: nothing changes
    /// by it.
    fn admit(&self, from: Option<IpAddr>, head: &Head, now: Now) -> Admission;
    fn handle(&mut self, event: Event<'_>, now: Now);
    /// What the last event asks for, one by one, until there is nothing left.
    fn next_action(&mut self) -> Option<Action>;
    /// Makes all that the turn changed durable. Where it fails, nothing of the turn is heard.
    fn commit(&mut self, now: Now) -> Result<(), String>;
    /// When to tell `Time` at the latest, in `mono_ms`; a past one means: at once.
    fn deadline(&self) -> Option<u64>;
    /// Puts at most `room` bytes of this stream behind `out`.
    fn pull(&mut self, conn: Key, room: usize, out: &mut Vec<u8>) -> Pull;
    /// Everything was let go of: the program may end.
    fn stopped(&self) -> bool;
    /// How much runs and how much waits, for who looks after the service.
    fn load(&self) -> Load;
}

/// Work in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Slots in use.
    pub running: usize,
    pub waiting: usize,
}

/// Passes events to the core and keeps its actions until the turn is committed.
pub struct Dispatcher<'a, C: Core> {
    pub core: &'a mut C,
    pub now: Now,
    pub pending: Vec<Action>,
}

impl<'a, C: Core> Dispatcher<'a, C> {
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
