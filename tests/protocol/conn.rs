//! What comes in over one connection: every case whole, byte by byte, and with another request
//! behind it.

use crate::common::play::{ANOTHER, Play, Said, any_way, only, played, request, whole};
use zigcheck::http::conn::{Conn, Waiting};
use zigcheck::http::limits::{INPUT_LIMIT_BYTES, LINGER_LIMIT_BYTES, TARGET_LIMIT_BYTES};

#[test]
fn bodies_come_whole() {
    let length = request("POST /a", "Content-Length: 3\r\n", "a\r\n");
    assert_eq!(any_way(&length, true).said, [whole("POST /a", "a\r\n")]);
    let chunks = "1\r\na\r\n2;x\r\nbc\r\n0\r\nT: u\r\n\r\n";
    let chunked = request("POST /a", "Transfer-Encoding: chunked\r\n", chunks);
    assert_eq!(any_way(&chunked, true).said, [whole("POST /a", "abc")]);
    let full = "b".repeat(100);
    let most = request("GET /a", "Content-Length: 100\r\n", &full);
    assert_eq!(any_way(&most, true).said, [whole("GET /a", &full)]);
}

#[test]
fn bodies_come_in_pieces() {
    let spooled = |target: &str| Said::Spooled(target.into());
    let none = request("POST /spool", "", "");
    assert_eq!(
        any_way(&none, true).said,
        [spooled("POST /spool"), Said::End]
    );
    let length = request("POST /spool", "Content-Length: 3\r\n", "abc");
    let heard = [spooled("POST /spool"), Said::Body("abc".into()), Said::End];
    assert_eq!(any_way(&length, true).said, heard);
    let large = "x".repeat(250_000);
    let length = request("POST /spool", "Content-Length: 250000\r\n", &large);
    let play = any_way(&length, true);
    let heard = [
        spooled("POST /spool"),
        Said::Body(large.clone().into()),
        Said::End,
    ];
    assert_eq!(play.said, heard);
    assert_eq!(only(&play).body, b"/spool 250000");
    let chunks = format!("3d090\r\n{large}\r\n0\r\n\r\n");
    let chunked = request("POST /spool", "Transfer-Encoding: chunked\r\n", &chunks);
    assert_eq!(any_way(&chunked, true).said, heard);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let input = request("POST /a", "Content-Length: 1\r\n", "x")
        + "\r\n"
        + &request("GET /b", "", "")
        + "\r\n\r\n"
        + &request("POST /spool/c", "Content-Length: 1\r\n", "y");
    let play = any_way(&input, true);
    let bodies: Vec<Vec<u8>> = play.answers().into_iter().map(|a| a.body).collect();
    assert_eq!(bodies, [&b"/a 1"[..], b"/b 0", b"/spool/c 1"]);
}

#[test]
fn an_expected_continue() {
    for path in ["/a", "/spool"] {
        let lines = "Expect: 100-continue\r\nContent-Length: 1\r\n";
        let text = request(&format!("PUT {path}"), lines, "x");
        assert_eq!(any_way(&text, true).statuses(), [100, 200]);
        let mut play = played(&text.as_bytes()[..text.len() - 1], 1);
        assert_eq!(play.sent, b"HTTP/1.1 100 Continue\r\n\r\n");
        assert_eq!(play.conn.waiting_for(), Waiting::Body);
        play.feed(b"x", || 1);
        assert_eq!(play.statuses(), [100, 200]);
    }
    let nothing = request("PUT /a", "Expect: 100-continue\r\n", "");
    assert_eq!(any_way(&nothing, true).statuses(), [200]);
    let refused = request(
        "PUT /refuse",
        "Expect: 100-continue\r\nContent-Length: 1\r\n",
        "",
    );
    assert_eq!(any_way(&refused, false).statuses(), [403]);
    let large = request(
        "PUT /a",
        "Expect: 100-continue\r\nContent-Length: 101\r\n",
        "",
    );
    assert_eq!(any_way(&large, false).statuses(), [413]);
    let other = request("PUT /a", "Expect: more\r\nContent-Length: 1\r\n", "");
    assert_eq!(any_way(&other, false).statuses(), [417]);
}

#[test]
fn faults_are_answered_and_end_the_connection() {
    let long = format!("A: {}\r\n", "a".repeat(17_000));
    let chunked = "Transfer-Encoding: chunked\r\n";
    let too_long = format!("65\r\n{}", "a".repeat(0x65));
    for (status, input) in [
        (400, "\x16\x03\x01".to_string()),
        (400, "GET x HTTP/1.1\r\nHost: h\r\n\r\n".to_string()),
        (505, "GET / HTTP/3.0\r\nHost: h\r\n\r\n".to_string()),
        (431, request("GET /", &long, "")),
        (414, format!("GET /{}", "a".repeat(17_000))),
        (400, "\r\n".repeat(9) + ANOTHER),
        (400, format!("\n{ANOTHER}")),
        (413, request("POST /", "Content-Length: 101\r\n", "")),
        (413, request("POST /", chunked, &too_long)),
        (400, request("POST /", chunked, "x\r\n")),
        (
            400,
            request("POST /", "Content-Length: 1\r\nContent-Length: 1\r\n", ""),
        ),
    ] {
        let play = any_way(&input, false);
        assert_eq!(play.said, []);
        let answer = only(&play);
        assert_eq!(answer.status, status, "{input:?}");
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let value: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert!(!value["error"].as_str().unwrap().is_empty());
        assert_eq!(play.conn.waiting_for(), Waiting::Linger);
        assert!(!play.conn.is_done());
    }
}

/// A line without an end is not waited for until the whole head is too large.
#[test]
fn a_target_that_does_not_end_is_answered_early() {
    for size in [1, 100, usize::MAX] {
        let mut play = Play::default();
        let text = format!("GET /{}", "a".repeat(TARGET_LIMIT_BYTES + 1_024));
        play.feed(text.as_bytes(), || size);
        assert_eq!(play.statuses(), [414]);
    }
}

/// The app knows of a spooled request, so it is told that its body will never be complete.
#[test]
fn a_fault_in_a_spooled_body() {
    let chunked = "Transfer-Encoding: chunked\r\n";
    for (status, body) in [(400, "3\r\nabc\r\nx\r\n"), (413, "3\r\nabc\r\nfffff\r\nab")] {
        let play = any_way(&request("POST /spool", chunked, body), false);
        let heard = [
            Said::Spooled("POST /spool".into()),
            Said::Body("abc".into()),
            Said::Aborted,
        ];
        assert_eq!(play.said, heard);
        assert_eq!(only(&play).status, status);
    }
    let large = request("POST /spool", "Content-Length: 300001\r\n", "abc");
    let play = any_way(&large, false);
    assert_eq!((play.said.len(), only(&play).status), (0, 413));
}

#[test]
fn a_refusal_asks_once_and_reads_no_body() {
    let play = any_way(
        &request("POST /refuse", "Content-Length: 5\r\n", "ab"),
        false,
    );
    assert_eq!(play.asked, ["/refuse"]);
    assert_eq!((play.said.len(), only(&play).status), (0, 403));
    assert_eq!(only(&play).header("connection"), Some("close"));
    let bare = any_way(&request("GET /refuse", "", ""), true);
    assert_eq!(only(&bare).status, 403);
    assert_eq!(only(&bare).header("connection"), None);
}

#[test]
fn an_answer_before_the_end_of_the_body() {
    for path in ["/spool/early", "/spool/stream/early"] {
        let text = request(&format!("POST {path}"), "Content-Length: 9\r\n", "abc");
        let play = any_way(&text, false);
        assert_eq!(play.said, [Said::Spooled(format!("POST {path}"))]);
        assert_eq!(only(&play).header("connection"), Some("close"));
        assert_eq!(play.conn.waiting_for(), Waiting::Linger);
    }
    // Where no body is missing, nothing has to end.
    let text = request("POST /spool/early", "", "");
    assert_eq!(any_way(&text, true).said.len(), 1);
}

#[test]
fn lingering_is_bounded() {
    let mut play = Play::default();
    let text = request("POST /refuse", "Content-Length: 99999999\r\n", "");
    play.feed(text.as_bytes(), || usize::MAX);
    let mut dropped = 0;
    while play.conn.space() > 0 {
        let count = play.conn.space();
        play.conn.receive(&vec![0; count]);
        play.settle();
        dropped += count;
    }
    assert_eq!(dropped, LINGER_LIMIT_BYTES);
    assert!(!play.conn.is_done(), "the client may still be reading");
    assert_eq!(play.statuses(), [403]);
    play.hang_up();
    assert!(play.conn.is_done());
}

#[test]
fn a_request_waits_for_the_answer_before_it() {
    let mut play = Play::default();
    let text = request("GET /hold", "", "") + ANOTHER;
    play.feed(text.as_bytes(), || usize::MAX);
    assert_eq!(play.said, [whole("GET /hold", "")]);
    assert_eq!(play.conn.waiting_for(), Waiting::App);
    let room = play.conn.space();
    assert_eq!(room, INPUT_LIMIT_BYTES - ANOTHER.len());
    play.feed(&vec![b'x'; room], || usize::MAX);
    assert_eq!((play.conn.space(), play.said.len()), (0, 1));
    play.answer_held();
    play.settle();
    assert_eq!(play.statuses(), [200, 200, 431]);
}

#[test]
fn a_client_that_hangs_up() {
    // Nothing was asked, or not to the end.
    for input in [
        "",
        "\r\n",
        "GET / HT",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\na",
    ] {
        let mut play = played(input.as_bytes(), 1);
        play.hang_up();
        assert!(play.conn.is_done());
        assert_eq!((play.said.len(), play.sent.len()), (0, 0));
    }
    // The app has to learn that the rest of the body will not come.
    let text = request("POST /spool", "Content-Length: 3\r\n", "ab");
    let mut play = played(text.as_bytes(), usize::MAX);
    play.hang_up();
    assert!(play.conn.is_done() && play.agrees());
    assert_eq!(play.said.last(), Some(&Said::Aborted));
    // What was asked is answered.
    let mut play = Play::default();
    let text = request("GET /hold", "", "") + ANOTHER + "GET /half";
    play.feed(text.as_bytes(), || usize::MAX);
    play.hang_up();
    assert!(!play.conn.is_done());
    assert_eq!(play.conn.space(), 0);
    play.answer_held();
    play.settle();
    assert_eq!(play.statuses(), [200, 200]);
    assert!(play.conn.is_done());
}

/// Thousands of these wait for a browser to come back.
#[test]
fn an_idle_connection_is_small() {
    assert!(size_of::<Conn>() <= 512);
}
