//! What a client sends: heads, bodies, whole connections, WebSockets.

use zigcheck::http::body::Body;
use zigcheck::http::conn::Waiting;
use zigcheck::http::fault::Fault;
use zigcheck::http::head::{Framing, ReadHead, read_head};

use zigcheck::http::limits::MESSAGE_LIMIT_BYTES;
use zigcheck::interface::message::Response;

use crate::common::play::{DATE, Play};
use crate::common::seed::Seed;
use crate::common::talk::{CLOSE, Talk, close, frame, talked};
use crate::mutate::{input, piece};

const TOKENS: [&str; 26] = [
    "GET ",
    "HEAD ",
    "POST ",
    "OPTIONS ",
    "/",
    "*",
    "/spool",
    "/refuse",
    "/stream/short",
    "http://h:1/p?q",
    " HTTP/1.1\r\n",
    " HTTP/1.0\r\n",
    " HTTP/2.0\r\n",
    "Host: h\r\n",
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Expect: 100-continue\r\n",
    "\r\n",
    "\n",
    "\r\n\r\n",
    "5\r\nabcde\r\n",
    "0\r\n\r\n",
    ": ",
    "#",
];

fn requests() -> Vec<Vec<u8>> {
    [
        "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /a/b%20c?d=e&f HTTP/1.1\r\nHost: h:80\r\nAccept: */*\r\nX-Other: \t a value \r\n\r\n",
        "POST /spool HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabcde",
        "POST /spool HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nabcde\r\n0\r\nT: u\r\n\r\n",
        "PUT /spool HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab",
        "GET http://host.example:8080/p?q HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
        "HEAD /stream/short HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST /refuse HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
        "POST /spool/early HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
        "GET /204 HTTP/1.0\r\n\r\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// A head means the same wherever the bytes are cut, and prints back to itself.
pub fn head(random: &mut Seed) -> bool {
    let bytes = input(random, &requests(), &TOKENS);
    let whole = read_head(&bytes);
    let first = (0..=bytes.len()).map(|end| read_head(&bytes[..end]));
    let first = first.into_iter().find(|read| *read != Ok(None));
    assert_eq!(first.unwrap_or(Ok(None)), whole, "{}", shown(&bytes));
    let Ok(Some(read)) = whole else { return false };
    assert!(read.length <= bytes.len());
    let printed = print(&read);
    let mut again = read_head(printed.as_bytes())
        .expect("it was taken once")
        .expect("it is whole");
    assert_eq!(again.length, printed.len());
    again.length = read.length;
    assert_eq!(again, read, "{printed:?}");
    true
}

fn print(read: &ReadHead) -> String {
    let head = &read.head;
    let query = match head.query.is_empty() {
        true => String::new(),
        false => format!("?{}", head.query),
    };
    let version = if read.head.http10 { "1.0" } else { "1.1" };
    let lines = head
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    let lines: String = lines.collect();
    format!(
        "{} {}{query} HTTP/{version}\r\n{lines}\r\n",
        head.method, head.path
    )
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// All data of a body, how many bytes it took, and how it ended.
type Came = (Vec<u8>, usize, Result<bool, Fault>);

/// Feeds a body with as much of its bytes as comes at once.
fn fed(framing: Framing, limit: u64, bytes: &[u8], mut size: impl FnMut() -> usize) -> Came {
    let mut body = match Body::new(framing, limit) {
        Ok(body) => body,
        Err(fault) => return (Vec::new(), 0, Err(fault)),
    };
    let (mut data, mut used, mut here) = (Vec::new(), 0, 0);
    loop {
        match body.step(&bytes[used..here], 1 + size()) {
            Err(fault) => return (data, used, Err(fault)),
            Ok((0, _)) if body.is_complete() || here == bytes.len() => {
                return (data, used, Ok(body.is_complete()));
            }
            Ok((0, _)) => here = (here + size()).min(bytes.len()),
            Ok((count, more)) => {
                used += count;
                data.extend_from_slice(more);
                assert!(data.len() as u64 <= limit && used <= here);
            }
        }
    }
}

pub fn body(random: &mut Seed) -> bool {
    let good = [
        "5\r\nabcde\r\n0\r\n\r\n",
        "5;name=value\r\nabcde\r\n1\r\nf\r\n000\r\nTrailer: x\r\nOther: y\r\n\r\n",
        "A\r\n0123456789\r\na \t; x\r\n0123456789\r\n0\r\n\r\nGET / HTTP/1.1\r\n",
    ];
    let good = good.map(|text| text.as_bytes().to_vec());
    let tokens = [
        "\r\n",
        "\n",
        "0\r\n\r\n",
        "ffffffffffffffff\r\n",
        "-1\r\n",
        ";",
        "T: u\r\n",
        "0x5\r\n",
        "5\r\n",
    ];
    let bytes = input(random, &good, &tokens);
    let limit = *random.pick(&[0, 5, 6, 10, 20, 1_000, u64::MAX]);
    let framing = match random.below(4) {
        0 => Framing::Length(*random.pick(&[0, 1, 5, 20, 21, u64::MAX])),
        _ => Framing::Chunked,
    };
    let whole = fed(framing, limit, &bytes, || 1 << 20);
    assert_eq!(
        fed(framing, limit, &bytes, || 1),
        whole,
        "{}",
        shown(&bytes)
    );
    let pieces = fed(framing, limit, &bytes, || piece(random));
    assert_eq!(pieces, whole, "{}", shown(&bytes));
    whole.2 == Ok(true)
}

/// Requests behind each other; the pieces do not matter, and the end comes.
pub fn connection(random: &mut Seed) -> bool {
    let good = requests();
    let mut bytes = input(random, &good, &TOKENS);
    for _ in 0..random.below(3) {
        bytes.extend(input(random, &good, &TOKENS));
    }
    let mut played = |whole: bool| {
        let mut play = Play::default();
        play.feed(&bytes, || if whole { usize::MAX } else { piece(random) });
        assert!(play.agrees());
        play.hang_up();
        assert!(play.agrees() && play.conn.is_done());
        play
    };
    let (whole, pieces) = (played(true), played(false));
    assert_eq!(pieces.said, whole.said, "{}", shown(&bytes));
    assert_eq!(pieces.asked, whole.asked, "{}", shown(&bytes));
    assert_eq!(pieces.sent, whole.sent, "{}", shown(&bytes));
    !whole.asked.is_empty()
}

/// Good requests, in any order and any pieces, are all answered until one closes.
pub fn good_requests(random: &mut Seed) -> bool {
    let all = requests();
    let count = 1 + random.below(5);
    let bytes: Vec<u8> = (0..count).flat_map(|_| random.pick(&all).clone()).collect();
    let mut play = Play::default();
    play.feed(&bytes, || piece(random));
    play.hang_up();
    assert!(play.agrees() && play.conn.is_done());
    let statuses = play.statuses();
    let bad = |status: &u16| ![100, 200, 204, 403].contains(status);
    assert!(!statuses.iter().any(bad), "{statuses:?}");
    let answered = statuses.iter().filter(|status| **status != 100).count();
    assert_eq!(play.asked.len(), answered);
    let closed = answered < count;
    assert!(!closed || shown(&play.sent).contains("Connection: close"));
    closed
}

/// The client reads and hangs up at any time, and the app is cut short now and then.
pub fn connection_in_any_order(random: &mut Seed) -> bool {
    let bytes = input(random, &requests(), &TOKENS);
    let mut rest = &bytes[..];
    let mut play = Play::default();
    let mut over = false;
    for _ in 0..60 {
        match random.below(12) {
            0..4 => {
                let count = random.below(50).min(rest.len()).min(play.conn.space());
                play.conn.receive(&rest[..count]);
                rest = &rest[count..];
            }
            4..7 => drop(play.listen()),
            7..9 => drop(play.pour()),
            9..11 => play.conn.sent(random.below(1 + play.conn.output().len())),
            _ if random.once_in(8) => play.conn.half_closed(),
            _ if random.once_in(20) => {
                play.conn.abort(Response::error(503, "enough"), DATE);
                play.listen();
            }
            _ => {}
        }
        play.check();
        assert!(!over || play.conn.is_done(), "done and undone");
        over = play.conn.is_done();
    }
    play.hang_up();
    assert!(play.conn.is_done() && play.agrees());
    !play.asked.is_empty()
}

/// What a client sends behind its handshake: good frames, changed now and then.
fn frames(random: &mut Seed) -> Vec<u8> {
    let good = [
        frame(0x81, "text äöü".as_bytes()),
        frame(0x82, &[7; 130]),
        [frame(0x01, b"te"), frame(0x89, b"ping"), frame(0x80, b"xt")].concat(),
        [frame(0x8a, b""), frame(0x88, b"\x03\xe8bye")].concat(),
        frame(0x89, &[1; 125]),
        [frame(0x81, &[b'x'; 4_096]), frame(0x89, b"behind")].concat(),
        frame(0x82, &vec![b'x'; MESSAGE_LIMIT_BYTES + random.below(2)]),
        close(random.next() as u16, b"why"),
    ];
    let mut bytes = input(random, &good, &["\u{1}", "\0"]);
    for _ in 0..random.below(3) {
        bytes.extend(random.pick(&good));
    }
    bytes
}

/// Closed stays closed, and the app is told exactly once of an end that is not its own.
pub fn socket_in_any_order(random: &mut Seed) -> bool {
    let bytes = [frames(random), frames(random)].concat();
    let mut rest = &bytes[..];
    let mut talk = Talk::new();
    talk.deaf = true;
    let (mut ended, mut over) = (false, false);
    for _ in 0..40 {
        let was_with_app = talk.conn.is_with_app();
        match random.below(14) {
            0..4 => {
                let count = random.below(300).min(rest.len()).min(talk.conn.space());
                talk.conn.receive(&rest[..count]);
                rest = &rest[count..];
            }
            4..7 => talk.listen(),
            7..9 => {
                let size = random.below(2_000).min(talk.conn.stream_space());
                talk.conn.push_text(&vec![b't'; size]);
            }
            9..11 => talk.conn.sent(random.below(1 + talk.conn.output().len())),
            11 => talk.conn.keepalive(),
            _ if random.once_in(9) => {
                talk.conn.end_stream();
                ended |= was_with_app && !talk.conn.is_with_app();
            }
            _ if random.once_in(9) => talk.conn.drain_and_close(DATE),
            _ if random.once_in(9) => talk.conn.half_closed(),
            _ => {}
        }
        talk.check();
        assert!(!over || talk.conn.is_done(), "done and undone");
        over = talk.conn.is_done();
    }
    talk.deaf = false;
    talk.settle();
    talk.hang_up();
    assert!(talk.conn.is_done() && !talk.conn.is_with_app());
    assert_eq!(talk.gone, usize::from(!ended));
    ended
}

/// Frames behind a handshake; the pieces do not matter, a close is the last that is sent.
pub fn socket(random: &mut Seed) -> bool {
    let bytes = frames(random);
    let mut whole = talked(&bytes, || usize::MAX);
    let mut pieces = talked(&bytes, || piece(random));
    assert_eq!(pieces.frames(), whole.frames());
    assert_eq!(pieces.gone, whole.gone);
    let frames = whole.frames();
    let closes = frames.iter().filter(|(first, _)| *first == CLOSE).count();
    assert!(closes == 0 || (closes == 1 && frames[frames.len() - 1].0 == CLOSE));
    assert_eq!(closes, whole.gone);
    let open = whole.conn.waiting_for() == Waiting::Keepalive;
    for talk in [&mut whole, &mut pieces] {
        talk.hang_up();
        assert!(talk.conn.is_done() && talk.gone == 1);
        assert_eq!(talk.frames(), frames);
    }
    open
}
