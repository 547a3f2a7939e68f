//! The cost of watchers: ten thousand idle ones, two thousand live pages, a thousand that read a flood, one that never
//! reads, five hundred that send slowly.
//!
//! Prints memory, times and ratios, and asserts nothing about them. A stand-in for docker runs the builds.
//! `cargo bench --bench watchers -- pages` measures the live pages alone.

#[path = "../tests/common/mod.rs"]
mod common;

#[path = "watchers/pages.rs"]
mod pages;
#[path = "watchers/sockets.rs"]
mod sockets;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use common::server::Server;
use common::standin::{check, start};
use common::wire::{self, Wire, address, connect};

const READERS: usize = 1_000;
const SLOW: usize = 500;
const REQUESTS: usize = 2_000;
/// Pause between two requests, so that they meet the slow heads in every phase, 408 included.
const REQUEST_PAUSE: Duration = Duration::from_millis(4);

fn main() {
    // `cargo bench` passes --bench; `cargo test` must not run this.
    if std::env::args().any(|arg| arg == "--bench") {
        raise_open_files();
        pages::live_pages();
        if std::env::args().any(|arg| arg == "pages") {
            return;
        }
        sockets::idle_and_notified();
        one_that_never_reads();
        beside_log_readers();
        beside_slow_heads();
    }
}

/// Raises the limit of open files to the maximum; the server inherits it.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, all).expect("its own limit");
}

/// Resident memory of the server in KiB.
pub fn resident_kib(server: &Server) -> u64 {
    let path = format!("/proc/{}/status", server.child.id());
    let text = std::fs::read_to_string(path).expect("it runs");
    let line = text.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|n| n.parse().ok()).expect("a number")
}

/// The percentile, from 0 to 100, of sorted values.
pub fn at(sorted: &[f64], percent: usize) -> f64 {
    sorted[(sorted.len() - 1) * percent / 100]
}

/// Starts a check whose build writes as fast as it can; returns the ids of both.
fn flood(server: &Server) -> (i64, i64) {
    let check = check(server, "flood");
    let path = format!("/api/checks/{check}");
    let started = server.wait_for(&path, |check| check["builds"][0]["state"] == "building");
    (check, started["builds"][0]["id"].as_i64().expect("an id"))
}

// -- one that never reads ---------------------------------------------------------------------

fn one_that_never_reads() {
    let (server, _dir) = start("bench-flood", &["--build-timeout", "6"]);
    server.finished(check(&server, "good"));
    let (flooding, build) = flood(&server);
    let before = resident_kib(&server);
    let stream = connect(address(&server), Ipv4Addr::LOCALHOST, Some(4 << 10));
    let mut never = Wire::over(stream.expect("it listens"));
    never.send(wire::handshake(&format!("/ws?build={build}&from=0")).as_bytes());
    let mut most = before;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        most = most.max(resident_kib(&server));
        std::thread::sleep(Duration::from_millis(20));
    }
    let flood = server.finished(flooding).remove(0);
    let written = flood["log_bytes"].as_u64().unwrap_or_default() >> 20;
    println!(
        "one WebSocket that never reads, on the log of a build that writes {written} MiB in 6 s:"
    );
    println!("  server {before} KiB before, at most {most} KiB during the build");
}

// -- beside a thousand readers of one log -----------------------------------------------------

fn beside_log_readers() {
    let (server, _dir) = start("bench-readers", &["--build-timeout", "14"]);
    server.finished(check(&server, "good"));
    let (flooding, build) = flood(&server);
    let alone = response_times(&server, REQUESTS / 2);
    let before = resident_kib(&server);
    let readers = LogReaders::start(address(&server), build);
    let beside = response_times(&server, REQUESTS / 2);
    let after = resident_kib(&server);
    let read = readers.read.load(Ordering::Relaxed) >> 20;
    drop(readers);
    println!("{READERS} readers of the log of a build that writes as fast as it can:");
    show("a request during the build", &alone);
    show("with the readers as well", &beside);
    println!("  {read} MiB read; server {before} KiB before, {after} KiB after");
    server.finished(flooding);
}

/// Connections that read one log as fast as one thread can.
struct LogReaders {
    /// Bytes read by all of them.
    read: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
}

impl LogReaders {
    fn start(to: SocketAddr, build: i64) -> LogReaders {
        let mut poll = Poll::new().expect("a poll");
        let request = format!("GET /api/builds/{build}/log HTTP/1.1\r\nHost: bench\r\n\r\n");
        let mut streams = Vec::new();
        for nth in 0..READERS {
            let mut stream = connect(to, loopback(nth), None).expect("it listens");
            stream
                .write_all(request.as_bytes())
                .expect("space for a request");
            stream.set_nonblocking(true).expect("a socket");
            let mut source = mio::unix::SourceFd(&std::os::fd::AsRawFd::as_raw_fd(&stream));
            let registry = poll.registry();
            let done = registry.register(&mut source, Token(nth), Interest::READABLE);
            done.expect("a socket");
            streams.push(stream);
        }
        let (read, stopped) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (count, stop) = (read.clone(), stopped.clone());
        std::thread::spawn(move || {
            let mut events = Events::with_capacity(256);
            let mut bytes = vec![0; 64 << 10];
            while !stop.load(Ordering::Relaxed) {
                let timeout = Some(Duration::from_millis(100));
                poll.poll(&mut events, timeout).expect("a poll");
                for event in &events {
                    while let Ok(some @ 1..) = streams[event.token().0].read(&mut bytes) {
                        count.fetch_add(some, Ordering::Relaxed);
                    }
                }
            }
        });
        LogReaders { read, stopped }
    }
}

impl Drop for LogReaders {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

// -- beside slow heads ------------------------------------------------------------------------

fn beside_slow_heads() {
    let (server, _dir) = start("bench-slow", &[]);
    server.finished(check(&server, "good"));
    let alone = response_times(&server, REQUESTS);
    let (slow, answered) = (SlowHeads::start(address(&server)), Instant::now());
    while slow.opened() < SLOW && answered.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_secs(3));
    let beside = response_times(&server, REQUESTS);
    let reopened = slow.opened() - SLOW;
    drop(slow);
    let again = response_times(&server, REQUESTS);
    println!("GET /api/builds/1 on one connection, {REQUESTS} times, every 4 ms:");
    show("alone", &alone);
    show(&format!("with {SLOW} slow heads"), &beside);
    show("alone again", &again);
    let ratio = |percent: usize| {
        at(&beside, percent) / f64::midpoint(at(&alone, percent), at(&again, percent))
    };
    println!(
        "  with : alone  p50 {:.2}, p99 {:.2} ({reopened} slow heads closed and reopened)",
        ratio(50),
        ratio(99)
    );
}

fn show(name: &str, times: &[f64]) {
    let (p50, p99, worst) = (at(times, 50), at(times, 99), at(times, 100));
    println!("  {name:<28} p50 {p50:6.3} ms, p99 {p99:6.3} ms, worst {worst:7.3} ms");
}

/// Milliseconds from a request to its complete response, sorted.
fn response_times(server: &Server, times: usize) -> Vec<f64> {
    let mut line = Wire::open(server);
    let mut times: Vec<f64> = (0..times)
        .map(|_| {
            let asked = Instant::now();
            line.get("/api/builds/1");
            assert_eq!(line.answer().0.status, 200);
            let ms = asked.elapsed().as_secs_f64() * 1_000.0;
            std::thread::sleep(REQUEST_PAUSE);
            ms
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times
}

/// Connections that send one byte of a head each second, and reconnect when they are closed.
struct SlowHeads {
    opened: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
}

impl SlowHeads {
    fn start(to: SocketAddr) -> SlowHeads {
        let (opened, stopped) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (count, stop) = (opened.clone(), stopped.clone());
        std::thread::spawn(move || {
            let mut heads: Vec<Option<(TcpStream, usize)>> = (0..SLOW).map(|_| None).collect();
            while !stop.load(Ordering::Relaxed) {
                let begun = Instant::now();
                for (nth, head) in heads.iter_mut().enumerate() {
                    // Spread evenly stopped the second.
                    let due = Duration::from_secs(1) * nth as u32 / SLOW as u32;
                    std::thread::sleep(due.saturating_sub(begun.elapsed()));
                    if !head.as_mut().is_some_and(send_byte) {
                        let stream = connect(to, loopback(nth), None).expect("it listens");
                        stream.set_nonblocking(true).expect("a socket");
                        *head = Some((stream, 0));
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
                std::thread::sleep(Duration::from_secs(1).saturating_sub(begun.elapsed()));
            }
        });
        SlowHeads { opened, stopped }
    }

    fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }
}

impl Drop for SlowHeads {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// Sends one more byte; false if the connection is closed or was answered.
fn send_byte((stream, sent): &mut (TcpStream, usize)) -> bool {
    let head = b"GET /api/health HTTP/1.1\r\nHost: a-host-with-a-name-that-is-long-enough\r\n";
    let waits = match stream.read(&mut [0; 512]) {
        Ok(_) => false,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    };
    *sent += 1;
    waits && stream.write_all(&head[*sent - 1..*sent]).is_ok()
}

/// One of many loopback addresses, for two hundred connections each.
pub fn loopback(nth: usize) -> Ipv4Addr {
    let host = nth / 200 + 2;
    Ipv4Addr::new(127, 0, (host / 250) as u8, (host % 250) as u8)
}
