//! One client: its socket, its connection, the stream that it reads, its time limits.

use crate::base::client_addr::ClientAddr;
use crate::base::slab::Key;
use crate::http::conn::{Conn, Incoming, Waiting};
use crate::interface::counters::DropCause;
use crate::interface::event::{Core, Dispatcher, Event, Pull, Streamed};
use crate::interface::message::{Admission, Head, Response};
use crate::interface::peer::Peer;
use crate::shell::limits::{
    BODY_RATE_LIMIT_BYTES_PER_S, BODY_STALL_LIMIT_MS, HEAD_LIMIT_MS, IDLE_LIMIT_MS, KEEPALIVE_MS,
    LINGER_LIMIT_MS, LINGER_STALL_LIMIT_MS, REJECTED_IDLE_LIMIT_MS, SEND_STALL_LIMIT_MS,
    TURN_LIMIT_BYTES,
};
use crate::shell::pollable::{IoResult, Pollable, spend};

fn limit_ms(waiting: Waiting) -> Option<u64> {
    match waiting {
        Waiting::Idle => Some(IDLE_LIMIT_MS),
        Waiting::Head => Some(HEAD_LIMIT_MS),
        Waiting::Body => Some(BODY_STALL_LIMIT_MS),
        Waiting::App => None,
        Waiting::Keepalive => Some(KEEPALIVE_MS),
        Waiting::Send => Some(SEND_STALL_LIMIT_MS),
        Waiting::Close | Waiting::Linger => Some(LINGER_STALL_LIMIT_MS),
    }
}

/// How long a body may have taken of which `received` bytes have arrived.
fn body_limit_ms(received: u64) -> u64 {
    BODY_STALL_LIMIT_MS.saturating_add(received.saturating_mul(1_000) / BODY_RATE_LIMIT_BYTES_PER_S)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    None,
    /// The app may have bytes for it.
    Awake,
    /// The app had none; its `Wake` ends this.
    Parked,
}

pub struct Client {
    pub socket: Pollable,
    conn: Conn,
    stream: Stream,
    /// The client sends no more.
    ended: bool,
    /// The socket is of no use any more, or the client's time is up: remove it.
    broken: bool,
    /// The connection may have input for the app. Cleared only once it has none.
    unparsed: bool,
    /// The sending side was shut down.
    shut: bool,
    waiting: Waiting,
    /// `Conn::answered` when `waiting` began.
    answered: u64,
    /// Bytes were moved that restart the time limit.
    progressed: bool,
    /// When `waiting` began.
    waiting_since_ms: u64,
    /// Bytes of a body that have arrived since, with those of the turn in which it began.
    body_bytes: u64,
    pub deadline_ms: Option<u64>,
    from: Peer,
    /// The address that the connection counts for; none where it is not counted.
    pub addr: Option<ClientAddr>,
    /// Retry-After, where each request is answered 429.
    rejected_ms: Option<u64>,
}

impl Client {
    pub fn new(mut socket: Pollable, from: Peer, addr: Option<ClientAddr>, now_ms: u64) -> Client {
        socket.assume_writable();
        let conn = Conn::default();
        let waiting = conn.waiting_for();
        Client {
            socket,
            stream: Stream::None,
            ended: false,
            broken: false,
            unparsed: false,
            shut: false,
            waiting,
            answered: conn.answered,
            progressed: false,
            waiting_since_ms: now_ms,
            body_bytes: 0,
            deadline_ms: limit_ms(waiting).map(|limit| now_ms + limit),
            from,
            addr,
            rejected_ms: None,
            conn,
        }
    }

    pub fn note(&mut self, event: &mio::event::Event) {
        self.socket.note(event);
        // A reset. A stream without new bytes would not notice it otherwise.
        self.broken |= event.is_error();
    }

    /// Its first request is answered 429, and so is a silence: its address has too many connections.
    pub fn reject(&mut self, retry_ms: u64, now_ms: u64) {
        self.conn.close_after_next();
        self.rejected_ms = Some(retry_ms);
        self.deadline_ms = Some(now_ms + REJECTED_IDLE_LIMIT_MS);
    }

    fn rejection(&self) -> Option<Response> {
        let sentence = "too many connections from your address";
        let retry_ms = self.rejected_ms?;
        Some(Response::later(429, sentence, retry_ms))
    }

    // ---- input ----

    /// Reads from the socket while the connection has space, within the turn's budget; how many bytes.
    pub fn read(&mut self, buffer: &mut [u8]) -> u64 {
        let (mut budget, mut received) = (TURN_LIMIT_BYTES, 0);
        while self.may_read() && budget > 0 {
            let limit = self.conn.space().min(budget).min(buffer.len());
            match self.socket.read(&mut buffer[..limit]) {
                IoResult::Bytes(count) => {
                    budget = spend(budget, count);
                    self.conn.receive(&buffer[..count]);
                    self.unparsed = true;
                    received += count as u64;
                    self.progressed |= matches!(self.waiting, Waiting::Body | Waiting::Linger);
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
        self.body_bytes += received;
        received
    }

    /// It can be read without another event.
    pub fn may_read(&self) -> bool {
        self.socket.readable() && !self.ended && !self.broken && self.conn.space() > 0
    }

    /// Dispatches what was received, within the turn's budget.
    pub fn handle_input<C: Core>(
        &mut self,
        conn: Key,
        date: &str,
        dispatcher: &mut Dispatcher<'_, C>,
    ) {
        let mut budget = TURN_LIMIT_BYTES;
        while self.unparsed && budget > 0 {
            let (core, from, now) = (&mut *dispatcher.core, self.from, dispatcher.now);
            let rejection = self.rejection();
            let admit = &mut |head: &Head| match &rejection {
                Some(response) => Admission::Refuse(response.clone()),
                None => core.admit(conn, from, head, now),
            };
            match self.conn.next(date, admit) {
                None => self.unparsed = false,
                Some(Incoming::Request(request)) => {
                    dispatcher.dispatch(Event::Request { conn, request });
                }
                // The app answered in this turn and wants no more of the body. The connection does not know it yet.
                Some(_) if dispatcher.has_answered(conn) => {}
                Some(Incoming::Body(bytes)) => {
                    budget = spend(budget, bytes.len());
                    let bytes = &bytes;
                    dispatcher.dispatch(Event::Body { conn, bytes });
                }
                Some(Incoming::BodyEnd) => dispatcher.dispatch(Event::BodyEnd { conn }),
                Some(Incoming::Aborted) => dispatcher.dispatch(Event::Aborted { conn }),
            }
        }
    }

    // ---- answers ----

    pub fn respond(&mut self, response: Response, date: &str) {
        self.conn.respond(response, date);
    }

    pub fn start_stream(&mut self, head: Response, body: Streamed, date: &str) {
        if self.conn.start_stream(head, body, date) {
            self.stream = Stream::Awake;
        } else {
            // The connection has an `Aborted` for the app.
            self.unparsed = true;
        }
    }

    pub fn upgrade(&mut self, date: &str) {
        if self.conn.upgrade(date) {
            self.stream = Stream::Awake;
        }
        // The bytes behind the head belong to the WebSocket now.
        self.unparsed = true;
    }

    /// Answers what is open: the server ends.
    pub fn drain_and_close(&mut self, date: &str) {
        self.conn.drain_and_close(date);
    }

    /// True where the stream was parked.
    pub fn wake(&mut self) -> bool {
        let parked = self.stream == Stream::Parked;
        if parked {
            self.stream = Stream::Awake;
        }
        parked
    }

    /// Nothing more is pulled for it.
    pub fn cut_stream(&mut self) {
        self.stream = Stream::None;
    }

    /// Writes the output and pulls the stream along, within the turn's budget; how many bytes were sent. Called
    /// whenever there is new output: the edge that reported the socket writable does not come again.
    pub fn write<C: Core>(&mut self, key: Key, core: &mut C, pulled: &mut Vec<u8>) -> u64 {
        let (mut budget, mut sent) = (TURN_LIMIT_BYTES, 0);
        let mut pull_budget = self.conn.turn_limit();
        loop {
            self.pull(key, core, pulled, &mut pull_budget);
            let output = self.conn.output();
            if self.broken || budget == 0 || !self.socket.writable() || output.is_empty() {
                break;
            }
            let limit = output.len().min(budget);
            match self.socket.write(&output[..limit]) {
                IoResult::Bytes(count) => {
                    budget = spend(budget, count);
                    self.conn.sent(count);
                    sent += count as u64;
                    self.progressed |= matches!(self.waiting, Waiting::Send | Waiting::Keepalive);
                }
                IoResult::Blocked => {}
                IoResult::Ended | IoResult::Broken => self.broken = true,
            }
        }
        sent
    }

    fn pull<C: Core>(&mut self, key: Key, core: &mut C, pulled: &mut Vec<u8>, budget: &mut usize) {
        while self.stream == Stream::Awake && self.conn.stream_space() > 0 && *budget > 0 {
            pulled.clear();
            let pull = core.pull(key, self.conn.stream_space(), pulled);
            *budget = budget.saturating_sub(pulled.len());
            match pull {
                Pull::Text => self.conn.push_text(pulled),
                Pull::More | Pull::Idle | Pull::End | Pull::Unfinished => {
                    self.conn.push_stream(pulled);
                }
            }
            match pull {
                Pull::More | Pull::Text => {
                    debug_assert!(!pulled.is_empty(), "more comes with bytes");
                }
                Pull::Idle => self.stream = Stream::Parked,
                Pull::End => {
                    self.conn.end_stream();
                    self.stream = Stream::None;
                }
                Pull::Unfinished => {
                    self.conn.break_stream();
                    self.stream = Stream::None;
                }
            }
        }
    }

    // ---- time limits ----

    /// When the client's time is up, in `mono_ms`. Called after the writing of each turn that touched it.
    pub fn settle(&mut self, now_ms: u64) -> Option<u64> {
        let waiting = self.conn.waiting_for();
        let answered = self.conn.answered;
        if waiting == Waiting::Linger && !self.shut && !self.conn.is_done() {
            self.shut = true;
            // Fails where the client has hung up already.
            let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Write);
        }
        let changed = (waiting, answered) != (self.waiting, self.answered);
        if changed {
            self.waiting_since_ms = now_ms;
        }
        if changed || self.progressed {
            // A request behind the one just answered, or the client's end, may have been received already.
            self.unparsed |= waiting == Waiting::Head || self.ended;
            self.waiting = waiting;
            self.answered = answered;
            self.progressed = false;
            let most_ms = match waiting {
                Waiting::Body => body_limit_ms(self.body_bytes),
                Waiting::Linger => LINGER_LIMIT_MS,
                _ => u64::MAX,
            };
            let until_ms = self.waiting_since_ms.saturating_add(most_ms);
            self.deadline_ms = limit_ms(waiting).map(|limit| until_ms.min(now_ms + limit));
        }
        if waiting != Waiting::Body {
            self.body_bytes = 0;
        }
        self.unparsed |= self.conn.has_deferred_input();
        self.deadline_ms
    }

    /// The client's time is up. A slow request is answered 408, a rejected client 429; a stream or WebSocket gets its
    /// keepalive. Gives the cause where that ends the connection, unless it was rejected before.
    pub fn expire(&mut self, date: &str) -> Option<DropCause> {
        self.deadline_ms = None;
        match self.waiting {
            Waiting::Idle if self.rejected_ms.is_none() => self.give_up(DropCause::Idle),
            Waiting::Idle | Waiting::Head | Waiting::Body => {
                let slow = || Response::error(408, "the request took too long to arrive");
                let answer = self.rejection().unwrap_or_else(slow);
                self.conn.abort(answer, date);
                self.unparsed = true;
                self.unless_rejected(DropCause::SlowRequest)
            }
            Waiting::Keepalive => {
                self.conn.keepalive();
                self.progressed = true;
                // A WebSocket client that did not answer is gone: `Aborted` waits for the app.
                self.unparsed = true;
                let is_gone = self.conn.is_done();
                is_gone.then_some(DropCause::NoPong)
            }
            Waiting::Send => self.give_up(DropCause::SlowReader),
            Waiting::App | Waiting::Close | Waiting::Linger => self.give_up(DropCause::NoHangup),
        }
    }

    fn give_up(&mut self, cause: DropCause) -> Option<DropCause> {
        self.broken = true;
        self.unless_rejected(cause)
    }

    fn unless_rejected(&self, cause: DropCause) -> Option<DropCause> {
        self.rejected_ms.is_none().then_some(cause)
    }

    // ---- questions ----

    /// It can be read, or may have input for the app, without another event.
    pub fn may_be_read(&self) -> bool {
        self.unparsed || self.may_read()
    }

    /// It is in the middle of a request, or has not sent its first one.
    pub fn is_asking(&self) -> bool {
        match self.waiting {
            Waiting::Idle => self.answered == 0 || self.may_be_read(),
            Waiting::Head | Waiting::Body => true,
            _ => false,
        }
    }

    /// There is output, and the socket takes it.
    pub fn can_send(&self) -> bool {
        self.socket.writable() && self.has_output()
    }

    pub fn has_output(&self) -> bool {
        let awake = self.stream == Stream::Awake && self.conn.stream_space() > 0;
        awake || !self.conn.output().is_empty()
    }

    pub fn is_over(&self) -> bool {
        self.broken || self.conn.is_done()
    }

    /// The app holds a request of it that is not answered to the end.
    pub fn is_with_app(&self) -> bool {
        self.conn.is_with_app()
    }
}
