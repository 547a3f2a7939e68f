//! What goes out over one connection: whole answers, streams, and how it closes.

use crate::common::play::{ANOTHER, DATE, Play, Said, any_way, only, played, request, whole};
use zigcheck::http::conn::{Conn, Incoming, Waiting};
use zigcheck::http::limits::{STREAM_LIMIT_BYTES, UNSENT_LIMIT_BYTES};
use zigcheck::interface::event::Streamed;
use zigcheck::interface::message::{Admission, Head, Response};

#[test]
fn an_answer_byte_for_byte() {
    let play = any_way(&request("GET /a?b", "", ""), true);
    assert_eq!(play.said, [whole("GET /a", "")]);
    let text = format!(
        "HTTP/1.1 200 OK\r\nDate: {DATE}\r\nX-Content-Type-Options: nosniff\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\n/a 0"
    );
    assert_eq!(String::from_utf8(play.sent).unwrap(), text);
    assert_eq!(play.conn.answered, 1);
}

#[test]
fn closing_as_asked() {
    let answer = |text: &str, stays_open: bool| {
        let play = any_way(text, stays_open);
        assert!(!play.conn.is_done(), "the client may say more");
        only(&play).header("connection").map(str::to_string)
    };
    let close = Some("close".to_string());
    assert_eq!(
        answer(&request("GET /", "Connection: close\r\n", ""), false),
        close
    );
    assert_eq!(answer("GET / HTTP/1.0\r\n\r\n", false), close);
    let kept = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    assert_eq!(answer(kept, true).as_deref(), Some("keep-alive"));
    let kept = "POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nab";
    assert_eq!(answer(kept, true).as_deref(), Some("keep-alive"));
}

/// Closing with bytes unread would reset the connection, and the client lose its answer.
#[test]
fn closing_waits_for_a_client_that_says_more() {
    let close = request("GET /", "Connection: close\r\n", "");
    for behind in ["", ANOTHER] {
        let mut play = played((close.clone() + behind).as_bytes(), usize::MAX);
        assert_eq!(play.conn.waiting_for(), Waiting::Linger);
        assert!(!play.conn.is_done());
        play.feed(ANOTHER.as_bytes(), || 1);
        assert_eq!((play.statuses(), play.conn.is_done()), (vec![200], false));
        play.hang_up();
        assert!(play.conn.is_done());
    }
    // Nothing follows from a client that has said so.
    let mut conn = Conn::default();
    conn.receive(close.as_bytes());
    conn.half_closed();
    conn.next(DATE, &mut |_: &Head| Admission::Refuse(Response::default()));
    conn.sent(conn.output().len());
    assert!(conn.is_done());
}

#[test]
fn answers_without_a_body() {
    let head = any_way(&request("HEAD /ab", "", ""), true);
    assert_eq!(only(&head).header("content-length"), Some("5"));
    assert!(head.sent.ends_with(b"\r\n\r\n"));
    let streamed = any_way(&request("HEAD /stream", "", ""), true);
    assert_eq!(only(&streamed).header("transfer-encoding"), Some("chunked"));
    assert!(streamed.sent.ends_with(b"\r\n\r\n"));
    for path in ["/204", "/stream/204"] {
        let none = any_way(&request(&format!("GET {path}"), "", ""), true);
        assert_eq!(only(&none).status, 204);
        assert_eq!(only(&none).header("content-length"), None);
        assert_eq!(only(&none).header("transfer-encoding"), None);
        assert!(none.sent.ends_with(b"\r\n\r\n"));
    }
    let refused = played(request("HEAD /refuse", "", "").as_bytes(), 1);
    assert!(refused.sent.ends_with(b"\r\n\r\n"));
    // What was true of one request is not true of the next.
    let next = request("HEAD /ab", "", "") + "no request\r\n\r\n";
    assert!(any_way(&next, false).sent.ends_with(b"}\n"));
}

#[test]
fn streams() {
    let play = any_way(&request("GET /stream", "", ""), true);
    assert_eq!(only(&play).body, vec![b's'; 600_000]);
    let play = any_way(&request("GET /stream", "Connection: close\r\n", ""), false);
    assert_eq!(only(&play).body.len(), 600_000);
    assert_eq!(play.conn.waiting_for(), Waiting::Linger);
    for lines in ["", "Connection: keep-alive\r\n"] {
        let play = any_way(&format!("GET /stream HTTP/1.0\r\n{lines}\r\n"), false);
        let answer = only(&play);
        assert_eq!(answer.body.len(), 600_000);
        assert_eq!(answer.header("transfer-encoding"), None);
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(play.conn.waiting_for(), Waiting::Linger);
    }
}

#[test]
fn streams_of_a_known_length() {
    for version in ["1.1", "1.0"] {
        let lines = "Host: h\r\nConnection: keep-alive\r\n";
        let text = format!("GET /sized/stream HTTP/{version}\r\n{lines}\r\n");
        let play = any_way(&text, true);
        let answer = only(&play);
        assert_eq!(answer.header("content-length"), Some("600000"));
        assert_eq!(answer.header("transfer-encoding"), None);
        assert_eq!(answer.body, vec![b's'; 600_000]);
        assert_eq!(play.said.len(), 1, "it ended as it should");
    }
    let head = any_way(&request("HEAD /sized/stream", "", ""), true);
    assert_eq!(only(&head).header("content-length"), Some("600000"));
    assert!(head.sent.ends_with(b"\r\n\r\n"));
}

/// What is missing must not be taken from the next answer.
#[test]
fn a_stream_shorter_than_was_said_breaks_off() {
    for given in [0, 1, 899] {
        let mut play = Play::default();
        play.conn
            .receive((request("GET /sized/stream/short", "", "") + ANOTHER).as_bytes());
        play.listen();
        play.conn.push_stream(&vec![b'x'; given]);
        play.conn.end_stream();
        assert!(!play.listen() && !play.conn.is_with_app());
        assert!(play.conn.output().ends_with(&vec![b'x'; given]));
        let count = play.conn.output().len();
        play.conn.sent(count);
        assert!(play.conn.is_done(), "after {given} bytes of 900");
    }
}

#[test]
#[should_panic(expected = "more than was announced")]
fn a_stream_longer_than_was_said_is_a_mistake() {
    let mut play = Play::default();
    play.conn
        .receive(request("GET /sized/stream/short", "", "").as_bytes());
    play.listen();
    play.conn.push_stream(&[b'x'; 901]);
}

/// The app holds something for a stream, and has to hear that nobody wants it.
#[test]
fn a_stream_that_nobody_wants() {
    let close = "Connection: close\r\n";
    for (line, lines, stays_open) in [
        ("HEAD /stream", "", true),
        ("HEAD /stream", close, false),
        ("HEAD /sized/stream", "", true),
        ("GET /stream/204", "", true),
        ("GET /stream/204", close, false),
    ] {
        let play = any_way(&request(line, lines, ""), stays_open);
        assert_eq!(play.said, [whole(line, ""), Said::Aborted]);
    }
}

/// The connection may be freed before it was asked for what it has to say.
#[test]
fn a_connection_that_is_done_owes_the_app_its_end() {
    let mut conn = Conn::default();
    conn.receive(request("HEAD /", "Connection: close\r\n", "").as_bytes());
    conn.half_closed();
    let mut admit = |_: &Head| Admission::Collect { limit_bytes: 0 };
    assert!(conn.next(DATE, &mut admit).is_some());
    assert!(!conn.start_stream(Response::default(), Streamed::default(), DATE));
    conn.sent(conn.output().len());
    assert!(conn.is_done() && conn.is_with_app());
    assert_eq!(conn.next(DATE, &mut admit), Some(Incoming::Aborted));
    assert!(conn.is_done() && !conn.is_with_app());
}

#[test]
fn a_beat_when_there_is_nothing_else() {
    let started = |version: &str, keepalive| {
        let mut conn = Conn::default();
        conn.receive(format!("GET / HTTP/{version}\r\nHost: h\r\n\r\n").as_bytes());
        let mut admit = |_: &Head| Admission::Collect { limit_bytes: 0 };
        conn.next(DATE, &mut admit).unwrap();
        let body = Streamed {
            length: None,
            keepalive,
        };
        assert!(conn.start_stream(Response::default(), body, DATE));
        conn
    };
    for (version, framed) in [("1.1", &b"3\r\n:\n\n\r\n"[..]), ("1.0", b":\n\n")] {
        let mut conn = started(version, ":\n\n");
        assert_eq!(conn.waiting_for(), Waiting::Send);
        // A proxy may hold the head back until a byte of the body has come.
        let first = [b"\r\n\r\n", framed].concat();
        assert!(conn.output().ends_with(&first));
        let start = conn.output().len();
        conn.keepalive();
        assert_eq!(conn.output().len(), start, "something else is unsent");
        conn.sent(start);
        assert_eq!(conn.waiting_for(), Waiting::Keepalive);
        conn.keepalive();
        assert_eq!(conn.output(), framed);
        conn.sent(framed.len());
        conn.end_stream();
        conn.keepalive();
        conn.sent(conn.output().len());
        conn.keepalive();
        assert!(conn.output().is_empty(), "no beat behind the end");
    }
    let mut silent = started("1.1", "");
    silent.sent(silent.output().len());
    silent.keepalive();
    assert!(silent.output().is_empty());
    assert_eq!(silent.waiting_for(), Waiting::App);
}

#[test]
fn what_the_end_of_the_server_says() {
    for (path, status) in [("/hold", 503), ("/spool", 503), ("/collect", 503)] {
        let text = request(&format!("POST {path}"), "Content-Length: 2\r\n", "a");
        let text = text + if path == "/hold" { "b" } else { "" };
        let mut play = played(text.as_bytes(), usize::MAX);
        play.conn.drain_and_close(DATE);
        play.settle();
        assert_eq!(play.statuses(), [status], "{path}");
        assert!(play.agrees());
    }
    let mut idle = Play::default();
    idle.conn.drain_and_close(DATE);
    assert!(idle.conn.output().is_empty());
}

#[test]
fn a_stream_that_nobody_reads_stays_under_its_cap() {
    for version in ["1.0", "1.1"] {
        let mut play = Play::default();
        let text = format!("GET /stream HTTP/{version}\r\nHost: h\r\n\r\n");
        play.conn.receive(text.as_bytes());
        play.listen();
        for size in [1, 1, 100, usize::MAX] {
            let count = size.min(play.conn.stream_space());
            play.conn.push_stream(&vec![0; count]);
            assert!(play.conn.output().len() <= STREAM_LIMIT_BYTES);
        }
        assert_eq!(play.conn.stream_space(), 0);
        assert!(play.conn.output().len() > STREAM_LIMIT_BYTES - 100);
        assert_eq!(play.conn.waiting_for(), Waiting::Send);
        play.conn.push_stream(b"");
        play.conn.end_stream();
        assert!(play.conn.output().len() <= STREAM_LIMIT_BYTES);
    }
}

/// A client that asks and asks and never reads is not read any more.
#[test]
fn requests_wait_while_answers_are_unsent() {
    let mut play = Play::default();
    let text = request("GET /a", "", "").repeat(10_000);
    let mut input = text.as_bytes();
    while play.conn.space() > 0 && !input.is_empty() {
        let count = play.conn.space().min(input.len()).min(1000);
        play.conn.receive(&input[..count]);
        input = &input[count..];
        play.listen();
        assert!(play.conn.output().len() <= UNSENT_LIMIT_BYTES + 1000);
    }
    assert!(input.len() > text.len() / 2);
    assert_eq!(play.conn.waiting_for(), Waiting::Send);
    play.settle();
    play.feed(input, || 5000);
    assert_eq!(play.answers().len(), 10_000);
}

#[test]
fn cutting_short() {
    let timeout = || Response::error(408, "Too slow.");
    for (input, heard) in [
        ("GET /", 0),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\na",
            0,
        ),
        (
            "POST /spool HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n",
            2,
        ),
        ("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n", 2),
    ] {
        let mut play = played(input.as_bytes(), usize::MAX);
        play.conn.abort(timeout(), DATE);
        play.settle();
        assert_eq!(only(&play).status, 408);
        assert_eq!(play.said.len(), heard);
        assert!(heard == 0 || play.said.last() == Some(&Said::Aborted));
        assert_eq!(play.conn.waiting_for(), Waiting::Linger);
        // The app's answer comes too late.
        play.conn.respond(Response::default(), DATE);
        assert!(
            !play
                .conn
                .start_stream(Response::default(), Default::default(), DATE)
        );
        // It may have been answered before it heard so, and then hears that nobody wants it.
        let mut admit = |_: &Head| Admission::Collect { limit_bytes: 0 };
        assert!(play.conn.is_with_app());
        assert_eq!(play.conn.next(DATE, &mut admit), Some(Incoming::Aborted));
        play.conn.abort(timeout(), DATE);
        play.hang_up();
        assert!(play.conn.is_done() && play.agrees());
        assert_eq!(play.statuses(), [408]);
    }
    // A stream has begun: no second status, no end that looks complete.
    let mut play = Play::default();
    play.conn.receive(request("GET /stream", "", "").as_bytes());
    play.listen();
    play.conn.push_stream(b"abc");
    play.conn.abort(timeout(), DATE);
    play.listen();
    assert!(play.conn.output().ends_with(b"\r\n3\r\nabc\r\n"));
    assert_eq!(play.said.last(), Some(&Said::Aborted));
    let count = play.conn.output().len();
    play.conn.sent(count);
    assert!(play.conn.is_done());
}

#[test]
fn an_answer_that_nobody_waits_for_is_not_sent() {
    let mut conn = Conn::default();
    conn.respond(Response::default(), DATE);
    conn.push_stream(b"x");
    conn.end_stream();
    assert!(conn.output().is_empty());
    assert_eq!((conn.stream_space(), conn.answered), (0, 0));
    assert_eq!(conn.waiting_for(), Waiting::Idle);
}

/// A browser must not take a log for a page.
#[test]
fn no_browser_may_guess_what_an_answer_is() {
    for (text, status) in [
        (request("GET /a", "", ""), 200),
        (request("HEAD /a", "", ""), 200),
        (request("GET /stream", "", ""), 200),
        (request("GET /204", "", ""), 204),
        ("GET / HTTP/1.0\r\n\r\n".to_string(), 200),
        ("GET / HTTP/1.1\r\n\r\n".to_string(), 400),
        ("x\r\n\r\n".to_string(), 400),
    ] {
        let play = played(text.as_bytes(), usize::MAX);
        let answer = only(&play);
        assert_eq!(answer.status, status, "{text:?}");
        let told = answer.header("x-content-type-options");
        assert_eq!(told, Some("nosniff"), "{text:?}");
    }
}

#[test]
fn no_header_value_ends_its_line() {
    let mut conn = Conn::default();
    conn.receive(ANOTHER.as_bytes());
    let mut admit = |_: &Head| Admission::Collect { limit_bytes: 0 };
    assert!(matches!(
        conn.next(DATE, &mut admit),
        Some(Incoming::Request(_))
    ));
    let answer = Response::new(299, "text/plain", "x")
        .with("Location", "/a\r\nSet-Cookie: b\0")
        .with("content-length", "77")
        .with("Connection", "upgrade");
    conn.respond(answer, DATE);
    let text = format!(
        "HTTP/1.1 299 \r\nDate: {DATE}\r\nX-Content-Type-Options: nosniff\r\nContent-Type: text/plain\r\n\
         Location: /a  Set-Cookie: b \r\nContent-Length: 1\r\n\r\nx"
    );
    assert_eq!(str::from_utf8(conn.output()).unwrap(), text);
}
