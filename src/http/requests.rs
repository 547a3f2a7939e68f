//! The input half of a connection: bytes are received, requests come out.

use std::mem;

use crate::http::body::Body;
use crate::http::conn::{Conn, Incoming, State};
use crate::http::fault::Fault;
use crate::http::gzip;
use crate::http::limits::{PIECE_LIMIT_BYTES, UNSENT_LIMIT_BYTES};
use crate::http::ws::{self, Received};
use crate::interface::message::{Admission, Head, Request, Response};

/// The result of one step of `next`.
enum Step {
    Give(Incoming),
    /// The state has changed: step again.
    Again,
    /// More input is needed.
    NeedInput,
    /// Something else comes first: the app, or the output.
    Wait,
}

impl Conn {
    /// How many bytes `receive` takes now; with 0 do not read the socket.
    pub fn space(&self) -> usize {
        match self.state {
            State::Done => 0,
            // Its pings are answered: a client that does not read is not read either.
            State::Socket(_) if self.output().len() > UNSENT_LIMIT_BYTES => 0,
            _ => self.input.space(),
        }
    }

    /// Takes bytes from the socket, at most `space()` of them.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.input.receive(bytes);
        if let State::Socket(socket) = &mut self.state {
            socket.note_received();
        }
    }

    /// The client sends no more. Complete requests are still answered, incomplete ones are not.
    pub fn half_closed(&mut self) {
        self.input.end();
        if matches!(self.state, State::Linger) {
            self.state = State::Done;
        }
    }

    /// The next input for the app. `admit` decides once on each request, on its head alone. A request that is
    /// malformed, too large or refused is answered here.
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
                Ok(Step::NeedInput) if self.input.has_ended => self.give_up(),
                Ok(Step::NeedInput | Step::Wait) => return None,
                Err(Fault { status, sentence }) => {
                    self.abort(Response::error(status, &sentence), date);
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
        let read = self.input.read_head();
        let Ok(Some(read)) = read else {
            // It may be refused, or never be complete.
            let head_only = self.input.asks_for_head();
            self.output.set_request(false, head_only, false);
            return read.map(|_| Step::NeedInput);
        };
        self.last |= !read.keep_alive;
        let head = &read.head;
        let takes_gzip = gzip::is_accepted(head);
        self.output
            .set_request(head.http10, head.method == "HEAD", takes_gzip);
        self.handshake = ws::read_handshake(&read.head, read.framing);
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
            return Ok(Step::NeedInput);
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
            // The next step finds a fault behind these bytes again.
            return Ok(Step::Give(Incoming::Body(bytes)));
        }
        read?;
        if !body.is_complete() {
            return Ok(Step::NeedInput);
        }
        self.state = State::App;
        Ok(Step::Give(Incoming::BodyEnd))
    }

    fn step_socket(&mut self) -> Step {
        let State::Socket(socket) = &mut self.state else {
            return Step::Wait;
        };
        let is_open = !socket.is_closing;
        let received = socket.handle_input(self.input.bytes(), self.output.queue());
        match received {
            Received::All => return Step::NeedInput,
            Received::Held => return Step::Wait,
            Received::Closed => self.close(!self.input.is_empty()),
            Received::Broken => self.close(true),
        }
        self.abort_pending |= is_open;
        Step::Again
    }
}
