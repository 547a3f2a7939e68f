//! The rate of submissions, each answered with 201 once it is on disk; and the time to answer a check whose
//! verdict is cached.
//!
//! Prints numbers and ratios, and asserts nothing about them. A build that never ends holds the only slot, so
//! only the submissions are measured.

#[path = "../tests/common/mod.rs"]
mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use common::server::{Server, scratch};
use common::standin::{self, check, start};
use common::wire::address;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rusqlite::Connection;

const CONNECTIONS: usize = 64;
const TIME: Duration = Duration::from_secs(5);
const CHECKS: usize = 1_000;

fn main() {
    // `cargo bench` passes --bench; `cargo test` must not run this.
    if std::env::args().any(|arg| arg == "--bench") {
        let alone = durable_inserts_per_second();
        println!("inserts of one row, each with its commit: {alone:.0} a second");
        for versions in ["0.16.0", "0.17.1,0.16.0,0.15.2,0.14.1"] {
            submissions(versions, alone);
        }
        cached_verdicts();
    }
}

/// The rate of durable inserts of a program that does nothing else.
fn durable_inserts_per_second() -> f64 {
    let path = scratch("bench-durable.db");
    let _ = std::fs::remove_file(&path);
    let db = Connection::open(path).expect("a database");
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (a INTEGER)",
    )
    .expect("a table");
    let begun = Instant::now();
    let mut count = 0;
    while begun.elapsed() < Duration::from_secs(2) {
        db.execute("INSERT INTO t VALUES (1)", []).expect("a row");
        count += 1;
    }
    f64::from(count) / begun.elapsed().as_secs_f64()
}

fn busy_server(name: &str, versions: &str) -> Server {
    let flags = ["--max-builds", "1", "--zig-versions", versions];
    let (server, _dir) = start(name, &flags);
    let silent = check(&server, "silent");
    server.wait_for(&format!("/api/checks/{silent}"), |check| {
        check["builds"][0]["state"] == "building"
    });
    server
}

// -- submissions ------------------------------------------------------------------------------

/// A connection that submits one package after another.
struct Submitter {
    stream: TcpStream,
    answer: Vec<u8>,
    accepted: usize,
}

impl Submitter {
    fn submit(&mut self, nth: usize) {
        let body = format!("{{\"url\":\"https://github.com/bench/p{nth}\"}}");
        let length = body.len();
        let request = format!(
            "POST /api/packages HTTP/1.1\r\nHost: bench\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let sent = self.stream.write(request.as_bytes());
        assert_eq!(
            sent.expect("it listens"),
            request.len(),
            "space for a request"
        );
    }

    /// True once the answer is complete; it must be a 201.
    fn is_answered(&mut self) -> bool {
        let mut piece = [0; 16 << 10];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => panic!("hung up"),
                Ok(count) => self.answer.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        let text = String::from_utf8_lossy(&self.answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            return false;
        };
        let length = head.to_ascii_lowercase();
        let length = length.split("content-length: ").nth(1).expect("a length");
        let length: usize = length.lines().next().expect("a line").parse().expect("it");
        if body.len() < length {
            return false;
        }
        assert!(head.starts_with("HTTP/1.1 201"), "{text}");
        self.answer.clear();
        self.accepted += 1;
        true
    }
}

fn submissions(versions: &str, alone: f64) {
    let count = versions.split(',').count();
    let server = busy_server(&format!("bench-submissions-{count}"), versions);
    let mut poll = Poll::new().expect("a poll");
    let mut submitters: Vec<Submitter> = (0..CONNECTIONS)
        .map(|nth| {
            let stream = TcpStream::connect(address(&server)).expect("it listens");
            stream.set_nonblocking(true).expect("a socket");
            let fd = stream.as_raw_fd();
            let registry = poll.registry();
            registry
                .register(&mut SourceFd(&fd), Token(nth), Interest::READABLE)
                .expect("a poll");
            Submitter {
                stream,
                answer: Vec::new(),
                accepted: 0,
            }
        })
        .collect();
    let mut next = 0;
    for submitter in &mut submitters {
        submitter.submit(next);
        next += 1;
    }
    let mut events = Events::with_capacity(CONNECTIONS);
    let begun = Instant::now();
    while begun.elapsed() < TIME {
        poll.poll(&mut events, Some(Duration::from_secs(1)))
            .expect("a poll");
        for event in &events {
            let submitter = &mut submitters[event.token().0];
            if submitter.is_answered() {
                submitter.submit(next);
                next += 1;
            }
        }
    }
    let accepted: usize = submitters.iter().map(|submitter| submitter.accepted).sum();
    let rate = accepted as f64 / begun.elapsed().as_secs_f64();
    println!(
        "{CONNECTIONS} connections submit packages with {count} builds each: {rate:.0} a second \
         (ratio {:.1}), {accepted} in all",
        rate / alone
    );
}

// -- cached verdicts --------------------------------------------------------------------------

fn cached_verdicts() {
    let (server, _dir) = start("bench-known", &[]);
    let tree = standin::tree();
    server.finished(server.upload(&tree, "name=good"));
    let tree = std::fs::read(tree).expect("it was made");
    let mut stream = TcpStream::connect(address(&server)).expect("it listens");
    stream.set_nodelay(true).expect("a socket");
    let head = format!(
        "POST /api/check?name=good HTTP/1.1\r\nHost: bench\r\nContent-Length: {}\r\n\r\n",
        tree.len()
    );
    let request = [head.as_bytes(), &tree].concat();
    let mut times: Vec<f64> = (0..CHECKS)
        .map(|_| {
            let begun = Instant::now();
            stream.write_all(&request).expect("it listens");
            let answer = whole_answer(&mut stream);
            assert!(answer.contains("\"cached\":true"), "{answer}");
            begun.elapsed().as_secs_f64() * 1_000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!(
        "an upload with a cached verdict, time to the answer: p50 {:.2} ms, p99 {:.2} ms, worst {:.2} ms",
        at(50),
        at(99),
        at(100)
    );
}

fn whole_answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut piece = [0; 16 << 10];
    loop {
        let count = stream.read(&mut piece).expect("an answer");
        assert!(count > 0, "hung up");
        answer.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_ascii_lowercase();
            let length = length.split("content-length: ").nth(1).expect("a length");
            let length: usize = length.lines().next().expect("a line").parse().expect("it");
            if body.len() >= length {
                return text.into_owned();
            }
        }
    }
}
