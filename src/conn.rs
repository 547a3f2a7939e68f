//! One client connection: bytes in, requests out; answers in, bytes out. No socket, no clock.
//!
//! ```text
//!    +--> Head --- whole body wanted ---> Collect --- last byte: Request ---+
//!    |     |                                                                v
//!    |     +------ body in pieces: Request ---> Spool --- last byte: BodyEnd ---> App
//!    |     +------ refused, without a body -->+                                  |  |
//!    |                                        v                   stream begins  |  | answer
//!    +--- keep-alive ---------------- (answer complete) <--- end of --- Stream <-+  |
//!                                             |    ^                                |
//!                                       close |    +--------------------------------+
//!                                             v
//!                 Linger --- client's end ---> Done
//! ```
//!
//! From Head, Collect, Spool and App a fault, a refusal of a body or an abort leads to Linger,
//! and so does an answer before the end of a spooled body: what the client still sends is
//! dropped. From Head, Collect and Spool the client's end leads to Done. Where the app knows
//! of the request and did not answer, it hears `Gone`.
//!
//! The caller's part: after `receive`, `half_closed`, `sent`, and every answer, call `next`
//! until it gives nothing; send `output`; close when `is_done`.

use crate::config::{PIECE_LIMIT_BYTES, UNSENT_LIMIT_BYTES};
use std::mem;

use crate::answer::Answers;
use crate::body::Body;
use crate::http::{Fault, Framing};
use crate::intake::Intake;
use crate::message::{Admission, Head, Request, Response};

// ---- limits ----

/// What came from the client, for the app.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    Request(Request),
    /// A piece of a spooled body, never empty.
    Body(Vec<u8>),
    /// The spooled body is complete.
    BodyEnd,
    /// The request at hand ends without the app's answer. Nothing more is told of it.
    Gone,
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
    /// The client, to take what there is to send.
    Send,
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
    Stream,
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

#[derive(Debug, Default)]
pub struct Conn {
    state: State,
    intake: Intake,
    answers: Answers,
    /// The connection closes after the request at hand.
    last: bool,
    /// The app holds a request that was cut off, and does not know it yet.
    tell_gone: bool,
    answered: u64,
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
            _ => self.intake.room(),
        }
    }

    /// Bytes from the socket, at most `room()` of them.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.intake.receive(bytes);
    }

    /// The client sends no more. What it asked for is still answered; what it began to ask is not.
    pub fn half_closed(&mut self) {
        self.intake.end();
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
            if mem::take(&mut self.tell_gone) {
                return Some(Incoming::Gone);
            }
            let step = match self.state {
                State::Head => self.step_head(date, admit),
                State::Collect { .. } => self.step_collect(),
                State::Spool { .. } => self.step_spool(),
                State::App | State::Stream | State::Linger | State::Done => Ok(Step::Wait),
            };
            match step {
                Ok(Step::Give(incoming)) => return Some(incoming),
                Ok(Step::Again) => {}
                Ok(Step::Starved) if self.intake.has_ended() => self.give_up(),
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
        let Some(read) = self.intake.read_head()? else {
            return Ok(Step::Starved);
        };
        self.last |= !read.keep_alive;
        self.answers.heed(read.old, read.head.method == "HEAD");
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
            self.answers.welcome_body();
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
        self.intake.read_body(body, &mut request.body, usize::MAX)?;
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
        let read = self.intake.read_body(body, &mut bytes, PIECE_LIMIT_BYTES);
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

    /// The client has left in the middle of a request, or has no other.
    fn give_up(&mut self) {
        self.tell_gone = self.is_with_app();
        self.intake.drop_rest();
        self.state = State::Done;
    }

    // ---- answers in ----

    /// Queues the answer to the request at hand. Given before the end of a spooled body, it ends
    /// the connection: the rest of the body is not wanted. Without a request at hand (it was cut
    /// off in the meantime) nothing happens.
    pub fn respond(&mut self, answer: Response, date: &str) {
        if !self.is_with_app() || matches!(self.state, State::Stream) {
            return;
        }
        if !self.body_is_read() {
            self.drop_input();
        }
        self.answers.whole(&answer, self.last, date);
        self.finish_answer();
    }

    /// Queues the head of an answer whose body is pushed piece by piece: chunked, or until the
    /// connection closes for HTTP/1.0. False where no body is wanted (HEAD, 204, 304; or the
    /// request was cut off): then this was the whole answer.
    #[must_use]
    pub fn start_stream(&mut self, head: Response, date: &str) -> bool {
        if !self.is_with_app() || matches!(self.state, State::Stream) {
            return false;
        }
        if !self.body_is_read() {
            self.drop_input();
        }
        self.last |= self.answers.stream_is_last();
        self.state = State::Stream;
        let wanted = self.answers.stream(&head, self.last, date);
        if !wanted {
            self.finish_answer();
        }
        wanted
    }

    /// How many bytes of the stream may be pushed now; 0 where none is running.
    pub fn stream_room(&self) -> usize {
        match self.state {
            State::Stream => self.answers.stream_room(),
            _ => 0,
        }
    }

    /// A piece of the stream, at most `stream_room()` bytes. Without a stream nothing happens.
    pub fn push_stream(&mut self, bytes: &[u8]) {
        if matches!(self.state, State::Stream) {
            self.answers.push(bytes);
        }
    }

    pub fn end_stream(&mut self) {
        if matches!(self.state, State::Stream) {
            self.answers.end_stream();
            self.finish_answer();
        }
    }

    /// Ends the connection with this answer in the app's place: a time limit has passed, a
    /// request cannot be read. Where an answer has begun already, its missing end is all that
    /// the client can be told. The app learns of it by `Gone`, if it knew of the request.
    pub fn abort(&mut self, answer: Response, date: &str) {
        self.tell_gone |= self.is_with_app();
        match self.state {
            State::Head | State::Collect { .. } | State::Spool { .. } | State::App => {
                self.drop_input();
                self.answers.whole(&answer, self.last, date);
                self.finish_answer();
            }
            State::Stream => {
                self.drop_input();
                self.state = State::Done;
            }
            State::Linger | State::Done => {}
        }
    }

    /// The app does not want the request. Without a body there is nothing to be rid of, and the
    /// connection goes on.
    fn refuse(&mut self, answer: Response, framing: Framing, date: &str) {
        if framing != Framing::Length(0) {
            self.drop_input();
        }
        self.answers.whole(&answer, self.last, date);
        self.finish_answer();
    }

    /// The rest of what the client sends is not wanted, so no later request can be found in it.
    fn drop_input(&mut self) {
        self.intake.drop_rest();
        self.last = true;
    }

    fn finish_answer(&mut self) {
        self.answered += 1;
        self.answers.heed(false, false);
        if !self.last {
            self.state = State::Head;
            return;
        }
        // Closing with bytes unread resets the connection, and the answer may be lost.
        let more_comes = self.intake.is_dropping() || !self.intake.is_empty();
        self.drop_input();
        self.state = if more_comes && !self.intake.has_ended() {
            State::Linger
        } else {
            State::Done
        };
    }

    // ---- bytes out ----

    pub fn output(&self) -> &[u8] {
        self.answers.unsent()
    }

    /// So many bytes of the output have left.
    pub fn sent(&mut self, count: usize) {
        self.answers.sent(count);
    }

    // ---- questions ----

    /// Nothing is left to send, and nothing more to be heard: close.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done) && self.output().is_empty()
    }

    /// Whether the app knows of a request and has not answered it to the end. If the connection
    /// breaks now, the app has to be told.
    pub fn is_with_app(&self) -> bool {
        matches!(self.state, State::Spool { .. } | State::App | State::Stream)
    }

    fn body_is_read(&self) -> bool {
        match &self.state {
            State::Spool { body } => body.is_complete(),
            _ => true,
        }
    }

    pub fn waiting_for(&self) -> Waiting {
        match self.state {
            State::Collect { .. } | State::Spool { .. } => Waiting::Body,
            _ if !self.output().is_empty() => Waiting::Send,
            State::Head if self.intake.is_empty() => Waiting::Idle,
            State::Head => Waiting::Head,
            State::App | State::Stream => Waiting::App,
            State::Linger | State::Done => Waiting::Linger,
        }
    }

    /// How many answers were given to the end. Where it grew, whatever the connection waits for
    /// it has begun to wait for since.
    pub fn answered(&self) -> u64 {
        self.answered
    }
}
