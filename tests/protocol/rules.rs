//! Rules of RFC 9110, 9112 and 3986 that parsers are often lax about, each as a table: whole, byte by byte, and with
//! bytes behind it.

use crate::common::play::{ANOTHER, DATE, Play, any_way, only, played, request};
use zigcheck::http::conn::Waiting;
use zigcheck::interface::message::Response;

const HOSTS: &[&str] = &[
    "h",
    "h:",
    "h:0",
    "h:00080",
    "h:65535",
    "127.0.0.1:3000",
    "999.1",
    "zig.example.org.",
    "a_b~c-d!$&'()*+,;=",
    "%41%fF",
    "%e4.example",
    "[::]",
    "[::1]:3000",
    "[2001:DB8:0:0:8:800:200c:417a]",
    "[1:2:3:4:5:6:7::]",
    "[::2:3:4:5:6:7:8]",
    "[::ffff:192.0.2.1]:",
    "[1:2:3:4:5:6:192.0.2.1]",
    "[v1.a:b]",
    "[VaF.~!]:1",
];

const NO_HOSTS: &[&str] = &[
    ":80",
    ":",
    "h:a",
    "h:-1",
    "h:+1",
    "h: 1",
    "h:65536",
    "h:99999999999999999999",
    "h:80:80",
    "h h",
    "h\th",
    "u@h",
    "u:p@h",
    "h/a",
    "h?a",
    "h#a",
    "h\\a",
    "a, b",
    "http://h",
    "\"h\"",
    "<h>",
    "h^",
    "h`",
    "{h}",
    "h|h",
    "h%",
    "h%4",
    "h%4g",
    "h%%41",
    "%zz",
    "\u{e4}",
    "h\u{e4}",
    "::1",
    "2001:db8::1",
    "[]",
    "[",
    "]",
    "[::1",
    "::1]",
    "[::1]a",
    "[::1]:a",
    "[::1]]",
    "[[::1]]",
    "a[::1]",
    "h[",
    "h]",
    "[h]",
    "[127.0.0.1]",
    "[:::]",
    "[::1::]",
    "[1:2:3:4:5:6:7]",
    "[1:2:3:4:5:6:7:8:9]",
    "[1:2:3:4:5:6:7::8]",
    "[::12345]",
    "[::g]",
    "[::1 ]",
    "[::192.0.2]",
    "[::192.0.2.256]",
    "[::192.0.2.01]",
    "[::1%25eth0]",
    "[fe80::1%eth0]",
    "[v.a]",
    "[v1.]",
    "[v1]",
    "[vg.a]",
    "[v1.a@]",
];

/// The requests that name that host: in the field, in the absolute form, and in both versions.
fn naming(host: &str) -> Vec<String> {
    vec![
        format!("GET /a HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("GET /a HTTP/1.1\r\nA: b\r\nhOST:{host}\r\nC: d\r\n\r\n"),
        format!("GET /a HTTP/1.0\r\nConnection: keep-alive\r\nHost: {host}\r\n\r\n"),
        format!("GET http://{host} HTTP/1.1\r\nHost: h\r\n\r\n"),
        format!("GET https://{host}/a HTTP/1.1\r\nHost: h\r\n\r\n"),
        format!("GET HTTP://{host}?a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
        format!("GET http://h/ HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    ]
}

#[test]
fn a_host_is_that_of_a_uri() {
    for host in HOSTS {
        for text in naming(host) {
            assert_eq!(only(&any_way(&text, true)).status, 200, "{text:?}");
        }
    }
    for host in NO_HOSTS {
        for text in naming(host) {
            // In a target these begin the path and the query.
            let is_target = text.contains(&format!("://{host}"));
            if is_target && host.contains(['/', '?']) {
                continue;
            }
            assert_eq!(only(&any_way(&text, false)).status, 400, "{text:?}");
        }
    }
}

#[test]
fn which_requests_need_a_host() {
    for (status, text) in [
        (200, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
        (200, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
        (200, "GET / HTTP/1.1\r\nHost: \t \r\n\r\n"),
        (400, "GET / HTTP/1.1\r\n\r\n"),
        (400, "GET / HTTP/1.9\r\n\r\n"),
        (400, "GET http://h/ HTTP/1.1\r\n\r\n"),
        (400, "GET http:///a HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "GET http://?a HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "GET http:// HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "GET http:/h HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\nhost: h\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost:\r\nHost: h\r\n\r\n"),
        (400, "GET / HTTP/1.0\r\nHost: h\r\nHost: h\r\n\r\n"),
        (400, "GET http://h/ HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n"),
    ] {
        let play = any_way(text, status == 200);
        assert_eq!(only(&play).status, status, "{text:?}");
    }
}

#[test]
fn versions() {
    for minor in 0..10 {
        let text = format!("GET /stream HTTP/1.{minor}\r\nHost: h\r\n\r\n");
        let play = any_way(&text, minor > 0);
        let chunked = only(&play).header("transfer-encoding").is_some();
        assert_eq!((only(&play).status, chunked), (200, minor > 0), "{text:?}");
    }
    for version in ["0.9", "0.0", "2.0", "2.1", "3.0", "9.9"] {
        let text = format!("GET / HTTP/{version}\r\nHost: h\r\n\r\n");
        assert_eq!(only(&any_way(&text, false)).status, 505, "{text:?}");
    }
    for version in [
        "HTTP/1",
        "HTTP/1.",
        "HTTP/.1",
        "HTTP/",
        "HTTP",
        "HTTP/1,1",
        "HTTP/11",
        "HTTP/1.10",
        "HTTP/1.1.1",
        "HTTP/10.1",
        "HTTP/01.1",
        "HTTP/1.01",
        "HTTP/2",
        "HTTP/2.00",
        "HTTP/+1.1",
        "HTTP/1.-1",
        "HTTP/1.a",
        "HTTP/a.1",
        "HTTP/1.1a",
        "HTTP/2.0a",
        "HTTP/1 .1",
        "HTTP/1. 1",
        "HTTP/1.1 ",
        "HTTP/1.1\t",
        " HTTP/1.1",
        "\tHTTP/1.1",
        "HTTP /1.1",
        "HTTP\\1.1",
        "HTTP/1.1 HTTP/1.1",
        "http/1.1",
        "Http/1.1",
        "HTTP/1.\u{661}",
        "HTTPS/1.1",
        "HTTQ/1.1",
        "ICY/1.1",
        "TTP/1.1",
        "XHTTP/1.1",
        "HTTP/0x1.1",
        "1.1",
        "x",
        "",
    ] {
        for lines in ["Host: h\r\n", ""] {
            let text = format!("GET / {version}\r\n{lines}\r\n");
            assert_eq!(only(&any_way(&text, false)).status, 400, "{text:?}");
        }
    }
}

#[test]
fn a_target_holds_the_bytes_of_a_uri_alone() {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(&byte);
    for byte in 0..=u8::MAX {
        // A space ends the target, and these end the line.
        if b" \r\n".contains(&byte) {
            continue;
        }
        for start in ["/a", "/", "/?a=", "http://h/", "http://h?"] {
            let mut text = format!("GET {start}").into_bytes();
            text.push(byte);
            text.extend(b"z HTTP/1.1\r\nHost: h\r\n\r\n");
            for size in [usize::MAX, 1] {
                let play = played(&text, size);
                let status = if allowed(byte) { 200 } else { 400 };
                assert_eq!(play.statuses(), [status], "{byte:#x} behind {start}");
            }
        }
    }
}

/// The client takes what follows for the next answer.
#[test]
fn no_answer_to_head_has_a_body() {
    let long = "a".repeat(17_000);
    let bodiless = |play: &Play, status: u16, text: &str| {
        let begin = format!("HTTP/1.1 {status} ");
        let sent = String::from_utf8_lossy(&play.sent);
        assert!(sent.starts_with(&begin), "{text:?}: {sent}");
        assert!(
            sent.ends_with("\r\n\r\n") && sent.matches("\r\n\r\n").count() == 1,
            "{sent}"
        );
        assert!(sent.contains("\r\nContent-Length: "), "{sent}");
    };
    for (status, text) in [
        (400, "HEAD / HTTP/1.1\r\n\r\n".to_string()),
        (400, "HEAD / HTTP/1.1\r\nHost: a b\r\n\r\n".to_string()),
        (
            400,
            "HEAD http://:1/ HTTP/1.1\r\nHost: h\r\n\r\n".to_string(),
        ),
        (400, "HEAD / HTTP/1.1\nHost: h\n\n".to_string()),
        (400, "HEAD  / HTTP/1.1\r\nHost: h\r\n\r\n".to_string()),
        (400, "HEAD x HTTP/1.1\r\nHost: h\r\n\r\n".to_string()),
        (400, "HEAD /\"\r\n".to_string()),
        (400, "HEAD / HTTP/1.a\r\n".to_string()),
        (400, "HEAD /\r\n".to_string()),
        (400, "\r\n\r\nHEAD /\0\r\n".to_string()),
        (505, "HEAD / HTTP/2.0\r\n\r\n".to_string()),
        (414, format!("HEAD /{long}")),
        (431, request("HEAD /", &format!("A: {long}\r\n"), "")),
        (431, request("HEAD /", &"A: b\r\n".repeat(65), "")),
        (417, request("HEAD /", "Expect: tea\r\n", "")),
        (400, request("HEAD /", "Content-Length: x\r\n", "")),
        (
            501,
            request("HEAD /", "Transfer-Encoding: gzip, chunked\r\n", ""),
        ),
        (413, request("HEAD /", "Content-Length: 101\r\n", "")),
        (413, request("HEAD /", "Content-Length: 101\r\n", "GET /")),
        (
            400,
            request("HEAD /", "Transfer-Encoding: chunked\r\n", "x\r\n"),
        ),
        (403, request("HEAD /refuse", "", "")),
        (
            403,
            request("HEAD /refuse", "Content-Length: 5\r\n", "abcde"),
        ),
        (200, "HEAD / HTTP/1.0\r\n\r\n".to_string()),
    ] {
        for size in [usize::MAX, 1] {
            bodiless(&played(text.as_bytes(), size), status, &text);
        }
    }
    // Refused for its time, however much of the head has come.
    for text in [
        "HEAD ",
        "HEAD / HTTP/1.1\r\nHost: h",
        "\r\nHEAD /a",
        "HEAD / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\na",
    ] {
        for size in [usize::MAX, 1] {
            let mut play = played(text.as_bytes(), size);
            play.conn.abort(Response::error(408, "slow"), DATE);
            play.settle();
            bodiless(&play, 408, text);
        }
    }
    // Other requests have one, whatever they look like.
    for text in [
        "HEAD\r\n",
        "HEAD",
        "HEA",
        "head /\"",
        "HEADER / HTTP/1.1\r\n\r\n",
        "GET /\r\nHEAD / ",
        " HEAD /",
    ] {
        for size in [usize::MAX, 1] {
            let mut play = played(text.as_bytes(), size);
            play.conn.abort(Response::error(408, "slow"), DATE);
            play.settle();
            assert!(play.sent.ends_with(b"}\n"), "{text:?}");
        }
    }
    // What was true of one head is not true of the next.
    let text = request("HEAD /a", "", "") + "GET / HTTP/1.1\r\n\r\n";
    assert!(played(text.as_bytes(), 1).sent.ends_with(b"}\n"));
    let text = request("GET /a", "", "") + "HEAD / HTTP/1.1\r\n\r\n";
    assert!(played(text.as_bytes(), 1).sent.ends_with(b"\r\n\r\n"));
}

/// A client that writes first and reads later: its last byte comes behind the answer, and is taken.
#[test]
fn what_follows_a_refused_head_is_taken() {
    let upload = 70 << 20;
    for line in ["POST /refuse", "POST /a", "POST /spool", "BAD"] {
        let mut play = Play::default();
        play.feed(
            request(line, &format!("Content-Length: {upload}\r\n"), "").as_bytes(),
            || 9,
        );
        let mut left = upload;
        while left > 0 {
            let count = play.conn.space().min(left);
            assert!(count > 0, "{line}: {left} bytes are not taken");
            play.conn.receive(&vec![b'\n'; count]);
            play.settle();
            left -= count;
        }
        assert_eq!(
            (play.answers().len(), play.conn.waiting_for()),
            (1, Waiting::Linger)
        );
        play.feed(ANOTHER.as_bytes(), || 1);
        assert_eq!(play.answers().len(), 1);
        play.hang_up();
        assert!(play.conn.is_done());
    }
}

/// A body whose length is missing is no request.
#[test]
fn what_follows_a_head_that_needs_a_length_is_taken() {
    let text = request("POST /refuse/411", "", "");
    for behind in ["", "abc", ANOTHER] {
        for size in [usize::MAX, 1, 7] {
            let mut play = played((text.clone() + behind).as_bytes(), size);
            assert_eq!((play.statuses(), play.said.len()), (vec![411], 0));
            assert_eq!(play.answers()[0].header("connection"), Some("close"));
            assert_eq!(play.conn.waiting_for(), Waiting::Linger);
            play.hang_up();
            assert!(play.conn.is_done());
        }
    }
}
