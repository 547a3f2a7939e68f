//! The other half of a connection: what the app answers, and how it all ends.

use crate::http::conn::{Conn, State, Waiting};
use crate::http::head::Framing;
use crate::http::ws::{self, Kind};
use crate::interface::event::Streamed;
use crate::interface::message::Response;

impl Conn {
    /// Queues the answer to the request at hand. Given before the end of a spooled body, it ends
    /// the connection: the rest of the body is not wanted. Without a request at hand (it was cut
    /// off in the meantime) nothing happens.
    pub fn respond(&mut self, answer: Response, date: &str) {
        if !self.is_unanswered() {
            return;
        }
        if !self.body_is_read() {
            self.drop_input();
        }
        self.output.send_response(&answer, self.last, date);
        self.finish_answer();
    }

    /// Queues the head of an answer whose body is pushed piece by piece: of a known length,
    /// chunked, or for HTTP/1.0 until the connection closes. False where no body is wanted (HEAD,
    /// 204, 304: then this was the whole answer; or the request was cut off); the app hears `Aborted`.
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
        let wanted = self.output.stream(&head, body.length, self.last, date);
        if !wanted {
            self.abort_pending = true;
            self.finish_answer();
        }
        wanted
    }

    /// Becomes a WebSocket. False where the request at hand asks for none, or not rightly: then
    /// it is answered why; or where it was cut off. The app hears `Aborted`.
    #[must_use]
    pub fn upgrade(&mut self, date: &str) -> bool {
        if !self.is_unanswered() {
            self.abort_pending |= !self.is_held();
            return false;
        }
        match self.handshake {
            Ok(accept) => {
                self.output
                    .send_response(&ws::accepted(&accept), false, date);
                self.state = State::Socket(Box::default());
                true
            }
            Err(fault) => {
                self.abort_pending = true;
                self.respond(ws::refused(fault), date);
                false
            }
        }
    }

    /// How many bytes of the stream, or of one message, may be pushed now; 0 where none is
    /// running.
    pub fn stream_room(&self) -> usize {
        match &self.state {
            State::Stream { .. } => self.output.stream_room(),
            State::Socket(socket) if !socket.is_closing() => self.output.stream_room(),
            _ => 0,
        }
    }

    /// A piece of the stream, at most `stream_room()` bytes; on a socket, where there are any,
    /// one binary message. Without a stream nothing happens.
    pub fn push_stream(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Stream { left: None, .. } => self.output.push(bytes),
            State::Stream {
                left: Some(left), ..
            } => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX);
                debug_assert!(bytes.len() <= most, "more than was said");
                // A byte more would be read as the next answer.
                let bytes = &bytes[..bytes.len().min(most)];
                *left -= bytes.len() as u64;
                self.output.push(bytes);
            }
            _ if bytes.is_empty() => {}
            _ => self.push_message(Kind::Binary, bytes),
        }
    }

    /// On a socket one text message, at most `stream_room()` bytes; elsewhere a piece of the
    /// stream.
    pub fn push_text(&mut self, text: &[u8]) {
        match &self.state {
            State::Socket(_) => self.push_message(Kind::Text, text),
            _ => self.push_stream(text),
        }
    }

    fn push_message(&mut self, kind: Kind, bytes: &[u8]) {
        if let State::Socket(socket) = &mut self.state
            && !socket.is_closing()
        {
            debug_assert!(bytes.len() <= self.output.stream_room());
            socket.say(kind, bytes, self.output.queue());
        }
    }

    /// The app has given everything. A stream that is shorter than was said breaks off.
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

    /// Keeps a stream or socket alive that had nothing to say for a while. A client that gives no
    /// sign of life in turn is gone.
    pub fn keepalive(&mut self) {
        if self.waiting_for() != Waiting::Beat {
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

    /// The server ends. A socket is closed with that reason, who waits for an answer gets one;
    /// a stream goes on as far as there is time.
    pub fn drain_and_close(&mut self, date: &str) {
        match &mut self.state {
            State::Socket(socket) => {
                self.abort_pending |= !socket.is_closing();
                socket.drain_and_close(self.output.queue());
            }
            State::Collect { .. } | State::Spool { .. } | State::App => {
                self.abort(Response::error(503, "the server ends"), date);
            }
            State::Head | State::Stream { .. } | State::Linger | State::Done => {}
        }
    }

    /// Ends the connection with this answer in the app's place: a time limit has passed, a
    /// request cannot be read. Where an answer has begun already, its missing end is all that
    /// the client can be told. The app learns of it by `Aborted`, if it knew of the request.
    pub fn abort(&mut self, answer: Response, date: &str) {
        self.abort_pending |= self.is_held();
        match &mut self.state {
            State::Head | State::Collect { .. } | State::Spool { .. } | State::App => {
                self.drop_input();
                self.output.send_response(&answer, self.last, date);
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

    /// The app does not want the request. Without a body there is nothing to be rid of, and the
    /// connection goes on.
    pub(super) fn refuse(&mut self, answer: Response, framing: Framing, date: &str) {
        if framing != Framing::Length(0) {
            self.drop_input();
        }
        self.output.send_response(&answer, self.last, date);
        self.finish_answer();
    }

    /// The rest of what the client sends is not wanted, so no later request can be found in it.
    fn drop_input(&mut self) {
        self.input.drop_rest();
        self.last = true;
    }

    fn finish_answer(&mut self) {
        self.answered += 1;
        self.output.set_request(false, false);
        if self.last {
            self.close(self.input.is_dropping() || !self.input.is_empty());
        } else {
            self.state = State::Head;
        }
    }

    /// All is said. Closing with bytes unread resets the connection, and the answer may be lost.
    pub(super) fn close(&mut self, more_comes: bool) {
        self.drop_input();
        self.state = if more_comes && !self.input.has_ended() {
            State::Linger
        } else {
            State::Done
        };
    }
}
