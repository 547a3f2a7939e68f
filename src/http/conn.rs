//! One client connection: bytes become requests, answers become bytes. No socket, no clock.
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
//! From Head, Collect, Spool and App a malformed request, a refused body or an abort leads to Linger; so does an answer
//! before the end of a spooled body, and a WebSocket frame that breaks the protocol. Linger drops what the client still
//! sends (RFC 9112, 9.6): a socket that is closed with unread bytes is reset, and the client may never see the answer.
//! From Head, Collect, Spool and Socket the client's end leads to Done; so does a stream that ends before its announced
//! length. The app gets `Aborted` for a request that it has not answered, and for a socket that it has not ended.
//!
//! The caller calls `next` (in `requests.rs`) until it returns nothing, after `receive`, `half_closed`, `sent` and each
//! answer; sends `output`; closes the socket once `is_done`.

use crate::http::body::Body;
use crate::http::head::Framing;
use crate::http::input::InputBuffer;
use crate::http::limits::{SOCKET_INPUT_BYTES, UNSENT_LIMIT_BYTES};
use crate::http::output::Output;
use crate::http::ws::{self, Handshake, Kind, Socket};
use crate::interface::event::Streamed;
use crate::interface::message::{Request, Response};

/// What the client sent, for the app.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    Request(Request),
    /// A piece of a spooled body, never empty.
    Body(Vec<u8>),
    /// The spooled body is complete.
    BodyEnd,
    /// The current request ends without the app's answer, its stream or WebSocket ended before the app ended it, or its
    /// stream is not wanted (HEAD). No event about it follows.
    Aborted,
}

/// What the connection waits for. The caller sets a time limit for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Waiting {
    /// The first byte of the next request.
    Idle,
    /// The rest of a request's head.
    Head,
    /// The rest of a request's body.
    Body,
    /// The app: its answer, or more of its stream.
    App,
    /// The app, for more of a stream or WebSocket that is kept alive: call `keepalive` after a while.
    Keepalive,
    /// The client, to read the output.
    Send,
    /// The client of a WebSocket, to close it too.
    Close,
    /// The client, to hang up. Everything is sent: shut down the sending side to make it hang up.
    Linger,
}

#[derive(Debug, Default)]
pub(super) enum State {
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
        /// Bytes that the stream has yet to give, where its length was announced.
        left: Option<u64>,
        keepalive: &'static str,
    },
    /// Boxed: the thousands of connections that are no WebSocket stay small.
    Socket(Box<Socket>),
    Linger,
    Done,
}

#[derive(Debug)]
pub struct Conn {
    pub(super) state: State,
    pub(super) input: InputBuffer,
    pub(super) output: Output,
    /// The connection closes after the current request.
    pub(super) last: bool,
    /// What the head of the current request says about becoming a WebSocket.
    pub(super) handshake: Handshake,
    /// The app holds a request that was interrupted, and has no `Aborted` for it yet.
    pub(super) abort_pending: bool,
    pub answered: u64,
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
    // ---- bytes out ----

    pub fn output(&self) -> &[u8] {
        self.output.unsent()
    }

    /// `count` bytes of the output were sent.
    pub fn sent(&mut self, count: usize) {
        self.output.sent(count);
    }

    // ---- answers ----

    /// The connection closes after the next request.
    pub fn close_after_next(&mut self) {
        self.last = true;
    }

    /// Queues the answer to the current request. An answer before the end of a spooled body ends the connection: the
    /// rest of the body is not wanted. Does nothing where the request was cut off in the meantime.
    pub fn respond(&mut self, answer: Response, date: &str) {
        if !self.is_unanswered() {
            return;
        }
        if !self.body_is_read() {
            self.drop_input();
        }
        self.output.send_response(answer, self.last, date);
        self.finish_answer();
    }

    /// Queues the head of an answer whose body is pushed piece by piece: with an announced length, chunked, or for
    /// HTTP/1.0 until the connection closes. A keepalive goes first: a proxy with HTTP/2 may hold the head back until
    /// it has a byte of the body. False where no body is wanted (HEAD, 204, 304, or the request was cut off); then
    /// `Aborted` follows.
    #[must_use]
    pub fn start_stream(&mut self, head: Response, body: Streamed, date: &str) -> bool {
        if !self.is_unanswered() {
            self.abort_pending |= !self.is_held();
            return false;
        }
        if !self.body_is_read() {
            self.drop_input();
        }
        debug_assert!(body.length.is_none() || body.keepalive.is_empty());
        self.last |= self.output.stream_is_last(body.length);
        self.state = State::Stream {
            left: body.length,
            keepalive: body.keepalive,
        };
        let wanted = self.output.start_stream(head, body.length, self.last, date);
        if wanted {
            self.output.push(body.keepalive.as_bytes());
        } else {
            self.abort_pending = true;
            self.finish_answer();
        }
        wanted
    }

    /// Becomes a WebSocket. False where the request is no valid handshake, which is answered with an error, or was cut
    /// off; then `Aborted` follows.
    #[must_use]
    pub fn upgrade(&mut self, date: &str) -> bool {
        if !self.is_unanswered() {
            self.abort_pending |= !self.is_held();
            return false;
        }
        match self.handshake.clone() {
            Ok(accept) => {
                self.output
                    .send_response(ws::accept_response(&accept), false, date);
                self.state = State::Socket(Box::default());
                true
            }
            Err(fault) => {
                self.abort_pending = true;
                self.respond(ws::error_response(fault), date);
                false
            }
        }
    }

    /// How many bytes of the stream, or of one message, may be pushed now; 0 without a stream.
    pub fn stream_space(&self) -> usize {
        match &self.state {
            State::Stream { .. } => self.output.stream_space(),
            State::Socket(socket) if !socket.is_closing => self.output.stream_space(),
            _ => 0,
        }
    }

    /// How many bytes of the stream one turn may take: less where they are compressed.
    pub fn turn_limit(&self) -> usize {
        match &self.state {
            State::Stream { .. } => self.output.turn_limit(),
            _ => usize::MAX,
        }
    }

    /// Queues a piece of the stream, at most `stream_space()` bytes; on a WebSocket one binary message, unless it is
    /// empty. Does nothing without a stream.
    pub fn push_stream(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Stream { left: None, .. } => self.output.push(bytes),
            State::Stream {
                left: Some(left), ..
            } => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX);
                debug_assert!(bytes.len() <= most, "more than was announced");
                // The client would read a byte more as the next answer.
                let bytes = &bytes[..bytes.len().min(most)];
                *left -= bytes.len() as u64;
                self.output.push(bytes);
            }
            _ if bytes.is_empty() => {}
            _ => self.push_message(Kind::Binary, bytes),
        }
    }

    /// Queues one text message on a WebSocket, at most `stream_space()` bytes; elsewhere a piece of the stream.
    pub fn push_text(&mut self, text: &[u8]) {
        match &self.state {
            State::Socket(_) => self.push_message(Kind::Text, text),
            _ => self.push_stream(text),
        }
    }

    fn push_message(&mut self, kind: Kind, bytes: &[u8]) {
        if let State::Socket(socket) = &mut self.state
            && !socket.is_closing
        {
            debug_assert!(bytes.len() <= self.output.stream_space());
            socket.send_message(kind, bytes, self.output.queue());
        }
    }

    /// The app's stream is complete. One that is shorter than announced ends the connection, unfinished.
    pub fn end_stream(&mut self) {
        match &mut self.state {
            State::Stream {
                left: Some(1..), ..
            } => {
                self.drop_input();
                self.state = State::Done;
            }
            State::Stream { .. } => {
                self.output.end_stream();
                self.finish_answer();
            }
            State::Socket(socket) => socket.close(self.output.queue()),
            _ => {}
        }
    }

    /// The app's stream ends unfinished: the connection ends without the last chunk.
    pub fn break_stream(&mut self) {
        if let State::Stream { .. } = &self.state {
            self.drop_input();
            self.state = State::Done;
        }
    }

    /// Sends a keepalive on a stream or WebSocket that was silent for a while. A WebSocket client that has not answered
    /// several of them is gone.
    pub fn keepalive(&mut self) {
        if self.waiting_for() != Waiting::Keepalive {
            return;
        }
        match &mut self.state {
            State::Stream { keepalive, .. } => self.output.push(keepalive.as_bytes()),
            State::Socket(socket) => {
                let is_there = socket.ping(self.output.queue());
                if !is_there {
                    self.give_up();
                }
            }
            _ => {}
        }
    }

    /// The server ends: an open request is answered 503, a WebSocket closed with that reason. A stream goes on while
    /// there is time.
    pub fn drain_and_close(&mut self, date: &str) {
        match &mut self.state {
            State::Socket(socket) => {
                self.abort_pending |= !socket.is_closing;
                socket.drain_and_close(self.output.queue());
            }
            State::Collect { .. } | State::Spool { .. } | State::App => {
                self.abort(Response::error(503, "the server ends"), date);
            }
            State::Head | State::Stream { .. } | State::Linger | State::Done => {}
        }
    }

    /// Ends the connection with this answer in place of the app's: a time limit has passed, or a request is malformed.
    /// An answer that has begun is left unfinished. `Aborted` follows where the app knew of the request.
    pub fn abort(&mut self, answer: Response, date: &str) {
        self.abort_pending |= self.is_held();
        match &mut self.state {
            State::Head | State::Collect { .. } | State::Spool { .. } | State::App => {
                self.drop_input();
                self.output.send_response(answer, self.last, date);
                self.finish_answer();
            }
            State::Stream { .. } => {
                self.drop_input();
                self.state = State::Done;
            }
            State::Socket(socket) => socket.drain_and_close(self.output.queue()),
            State::Linger | State::Done => {}
        }
    }

    /// Queues the app's refusal of a request. Without a body there is nothing to drop, and the connection stays open;
    /// but what follows a request whose length is missing is its body.
    pub(super) fn refuse(&mut self, answer: Response, framing: Framing, date: &str) {
        if framing != Framing::Length(0) || answer.status == 411 {
            self.drop_input();
        }
        self.output.send_response(answer, self.last, date);
        self.finish_answer();
    }

    /// Drops the rest of the client's input. No later request can be found in it, so the connection closes.
    fn drop_input(&mut self) {
        self.input.drop_rest();
        self.last = true;
    }

    fn finish_answer(&mut self) {
        self.answered += 1;
        self.output.set_request(false, false, false);
        if self.last {
            self.close(true);
        } else {
            self.state = State::Head;
        }
    }

    /// Ends the connection after its output; it lingers where `more_input` may follow.
    pub(super) fn close(&mut self, more_input: bool) {
        self.drop_input();
        self.state = if more_input && !self.input.has_ended {
            State::Linger
        } else {
            State::Done
        };
    }

    /// The client left in the middle of a request, or between two.
    pub(super) fn give_up(&mut self) {
        self.abort_pending |= self.is_held();
        self.input.drop_rest();
        self.state = State::Done;
    }

    // ---- questions ----

    /// True once nothing is left to send or to receive: close the socket.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done) && self.output().is_empty()
    }

    /// True while the app holds an unfinished request, or an `Aborted` for it is pending. If the socket fails now,
    /// dispatch `Aborted`.
    pub fn is_with_app(&self) -> bool {
        self.abort_pending || self.is_held()
    }

    /// The app holds a request or WebSocket that it has not ended.
    fn is_held(&self) -> bool {
        match &self.state {
            State::Spool { .. } | State::App | State::Stream { .. } => true,
            State::Socket(socket) => !socket.is_closing,
            State::Head | State::Collect { .. } | State::Linger | State::Done => false,
        }
    }

    /// The app holds a request that it has not begun to answer.
    fn is_unanswered(&self) -> bool {
        matches!(self.state, State::Spool { .. } | State::App)
    }

    /// True where deferred input can be handled now: call `next`.
    pub fn has_deferred_input(&self) -> bool {
        match &self.state {
            State::Socket(socket) => socket.is_held && self.output().len() <= UNSENT_LIMIT_BYTES,
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
            State::Stream { keepalive, .. } if !keepalive.is_empty() => Waiting::Keepalive,
            State::App | State::Stream { .. } => Waiting::App,
            State::Socket(socket) if socket.is_closing => Waiting::Close,
            State::Socket(_) => Waiting::Keepalive,
            State::Linger | State::Done => Waiting::Linger,
        }
    }

    /// How much memory the connection holds, in bytes. A WebSocket counts with the read buffer that it starts with.
    pub fn memory(&self) -> usize {
        let boxed = match &self.state {
            State::Socket(_) => size_of::<Socket>() + SOCKET_INPUT_BYTES,
            State::Collect { request, .. } => request.body.capacity(),
            _ => 0,
        };
        size_of::<Conn>() + self.input.memory() + self.output.memory() + boxed
    }
}
