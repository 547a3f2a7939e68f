//! What a connection costs while nothing happens, every byte of the heap counted: thousands of
//! watchers wait for a browser to come back. A file of its own, as it counts for one thread alone.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use zigcheck::http::conn::{Conn, Waiting};
use zigcheck::interface::event::Streamed;
use zigcheck::interface::message::{Admission, Head, Response};

/// The system's allocator, with a count for each thread of what that thread holds.
struct Counting;

thread_local! {
    static HELD_BYTES: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // Gone while a thread ends; nothing is measured then.
    let _ = HELD_BYTES.try_with(|held| held.set(held.get() + bytes));
}

// SAFETY: everything is passed on to the system's allocator as it came.
#[expect(unsafe_code, reason = "a global allocator is unsafe")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the arguments are those of the caller, who keeps the contract.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the arguments are those of the caller, who keeps the contract.
        unsafe { System.dealloc(place, layout) }
    }
    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: the arguments are those of the caller, who keeps the contract.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const HANDSHAKE: &[u8] = b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fn listen(conn: &mut Conn) {
    let mut admit = |_: &Head| Admission::Collect { limit_bytes: 9 };
    while conn.next(DATE, &mut admit).is_some() {}
}

fn send_all(conn: &mut Conn) {
    let count = conn.output().len();
    conn.sent(count);
}

fn cost(make: impl FnOnce() -> Conn) -> (usize, Conn) {
    let before = HELD_BYTES.get();
    let conn = make();
    let heap = usize::try_from(HELD_BYTES.get() - before).expect("nothing is given back");
    (heap + size_of::<Conn>(), conn)
}

fn socket() -> Conn {
    let mut conn = Conn::default();
    conn.receive(HANDSHAKE);
    listen(&mut conn);
    assert!(conn.upgrade(DATE));
    listen(&mut conn);
    send_all(&mut conn);
    conn
}

#[test]
fn the_count_counts() {
    let (bytes, _kept) = cost(|| {
        let mut conn = Conn::default();
        conn.receive(&[b'x'; 1_000]);
        conn
    });
    assert!((1_000..3_000).contains(&bytes), "{bytes}");
}

#[test]
fn an_idle_connection() {
    let (bytes, conn) = cost(|| {
        let mut conn = Conn::default();
        conn.receive(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        listen(&mut conn);
        conn.respond(Response::new(200, "text/plain", vec![b'x'; 100_000]), DATE);
        send_all(&mut conn);
        conn
    });
    assert_eq!(conn.waiting_for(), Waiting::Idle);
    assert_eq!(bytes, size_of::<Conn>(), "it holds nothing beside itself");
    assert!(bytes <= 384 && conn.memory() == bytes, "{bytes}");
}

#[test]
fn a_stream_with_nothing_to_say() {
    let (bytes, conn) = cost(|| {
        let mut conn = Conn::default();
        conn.receive(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        listen(&mut conn);
        let keepalive = ":\n\n";
        let body = Streamed {
            length: None,
            keepalive,
        };
        assert!(conn.start_stream(Response::default(), body, DATE));
        conn.push_stream(&[b'x'; 10_000]);
        send_all(&mut conn);
        conn
    });
    assert_eq!(conn.waiting_for(), Waiting::Keepalive);
    assert!(bytes <= 384 && conn.memory() == bytes, "{bytes}");
}

/// With everything that was said and answered before: pongs, messages of 30 KB, beats.
#[test]
fn an_idle_socket() {
    let (bytes, conn) = cost(|| {
        let mut conn = socket();
        for _ in 0..20 {
            conn.push_text(&[b'x'; 30_000]);
            send_all(&mut conn);
            conn.keepalive();
            send_all(&mut conn);
            conn.receive(b"\x8a\x80abcd");
            listen(&mut conn);
            conn.receive(&[&b"\x89\xfdabcd"[..], &[b'x'; 125]].concat());
            listen(&mut conn);
            send_all(&mut conn);
        }
        conn
    });
    assert_eq!(conn.waiting_for(), Waiting::Keepalive);
    assert!(bytes <= 1_536, "{bytes}");
    assert!(conn.memory() <= 1_536, "{}", conn.memory());
}

/// Connections need not send anything; what they send is bounded.
#[test]
fn a_socket_that_talks() {
    let message = [&b"\x82\xfe\x10\x00abcd"[..], &[b'x'; 4_096]].concat();
    let part = [&b"\x02\xfe\x0f\x00abcd"[..], &[b'x'; 3_840]].concat();
    let (bytes, conn) = cost(|| {
        let mut conn = socket();
        for round in 0..200 {
            for piece in message.chunks(1 + round * 17) {
                conn.receive(piece);
                listen(&mut conn);
            }
        }
        // And it stops in the middle of a message.
        conn.receive(&part);
        conn.receive(&message[..message.len() / 2]);
        listen(&mut conn);
        conn
    });
    assert!(conn.is_with_app());
    assert!(bytes <= 24_000, "{bytes}");
}
