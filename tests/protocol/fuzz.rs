//! Connections fed with random bytes and with requests changed at random: nothing panics, no cap
//! is passed, and it does not matter in how many pieces the bytes come. The seed replays a run.

use crate::common::play::{Play, Said};
use crate::common::seed::Seed;

const PARTS: &[&str] = &[
    "GET ",
    "HEAD ",
    "POST ",
    "/",
    "/spool",
    "/spool/early",
    "/refuse",
    "/stream/short",
    "*",
    "http://o/p",
    " HTTP/1.1\r\n",
    " HTTP/1.0\r\n",
    "Host: h\r\n",
    "Host: h\r\n\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 5\r\n\r\nabcde",
    "Transfer-Encoding: chunked\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Expect: 100-continue\r\n",
    "\r\n",
    "\n",
    "5\r\nabcde\r\n",
    "0\r\n\r\n",
    "0\r\nT: u\r\n\r\n",
    "x",
    ":",
    "\0",
];

/// A good request, in text.
fn good(random: &mut Seed) -> String {
    let method = random.pick(&["GET", "HEAD", "POST", "PUT"]);
    let paths = [
        "/",
        "/a?b",
        "/spool",
        "/spool",
        "/spool/early",
        "/refuse",
        "/stream/short",
        "/204",
    ];
    let path = random.pick(&paths);
    let version = random.pick(&["1.1", "1.1", "1.1", "1.0"]);
    let lines = [
        "",
        "",
        "",
        "",
        "Connection: close\r\n",
        "Connection: keep-alive\r\n",
    ];
    let mut lines = random.pick(&lines).to_string();
    if random.once_in(4) {
        lines += "Expect: 100-continue\r\n";
    }
    let size = random.below(30);
    let body = "b".repeat(size);
    match random.below(3) {
        0 => format!("{method} {path} HTTP/{version}\r\nHost: h\r\n{lines}\r\n"),
        1 => {
            lines += &format!("Content-Length: {size}\r\n");
            format!("{method} {path} HTTP/{version}\r\n{lines}Host: h\r\n\r\n{body}")
        }
        _ => {
            lines += "Transfer-Encoding: chunked\r\n";
            let chunk = match size {
                0 => String::new(),
                _ => format!("{size:x}\r\n{body}\r\n"),
            };
            format!("{method} {path} HTTP/1.1\r\nHost: h\r\n{lines}\r\n{chunk}0\r\n\r\n")
        }
    }
}

fn change(random: &mut Seed, input: &mut Vec<u8>) {
    if input.is_empty() {
        return;
    }
    let at = random.below(input.len());
    match random.below(4) {
        0 => input[at] = random.next() as u8,
        1 => {
            input.remove(at);
        }
        2 => {
            let part = random.pick(PARTS).bytes();
            input.splice(at..at, part);
        }
        _ => {
            let end = at + random.below(input.len() - at).min(20);
            let part = input[at..end].to_vec();
            let to = random.below(input.len());
            input.splice(to..to, part);
        }
    }
}

fn input(random: &mut Seed) -> Vec<u8> {
    match random.below(8) {
        0 => {
            let count = random.below(300);
            random.bytes(count)
        }
        1 => {
            let count = random.below(30);
            let parts = (0..count).map(|_| *random.pick(PARTS));
            parts.collect::<String>().into_bytes()
        }
        _ => {
            let count = 1 + random.below(4);
            let text: String = (0..count).map(|_| good(random)).collect();
            let mut input = text.into_bytes();
            for _ in 0..random.below(4) {
                change(random, &mut input);
            }
            input
        }
    }
}

/// Plays the input to its end and the client's. Every answer that was read is a good one.
fn played(input: &[u8], size: impl FnMut() -> usize) -> Play {
    let mut play = Play::default();
    play.feed(input, size);
    assert!(play.agrees());
    play.hang_up();
    assert!(play.agrees() && play.conn.is_done());
    play
}

#[test]
fn the_pieces_do_not_matter() {
    let (mut requests, mut bodies, mut faults) = (0, 0, 0);
    for seed in 0..8_000 {
        let mut random = Seed(seed);
        let input = input(&mut random);
        let whole = played(&input, || usize::MAX);
        let bytewise = played(&input, || 1);
        let pieces = played(&input, || 1 + random.below(60));
        for other in [bytewise, pieces] {
            assert_eq!(other.said, whole.said, "seed {seed}");
            assert_eq!(other.asked, whole.asked, "seed {seed}");
            assert_eq!(statuses(&other.sent), statuses(&whole.sent), "seed {seed}");
        }
        requests += whole.asked.len();
        let body = |said: &&Said| matches!(said, Said::Body(_));
        bodies += whole.said.iter().filter(body).count();
        faults += statuses(&whole.sent)
            .iter()
            .filter(|line| line.starts_with('4'))
            .count();
    }
    // The inputs reach what they are meant to reach.
    let reached = (requests, bodies, faults);
    assert!(
        requests > 5_000 && bodies > 700 && faults > 3_000,
        "{reached:?}"
    );
}

/// The status lines in what was sent; no body has any.
fn statuses(sent: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(sent);
    let lines = text.split("HTTP/1.1 ").skip(1);
    lines.map(|line| line[..3].to_string()).collect()
}

/// Good requests, in any order and any pieces, are all answered until one closes.
#[test]
fn good_requests_are_answered() {
    for seed in 0..3_000 {
        let mut random = Seed(seed);
        let requests: Vec<String> = (0..1 + random.below(5))
            .map(|_| good(&mut random))
            .collect();
        let play = played(requests.concat().as_bytes(), || 1 + random.below(200));
        let bad = |line: &String| !["100", "200", "204", "403"].contains(&line.as_str());
        let statuses = statuses(&play.sent);
        assert!(!statuses.iter().any(bad), "seed {seed}: {statuses:?}");
        let answered = statuses.iter().filter(|line| *line != "100").count();
        assert_eq!(play.asked.len(), answered, "seed {seed}");
        let closed = statuses.len() < requests.len();
        let text = String::from_utf8_lossy(&play.sent).into_owned();
        assert!(!closed || text.contains("Connection: close"), "seed {seed}");
    }
}

/// The client reads as it likes, hangs up when it likes, and the app is cut short now and then.
#[test]
fn nothing_breaks_in_any_order() {
    for seed in 0..5_000 {
        let mut random = Seed(seed);
        let bytes = input(&mut random);
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
                4..7 => {
                    play.listen();
                }
                7..9 => {
                    play.pour();
                }
                9..11 => {
                    let count = random.below(1 + play.conn.output().len());
                    play.conn.sent(count);
                }
                _ if random.once_in(8) => play.conn.half_closed(),
                _ if random.once_in(20) => {
                    let answer = zigcheck::interface::message::Response::error(503, "Enough.");
                    play.conn.abort(answer, crate::common::play::DATE);
                    play.listen();
                }
                _ => {}
            }
            play.check();
            assert!(!over || play.conn.is_done(), "seed {seed}: done and undone");
            over = play.conn.is_done();
        }
        play.hang_up();
        assert!(play.conn.is_done() && play.agrees(), "seed {seed}");
    }
}
