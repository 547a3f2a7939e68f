//! Body framing: every case whole, byte by byte, and with bytes behind it.

use crate::common::seed::Seed;
use zigcheck::http::body::Body;
use zigcheck::http::head::Framing;
use zigcheck::http::limits::TRAILERS_LIMIT_BYTES;

#[derive(Debug, Clone, PartialEq)]
enum End {
    Complete(usize),
    Starved,
    Fault(u16),
}

/// Reads `input` in pieces of the given sizes, the last of which repeats.
fn read(framing: Framing, limit: u64, input: &[u8], pieces: &[usize]) -> (Vec<u8>, End) {
    let mut body = match Body::new(framing, limit) {
        Ok(body) => body,
        Err(fault) => return (Vec::new(), End::Fault(fault.status)),
    };
    let (mut data, mut used, mut there, mut piece) = (Vec::new(), 0, 0, 0);
    loop {
        if body.is_complete() {
            assert_eq!(body.step(&input[used..], 9), Ok((0, &b""[..])));
            return (data, End::Complete(used));
        }
        let (count, bytes) = match body.clone().step(&input[used..there], 100) {
            Ok(_) => body.step(&input[used..there], 100).unwrap(),
            Err(fault) => {
                let again = body.step(&input[used..there], 100);
                assert_eq!(again, Err(fault.clone()), "a fault is not found again");
                return (data, End::Fault(fault.status));
            }
        };
        assert!(bytes.len() <= 100 && bytes.len() <= count);
        data.extend_from_slice(bytes);
        used += count;
        if count > 0 {
            continue;
        }
        if there == input.len() {
            return (data, End::Starved);
        }
        there = (there + pieces[piece.min(pieces.len() - 1)]).min(input.len());
        piece += 1;
    }
}

fn any_way(framing: Framing, limit: u64, input: &[u8]) -> (Vec<u8>, End) {
    let whole = read(framing, limit, input, &[usize::MAX >> 1]);
    assert_eq!(read(framing, limit, input, &[1]), whole, "{input:?}");
    let mut random = Seed(input.len() as u64);
    let pieces: Vec<usize> = (0..50).map(|_| 1 + random.below(7)).collect();
    assert_eq!(read(framing, limit, input, &pieces), whole, "{input:?}");
    if whole.1 != End::Starved {
        let mut longer = input.to_vec();
        longer.extend_from_slice(b"GET / HTTP/1.1\r\n\r\n");
        assert_eq!(read(framing, limit, &longer, &[usize::MAX >> 1]), whole);
        assert_eq!(read(framing, limit, &longer, &[1]), whole);
    }
    whole
}

fn chunked(input: &str) -> (String, End) {
    let (data, end) = any_way(Framing::Chunked, 1000, input.as_bytes());
    (String::from_utf8(data).unwrap(), end)
}

#[test]
fn lengths() {
    let length = |length, input: &str| any_way(Framing::Length(length), 10, input.as_bytes());
    assert_eq!(length(0, ""), (vec![], End::Complete(0)));
    assert_eq!(length(3, "abc"), (b"abc".to_vec(), End::Complete(3)));
    assert_eq!(length(3, "ab"), (b"ab".to_vec(), End::Starved));
    assert_eq!(length(10, "0123456789").1, End::Complete(10));
    assert_eq!(length(11, "0123456789a").1, End::Fault(413));
    assert_eq!(length(u64::MAX, "").1, End::Fault(413));
}

#[test]
fn chunks() {
    for (input, data) in [
        ("0\r\n\r\n", ""),
        ("3\r\nabc\r\n0\r\n\r\n", "abc"),
        ("1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc"),
        ("00000000000000a\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        ("0A\r\n0123456789\r\n000\r\n\r\n", "0123456789"),
        ("2\r\n\r\n\r\n0\r\n\r\n", "\r\n"),
        ("1;a\r\nx\r\n0;b=\"c;d\"\r\n\r\n", "x"),
        ("1 ; a\r\nx\r\n0\t;\tb\r\n\r\n", "x"),
        ("1;a=b;c = d ; e=\"\"\r\nx\r\n0\r\n\r\n", "x"),
        ("1;a=\"b\\\"; \\\\c\t\u{e4}\"\r\nx\r\n0\r\n\r\n", "x"),
        ("1;!#$%&'*+-.^_`|~09aZ=!\r\nx\r\n0\r\n\r\n", "x"),
        (
            "1\r\nx\r\n0\r\n!#$%&'*+-.^_`|~09aZ: \u{e4}\t\"b\"\r\n\r\n",
            "x",
        ),
        ("1\r\nx\r\n0\r\nA: b\r\nC:\r\n\r\n", "x"),
    ] {
        assert_eq!(
            chunked(input),
            (data.to_string(), End::Complete(input.len()))
        );
        for end in 0..input.len() {
            let (_, ended) = any_way(Framing::Chunked, 1000, &input.as_bytes()[..end]);
            assert_eq!(ended, End::Starved, "{input:?} to {end}");
        }
    }
}

#[test]
fn refused_chunks() {
    for input in [
        "\r\n",
        "g\r\n",
        "-1\r\n",
        "+1\r\n",
        "0x1\r\n",
        " 1\r\n",
        "1 \r\n",
        "1 1\r\n",
        "1,\r\n",
        "1\n",
        "1;a\nx\r\n0\r\n\r\n",
        "1;a\rb\r\n",
        "1;\0\r\n",
        "1;\r\n",
        "1; \r\n",
        "1;;a\r\n",
        "1;a;\r\n",
        "1;a \r\n",
        "1;a b\r\n",
        "1;a=\r\n",
        "1;a= \r\n",
        "1;=b\r\n",
        "1;a==b\r\n",
        "1;a=b c\r\n",
        "1;a=b,c\r\n",
        "1;a=b \r\n",
        "1;a=\"b\r\n",
        "1;a=\"b\\\"\r\n",
        "1;a=\"b\\\r\n",
        "1;a=\"b\"c\r\n",
        "1;a=b\"\"\r\n",
        "1;\"a\"\r\n",
        "1;a/b\r\n",
        "1;\u{e4}\r\n",
        "1;a=\u{e4}\r\n",
        "1;a=\"\x7f\"\r\n",
        "1a;b=[\r\n",
        "1\r\r\n",
        "10000000000000000\r\n",
        "00000000000000001\r\n",
        "1\r\nxy\r\n",
        "1\r\nx\n0\r\n\r\n",
        "1\r\nx0\r\n\r\n",
        "1\r\nx\r\r\n",
        "0\r\n\n",
        "0\r\nA\r\n\r\n",
        "0\r\n: b\r\n\r\n",
        "0\r\n A: b\r\n\r\n",
        "0\r\nA : b\r\n\r\n",
        "0\r\nA\tB: c\r\n\r\n",
        "0\r\nA\"B: c\r\n\r\n",
        "0\r\n(A): b\r\n\r\n",
        "0\r\nA/B: c\r\n\r\n",
        "0\r\nA=B: c\r\n\r\n",
        "0\r\nA@B: c\r\n\r\n",
        "0\r\n{A}: b\r\n\r\n",
        "0\r\n\u{e4}: b\r\n\r\n",
        "0\r\nA\r\n: b\r\n\r\n",
        "0\r\nA: b\r\n c\r\n\r\n",
        "0\r\nA: \x7f\r\n\r\n",
        "0\r\nA: b\n\r\n",
        "0\r\nA: b\rc\r\n\r\n",
    ] {
        assert_eq!(chunked(input).1, End::Fault(400), "{input:?}");
    }
}

#[test]
fn chunk_limits() {
    let of = |sizes: &[usize]| {
        let chunk = |size: &usize| format!("{size:x}\r\n{}\r\n", "a".repeat(*size));
        sizes.iter().map(chunk).collect::<String>() + "0\r\n\r\n"
    };
    assert!(matches!(chunked(&of(&[1000])).1, End::Complete(_)));
    assert!(matches!(chunked(&of(&[999, 1])).1, End::Complete(_)));
    let (data, end) = chunked(&of(&[999, 2]));
    assert_eq!((data.len(), end), (999, End::Fault(413)));
    assert_eq!(chunked("ffffffffffffffff\r\n").1, End::Fault(413));
    assert_eq!(chunked("3e8\r\n").1, End::Starved);
    assert_eq!(chunked("3e9\r\n").1, End::Fault(413));

    let line = |length: usize| format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(length - 4));
    assert!(matches!(chunked(&line(256)).1, End::Complete(_)));
    assert_eq!(chunked(&line(257)).1, End::Fault(400));

    let trailer = |length: usize| format!("0\r\nA:{}\r\n\r\n", "b".repeat(length - 6));
    assert!(matches!(
        chunked(&trailer(TRAILERS_LIMIT_BYTES)).1,
        End::Complete(_)
    ));
    assert_eq!(
        chunked(&trailer(TRAILERS_LIMIT_BYTES + 1)).1,
        End::Fault(400)
    );
    let many = format!("0\r\n{}", "A: b\r\n".repeat(TRAILERS_LIMIT_BYTES / 6 + 1));
    assert_eq!(chunked(&many).1, End::Fault(400));
}

/// Bodies cut into chunks at random come out as they were; changed ones come out the same
/// however they are split, and never as more than the limit.
#[test]
fn random_bodies() {
    for seed in 0..2000 {
        let mut random = Seed(seed);
        let (mut input, mut data) = (Vec::new(), Vec::new());
        for _ in 0..random.below(5) {
            let size = 1 + random.below(40);
            let chunk = random.bytes(size);
            let extension = *random.pick(&["", "", ";x=y", " ;z", ";q=\"; \\\"\""]);
            input.extend(format!("{size:x}{extension}\r\n").into_bytes());
            input.extend(&chunk);
            input.extend(b"\r\n");
            data.extend(chunk);
        }
        input.extend(*random.pick(&[&b"0\r\n\r\n"[..], b"00;e\r\nT: u\r\n\r\n"]));
        let whole = any_way(Framing::Chunked, 1000, &input);
        assert_eq!(whole, (data, End::Complete(input.len())), "seed {seed}");
        for _ in 0..5 {
            let at = random.below(input.len());
            input[at] = *random.pick(b"\r\n0;a \x00\xff:");
            let limit = random.below(100) as u64;
            let (data, _) = any_way(Framing::Chunked, limit, &input);
            assert!(data.len() as u64 <= limit, "seed {seed}");
        }
    }
}
