//! One client connection: bytes in, requests out; answers in, bytes out. No socket, no clock.
//!
//! ```text
//!    +--> Head --- whole body wanted ---> Collect --- last byte: Request ---+
//!    |     |                                                                v
//!    |     +------ body in pieces: Request ---> Spool --- last byte: BodyEnd ---> App
//!    |     +------ refused, without a body -->+                                  | | |
//!    |                                        v                   stream begins  | | | answer
//!    +--- keep-alive ---------------- (answer complete) <--- end of --- Stream <-+ | |
//!                                             |    ^                               | |
//!                                       close |    +-------------------------------|-+
//!                                             v                           upgrade  |
//!                 Linger --- client's end ---> Done <--- both have closed --- Socket
//! ```
//!
//! From Head, Collect, Spool and App a fault, a refusal of a body or an abort leads to Linger,
//! and so do an answer before the end of a spooled body and what is no WebSocket's: what the
//! client still sends is dropped. From Head, Collect, Spool and Socket the client's end leads to
//! Done, and so does a stream that is shorter than was said. Where the app knows of the request
//! and did not answer, or of the socket and did not end it, it hears `Aborted`.
//!
//! The caller's part: after `receive`, `half_closed`, `sent`, and every answer, call `next`
//! until it gives nothing; send `output`; close when `is_done`.

mod reply;

use std::mem;

use crate::http::body::Body;
use crate::http::head::Fault;
use crate::http::input::InputBuffer;
use crate::http::limits::{PIECE_LIMIT_BYTES, SOCKET_INPUT_BYTES, UNSENT_LIMIT_BYTES};
use crate::http::output::Output;
use crate::http::ws::{self, Handshake, Received, Socket};
use crate::interface::message::{Admission, Head, Request, Response};

/// What came from the client, for the app.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    Request(Request),
    /// A piece of a spooled body, never empty.
    Body(Vec<u8>),
    /// The spooled body is complete.
    BodyEnd,
    /// The request at hand ends without the app's answer, its stream or socket before the app
    /// ended it, or it has no use for a stream. Nothing more is told of it.
    Aborted,
}

/// What the connection waits for; the caller sets a time limit for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Waiting {
    /// The client's next request, of which there is no byte.
    Idle,
    /// The rest of a request's head.
    Head,
    /// The rest of a request's body.
    Body,
    /// The app: its answer, or more of its stream.
    App,
    /// The app, for more of a stream or socket that is to be kept alive: call `keepalive`.
    Beat,
    /// The client, to take what there is to send.
    Send,
    /// The client of a socket, to close it too.
    Close,
    /// The client, to hang up. All is sent: shut down the sending side, so that it knows.
    Linger,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Head,
    Collect {
        request: Request,
        body: Body,
    },
    Spool {
        body: Body,
    },
    App,
    Stream {
        /// Bytes the stream has still to give, where that is known.
        left: Option<u64>,
        keepalive: &'static str,
    },
    /// Apart, so that thousands of connections that are none stay small.
    Socket(Box<Socket>),
    Linger,
    Done,
}

/// What a step of `next` came to.
enum Step {
    Give(Incoming),
    /// The state has changed: look again.
    Again,
    /// Only more input leads on.
    Starved,
    /// Something else comes first.
    Wait,
}

#[derive(Debug)]
pub struct Conn {
    state: State,
    input: InputBuffer,
    output: Output,
    /// The connection closes after the request at hand.
    last: bool,
    /// What the request at hand says about becoming a WebSocket.
    handshake: Handshake,
    /// The app holds a request that was cut off, and does not know it yet.
    abort_pending: bool,
    answered: u64,
}

impl Default for Conn {
    fn default() -> Conn {
        Conn {
            state: State::default(),
            input: InputBuffer::default(),
            output: Output::default(),
            last: false,
            handshake: Err(ws::NOT_ASKED),
            abort_pending: false,
            answered: 0,
        }
    }
}

impl Conn {
    pub fn new() -> Conn {
        Conn::default()
    }

    // ---- bytes in ----

    /// How many bytes `receive` takes now; with 0 the socket is not to be read.
    pub fn room(&self) -> usize {
        match self.state {
            State::Done => 0,
            // It would be answered: who does not read is not read.
            State::Socket(_) if self.output().len() > UNSENT_LIMIT_BYTES => 0,
            _ => self.input.room(),
        }
    }

    /// Bytes from the socket, at most `room()` of them.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.input.receive(bytes);
        if let State::Socket(socket) = &mut self.state {
            socket.note_received();
        }
    }

    /// The client sends no more. What it asked for is still answered; what it began to ask is not.
    pub fn half_closed(&mut self) {
        self.input.end();
        if matches!(self.state, State::Linger) {
            self.state = State::Done;
        }
    }

    /// The next thing for the app. `admit` is asked once for each request, on its head alone.
    /// A request that is malformed, too large or refused is answered here.
    pub fn next(
        &mut self,
        date: &str,
        admit: &mut dyn FnMut(&Head) -> Admission,
    ) -> Option<Incoming> {
        loop {
            if mem::take(&mut self.abort_pending) {
                return Some(Incoming::Aborted);
            }
            let step = match self.state {
                State::Head => self.step_head(date, admit),
                State::Collect { .. } => self.step_collect(),
                State::Spool { .. } => self.step_spool(),
                State::Socket(_) => Ok(self.step_socket()),
                State::App | State::Stream { .. } | State::Linger | State::Done => Ok(Step::Wait),
            };
            match step {
                Ok(Step::Give(incoming)) => return Some(incoming),
                Ok(Step::Again) => {}
                Ok(Step::Starved) if self.input.has_ended() => self.give_up(),
                Ok(Step::Starved | Step::Wait) => return None,
                Err(Fault { status, sentence }) => {
                    self.abort(Response::error(status, sentence), date);
                }
            }
        }
    }

    fn step_head(
        &mut self,
        date: &str,
        admit: &mut dyn FnMut(&Head) -> Admission,
    ) -> Result<Step, Fault> {
        if self.output().len() > UNSENT_LIMIT_BYTES {
            return Ok(Step::Wait);
        }
        let Some(read) = self.input.read_head()? else {
            return Ok(Step::Starved);
        };
        self.last |= !read.keep_alive;
        self.output
            .set_request(read.http10, read.head.method == "HEAD");
        self.handshake = ws::read_handshake(&read.head, read.http10, read.framing);
        let (limit_bytes, spooled) = match admit(&read.head) {
            Admission::Collect { limit_bytes } => (limit_bytes, false),
            Admission::Spool { limit_bytes } => (limit_bytes, true),
            Admission::Refuse(answer) => {
                self.refuse(answer, read.framing, date);
                return Ok(Step::Again);
            }
        };
        let body = Body::new(read.framing, limit_bytes)?;
        if read.expects_continue && !body.is_complete() {
            self.output.send_continue();
        }
        let request = Request {
            head: read.head,
            body: Vec::new(),
            spooled,
        };
        if spooled {
            self.state = State::Spool { body };
            Ok(Step::Give(Incoming::Request(request)))
        } else {
            self.state = State::Collect { request, body };
            Ok(Step::Again)
        }
    }

    fn step_collect(&mut self) -> Result<Step, Fault> {
        let State::Collect { request, body } = &mut self.state else {
            return Ok(Step::Wait);
        };
        self.input.read_body(body, &mut request.body, usize::MAX)?;
        if !body.is_complete() {
            return Ok(Step::Starved);
        }
        let request = mem::take(request);
        self.state = State::App;
        Ok(Step::Give(Incoming::Request(request)))
    }

    fn step_spool(&mut self) -> Result<Step, Fault> {
        let State::Spool { body } = &mut self.state else {
            return Ok(Step::Wait);
        };
        let mut bytes = Vec::new();
        let read = self.input.read_body(body, &mut bytes, PIECE_LIMIT_BYTES);
        if !bytes.is_empty() {
            // A fault behind these bytes is found again at the next step.
            return Ok(Step::Give(Incoming::Body(bytes)));
        }
        read?;
        if !body.is_complete() {
            return Ok(Step::Starved);
        }
        self.state = State::App;
        Ok(Step::Give(Incoming::BodyEnd))
    }

    fn step_socket(&mut self) -> Step {
        let State::Socket(socket) = &mut self.state else {
            return Step::Wait;
        };
        let mine = !socket.is_closing();
        let heard = socket.handle_input(self.input.bytes(), self.output.queue());
        match heard {
            Received::All => return Step::Starved,
            Received::Held => return Step::Wait,
            Received::Closed => self.close(!self.input.is_empty()),
            Received::Broken => self.close(true),
        }
        self.abort_pending |= mine;
        Step::Again
    }

    /// The client has left in the middle of a request, or has no other.
    fn give_up(&mut self) {
        self.abort_pending |= self.is_held();
        self.input.drop_rest();
        self.state = State::Done;
    }

    // ---- bytes out ----

    pub fn output(&self) -> &[u8] {
        self.output.unsent()
    }

    /// So many bytes of the output have left.
    pub fn sent(&mut self, count: usize) {
        self.output.sent(count);
    }

    // ---- questions ----

    /// Nothing is left to send, and nothing more to be heard: close.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done) && self.output().is_empty()
    }

    /// Whether the app knows of a request and has not answered it to the end, or was not told
    /// yet that it is of no use. If the connection breaks now, the app has to be told.
    pub fn is_with_app(&self) -> bool {
        self.abort_pending || self.is_held()
    }

    /// The app knows of a request or socket and has not ended it.
    fn is_held(&self) -> bool {
        match &self.state {
            State::Spool { .. } | State::App | State::Stream { .. } => true,
            State::Socket(socket) => !socket.is_closing(),
            State::Head | State::Collect { .. } | State::Linger | State::Done => false,
        }
    }

    /// The app knows of a request and has not begun to answer it.
    fn is_unanswered(&self) -> bool {
        matches!(self.state, State::Spool { .. } | State::App)
    }

    /// What was received and held back can be looked at now: call `next`.
    pub fn has_held_back(&self) -> bool {
        match &self.state {
            State::Socket(socket) => socket.is_held() && self.output().len() <= UNSENT_LIMIT_BYTES,
            _ => false,
        }
    }

    fn body_is_read(&self) -> bool {
        match &self.state {
            State::Spool { body } => body.is_complete(),
            _ => true,
        }
    }

    pub fn waiting_for(&self) -> Waiting {
        match &self.state {
            State::Collect { .. } | State::Spool { .. } => Waiting::Body,
            _ if !self.output().is_empty() => Waiting::Send,
            State::Head if self.input.is_empty() => Waiting::Idle,
            State::Head => Waiting::Head,
            State::Stream { keepalive, .. } if !keepalive.is_empty() => Waiting::Beat,
            State::App | State::Stream { .. } => Waiting::App,
            State::Socket(socket) if socket.is_closing() => Waiting::Close,
            State::Socket(_) => Waiting::Beat,
            State::Linger | State::Done => Waiting::Linger,
        }
    }

    /// How many answers were given to the end. Where it grew, whatever the connection waits for
    /// it has begun to wait for since.
    pub fn answered(&self) -> u64 {
        self.answered
    }

    /// How much memory it holds, in bytes; of what a socket has not understood yet, and of a
    /// request that is not whole yet, the room it began with.
    pub fn memory(&self) -> usize {
        let apart = match &self.state {
            State::Socket(_) => size_of::<Socket>() + SOCKET_INPUT_BYTES,
            State::Collect { request, .. } => request.body.capacity(),
            _ => 0,
        };
        size_of::<Conn>() + self.input.memory() + self.output.memory() + apart
    }
}
