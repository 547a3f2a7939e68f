//! Request heads: what is taken, what is refused and how, and that it does not matter in how
//! many pieces they come.

use zigcheck::http::fault::Fault;
use zigcheck::http::head::{Framing, ReadHead, read_head};
use zigcheck::http::limits::{HEAD_LIMIT_BYTES, TARGET_LIMIT_BYTES};

/// What every prefix gives is "more", until the whole gives this.
fn read(text: &[u8]) -> Result<ReadHead, Fault> {
    let whole = read_head(text).transpose().expect("the head is whole");
    for end in 0..text.len() {
        match read_head(&text[..end]) {
            Ok(None) => {}
            Ok(Some(_)) => panic!("complete at {end} of {}", text.len()),
            early => assert_eq!(early.transpose(), Some(whole.clone()), "at {end}"),
        }
    }
    let mut longer = text.to_vec();
    longer.extend_from_slice(b"GET / HTTP/1.1\r\nHost: z\r\n\r\n");
    assert_eq!(read_head(&longer).transpose(), Some(whole.clone()));
    if let Ok(read) = &whole {
        assert_eq!(read.length, text.len());
    }
    whole
}

fn good(text: &str) -> ReadHead {
    read(text.as_bytes()).unwrap_or_else(|fault| panic!("{fault:?} of {text:?}"))
}

fn with(lines: &str) -> String {
    format!("POST /x HTTP/1.1\r\nHost: h\r\n{lines}\r\n")
}

#[test]
fn a_head_is_read_in_full() {
    let read = good("POST /a%20b?c=d?e HTTP/1.1\r\nHost: h:80\r\nX-Y:\t z  \r\nEmpty:\r\n\r\n");
    assert_eq!(read.head.method, "POST");
    assert_eq!(read.head.path, "/a%20b");
    assert_eq!(read.head.query, "c=d?e");
    let headers = [("host", "h:80"), ("x-y", "z"), ("empty", "")];
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_string()));
    assert_eq!(read.head.headers, headers);
    assert_eq!(read.framing, Framing::Length(0));
    assert!(read.keep_alive && !read.head.http10 && !read.expects_continue);
}

/// Some take it for the end of a line and some do not.
#[test]
fn a_bare_line_feed_ends_no_line() {
    let lines = ["GET / HTTP/1.1\r\n", "Host: h\r\n", "A: b\r\n", "\r\n"];
    for bare in 0..lines.len() {
        let mut text = lines.map(str::to_string);
        text[bare] = text[bare].replace("\r\n", "\n");
        let fault = read(text.concat().as_bytes()).unwrap_err();
        assert_eq!(fault.status, 400, "{text:?}");
    }
}

#[test]
fn targets() {
    let target = |target: &str| {
        let read = good(&format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let host = read.head.header("host").unwrap_or_default().to_string();
        (read.head.path, read.head.query, host)
    };
    let is = |path: &str, query: &str, host: &str| (path.into(), query.into(), host.into());
    assert_eq!(target("/"), is("/", "", "h"));
    assert_eq!(target("//a"), is("//a", "", "h"));
    assert_eq!(target("/?"), is("/", "", "h"));
    assert_eq!(target("/u?to=http://b/"), is("/u", "to=http://b/", "h"));
    assert_eq!(target("http://o:1/p?q"), is("/p", "q", "o:1"));
    assert_eq!(target("HTTPS://o"), is("/", "", "o"));
    assert_eq!(target("http://o?q"), is("/", "q", "o"));
    let all = good("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((&*all.head.path, &*all.head.query), ("*", ""));
    let http10 = good("GET http://o/p HTTP/1.0\r\n\r\n");
    assert_eq!(http10.head.header("host"), Some("o"));
}

#[test]
fn the_future_of_the_connection() {
    let keeps = |version: &str, lines: &str| {
        let text = format!("GET / HTTP/{version}\r\nHost: h\r\n{lines}\r\n");
        good(&text).keep_alive
    };
    assert!(keeps("1.1", ""));
    assert!(!keeps("1.1", "Connection: close\r\n"));
    assert!(!keeps("1.1", "Connection: TE, Close\r\n"));
    assert!(!keeps("1.1", "Connection: te\r\nConnection: close\r\n"));
    assert!(!keeps("1.1", "Connection: keep-alive, close\r\n"));
    assert!(keeps("1.1", "Connection: closed\r\n"));
    assert!(!keeps("1.0", ""));
    assert!(keeps("1.0", "Connection: Keep-Alive\r\n"));
    assert!(!keeps("1.0", "Connection: keep-alive, close\r\n"));
}

#[test]
fn framings() {
    let framing = |lines: &str| good(&with(lines)).framing;
    assert_eq!(framing("Content-Length: 0\r\n"), Framing::Length(0));
    assert_eq!(framing("content-length: 0012\r\n"), Framing::Length(12));
    let most = format!("Content-Length: {}\r\n", u64::MAX);
    assert_eq!(framing(&most), Framing::Length(u64::MAX));
    assert_eq!(framing("Transfer-Encoding: chunked\r\n"), Framing::Chunked);
    assert_eq!(framing("Transfer-Encoding: CHUNKED \r\n"), Framing::Chunked);
}

#[test]
fn expectations() {
    assert!(good(&with("Expect: 100-Continue\r\n")).expects_continue);
    let http10 = good("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n");
    assert!(!http10.expects_continue);
}

#[test]
fn refused_heads() {
    let cases: &[(u16, &str)] = &[
        (400, "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "GET  / HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "GET /\r\nHost: h\r\n\r\n"),
        (400, "GET / HTTPS/1.1\r\nHost: h\r\n\r\n"),
        (400, "G\0T / HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "\x16\x03\x01\x02\0\x01\0\x01\x7c\x03\x03\r\n\r\n"),
        (505, "GET / HTTP/2.0\r\nHost: h\r\n\r\n"),
        (505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        (400, "GET / HTTP/1.1 \r\nHost: h\r\n\r\n"),
        (400, "GET * HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "OPTIONS ** HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "OPTIONS *?a HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "GET a HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "GET ?a HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "GET http:///a HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "GET http://u@h/a HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "GET http://h#b HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\n\r\n"),
        (400, "GET http://h/ HTTP/1.1\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n"),
        (400, "GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\r\n A: b\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\tc\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\r\nA\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\r\n: b\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\r\nA: b\rC: d\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\r\nA: \0\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\r\nA: \x07\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\r\nA: b\x7f\r\n\r\n"),
        (400, "GET /\x7f HTTP/1.1\r\nHost: h\r\n\r\n"),
        (
            400,
            "GET / HTTP/1.1\r\nHost: h\r\nContent-Length\0: 1\r\n\r\n",
        ),
        (417, "PUT / HTTP/1.1\r\nHost: h\r\nExpect: tea\r\n\r\n"),
    ];
    for (status, text) in cases {
        let fault = read(text.as_bytes()).expect_err(text);
        assert_eq!(fault.status, *status, "{text:?}: {fault:?}");
        assert!(!fault.sentence.is_empty());
    }
}

#[test]
fn refused_framings() {
    let cases: &[(u16, &str)] = &[
        (400, "Content-Length: \r\n"),
        (400, "Content-Length: +1\r\n"),
        (400, "Content-Length: -1\r\n"),
        (400, "Content-Length: 0x1\r\n"),
        (400, "Content-Length: 1 2\r\n"),
        (400, "Content-Length: 1, 1\r\n"),
        (400, "Content-Length: 1_0\r\n"),
        (400, "Content-Length: \u{661}\r\n"),
        (400, "Content-Length: 18446744073709551616\r\n"),
        (400, "Content-Length: 1\r\nContent-Length: 1\r\n"),
        (400, "Content-Length: 1\r\nContent-Length: 2\r\n"),
        (400, "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
        (400, "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n"),
        (400, "Transfer-Encoding: x\r\nContent-Length: 1\r\n"),
        (
            400,
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            400,
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        ),
        (400, "Transfer-Encoding : chunked\r\n"),
        (400, "Transfer-Encoding:\x0bchunked\r\n"),
        (501, "Transfer-Encoding: gzip, chunked\r\n"),
        (501, "Transfer-Encoding: identity ,\tChunked\r\n"),
        (501, "Transfer-Encoding: a;b=c, d, chunked\r\n"),
        (400, "Transfer-Encoding: chunked, chunked\r\n"),
        (400, "Transfer-Encoding: chunked, gzip, chunked\r\n"),
        (400, "Transfer-Encoding: chunked, identity\r\n"),
        (400, "Transfer-Encoding: chunked, gzip\r\n"),
        (400, "Transfer-Encoding: gzip\r\n"),
        (400, "Transfer-Encoding: identity\r\n"),
        (400, "Transfer-Encoding: xchunked\r\n"),
        (400, "Transfer-Encoding: \"chunked\"\r\n"),
        (400, "Transfer-Encoding: chunked;q=1\r\n"),
        (400, "Transfer-Encoding: chunked,\r\n"),
        (400, "Transfer-Encoding: ,chunked\r\n"),
        (400, "Transfer-Encoding: gzip, , chunked\r\n"),
        (400, "Transfer-Encoding: gzip;a=\", chunked\"\r\n"),
        (400, "Transfer-Encoding: g zip, chunked\r\n"),
        (400, "Transfer-Encoding:\r\n"),
    ];
    for (status, lines) in cases {
        let fault = read(with(lines).as_bytes()).expect_err(lines);
        assert_eq!(fault.status, *status, "{lines:?}: {fault:?}");
    }
    let http10 = read(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(http10.map_err(|fault| fault.status), Err(400));
}

#[test]
fn the_largest_head_and_one_byte_more() {
    let start = "GET / HTTP/1.1\r\nHost: h\r\nA: ";
    let fill = |length: usize| format!("{start}{}\r\n\r\n", "a".repeat(length - start.len() - 4));
    let most = fill(HEAD_LIMIT_BYTES);
    assert_eq!(
        read_head(most.as_bytes()).unwrap().unwrap().length,
        most.len()
    );
    let more = fill(HEAD_LIMIT_BYTES + 1);
    assert_eq!(read_head(more.as_bytes()).unwrap_err().status, 431);
    let early = &more.as_bytes()[..HEAD_LIMIT_BYTES];
    assert_eq!(read_head(early).unwrap_err().status, 431);
    assert_eq!(read_head(&early[..HEAD_LIMIT_BYTES - 1]), Ok(None));
}

#[test]
fn the_longest_target_and_one_byte_more() {
    let start = |length: usize| format!("GET /{}", "a".repeat(length - 1));
    let most = format!("{} HTTP/1.1\r\nHost: h\r\n\r\n", start(TARGET_LIMIT_BYTES));
    assert_eq!(good(&most).head.path.len(), TARGET_LIMIT_BYTES);
    // Without the end of the line, too; and not where something else is wrong before it.
    for (behind, status) in [("", 414), (" HTTP/1.1\r\n\r\n", 414), ("\0", 414)] {
        let more = start(TARGET_LIMIT_BYTES + 1) + behind;
        assert_eq!(read_head(more.as_bytes()).unwrap_err().status, status);
    }
    let bad = start(TARGET_LIMIT_BYTES + 1).replacen("/aa", "/a\x7f", 1);
    assert_eq!(read_head(bad.as_bytes()).unwrap_err().status, 400);
    // Another header's value is no target.
    let long = with(&format!("A: {}\r\n", "b".repeat(TARGET_LIMIT_BYTES + 9)));
    assert!(read_head(long.as_bytes()).is_ok());
}

#[test]
fn the_most_headers_and_one_more() {
    let lines = |count: usize| with(&"A: b\r\n".repeat(count - 1));
    assert_eq!(good(&lines(64)).head.headers.len(), 64);
    let fault = read(lines(65).as_bytes()).unwrap_err();
    assert_eq!(fault.status, 431);
}
