//! The WebSocket handshake: which requests become one, and what the others are told.

use zigcheck::http::conn::{Conn, Incoming, Waiting};
use zigcheck::interface::message::{Admission, Head, Response};

use crate::common::play::{ANOTHER, DATE};
use crate::common::talk::HANDSHAKE;

/// What the app gets and the client is answered where the app wants an upgrade of this request.
fn asked(text: &str) -> (bool, String, Conn) {
    let mut conn = Conn::default();
    conn.receive(text.as_bytes());
    let mut admit = |_: &Head| Admission::Collect { limit_bytes: 9 };
    let request = conn.next(DATE, &mut admit);
    assert!(matches!(request, Some(Incoming::Request(_))), "{request:?}");
    let upgraded = conn.upgrade(DATE);
    let gone = conn.next(DATE, &mut admit);
    assert_eq!(gone, (!upgraded).then_some(Incoming::Aborted), "{text}");
    let answer = String::from_utf8(conn.output().to_vec()).unwrap();
    conn.sent(answer.len());
    (upgraded, answer, conn)
}

#[test]
fn an_upgrade_byte_for_byte() {
    let (upgraded, answer, conn) = asked(HANDSHAKE);
    assert!(upgraded);
    // The key and what it comes to are the example of RFC 6455.
    let text = format!(
        "HTTP/1.1 101 Switching Protocols\r\nDate: {DATE}\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nConnection: Upgrade\r\n\r\n"
    );
    assert_eq!(answer, text);
    assert_eq!(conn.waiting_for(), Waiting::Keepalive);
    assert!(conn.is_with_app());
}

/// (status, what of the handshake is written otherwise, and how)
const HANDSHAKES: &[(u16, &str, &str)] = &[
    (101, "Upgrade: websocket", "upgrade: h2c,WebSocket"),
    (
        101,
        "Connection: Upgrade",
        "Connection: keep-alive, uPGRADE",
    ),
    (
        101,
        "Connection: Upgrade",
        "Connection: close\r\nConnection: Upgrade",
    ),
    (101, "Host: h", "Host: h\r\nContent-Length: 0"),
    (101, "Host: h", "Host: h\r\nSec-WebSocket-Protocol: a, b"),
    (
        101,
        "Host: h",
        "Host: h\r\nSec-WebSocket-Extensions: permessage-deflate",
    ),
    (101, "GET /ws", "GET http://h/ws"),
    (426, "Connection: Upgrade\r\n", ""),
    (426, "Connection: Upgrade", "Connection: keep-alive"),
    (426, "Connection: Upgrade", "Connection: upgraded"),
    (426, "Upgrade: websocket\r\n", ""),
    (426, "Upgrade: websocket", "Upgrade: h2c"),
    (426, "Upgrade: websocket", "Upgrade: websockets"),
    (426, "HTTP/1.1", "HTTP/1.0"),
    (426, "Sec-WebSocket-Version: 13\r\n", ""),
    (426, "Version: 13", "Version: 8"),
    (426, "Version: 13", "Version: 013"),
    (426, "Version: 13", "Version: 13, 8"),
    (
        426,
        "Version: 13",
        "Version: 13\r\nSec-WebSocket-Version: 13",
    ),
    (400, "GET /ws", "POST /ws"),
    (400, "Host: h", "Host: h\r\nContent-Length: 1"),
    (400, "Host: h", "Host: h\r\nTransfer-Encoding: chunked"),
    (400, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
    (
        400,
        "Host: h",
        "Host: h\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ),
    (400, "dGhlIHNhbXBsZSBub25jZQ==", ""),
    (400, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ"),
    (400, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j"),
    (400, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZSE="),
    (400, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZSEh"),
    (400, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZ-=="),
    (400, "dGhlIHNhbXBsZSBub25jZQ==", "dGhl IHNhbXBsZSBub25jZQ=="),
];

#[test]
fn handshakes() {
    for (status, written, otherwise) in HANDSHAKES {
        assert!(HANDSHAKE.contains(written));
        let mut text = HANDSHAKE.replacen(written, otherwise, 1);
        if text.contains("Length: 1") {
            text += "x";
        } else if text.contains("chunked") {
            text += "0\r\n\r\n";
        }
        let (upgraded, answer, conn) = asked(&text);
        let begin = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&begin), "{otherwise:?}: {answer}");
        assert_eq!(upgraded, *status == 101);
        assert!(upgraded || answer.contains("{\"error\":\""), "{answer}");
        assert_eq!(
            answer.contains("\r\nUpgrade: websocket\r\n"),
            *status != 400
        );
        let version = answer.contains("\r\nSec-WebSocket-Version: 13\r\n");
        assert_eq!(version, *status == 426);
        let after = match status {
            101 => "Upgrade",
            426 if text.contains("HTTP/1.0") => "close, Upgrade",
            426 => "Upgrade",
            _ => "",
        };
        let line = format!("\r\nConnection: {after}\r\n");
        assert_eq!(answer.contains(&line), !after.is_empty(), "{answer}");
        let open = if upgraded {
            Waiting::Keepalive
        } else {
            Waiting::Idle
        };
        assert!(text.contains("HTTP/1.0") || conn.waiting_for() == open);
    }
}

/// What one request asked for is no matter of the next.
#[test]
fn another_answer_leaves_no_handshake_behind() {
    let mut conn = Conn::default();
    let mut admit = |_: &Head| Admission::Collect { limit_bytes: 9 };
    conn.receive((HANDSHAKE.to_string() + ANOTHER).as_bytes());
    assert!(conn.next(DATE, &mut admit).is_some());
    conn.respond(Response::default(), DATE);
    assert!(!conn.upgrade(DATE), "nothing is asked");
    assert_eq!(conn.next(DATE, &mut admit), Some(Incoming::Aborted));
    assert!(conn.next(DATE, &mut admit).is_some());
    conn.sent(conn.output().len());
    assert!(!conn.upgrade(DATE));
    assert!(conn.output().starts_with(b"HTTP/1.1 426 "));
}
