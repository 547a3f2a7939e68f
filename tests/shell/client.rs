//! Clients on a socket pair: their time limits, and the events when one has passed.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use zigcheck::base::slab::Key;
use zigcheck::config::limits::DEFAULT_MAX_BUILDS;
use zigcheck::http::limits::KEEPALIVES_LIMIT;
use zigcheck::interface::counters::DropCause;
use zigcheck::interface::event::{Action, Core, Dispatcher, Event, Load, Now, Pull, Streamed};
use zigcheck::interface::message::{Admission, Head, Response};
use zigcheck::interface::peer::Peer;
use zigcheck::shell::client::Client;
use zigcheck::shell::limits::*;
use zigcheck::shell::pollable::Pollable;

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const KEY: Key = Key {
    index: 0,
    generation: 0,
};

/// Notes the names of events and answers nothing.
#[derive(Default)]
struct Mute {
    events: Vec<&'static str>,
    /// What the stream has to give, piece by piece, as far as there is space.
    gives: Vec<Vec<u8>>,
}

impl Core for Mute {
    fn tasks_limit(&self) -> usize {
        DEFAULT_MAX_BUILDS
    }

    fn admit(&mut self, _: Key, _: Peer, head: &Head, _: Now) -> Admission {
        let limit_bytes = 1 << 20;
        match head.path.as_str() {
            "/spool" => Admission::Spool { limit_bytes },
            _ => Admission::Collect { limit_bytes },
        }
    }
    fn handle(&mut self, event: Event<'_>, _now: Now) {
        self.events.push(match event {
            Event::Request { .. } => "request",
            Event::Body { .. } => "body",
            Event::Aborted { .. } => "gone",
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
    fn pull(&mut self, _conn: Key, space: usize, out: &mut Vec<u8>) -> Pull {
        let Some(piece) = self.gives.pop() else {
            return Pull::Idle;
        };
        out.extend_from_slice(&piece[..piece.len().min(space)]);
        Pull::More
    }

    fn load(&self) -> Load {
        Load::default()
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
        let socket = Pollable::new(ours.into()).unwrap();
        Pair {
            client: Client::new(socket, Peer::Unix, None, 0),
            peer,
            core: Mute::default(),
        }
    }

    /// The peer sends `bytes`; when time is up after the turn at `now_ms`.
    fn turn(&mut self, bytes: &str, now_ms: u64) -> Option<u64> {
        self.peer.write_all(bytes.as_bytes()).unwrap();
        self.client.socket.assume_readable();
        self.client.read(&mut [0; 1000]);
        self.handle_input();
        self.client.write(KEY, &mut self.core, &mut Vec::new());
        self.client.settle(now_ms)
    }

    fn handle_input(&mut self) {
        let now = Now {
            mono_ms: 0,
            unix_ms: 0,
        };
        let core = &mut self.core;
        let pending = Vec::new();
        let mut dispatcher = Dispatcher { core, now, pending };
        self.client.handle_input(KEY, DATE, &mut dispatcher);
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
    let head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999\r\n\r\n";
    let piece = "x".repeat(15_000);
    let mut pair = Pair::new();
    assert_eq!(pair.turn(head, 0), Some(BODY_STALL_LIMIT_MS));
    let first = Some(3_000 + BODY_STALL_LIMIT_MS);
    assert_eq!(pair.turn(&piece, 3_000), first);
    let second = Some(6_000 + BODY_STALL_LIMIT_MS);
    assert_eq!(pair.turn(&piece, 6_000), second);
    assert_eq!(pair.turn("", 20_000), second);
}

/// A byte now and then is no upload.
#[test]
fn a_body_that_trickles_runs_out_of_time() {
    let head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999\r\n\r\n";
    let mut pair = Pair::new();
    pair.turn(head, 0);
    let mut came = head.len() as u64;
    for at in 1..4 {
        came += 1_000;
        let stall_ms = at * 10_000 + BODY_STALL_LIMIT_MS;
        let rate_ms = BODY_STALL_LIMIT_MS + came * 1_000 / BODY_RATE_LIMIT_BYTES_PER_S;
        let until = pair.turn(&"x".repeat(1_000), at * 10_000);
        assert_eq!(until, Some(rate_ms.min(stall_ms)), "{at}");
        assert!(rate_ms < stall_ms);
    }
    assert_eq!(pair.client.expire(DATE), Some(DropCause::SlowRequest));
    pair.handle_input();
    pair.client.write(KEY, &mut pair.core, &mut Vec::new());
    let mut answer = [0; 12];
    pair.peer.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
}

/// The next body has a time of its own, however much the one before brought.
#[test]
fn a_body_does_not_live_on_the_one_before() {
    let head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n";
    let mut pair = Pair::new();
    pair.turn(head, 0);
    for _ in 0..19 {
        pair.turn(&"x".repeat(10_000), 1_000);
    }
    pair.turn(&("x".repeat(10_000) + head), 1_000);
    pair.answer(1, 1_000);
    let slack_ms = TURN_LIMIT_BYTES as u64 * 1_000 / BODY_RATE_LIMIT_BYTES_PER_S;
    let mut until = 0;
    for at in 0..20 {
        until = pair.turn("x", 2_000 + at * 20_000).unwrap();
    }
    assert!(until <= 2_000 + BODY_STALL_LIMIT_MS + slack_ms + 1_000);
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
    pair.client.socket.assume_writable();
    assert_eq!(pair.turn("", 3_000), Some(3_000 + SEND_STALL_LIMIT_MS));
    assert_eq!(pair.client.expire(DATE), Some(DropCause::SlowReader));
    assert!(pair.client.is_over());
}

#[test]
fn who_is_too_slow_is_events_and_so_is_the_app() {
    let mut pair = Pair::new();
    let head = "POST /spool HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n1";
    pair.turn(head, 0);
    pair.client.expire(DATE);
    pair.handle_input();
    assert_eq!(pair.core.events, ["request", "body", "gone"]);
    pair.client.write(KEY, &mut pair.core, &mut Vec::new());
    assert_eq!(
        pair.client.settle(30_000),
        Some(30_000 + LINGER_STALL_LIMIT_MS)
    );
    let mut answer = String::new();
    pair.peer.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(!pair.client.is_over() && !pair.client.is_with_app());
    assert_eq!(pair.client.expire(DATE), Some(DropCause::NoHangup));
    assert!(pair.client.is_over(), "it would not hang up");
}

/// It sends all it has before it reads, and is then read on for as long as something comes.
#[test]
fn what_follows_a_refused_head_has_a_time_of_its_own() {
    let mut pair = Pair::new();
    pair.turn(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n",
        0,
    );
    for at in 0..13 {
        let now_ms = at * 4_900;
        let until = pair.turn(&"x".repeat(1_000), now_ms);
        let most = LINGER_LIMIT_MS.min(now_ms + LINGER_STALL_LIMIT_MS);
        assert_eq!(until, Some(most));
    }
    assert_eq!(
        pair.turn("", 59_000),
        Some(13 * 4_900 - 4_900 + 1_200),
        "nothing came"
    );
    pair.client.expire(DATE);
    assert!(pair.client.is_over());
}

#[test]
fn a_rejected_client_is_answered_when_it_asks() {
    let asked = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    for (request, status, bodiless) in [
        (asked.to_string(), "429", false),
        (asked.replace("GET", "HEAD"), "429", true),
        (asked.replace("GET", "GE\0"), "400", false),
        (asked.repeat(2), "429", false),
        (String::new(), "429", false),
        ("GET / HT".to_string(), "429", false),
        ("HEAD / HT".to_string(), "429", true),
    ] {
        let mut pair = Pair::new();
        pair.client.reject(7_000, 0);
        assert_eq!(pair.turn("", 0), Some(REJECTED_IDLE_LIMIT_MS));
        pair.turn(&request, 1_000);
        if !request.ends_with("\r\n\r\n") {
            assert_eq!(pair.client.expire(DATE), None, "it was counted before");
            pair.turn("", 11_000);
        }
        let mut answer = String::new();
        pair.peer.read_to_string(&mut answer).unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request:?}: {answer}"
        );
        assert!(
            answer.contains("\r\nConnection: close\r\n"),
            "{request:?}: {answer}"
        );
        assert_eq!(answer.contains("\r\nRetry-After: 7\r\n"), status == "429");
        assert_eq!(
            answer.ends_with("\r\n\r\n"),
            bodiless,
            "{request:?}: {answer}"
        );
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
        assert!(pair.core.events.is_empty());
    }
    // It may send all it has before it reads.
    let mut pair = Pair::new();
    pair.client.reject(7_000, 0);
    pair.turn(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999\r\n\r\n",
        0,
    );
    for now_ms in [1_000, 5_000, 9_000] {
        let until = pair.turn(&"x".repeat(1_000), now_ms);
        assert_eq!(until, Some(now_ms + LINGER_STALL_LIMIT_MS));
    }
}

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

impl Pair {
    /// The reactor would come back to it without another event.
    fn has_work(&self) -> bool {
        self.client.may_be_read() || self.client.can_send()
    }

    fn settle(&mut self, now_ms: u64) -> Option<u64> {
        self.handle_input();
        self.client.write(KEY, &mut self.core, &mut Vec::new());
        self.client.settle(now_ms)
    }
}

#[test]
fn a_socket_has_its_beats_and_ends_without_a_sign_of_life() {
    let mut pair = Pair::new();
    pair.turn(UPGRADE, 0);
    pair.client.upgrade(DATE);
    assert_eq!(pair.settle(0), Some(KEEPALIVE_MS));
    // What is sent puts the beat off.
    pair.client.wake();
    pair.core.gives = vec![b"one".to_vec()];
    assert_eq!(pair.settle(5_000), Some(5_000 + KEEPALIVE_MS));
    let mut now_ms = 5_000;
    for _ in 0..KEEPALIVES_LIMIT {
        now_ms += KEEPALIVE_MS;
        pair.client.expire(DATE);
        assert_eq!(pair.settle(now_ms), Some(now_ms + KEEPALIVE_MS));
    }
    // A pong.
    pair.peer.write_all(b"\x8a\x80abcd").unwrap();
    pair.turn("", now_ms);
    for _ in 0..KEEPALIVES_LIMIT {
        assert_eq!(pair.client.expire(DATE), None);
        pair.settle(now_ms);
        assert!(!pair.client.is_over());
    }
    assert_eq!(pair.client.expire(DATE), Some(DropCause::NoPong));
    pair.settle(now_ms);
    assert!(pair.client.is_over());
    assert_eq!(pair.core.events, ["request", "gone"]);
    let mut sent = Vec::new();
    let _ = pair.peer.read_to_end(&mut sent);
    let beats = [0x89, 0].repeat(2 * KEEPALIVES_LIMIT as usize);
    assert!(sent.ends_with(&[&b"\x82\x03one"[..], &beats].concat()));
}

#[test]
fn a_stream_with_a_beat_is_kept_alive() {
    let beating = Streamed {
        length: None,
        keepalive: ":\n\n",
    };
    for (body, limit_ms) in [(beating, Some(KEEPALIVE_MS)), (Streamed::default(), None)] {
        let mut pair = Pair::new();
        pair.turn("GET / HTTP/1.1\r\nHost: h\r\n\r\n", 0);
        pair.client.start_stream(Response::default(), body, DATE);
        assert_eq!(pair.settle(0), limit_ms);
        for now_ms in [15_000, 30_000, 45_000] {
            if limit_ms.is_some() {
                pair.client.expire(DATE);
                assert_eq!(pair.settle(now_ms), Some(now_ms + KEEPALIVE_MS));
            }
        }
        let mut sent = [0; 1_000];
        let count = pair.peer.read(&mut sent).unwrap();
        // The first one goes with the head.
        let beats = b"3\r\n:\n\n\r\n".repeat(if limit_ms.is_some() { 4 } else { 0 });
        assert!(sent[..count].ends_with(&[&b"\r\n\r\n"[..], &beats].concat()));
    }
}

/// The app holds a cursor for a stream; where nobody wants it, it must not hold it for ever.
#[test]
fn who_asked_with_head_is_events_of_as_gone() {
    let mut pair = Pair::new();
    pair.turn("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", 0);
    pair.client
        .start_stream(Response::default(), Streamed::default(), DATE);
    pair.client.write(KEY, &mut pair.core, &mut Vec::new());
    pair.client.settle(0);
    assert!(pair.has_work(), "nobody would ask it again");
    pair.handle_input();
    assert_eq!(pair.core.events, ["request", "gone"]);
}

/// Pings whose answers find no space wait inside: no byte of the socket will say that they are there.
#[test]
fn deferred_input_is_handled_later() {
    let mut pair = Pair::new();
    pair.turn(UPGRADE, 0);
    pair.client.upgrade(DATE);
    pair.core.gives = vec![vec![b'x'; 30_000]; 100];
    pair.settle(0);
    while pair.client.can_send() {
        pair.settle(0);
    }
    assert!(pair.client.has_output(), "the peer does not read");
    let pings = 400;
    let ping = [&b"\x89\xfdabcd"[..], &[b'x'; 125]].concat();
    pair.peer.write_all(&ping.repeat(pings)).unwrap();
    pair.client.socket.assume_readable();
    while pair.client.may_read() {
        pair.client.read(&mut [0; 65_536]);
    }
    pair.settle(0);
    assert!(!pair.has_work());
    let mut sent = Vec::new();
    loop {
        let mut piece = vec![0; 1 << 20];
        let Ok(count) = pair.peer.read(&mut piece) else {
            break;
        };
        sent.extend_from_slice(&piece[..count]);
        pair.client.socket.assume_writable();
        pair.client.write(KEY, &mut pair.core, &mut Vec::new());
        pair.client.settle(0);
        while pair.has_work() {
            pair.settle(0);
        }
    }
    let pongs = sent.windows(2).filter(|two| two == b"\x8a\x7d");
    assert_eq!(pongs.count(), pings);
}

/// The connection ends in the turn in which the app begins a stream for it: what it said of its
/// end was not passed on, since an answer was on its way.
#[test]
fn an_end_that_met_the_beginning_of_a_stream_is_events() {
    let mut pair = Pair::new();
    let half = "POST /spool HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n1";
    pair.peer.write_all(half.as_bytes()).unwrap();
    pair.peer.shutdown(std::net::Shutdown::Write).unwrap();
    pair.client.socket.assume_readable();
    pair.client.read(&mut [0; 1000]);
    let stream = Action::Stream {
        conn: KEY,
        head: Response::default(),
        body: Streamed::default(),
    };
    let mut dispatcher = Dispatcher {
        core: &mut pair.core,
        now: Now {
            mono_ms: 0,
            unix_ms: 0,
        },
        pending: vec![stream],
    };
    pair.client.handle_input(KEY, DATE, &mut dispatcher);
    assert_eq!(pair.core.events, ["request"]);
    pair.client
        .start_stream(Response::default(), Streamed::default(), DATE);
    assert!(pair.client.is_over() && pair.client.is_with_app());
}
