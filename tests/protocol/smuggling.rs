//! Requests that hide another one from a server that reads them otherwise: each is answered with
//! a fault, the connection is over, and the hidden one is never told to the app.

use crate::common::play::any_way;
use zigcheck::http::conn::Waiting;

const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n";

const POST: &str = "POST /a HTTP/1.1\r\nHost: h\r\n";

/// (status, headers and body behind `POST /a` and its host; the hidden request follows)
const ROWS: &[(u16, &str)] = &[
    // two ways to say where the body ends
    (
        400,
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        400,
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    ),
    (
        400,
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        400,
        "Content-Length: 5\r\nTransfer-Encoding: identity\r\n\r\nabcde",
    ),
    (
        400,
        "Content-Length: 5\r\ntransfer-encoding: x\r\n\r\nabcde",
    ),
    (400, "Content-Length: 0\r\nContent-Length: 34\r\n\r\n"),
    (400, "Content-Length: 34\r\nContent-Length: 0\r\n\r\n"),
    (400, "Content-Length: 0\r\nContent-Length: 0\r\n\r\n"),
    (400, "Content-Length: 0\r\ncontent-length: 34\r\n\r\n"),
    // lengths that are none
    (400, "Content-Length: 0, 34\r\n\r\n"),
    (400, "Content-Length: 0,0\r\n\r\n"),
    (400, "Content-Length: +0\r\n\r\n"),
    (400, "Content-Length: -0\r\n\r\n"),
    (400, "Content-Length: 0x0\r\n\r\n"),
    (400, "Content-Length: 0 34\r\n\r\n"),
    (400, "Content-Length: 0;34\r\n\r\n"),
    (400, "Content-Length: \"0\"\r\n\r\n"),
    (400, "Content-Length: 0.0\r\n\r\n"),
    (400, "Content-Length: 0e1\r\n\r\n"),
    (400, "Content-Length: \u{ff10}\r\n\r\n"),
    (400, "Content-Length:\r\n\r\n"),
    (400, "Content-Length: 18446744073709551616\r\n\r\n"),
    // codings that are not chunked, or not alone
    (400, "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    (400, "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    (501, "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    (501, "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n"),
    (400, "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    (400, "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"),
    (400, "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n"),
    (400, "Transfer-Encoding: 'chunked'\r\n\r\n0\r\n\r\n"),
    (400, "Transfer-Encoding: chun ked\r\n\r\n0\r\n\r\n"),
    (400, "Transfer-Encoding: chunked\u{a0}\r\n\r\n0\r\n\r\n"),
    (400, "Transfer-Encoding:\r\n\r\n0\r\n\r\n"),
    (
        400,
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        400,
        "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (400, "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    (400, "Transfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n"),
    (400, "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    (400, "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"),
    (400, " Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (400, "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    (400, "Transfer-Encoding:\r\n\tchunked\r\n\r\n0\r\n\r\n"),
    // lines that end in one reading and not in the other
    (400, "A: b\nContent-Length: 34\r\n\r\n"),
    (400, "A: b\n\nContent-Length: 34\r\n\r\n"),
    (400, "A: b\rContent-Length: 34\r\n\r\n"),
    (400, "A: b\r\n\nContent-Length: 34\r\n\r\n"),
    (400, "A: b\r\n\rContent-Length: 34\r\n\r\n"),
    (400, "A: b\n\r\n"),
    (400, "A: b\r\n\n"),
    (400, "A: b\r\r\n\r\n"),
    (400, "A: b\0Content-Length: 34\r\n\r\n"),
    (400, "A: b\x0cc\r\n\r\n"),
    (400, "Content-Length: 34\x7f\r\n\r\n"),
    (400, "Content\0-Length: 34\r\n\r\n"),
    (400, "Content-Length : 34\r\n\r\n"),
    (400, "Content-Length\t: 34\r\n\r\n"),
    (400, "Content-Length\r\n : 34\r\n\r\n"),
    (400, "Content-Length: 3\r\n 4\r\n\r\n"),
    (400, "A\u{e4}: b\r\n\r\n"),
    (400, "no colon\r\n\r\n"),
    (400, ": no name\r\n\r\n"),
    // two hosts
    (400, "Host: h\r\n\r\n"),
    (400, "host: other\r\n\r\n"),
];

/// (status, the chunks of a body; the hidden request follows)
const CHUNKS: &[(u16, &str)] = &[
    (400, "0x5\r\nabcde\r\n0\r\n\r\n"),
    (400, "+5\r\nabcde\r\n0\r\n\r\n"),
    (400, "-5\r\nabcde\r\n0\r\n\r\n"),
    (400, " 5\r\nabcde\r\n0\r\n\r\n"),
    (400, "5 \r\nabcde\r\n0\r\n\r\n"),
    (400, "5\t\r\nabcde\r\n0\r\n\r\n"),
    (400, "5_0\r\nabcde\r\n0\r\n\r\n"),
    (400, "\r\nabcde\r\n0\r\n\r\n"),
    (400, "5h\r\nabcde\r\n0\r\n\r\n"),
    (400, "00000000000000005\r\nabcde\r\n0\r\n\r\n"),
    (400, "10000000000000005\r\nabcde\r\n0\r\n\r\n"),
    (413, "fffffffffffffff0\r\nabcde\r\n0\r\n\r\n"),
    (400, "5\nabcde\r\n0\r\n\r\n"),
    (400, "5\rabcde\r\n0\r\n\r\n"),
    (400, "5\r\nabcde\n0\r\n\r\n"),
    (400, "5\r\nabcde0\r\n\r\n"),
    (400, "5\r\nabcdef\r\n0\r\n\r\n"),
    (400, "5\r\nabcde\r\r\n0\r\n\r\n"),
    (400, "5\r\nabcde\r\n0\n\r\n"),
    (400, "5\r\nabcde\r\n0\r\n\n"),
    (400, "5;a\nb\r\nabcde\r\n0\r\n\r\n"),
    (400, "5;a\rb\r\nabcde\r\n0\r\n\r\n"),
    (400, "5;\0\r\nabcde\r\n0\r\n\r\n"),
    (400, "0\r\nno colon\r\n\r\n"),
    (400, "0\r\nA : b\r\n\r\n"),
    (400, "0\r\nA: b\n\r\n"),
    (400, "0\r\n\rA: b\r\n\r\n"),
];

/// (status, a whole head; the hidden request follows)
const HEADS: &[(u16, &str)] = &[
    (400, "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"),
    (400, "\rGET / HTTP/1.1\r\nHost: h\r\n\r\n"),
    (400, " GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
    (400, "GET / HTTP/1.1\nHost: h\n\n"),
    (400, "GET / HTTP/1.1\rHost: h\r\n\r\n"),
    (400, "GET  / HTTP/1.1\r\nHost: h\r\n\r\n"),
    (400, "GET /\tHTTP/1.1\r\nHost: h\r\n\r\n"),
    (400, "GET / HTTP/1.1 \r\nHost: h\r\n\r\n"),
    (400, "GET / x HTTP/1.1\r\nHost: h\r\n\r\n"),
    (400, "GET / \r\n\r\n"),
    (400, "GET /\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\n Host: h\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    (400, "GET http://a@b/ HTTP/1.1\r\nHost: h\r\n\r\n"),
    (400, "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n"),
    (
        400,
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (417, "POST / HTTP/1.1\r\nHost: h\r\nExpect: 200-ok\r\n\r\n"),
    (400, "GET / HTTP/1.12\r\nHost: h\r\n\r\n"),
    (505, "GET / HTTP/2.0\r\nHost: h\r\n\r\n"),
    (505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    (400, "GET / http/1.1\r\nHost: h\r\n\r\n"),
];

#[test]
fn no_hidden_request_is_heard() {
    let rows = ROWS
        .iter()
        .map(|(status, rest)| (status, format!("{POST}{rest}")));
    let chunked = format!("{POST}Transfer-Encoding: chunked\r\n\r\n");
    let chunks = CHUNKS
        .iter()
        .map(|(status, rest)| (status, format!("{chunked}{rest}")));
    let heads = HEADS
        .iter()
        .map(|(status, head)| (status, head.to_string()));
    for (status, text) in rows.chain(chunks).chain(heads) {
        let play = any_way(&(text.clone() + HIDDEN), false);
        assert_eq!(play.statuses(), [*status], "{text:?}");
        assert_eq!(play.said, [], "{text:?}");
        assert!(!play.asked.iter().any(|path| path == "/hidden"), "{text:?}");
        assert_eq!(play.answers()[0].header("connection"), Some("close"));
        assert_eq!(play.conn.waiting_for(), Waiting::Linger, "{text:?}");
    }
}

/// The same forms written as they should be are no faults: what the rows test is what they say.
#[test]
fn the_honest_forms_are_heard() {
    for text in [
        format!("{POST}Content-Length: 5\r\n\r\nabcde"),
        format!("{POST}Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"),
        format!("{POST}Transfer-Encoding: Chunked\r\n\r\n5;a=b\r\nabcde\r\n0\r\nA: b\r\n\r\n"),
        format!("{POST}A: b\tc \u{e4}\r\n\r\n"),
        "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n".to_string(),
    ] {
        let play = any_way(&(text + HIDDEN), true);
        assert_eq!(play.statuses(), [200, 200]);
        assert_eq!(play.asked.last().map(String::as_str), Some("/hidden"));
    }
}
