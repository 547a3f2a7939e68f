//! One client: its socket, its connection, the stream it watches, its time limits.

use std::net::IpAddr;

use crate::base::client_addr::ClientAddr;
use crate::base::slab::Key;
use crate::http::conn::{Conn, Incoming, Waiting};
use crate::interface::event::{Core, Dispatcher, Event, Pull, Streamed};
use crate::interface::message::{Head, Response};
use crate::shell::limits::{
    BODY_RATE_LIMIT_BYTES_PER_S, BODY_STALL_LIMIT_MS, HEAD_LIMIT_MS, IDLE_LIMIT_MS, KEEPALIVE_MS,
    LINGER_LIMIT_MS, SEND_STALL_LIMIT_MS, TURN_LIMIT_BYTES,
};
use crate::shell::pollable::{IoResult, Pollable, spend};

fn limit_ms(waiting: Waiting) -> Option<u64> {
    match waiting {
        Waiting::Idle => Some(IDLE_LIMIT_MS),
        Waiting::Head => Some(HEAD_LIMIT_MS),
        Waiting::Body => Some(BODY_STALL_LIMIT_MS),
        Waiting::App => None,
        Waiting::Beat => Some(KEEPALIVE_MS),
        Waiting::Send => Some(SEND_STALL_LIMIT_MS),
        Waiting::Close | Waiting::Linger => Some(LINGER_LIMIT_MS),
    }
}

/// How long a body of which so much has come may have taken.
fn body_limit_ms(came: u64) -> u64 {
    BODY_STALL_LIMIT_MS.saturating_add(came.saturating_mul(1_000) / BODY_RATE_LIMIT_BYTES_PER_S)
}

/// What comes behind a request, which nobody wants to hear of once it is answered.
fn is_rest(incoming: &Incoming) -> bool {
    !matches!(incoming, Incoming::Request(_))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    None,
    /// The app may have something for it.
    Awake,
    /// The app had nothing, and wakes it.
    Asleep,
}

pub struct Client {
    source: Pollable,
    conn: Conn,
    stream: Stream,
    /// The client sends no more.
    ended: bool,
    /// The socket is of no use any more, or the client's time is up: to be freed.
    broken: bool,
    /// The connection may have something for the app; cleared only when it has nothing.
    unparsed: bool,
    /// The sending side was shut down.
    shut: bool,
    waiting: Waiting,
    /// `Conn::answered` when `waiting` began.
    answered: u64,
    /// Bytes moved that its time limit counts.
    moved: bool,
    /// When `waiting` began, and the bytes that have come since, those of that turn included.
    since_ms: u64,
    came: u64,
    deadline_ms: Option<u64>,
    /// Where it comes from, unless through a unix socket.
    from: Option<IpAddr>,
    /// Whose connection it is, where those are counted.
    pub addr: Option<ClientAddr>,
    /// The time of its entry among the reactor's limits.
    pub timeout_entry: Option<u64>,
    /// It is on the reactor's list of streams that were woken.
    pub woken: bool,
    /// It is on the reactor's list of what is ready.
    pub queued: bool,
    /// It is on the reactor's list of what is to be settled.
    pub touched: bool,
}

impl Client {
    pub fn new(
        mut source: Pollable,
        from: Option<IpAddr>,
        addr: Option<ClientAddr>,
        now_ms: u64,
    ) -> Client {
        source.assume_writable();
        let conn = Conn::new();
        let waiting = conn.waiting_for();
        Client {
            source,
            stream: Stream::None,
            ended: false,
            broken: false,
            unparsed: false,
            shut: false,
            waiting,
            answered: conn.answered(),
            moved: false,
            since_ms: now_ms,
            came: 0,
            deadline_ms: limit_ms(waiting).map(|limit| now_ms + limit),
            from,
            addr,
            timeout_entry: None,
            woken: false,
            queued: false,
            touched: false,
            conn,
        }
    }

    pub fn source(&self) -> &Pollable {
        &self.source
    }

    pub fn note(&mut self, event: &mio::event::Event) {
        self.source.note(event);
        // A reset. A stream with nothing to say would else find out at its next byte only.
        self.broken |= event.is_error();
    }

    /// Too many come from its address: it is told so, and nothing it asks is heard.
    pub fn reject(&mut self, retry_ms: u64, date: &str) {
        let sentence = "too many connections from your address";
        self.conn
            .abort(Response::later(429, sentence, retry_ms), date);
    }

    /// Reads what there is, while there is room for it, within the turn's budget.
    pub fn read(&mut self, buffer: &mut [u8]) {
        let mut budget = TURN_LIMIT_BYTES;
        while self.may_read() && budget > 0 {
            let limit = self.conn.room().min(budget).min(buffer.len());
            match self.source.read(&mut buffer[..limit]) {
                IoResult::Bytes(count) => {
                    budget = spend(budget, count);
                    self.conn.receive(&buffer[..count]);
                    self.unparsed = true;
                    self.came += count as u64;
                    self.moved |= self.waiting == Waiting::Body;
                }
                IoResult::Blocked => {}
                IoResult::Ended => {
                    self.ended = true;
                    self.conn.half_closed();
                    self.unparsed = true;
                }
                IoResult::Broken => self.broken = true,
            }
        }
    }

    fn may_read(&self) -> bool {
        self.source.readable() && !self.ended && !self.broken && self.conn.room() > 0
    }

    /// Tells the app what the connection has for it, within the turn's budget.
    pub fn handle_input<C: Core>(
        &mut self,
        conn: Key,
        date: &str,
        dispatcher: &mut Dispatcher<'_, C>,
    ) {
        let mut budget = TURN_LIMIT_BYTES;
        while self.unparsed && budget > 0 {
            let (core, from, now) = (&dispatcher.core, self.from, dispatcher.now);
            let admit = &mut |head: &Head| core.admit(from, head, now);
            let incoming = self.conn.next(date, admit);
            match incoming {
                None => self.unparsed = false,
                // Answered in this very turn: the connection does not know it yet.
                Some(incoming) if is_rest(&incoming) && dispatcher.has_answered(conn) => {}
                Some(Incoming::Request(request)) => {
                    dispatcher.dispatch(Event::Request {
                        conn,
                        from,
                        request,
                    });
                }
                Some(Incoming::Body(bytes)) => {
                    budget = spend(budget, bytes.len());
                    dispatcher.dispatch(Event::Body {
                        conn,
                        bytes: &bytes,
                    });
                }
                Some(Incoming::BodyEnd) => dispatcher.dispatch(Event::BodyEnd { conn }),
                Some(Incoming::Aborted) => dispatcher.dispatch(Event::Aborted { conn }),
            }
        }
    }

    pub fn respond(&mut self, response: Response, date: &str) {
        self.conn.respond(response, date);
    }

    pub fn start_stream(&mut self, head: Response, body: Streamed, date: &str) {
        if self.conn.start_stream(head, body, date) {
            self.stream = Stream::Awake;
        } else {
            // That it is not wanted is for the app to hear.
            self.unparsed = true;
        }
    }

    pub fn upgrade(&mut self, date: &str) {
        if self.conn.upgrade(date) {
            self.stream = Stream::Awake;
        }
        // What stands behind the head is the socket's now.
        self.unparsed = true;
    }

    /// The server ends.
    pub fn drain_and_close(&mut self, date: &str) {
        self.conn.drain_and_close(date);
    }

    /// True where a stream was asleep.
    pub fn wake(&mut self) -> bool {
        let asleep = self.stream == Stream::Asleep;
        if asleep {
            self.stream = Stream::Awake;
        }
        asleep
    }

    /// Nothing more is pulled for it.
    pub fn cut_stream(&mut self) {
        self.stream = Stream::None;
    }

    /// Sends what there is, pulling the stream along, within the turn's budget. Tried at once
    /// when there is something new: the edge that said «writable» does not come again.
    pub fn write<C: Core>(&mut self, key: Key, core: &mut C, pulled: &mut Vec<u8>) {
        let mut budget = TURN_LIMIT_BYTES;
        loop {
            self.pull(key, core, pulled);
            let output = self.conn.output();
            if self.broken || budget == 0 || !self.source.writable() || output.is_empty() {
                break;
            }
            let limit = output.len().min(budget);
            match self.source.write(&output[..limit]) {
                IoResult::Bytes(count) => {
                    budget = spend(budget, count);
                    self.conn.sent(count);
                    self.moved |= matches!(self.waiting, Waiting::Send | Waiting::Beat);
                }
                IoResult::Blocked => {}
                IoResult::Ended | IoResult::Broken => self.broken = true,
            }
        }
    }

    fn pull<C: Core>(&mut self, key: Key, core: &mut C, pulled: &mut Vec<u8>) {
        while self.stream == Stream::Awake && self.conn.stream_room() > 0 {
            pulled.clear();
            let gave = core.pull(key, self.conn.stream_room(), pulled);
            match gave {
                Pull::Text => self.conn.push_text(pulled),
                Pull::More | Pull::Idle | Pull::End => self.conn.push_stream(pulled),
            }
            match gave {
                Pull::More | Pull::Text => {
                    debug_assert!(!pulled.is_empty(), "more is said with some")
                }
                Pull::Idle => self.stream = Stream::Asleep,
                Pull::End => {
                    self.conn.end_stream();
                    self.stream = Stream::None;
                }
            }
        }
    }

    /// After the writing: looks at what it waits for now, and until when.
    pub fn settle(&mut self, now_ms: u64) -> Option<u64> {
        let waiting = self.conn.waiting_for();
        let answered = self.conn.answered();
        if waiting == Waiting::Linger && !self.shut && !self.conn.is_done() {
            self.shut = true;
            // Fails where the client has hung up already.
            let _ = rustix::net::shutdown(&self.source, rustix::net::Shutdown::Write);
        }
        let anew = (waiting, answered) != (self.waiting, self.answered);
        if anew {
            self.since_ms = now_ms;
        }
        if anew || self.moved {
            // Requests behind the one just answered, or the end, are looked at only now.
            self.unparsed |= waiting == Waiting::Head || self.ended;
            self.waiting = waiting;
            self.answered = answered;
            self.moved = false;
            self.deadline_ms = limit_ms(waiting).map(|limit| now_ms + limit);
            if waiting == Waiting::Body {
                let slow_ms = self.since_ms + body_limit_ms(self.came);
                self.deadline_ms = self.deadline_ms.map(|at| at.min(slow_ms));
            }
        }
        if waiting != Waiting::Body {
            self.came = 0;
        }
        self.unparsed |= self.conn.has_held_back();
        self.deadline_ms
    }

    pub fn deadline_ms(&self) -> Option<u64> {
        self.deadline_ms
    }

    /// Its time is up: who is slow with a request is told so, if there is still a way to.
    pub fn expire(&mut self, date: &str) {
        self.deadline_ms = None;
        match self.waiting {
            Waiting::Head | Waiting::Body => {
                let slow = Response::error(408, "the request took too long to arrive");
                self.conn.abort(slow, date);
                self.unparsed = true;
            }
            Waiting::Beat => {
                self.conn.keepalive();
                self.moved = true;
                // Who gave no sign of life is gone, and the app has to hear it.
                self.unparsed = true;
            }
            _ => self.broken = true,
        }
    }

    /// It may have something to say without waiting for another event.
    pub fn may_be_read(&self) -> bool {
        self.unparsed || self.may_read()
    }

    /// It was let in to ask something, and has not asked it, or not all of it.
    pub fn is_asking(&self) -> bool {
        match self.waiting {
            Waiting::Idle => self.answered == 0 || self.may_be_read(),
            Waiting::Head | Waiting::Body => true,
            _ => false,
        }
    }

    /// There is something to send, and the socket takes it.
    pub fn can_send(&self) -> bool {
        self.source.writable() && self.has_output()
    }

    pub fn has_output(&self) -> bool {
        let awake = self.stream == Stream::Awake && self.conn.stream_room() > 0;
        awake || !self.conn.output().is_empty()
    }

    pub fn is_over(&self) -> bool {
        self.broken || self.conn.is_done()
    }

    /// The app holds a request of it that is not answered to the end.
    pub fn is_with_app(&self) -> bool {
        self.conn.is_with_app()
    }

    pub fn into_source(self) -> Pollable {
        self.source
    }
}

#[cfg(test)]
mod tests;
