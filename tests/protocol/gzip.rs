//! Compressed answers: who gets them, what their heads say, and that each piece can be read as soon as it was sent.

use std::io::Read;

use flate2::read::GzDecoder;
use flate2::{Decompress, FlushDecompress};

use crate::common::play::DATE;
use crate::common::seed::Seed;
use zigcheck::http::conn::Conn;
use zigcheck::http::gzip::{self, Gzip, OVERHEAD_BYTES};
use zigcheck::http::limits::{GZIP_LEAST_BYTES, GZIP_LIMIT_BYTES, GZIP_TURN_LIMIT_BYTES};
use zigcheck::interface::event::Streamed;
use zigcheck::interface::message::{Admission, Compressed, Head, Response};

const GZIP: &str = "Accept-Encoding: gzip, br\r\n";

fn text(bytes: usize) -> Vec<u8> {
    let lines = (0..).map(|n| format!("line {n} of a log, with words that come again\n"));
    let text: String = lines.take(bytes / 20).collect();
    text.into_bytes()[..bytes].to_vec()
}

fn decoded(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut out).unwrap();
    out
}

/// What a reader knows of a stream that has not ended.
fn known(bytes: &[u8]) -> Vec<u8> {
    let mut inflate = Decompress::new(false);
    let mut out = Vec::with_capacity(1 << 20);
    let deflated = bytes.get(10..).unwrap_or_default();
    inflate
        .decompress_vec(deflated, &mut out, FlushDecompress::Sync)
        .unwrap();
    out
}

#[test]
fn each_piece_is_there_as_soon_as_it_was_sent() {
    let mut seed = Seed(7);
    for _ in 0..50 {
        let (mut gzip, mut sent, mut all) = (Gzip::default(), Vec::new(), Vec::new());
        for _ in 0..seed.between(0, 6) {
            let length = *seed.pick(&[1, 60, 500, 1_023, 1_024, 5_000, 16_384, 65_535]);
            let piece: Vec<u8> = match seed.once_in(3) {
                true => (0..length).map(|_| seed.between(0, 255) as u8).collect(),
                false => text(length + 40)[..length].to_vec(),
            };
            let before = sent.len();
            gzip.push(&piece, &mut sent);
            assert!(sent.len() - before <= piece.len() + OVERHEAD_BYTES);
            all.extend(&piece);
            assert!(known(&sent) == all, "{} bytes", all.len());
            // An empty stored block: inflaters of other kinds give out what they have when they see it.
            assert!(sent.ends_with(&[0, 0, 0xff, 0xff]), "{} bytes", all.len());
        }
        gzip.end(&mut sent);
        assert!(decoded(&sent) == all);
        assert!(gzip::whole(&all).len() <= all.len() + OVERHEAD_BYTES * (all.len() / 65_535 + 1));
        assert!(decoded(&gzip::whole(&all)) == all);
    }
    assert!(gzip::whole(&text(100_000)).len() < 20_000, "it is shorter");
}

#[test]
fn gzip_is_for_clients_that_take_it() {
    let head = |value: &str| Head {
        headers: vec![("accept-encoding".to_string(), value.to_string())],
        ..Head::default()
    };
    for (value, accepted) in [
        ("gzip", true),
        ("GZIP", true),
        ("x-gzip", true),
        ("gzip, deflate, br, zstd", true),
        ("deflate, gzip;q=0.5", true),
        ("gzip ; q=1.0 , identity ; q=0.5", true),
        ("*", true),
        ("*;q=0.1", true),
        ("gzip;q=0.5, identity;q=0.8", false),
        ("gzip;q=0", false),
        ("gzip;q=0, *", false),
        ("gzip;q=x", false),
        ("gzip;q=2", false),
        ("*;q=0", false),
        ("", false),
        ("identity", false),
        ("deflate, br", false),
        ("gzipped", false),
    ] {
        assert_eq!(gzip::is_accepted(&head(value)), accepted, "{value}");
    }
    assert!(!gzip::is_accepted(&Head::default()));
    for (name, value) in [("range", "bytes=0-9"), ("if-match", "\"tag\"")] {
        let mut of_body = head("gzip");
        of_body.headers.push((name.to_string(), value.to_string()));
        assert!(!gzip::is_accepted(&of_body), "{name}: of the body as it is");
    }
    let mut old = head("gzip");
    old.http10 = true;
    assert!(!gzip::is_accepted(&old), "a body without a length");
}

/// The head and the body of the answer to a request with these headers.
fn answered(method: &str, headers: &str, answer: Response) -> (String, Vec<u8>) {
    let mut conn = asked(method, headers);
    conn.respond(answer, DATE);
    parts(conn.output())
}

fn asked(method: &str, headers: &str) -> Conn {
    let mut conn = Conn::default();
    conn.receive(format!("{method} / HTTP/1.1\r\nHost: h\r\n{headers}\r\n").as_bytes());
    let mut admit = |_: &Head| Admission::Collect { limit_bytes: 0 };
    conn.next(DATE, &mut admit).unwrap();
    conn
}

fn parts(output: &[u8]) -> (String, Vec<u8>) {
    let end = output
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8(output[..end].to_vec()).unwrap();
    (head, output[end + 4..].to_vec())
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let found = lines.find(|(known, _)| *known == name);
    assert!(
        lines.all(|(known, _)| known != name),
        "{name} twice: {head}"
    );
    found.map(|(_, value)| value)
}

fn page(bytes: usize) -> Response {
    Response::new(200, "text/html; charset=utf-8", text(bytes))
        .with("Vary", "Accept")
        .with("ETag", "\"tag\"")
}

#[test]
fn a_compressed_answer_says_so_and_has_a_weak_tag() {
    let (head, body) = answered("GET", GZIP, page(9_000));
    assert_eq!(header(&head, "Content-Encoding"), Some("gzip"));
    assert_eq!(header(&head, "Vary"), Some("Accept, Accept-Encoding"));
    assert_eq!(header(&head, "ETag"), Some("W/\"tag\""));
    assert_eq!(
        header(&head, "Content-Length"),
        Some(&*body.len().to_string())
    );
    assert_eq!(decoded(&body), text(9_000));
    // HEAD says the same, without the body.
    assert_eq!(answered("HEAD", GZIP, page(9_000)), (head, Vec::new()));
    let (head, body) = answered("GET", "", page(9_000));
    assert_eq!(header(&head, "Content-Encoding"), None);
    assert_eq!(header(&head, "Vary"), Some("Accept, Accept-Encoding"));
    assert_eq!(header(&head, "ETag"), Some("\"tag\""));
    assert_eq!(body, text(9_000));
    // What was not sent again has the tag that it would have had.
    let same = || Response {
        status: 304,
        ..page(0)
    };
    let (head, body) = answered("GET", GZIP, same());
    assert_eq!(header(&head, "ETag"), Some("W/\"tag\""));
    assert_eq!(header(&head, "Vary"), Some("Accept, Accept-Encoding"));
    assert_eq!((header(&head, "Content-Encoding"), body.len()), (None, 0));
    assert_eq!(
        header(&answered("GET", "", same()).0, "ETag"),
        Some("\"tag\"")
    );
}

#[test]
fn what_is_compressed_already_is_sent_again() {
    let mut shared = page(9_000);
    shared.compressed = Compressed::shared();
    let first = answered("GET", GZIP, shared.clone());
    assert_eq!(first, answered("GET", GZIP, shared.clone()));
    assert_eq!(first.1, shared.compressed.get_or_make(Vec::new));
    assert_eq!(answered("GET", "", shared).1, text(9_000));
}

#[test]
fn what_is_small_huge_a_part_or_encoded_is_sent_as_it_is() {
    let of = |kind: &str, bytes: usize| Response::new(200, kind, text(bytes));
    let png = of("image/png", 9_000);
    let encoded = of("text/plain", 9_000).with("Content-Encoding", "br");
    let part = Response {
        status: 206,
        ..of("text/plain", 9_000)
    };
    for (answer, is_gzip) in [
        (of("text/plain", GZIP_LEAST_BYTES - 1), false),
        (of("text/plain", GZIP_LEAST_BYTES), true),
        (of("application/json", GZIP_LIMIT_BYTES), true),
        (of("application/json", GZIP_LIMIT_BYTES + 1), false),
        (of("image/svg+xml", 9_000), true),
        (of("application/atom+xml; charset=utf-8", 9_000), true),
        (png, false),
        (encoded, false),
        (part, false),
        (of("text/html", 0), false),
    ] {
        let what = format!("{:?} {}", answer.headers, answer.body.len());
        let (head, body) = answered("GET", GZIP, answer.clone());
        let coding = header(&head, "Content-Encoding");
        assert_eq!(coding == Some("gzip"), is_gzip, "{what}");
        let body = if is_gzip { decoded(&body) } else { body };
        assert!(body == answer.body, "{what}");
    }
}

/// A stream with that body, as a client reads it: head, and body without its chunks.
fn streamed(headers: &str, body: Streamed, pieces: &[&[u8]]) -> (String, Vec<u8>, Conn) {
    let mut conn = asked("GET", headers);
    let head = Response::new(200, "text/plain; charset=utf-8", Vec::new())
        .with("ETag", "\"log\"")
        .with("Accept-Ranges", "bytes");
    assert!(conn.start_stream(head, body, DATE));
    let mut sent = Vec::new();
    let mut send = |conn: &mut Conn| {
        sent.extend(conn.output());
        conn.sent(conn.output().len());
    };
    for piece in pieces {
        assert!(piece.len() <= conn.stream_space());
        conn.push_stream(piece);
        send(&mut conn);
        conn.keepalive();
        send(&mut conn);
    }
    conn.end_stream();
    send(&mut conn);
    let (head, mut rest) = parts(&sent);
    if header(&head, "Transfer-Encoding") == Some("chunked") {
        let mut whole = Vec::new();
        loop {
            let end = rest.windows(2).position(|two| two == b"\r\n").unwrap();
            let size = std::str::from_utf8(&rest[..end]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            whole.extend(&rest[end + 2..end + 2 + size]);
            rest.drain(..end + 2 + size + 2);
            if size == 0 {
                break;
            }
        }
        assert!(rest.is_empty(), "nothing behind the last chunk");
        rest = whole;
    }
    (head, rest, conn)
}

#[test]
fn a_compressed_stream_is_chunked_and_its_keepalives_are_part_of_it() {
    let live = Streamed {
        length: None,
        keepalive: ":\n\n",
    };
    let (one, two) = (text(5_000), b"a short line\n");
    let (head, body, _) = streamed(GZIP, live, &[&one, two]);
    assert_eq!(header(&head, "Content-Encoding"), Some("gzip"));
    assert_eq!(header(&head, "Vary"), Some("Accept-Encoding"));
    assert_eq!(header(&head, "Accept-Ranges"), None);
    assert!(body.len() < 1_500, "{}", body.len());
    let beat = b":\n\n";
    let wanted = [&beat[..], &one, beat, two, beat].concat();
    assert_eq!(decoded(&body), wanted);
    // A stored log has a length, which is not that of what is sent.
    let stored = Streamed {
        length: Some(5_000),
        keepalive: "",
    };
    let (head, body, conn) = streamed(GZIP, stored, &[&one]);
    assert_eq!(header(&head, "Content-Length"), None);
    assert_eq!(header(&head, "ETag"), Some("W/\"log\""));
    assert_eq!(decoded(&body), one);
    assert!(!conn.is_done(), "another request may follow");
    let (head, body, _) = streamed("", stored, &[&one]);
    assert_eq!(header(&head, "Content-Length"), Some("5000"));
    assert_eq!(header(&head, "ETag"), Some("\"log\""));
    assert_eq!(body, one);
    // An empty stream is one as well.
    let empty = Streamed::default();
    assert_eq!(decoded(&streamed(GZIP, empty, &[]).1), b"");
}

#[test]
fn a_compressed_stream_that_is_interrupted_is_not_whole() {
    for (length, cut) in [(None, true), (Some(9_000), false)] {
        let mut conn = asked("GET", GZIP);
        let head = Response::new(200, "text/plain", Vec::new());
        let body = Streamed {
            length,
            keepalive: "",
        };
        assert!(conn.start_stream(head, body, DATE));
        conn.push_stream(&text(5_000));
        match cut {
            true => conn.break_stream(),
            // It is shorter than was announced.
            false => conn.end_stream(),
        }
        assert!(!conn.output().ends_with(b"0\r\n\r\n"));
        conn.sent(conn.output().len());
        assert!(conn.is_done());
    }
}

#[test]
fn one_turn_compresses_a_bounded_piece_for_a_client() {
    let space = |headers: &str| {
        let mut conn = asked("GET", headers);
        let head = Response::new(200, "text/plain", Vec::new());
        assert!(conn.start_stream(head, Streamed::default(), DATE));
        conn.sent(conn.output().len());
        (conn.stream_space(), conn.turn_limit())
    };
    assert_eq!(space(GZIP), (GZIP_TURN_LIMIT_BYTES, GZIP_TURN_LIMIT_BYTES));
    assert_eq!(space("").1, usize::MAX);
    assert!(size_of::<Gzip>() <= 32, "{}", size_of::<Gzip>());
}

/// `cargo test --release --test protocol gzip::what -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn what_it_costs() {
    let log = text(4 << 20);
    for piece in [1 << 10, 16 << 10, 64 << 10] {
        let (mut gzip, mut out) = (Gzip::default(), Vec::new());
        let begun = std::time::Instant::now();
        for part in log.chunks(piece - 1) {
            gzip.push(part, &mut out);
        }
        let ms = begun.elapsed().as_secs_f64() * 1_000.0;
        let pieces = log.len() / piece;
        println!(
            "{piece}: {ms:.1} ms, {:.1} us each, 1 : {:.1}",
            ms * 1_000.0 / pieces as f64,
            log.len() as f64 / out.len() as f64
        );
    }
}
