//! One client: its socket, its connection, the stream it watches, its time limits.

use crate::config::{
    BODY_STALL_LIMIT_MS, HEAD_LIMIT_MS, IDLE_LIMIT_MS, LINGER_LIMIT_MS, SEND_STALL_LIMIT_MS,
    TURN_LIMIT_BYTES,
};
use crate::conn::{Conn, Incoming, Waiting};
use crate::event::{Core, Event, Pull, Teller};
use crate::message::Response;
use crate::readiness::{Moved, Source, spend};
use crate::slab::Key;

fn limit_ms(waiting: Waiting) -> Option<u64> {
    match waiting {
        Waiting::Idle => Some(IDLE_LIMIT_MS),
        Waiting::Head => Some(HEAD_LIMIT_MS),
        Waiting::Body => Some(BODY_STALL_LIMIT_MS),
        Waiting::App => None,
        Waiting::Send => Some(SEND_STALL_LIMIT_MS),
        Waiting::Linger => Some(LINGER_LIMIT_MS),
    }
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
    source: Source,
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
    deadline_ms: Option<u64>,
    /// It is on the reactor's list of what is ready.
    pub queued: bool,
    /// It is on the reactor's list of what is to be settled.
    pub touched: bool,
}

impl Client {
    pub fn new(mut source: Source, now_ms: u64) -> Client {
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
            deadline_ms: limit_ms(waiting).map(|limit| now_ms + limit),
            queued: false,
            touched: false,
            conn,
        }
    }

    pub fn source(&self) -> &Source {
        &self.source
    }

    pub fn note(&mut self, event: &mio::event::Event) {
        self.source.note(event);
        // A reset. A stream with nothing to say would else find out at its next byte only.
        self.broken |= event.is_error();
    }

    /// Reads what there is, while there is room for it, within the turn's budget.
    pub fn read(&mut self, buffer: &mut [u8]) {
        let mut budget = TURN_LIMIT_BYTES;
        while self.may_read() && budget > 0 {
            let limit = self.conn.room().min(budget).min(buffer.len());
            match self.source.read(&mut buffer[..limit]) {
                Moved::Bytes(count) => {
                    budget = spend(budget, count);
                    self.conn.receive(&buffer[..count]);
                    self.unparsed = true;
                    self.moved |= self.waiting == Waiting::Body;
                }
                Moved::Blocked => {}
                Moved::Ended => {
                    self.ended = true;
                    self.conn.half_closed();
                    self.unparsed = true;
                }
                Moved::Broken => self.broken = true,
            }
        }
    }

    fn may_read(&self) -> bool {
        self.source.readable() && !self.ended && !self.broken && self.conn.room() > 0
    }

    /// Tells the app what the connection has for it, within the turn's budget.
    pub fn hear<C: Core>(&mut self, conn: Key, date: &str, teller: &mut Teller<'_, C>) {
        let mut budget = TURN_LIMIT_BYTES;
        while self.unparsed && budget > 0 {
            let core = &teller.core;
            let incoming = self.conn.next(date, &mut |head| core.admit(head));
            match incoming {
                None => self.unparsed = false,
                // Answered in this very turn: the connection does not know it yet.
                Some(incoming) if is_rest(&incoming) && teller.has_answered(conn) => {}
                Some(Incoming::Request(request)) => teller.tell(Event::Request { conn, request }),
                Some(Incoming::Body(bytes)) => {
                    budget = spend(budget, bytes.len());
                    teller.tell(Event::Body {
                        conn,
                        bytes: &bytes,
                    });
                }
                Some(Incoming::BodyEnd) => teller.tell(Event::BodyEnd { conn }),
                Some(Incoming::Gone) => teller.tell(Event::Gone { conn }),
            }
        }
    }

    pub fn respond(&mut self, response: Response, date: &str) {
        self.conn.respond(response, date);
    }

    pub fn start_stream(&mut self, head: Response, date: &str) {
        if self.conn.start_stream(head, date) {
            self.stream = Stream::Awake;
        }
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
                Moved::Bytes(count) => {
                    budget = spend(budget, count);
                    self.conn.sent(count);
                    self.moved |= self.waiting == Waiting::Send;
                }
                Moved::Blocked => {}
                Moved::Ended | Moved::Broken => self.broken = true,
            }
        }
    }

    fn pull<C: Core>(&mut self, key: Key, core: &mut C, pulled: &mut Vec<u8>) {
        while self.stream == Stream::Awake && self.conn.stream_room() > 0 {
            pulled.clear();
            let gave = core.pull(key, self.conn.stream_room(), pulled);
            self.conn.push_stream(pulled);
            match gave {
                Pull::More => debug_assert!(!pulled.is_empty(), "more is said with some"),
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
        if (waiting, answered) != (self.waiting, self.answered) || self.moved {
            // Requests behind the one just answered, or the end, are looked at only now.
            self.unparsed |= waiting == Waiting::Head || self.ended;
            self.waiting = waiting;
            self.answered = answered;
            self.moved = false;
            self.deadline_ms = limit_ms(waiting).map(|limit| now_ms + limit);
        }
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
            _ => self.broken = true,
        }
    }

    /// Something can be done for it without waiting for another event.
    pub fn has_work(&self) -> bool {
        self.unparsed || self.may_read() || self.can_send()
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

    pub fn into_source(self) -> Source {
        self.source
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::event::{Action, Now};
    use crate::message::{Admission, Head};

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const KEY: Key = Key {
        index: 0,
        generation: 0,
    };

    /// Says `told`'s names and answers nothing.
    #[derive(Default)]
    struct Mute {
        told: Vec<&'static str>,
    }

    impl Core for Mute {
        fn admit(&self, head: &Head) -> Admission {
            let limit_bytes = 1_000;
            match head.path.as_str() {
                "/spool" => Admission::Spool { limit_bytes },
                _ => Admission::Collect { limit_bytes },
            }
        }
        fn handle(&mut self, event: Event<'_>, _now: Now) {
            self.told.push(match event {
                Event::Request { .. } => "request",
                Event::Body { .. } => "body",
                Event::Gone { .. } => "gone",
                _ => "other",
            });
        }
        fn next_action(&mut self) -> Option<Action> {
            None
        }
        fn commit(&mut self, _now: Now) -> Result<(), String> {
            Ok(())
        }
        fn deadline(&self) -> Option<u64> {
            None
        }
        fn pull(&mut self, _conn: Key, _room: usize, _out: &mut Vec<u8>) -> Pull {
            Pull::Idle
        }
        fn stopped(&self) -> bool {
            false
        }
    }

    struct Pair {
        client: Client,
        peer: UnixStream,
        core: Mute,
    }

    impl Pair {
        /// Accepted at 0 ms.
        fn new() -> Pair {
            let (ours, peer) = UnixStream::pair().unwrap();
            peer.set_nonblocking(true).unwrap();
            let source = Source::new(ours.into()).unwrap();
            Pair {
                client: Client::new(source, 0),
                peer,
                core: Mute::default(),
            }
        }

        /// The peer sends `bytes`; when time is up after the turn at `now_ms`.
        fn turn(&mut self, bytes: &str, now_ms: u64) -> Option<u64> {
            self.peer.write_all(bytes.as_bytes()).unwrap();
            self.client.source.assume_readable();
            self.client.read(&mut [0; 1000]);
            self.hear();
            self.client.write(KEY, &mut self.core, &mut Vec::new());
            self.client.settle(now_ms)
        }

        fn hear(&mut self) {
            let now = Now {
                mono_ms: 0,
                unix_ms: 0,
            };
            let core = &mut self.core;
            let asked = Vec::new();
            let mut teller = Teller { core, now, asked };
            self.client.hear(KEY, DATE, &mut teller);
        }

        fn answer(&mut self, bytes: usize, now_ms: u64) -> Option<u64> {
            let response = Response::new(200, "text/plain", vec![b'x'; bytes]);
            self.client.respond(response, DATE);
            self.client.write(KEY, &mut self.core, &mut Vec::new());
            self.client.settle(now_ms)
        }
    }

    #[test]
    fn a_head_has_its_time_however_slowly_it_comes() {
        let mut pair = Pair::new();
        assert_eq!(pair.turn("", 0), Some(IDLE_LIMIT_MS));
        assert_eq!(pair.turn("GET / HT", 500), Some(500 + HEAD_LIMIT_MS));
        assert_eq!(pair.turn("TP/1.1\r\n", 9_000), Some(500 + HEAD_LIMIT_MS));
        assert_eq!(
            pair.turn("Host: h\r\n\r\n", 9_500),
            None,
            "the app takes its time"
        );
        assert_eq!(pair.answer(1, 20_000), Some(20_000 + IDLE_LIMIT_MS));
    }

    #[test]
    fn the_next_head_has_a_time_of_its_own() {
        let mut pair = Pair::new();
        pair.turn("GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /", 0);
        assert_eq!(pair.answer(1, 7_000), Some(7_000 + HEAD_LIMIT_MS));
        let rest = " HTTP/1.1\r\nHost: h\r\n\r\nGET";
        assert_eq!(pair.turn(rest, 8_000), None);
        assert_eq!(pair.answer(1, 9_000), Some(9_000 + HEAD_LIMIT_MS));
    }

    #[test]
    fn a_body_may_take_long_but_not_stall() {
        let head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n";
        let mut pair = Pair::new();
        assert_eq!(pair.turn(head, 0), Some(BODY_STALL_LIMIT_MS));
        assert_eq!(pair.turn("1", 20_000), Some(20_000 + BODY_STALL_LIMIT_MS));
        assert_eq!(pair.turn("2", 40_000), Some(40_000 + BODY_STALL_LIMIT_MS));
        assert_eq!(pair.turn("", 50_000), Some(40_000 + BODY_STALL_LIMIT_MS));
    }

    #[test]
    fn who_stops_reading_has_a_minute_from_the_last_byte_taken() {
        let mut pair = Pair::new();
        pair.turn("GET / HTTP/1.1\r\nHost: h\r\n\r\n", 0);
        pair.answer(4 << 20, 1_000);
        while pair.client.can_send() {
            pair.turn("", 1_000);
        }
        assert_eq!(pair.turn("", 2_000), Some(1_000 + SEND_STALL_LIMIT_MS));
        let _ = pair.peer.read(&mut vec![0; 1 << 20]).unwrap();
        pair.client.source.assume_writable();
        assert_eq!(pair.turn("", 3_000), Some(3_000 + SEND_STALL_LIMIT_MS));
        pair.client.expire(DATE);
        assert!(pair.client.is_over());
    }

    #[test]
    fn who_is_too_slow_is_told_and_so_is_the_app() {
        let mut pair = Pair::new();
        let head = "POST /spool HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n1";
        pair.turn(head, 0);
        pair.client.expire(DATE);
        pair.hear();
        assert_eq!(pair.core.told, ["request", "body", "gone"]);
        pair.client.write(KEY, &mut pair.core, &mut Vec::new());
        assert_eq!(pair.client.settle(30_000), Some(30_000 + LINGER_LIMIT_MS));
        let mut answer = String::new();
        pair.peer.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(!pair.client.is_over() && !pair.client.is_with_app());
        pair.client.expire(DATE);
        assert!(pair.client.is_over(), "it would not hang up");
    }
}
