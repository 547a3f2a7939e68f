//! WebSockets: what a client may say and what it may not, what it is told, and how they end.

use zigcheck::http::conn::Waiting;
use zigcheck::http::limits::{
    KEEPALIVES_LIMIT, MESSAGE_LIMIT_BYTES, STREAM_LIMIT_BYTES, UNSENT_LIMIT_BYTES,
};
use zigcheck::interface::message::Response;

use crate::common::play::DATE;
use crate::common::talk::{
    BINARY, BINARY_BEGINS, CLOSE, GOES_ON, GOES_ON_LAST, PING, PONG, TEXT, TEXT_BEGINS, Talk,
    any_way, close, frame, head,
};

#[test]
fn pings_are_answered_and_the_rest_is_dropped() {
    let most = vec![b'm'; MESSAGE_LIMIT_BYTES];
    let long = vec![b'p'; 125];
    let cases: &[(Vec<u8>, &[&[u8]])] = &[
        (vec![], &[]),
        (frame(PING, b""), &[b""]),
        (frame(PING, b"hi"), &[b"hi"]),
        (frame(PING, &long), &[&long]),
        (
            [frame(PING, b"1"), frame(PING, b"2")].concat(),
            &[b"1", b"2"],
        ),
        (frame(PONG, b"?"), &[]),
        (frame(TEXT, "grüß".as_bytes()), &[]),
        (frame(TEXT, b""), &[]),
        (frame(BINARY, b"\xff\0"), &[]),
        (frame(TEXT, &most), &[]),
        (frame(BINARY, &most).repeat(9), &[]),
        // In pieces: between characters, in the middle of one, with a ping in between.
        (
            [
                frame(TEXT_BEGINS, b"gr\xc3"),
                frame(PING, b"between"),
                frame(GOES_ON, b""),
                frame(GOES_ON_LAST, b"\xbc"),
                frame(TEXT, b"next"),
            ]
            .concat(),
            &[b"between"],
        ),
        (
            [
                frame(BINARY_BEGINS, &most[1..]),
                frame(GOES_ON_LAST, b"m"),
                frame(PING, b""),
            ]
            .concat(),
            &[b""],
        ),
        (frame(PING, b"half")[..7].to_vec(), &[]),
    ];
    for (input, pongs) in cases {
        let half = !input.is_empty() && input.len() == 7;
        let frames = if half {
            // What would be fed behind it belongs to it.
            let talk = crate::common::talk::talked(input, || 1);
            assert_eq!(talk.conn.waiting_for(), Waiting::Keepalive);
            talk.frames()
        } else {
            any_way(input, true).frames()
        };
        let expected = pongs.iter().map(|payload| (PONG, payload.to_vec()));
        assert_eq!(frames, expected.collect::<Vec<_>>());
    }
}

/// The one frame that came in answer, which is a close, and its code.
fn complaint(input: &[u8]) -> u16 {
    let talk = any_way(input, false);
    assert_eq!(talk.conn.waiting_for(), Waiting::Linger);
    let frames = talk.frames();
    let [(CLOSE, payload)] = frames.as_slice() else {
        panic!("{frames:x?} to {input:x?}");
    };
    assert!(payload.len() <= 125 && str::from_utf8(&payload[2..]).is_ok());
    u16::from_be_bytes([payload[0], payload[1]])
}

#[test]
fn what_no_client_may_say() {
    let unmasked = |first: u8, payload: &[u8]| [&[first, payload.len() as u8], payload].concat();
    let over = vec![0; MESSAGE_LIMIT_BYTES + 1];
    let mask = [0; 4];
    let cases: Vec<(u16, Vec<u8>)> = vec![
        (1002, unmasked(TEXT, b"a")),
        (1002, unmasked(PING, b"")),
        (1002, unmasked(CLOSE, b"\x03\xe8")),
        (1002, frame(0x40 | TEXT, b"a")),
        (1002, frame(0x20 | TEXT, b"a")),
        (1002, frame(0x10 | BINARY, b"a")),
        (1002, frame(0x40 | PING, b"a")),
        (1002, frame(0x83, b"")),
        (1002, frame(0x87, b"a")),
        (1002, frame(0x8b, b"")),
        (1002, frame(0x8f, b"a")),
        (1002, frame(0x09, b"a piece of a ping")),
        (1002, frame(0x08, b"")),
        (1002, frame(PING, &[0; 126])),
        (1002, frame(PONG, &[0; 300])),
        (1002, frame(CLOSE, &[3; 126])),
        (1002, frame(CLOSE, &[3])),
        (1002, frame(GOES_ON, b"")),
        (1002, frame(GOES_ON_LAST, b"on what?")),
        (1002, [frame(TEXT_BEGINS, b"a"), frame(TEXT, b"b")].concat()),
        (
            1002,
            [frame(TEXT_BEGINS, b"a"), frame(BINARY_BEGINS, b"b")].concat(),
        ),
        (1007, frame(TEXT, b"\xff")),
        (1007, frame(TEXT, b"cut \xc3")),
        (1007, frame(TEXT, b"\xed\xa0\x80")),
        (1007, frame(TEXT_BEGINS, b"\xff")),
        (
            1007,
            [frame(TEXT_BEGINS, b"\xc3"), frame(GOES_ON, b"a")].concat(),
        ),
        (
            1007,
            [frame(TEXT_BEGINS, b"\xc3"), frame(GOES_ON_LAST, b"")].concat(),
        ),
        (1007, close(1000, b"\xff")),
        (1009, frame(BINARY, &over)),
        (1009, frame(TEXT, &over)),
        (1009, [head(BINARY, 1 << 40), mask.to_vec()].concat()),
        (1009, [head(BINARY, u64::MAX), mask.to_vec()].concat()),
        (
            1009,
            [frame(BINARY_BEGINS, &over[1..]), frame(GOES_ON, b"a")].concat(),
        ),
        (
            1009,
            [frame(TEXT_BEGINS, &over[1..]), frame(GOES_ON_LAST, b"a")].concat(),
        ),
    ];
    for (code, input) in cases {
        assert_eq!(complaint(&input), code, "{input:x?}");
    }
}

#[test]
fn a_pong_that_is_due_comes_before_the_complaint() {
    let input = [frame(PING, b"due"), frame(0x83, b"")].concat();
    let frames = any_way(&input, false).frames();
    assert_eq!(frames[0], (PONG, b"due".to_vec()));
    assert_eq!((frames[1].0, frames.len()), (CLOSE, 2));
}

/// A client that pings and does not read is not read.
#[test]
fn pongs_do_not_pile_up() {
    let mut talk = Talk::new();
    talk.deaf = true;
    let pings = 20_000;
    let flood = frame(PING, &[b'x'; 125]).repeat(pings);
    let mut rest = talk.feed(&flood, || 10_000);
    // It stopped when the answers had filled what they may fill, and took no more than it read.
    let fed = flood.len() - rest.len();
    assert!(fed < UNSENT_LIMIT_BYTES * 131 / 127 + 11_000, "{fed}");
    assert_eq!(
        (talk.conn.space(), talk.conn.waiting_for()),
        (0, Waiting::Send)
    );
    assert!(talk.conn.output().len() <= UNSENT_LIMIT_BYTES + 200);
    assert!(
        !talk.conn.has_deferred_input(),
        "there is no room for more yet"
    );
    talk.conn.sent(1_000);
    assert!(talk.conn.has_deferred_input());
    talk.deaf = false;
    talk.sent.extend([0; 1_000]);
    while !rest.is_empty() {
        talk.settle();
        rest = talk.feed(rest, || 10_000);
    }
    talk.settle();
    // With the head of the answer, which is more than 100 bytes and went first.
    assert!(talk.sent.len() > pings * 127 + 100);
}

/// Nothing may follow a close, not even the answer to a ping that came before it; wherever the
/// reading stopped, at the client's own close too.
#[test]
fn a_close_of_both_while_answers_wait() {
    for pings in 500..530 {
        let mut talk = Talk::new();
        talk.deaf = true;
        let ping = frame(PING, &[b'x'; 125]);
        let input = [ping.repeat(pings), close(1000, b"")].concat();
        assert!(talk.feed(&input, || usize::MAX).is_empty());
        talk.conn.end_stream();
        talk.deaf = false;
        talk.settle();
        let frames = talk.frames();
        let (last, pongs) = frames.split_last().unwrap();
        assert_eq!(*last, (CLOSE, b"\x03\xe8".to_vec()), "{pings}");
        assert!(pongs.len() >= 500 && pongs.iter().all(|(first, _)| *first == PONG));
        assert!(talk.conn.is_done(), "{pings}");
    }
}

#[test]
fn the_client_closes() {
    for (payload, code) in [
        (&b""[..], None),
        (b"\x03\xe8", Some(1000)),
        (b"\x03\xe9bye", Some(1001)),
        (b"\x0b\xb8", Some(3000)),
        (b"\x13\x87last", Some(4999)),
    ] {
        let talk = any_way(&frame(CLOSE, payload), false);
        assert_eq!(talk.frames(), [(CLOSE, payload.to_vec())], "{code:?}");
        assert!(talk.conn.is_done());
    }
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
        let talk = any_way(&close(code, b""), false);
        let frames = talk.frames();
        assert_eq!(
            (frames[0].0, &frames[0].1[..2]),
            (CLOSE, &b"\x03\xea"[..]),
            "{code}"
        );
    }
}

#[test]
fn the_app_closes() {
    let mut talk = Talk::new();
    talk.conn.push_text(b"last");
    talk.conn.end_stream();
    assert!(!talk.conn.is_with_app());
    assert_eq!(talk.conn.waiting_for(), Waiting::Send);
    talk.conn.push_text(b"too late");
    talk.conn.push_stream(b"too late");
    talk.conn.end_stream();
    talk.conn.drain_and_close(DATE);
    talk.settle();
    assert_eq!(
        (talk.conn.waiting_for(), talk.conn.stream_space()),
        (Waiting::Close, 0)
    );
    talk.conn.keepalive();
    // It may not have heard of it yet.
    talk.feed(&[frame(TEXT, b"hm"), frame(PING, b"hm")].concat(), || 1);
    assert_eq!(talk.conn.waiting_for(), Waiting::Close);
    talk.feed(&close(1000, b""), || 1);
    assert!(talk.conn.is_done());
    let frames = [(TEXT, b"last".to_vec()), (CLOSE, b"\x03\xe8".to_vec())];
    assert_eq!((talk.frames(), talk.gone), (frames.to_vec(), 0));
}

#[test]
fn who_closes_and_then_talks_nonsense_is_told_once() {
    let mut talk = Talk::new();
    talk.conn.end_stream();
    talk.settle();
    talk.feed(&frame(0x83, b""), || 1);
    assert_eq!(talk.conn.waiting_for(), Waiting::Linger);
    assert_eq!((talk.frames().len(), talk.gone), (1, 0));
    talk.hang_up();
    assert!(talk.conn.is_done());
}

#[test]
fn the_server_ends() {
    for interrupted_builds in [false, true] {
        let mut talk = Talk::new();
        talk.feed(&frame(PING, b"before"), || usize::MAX);
        if interrupted_builds {
            talk.conn.abort(Response::error(503, "no"), DATE);
        } else {
            talk.conn.drain_and_close(DATE);
        }
        talk.settle();
        let frames = talk.frames();
        assert_eq!((frames.len(), talk.gone), (2, 1));
        assert_eq!((frames[1].0, &frames[1].1[..2]), (CLOSE, &b"\x03\xe9"[..]));
        assert_eq!(talk.conn.waiting_for(), Waiting::Close);
        talk.feed(&close(1001, b""), || usize::MAX);
        assert!(talk.conn.is_done() && talk.frames().len() == 2);
    }
}

#[test]
fn the_client_vanishes() {
    for (input, frames) in [
        (vec![], 0),
        (frame(PING, b"half")[..5].to_vec(), 0),
        ([frame(PING, b"x"), vec![PING]].concat(), 1),
    ] {
        let mut talk = Talk::new();
        talk.feed(&input, || usize::MAX);
        talk.hang_up();
        assert!(talk.conn.is_done() && !talk.conn.is_with_app());
        assert_eq!((talk.frames().len(), talk.gone), (frames, 1));
    }
}

#[test]
fn who_gives_no_sign_of_life_is_gone() {
    let mut talk = Talk::new();
    let keepalive = |talk: &mut Talk| {
        talk.conn.keepalive();
        talk.settle();
    };
    for _ in 0..KEEPALIVES_LIMIT {
        keepalive(&mut talk);
    }
    talk.feed(&frame(PONG, b"")[..1], || 1);
    for _ in 0..KEEPALIVES_LIMIT {
        keepalive(&mut talk);
        assert!(talk.gone == 0 && talk.conn.is_with_app());
    }
    keepalive(&mut talk);
    assert!(talk.gone == 1 && talk.conn.is_done());
    let pings = vec![(PING, vec![]); 2 * KEEPALIVES_LIMIT as usize];
    assert_eq!(talk.frames(), pings);
}

#[test]
fn messages() {
    let mut talk = Talk::new();
    let mut expected = Vec::new();
    let room = talk.conn.stream_space();
    for size in [1, 125, 126, 127, 5_000, room] {
        let text = "ü".repeat(size / 2) + if size % 2 == 1 { "x" } else { "" };
        talk.conn.push_text(text.as_bytes());
        talk.settle();
        expected.push((TEXT, text.into_bytes()));
        talk.conn.push_stream(&vec![0xff; size]);
        talk.settle();
        expected.push((BINARY, vec![0xff; size]));
    }
    talk.conn.push_text(b"");
    talk.conn.push_stream(b"");
    talk.settle();
    expected.push((TEXT, vec![]));
    assert_eq!(
        talk.frames(),
        expected,
        "an empty piece is no message, an empty text is one"
    );
}

#[test]
fn a_socket_that_nobody_reads_stays_under_its_cap() {
    let mut talk = Talk::new();
    talk.deaf = true;
    let mut messages = 0;
    while talk.conn.stream_space() > 0 {
        let size = talk.conn.stream_space().min(100);
        talk.conn.push_text(&vec![b'x'; size]);
        messages += 1;
        assert!(talk.conn.output().len() <= STREAM_LIMIT_BYTES);
    }
    assert!(messages > 300);
    assert_eq!(talk.conn.waiting_for(), Waiting::Send);
    talk.conn.keepalive();
    talk.deaf = false;
    talk.settle();
    assert_eq!(talk.frames().len(), messages, "no beat among them");
}
