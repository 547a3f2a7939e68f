//! Ten thousand WebSockets on one thread: they wait, and are told of what happens.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::process::{Resource, getrlimit};

use crate::common::server::Server;
use crate::common::standin::{start, tree};
use crate::common::wire::{PING, TEXT, Wire, address, connect, frame, pong};
use crate::{at, loopback, resident_kib};

const WATCHERS: usize = 10_000;
const BUILDS: usize = 10;
const IDLE: Duration = Duration::from_secs(20);
/// Of `/proc/PID/stat`, on every Linux that this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

pub fn wait_and_are_told() {
    // Each process needs a few more than the watchers have.
    let open_files = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let count = WATCHERS.min(open_files.saturating_sub(500) as usize);
    let (server, _dir) = start("bench-crowd", &[]);
    told_once(&server, &mut ConnectionLimiter::open(&server, 1)); // warms the server
    let before = resident_kib(&server);
    let begun = Instant::now();
    let mut crowd = ConnectionLimiter::open(&server, count);
    let opening = begun.elapsed().as_secs_f64();
    let grown = resident_kib(&server) - before;
    println!("{count} WebSockets on /ws, opened one by one in {opening:.1} s:");
    println!(
        "  server {before} KiB before, {} KiB after: {:.2} KiB each",
        before + grown,
        grown as f64 / count as f64
    );
    let cpu = cpu_seconds(&server);
    crowd.idle(IDLE);
    let cpu = cpu_seconds(&server) - cpu;
    let idle = IDLE.as_secs();
    println!("  idle for {idle} s, a ping for each in it: {cpu:.2} s of processor time");
    let told: Vec<Told> = (0..BUILDS)
        .map(|_| told_once(&server, &mut crowd))
        .collect();
    let show = |name: &str, of: fn(&Told) -> f64| {
        let mut times: Vec<f64> = told.iter().map(of).collect();
        times.sort_by(f64::total_cmp);
        let (p50, worst) = (at(&times, 50), at(&times, 100));
        println!("  {name:<44} p50 {p50:6.1} ms, worst {worst:6.1} ms");
    };
    println!(
        "  a build comes in, {BUILDS} times; from its upload's last byte sent to its first event"
    );
    show("  at the first of them", |told| told.first_ms);
    show("  at the last of them", |told| told.last_ms);
    let after = resident_kib(&server);
    println!("  server {after} KiB after them");
}

/// Seconds of processor time that the server has taken.
fn cpu_seconds(server: &Server) -> f64 {
    let path = format!("/proc/{}/stat", server.child.id());
    let text = std::fs::read_to_string(path).expect("it runs");
    // Behind the name, which may hold anything: utime is the 12th field, stime the 13th.
    let (_, fields) = text.rsplit_once(')').expect("a name");
    let fields = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = fields
        .map(|field| field.parse::<u64>().expect("a number"))
        .sum();
    ticks as f64 / TICKS_PER_SECOND
}

struct Told {
    first_ms: f64,
    last_ms: f64,
}

/// Sends a tree in, and reads until every watcher was told of its build, and then of its end.
fn told_once(server: &Server, crowd: &mut ConnectionLimiter) -> Told {
    // The engine has answered just now: the upload need not wait for it.
    server.get("/api/health");
    let tree = std::fs::read(tree()).expect("the tree");
    let mut upload = Wire::open(server);
    let head = format!(
        "POST /api/check?name=good HTTP/1.1\r\nHost: bench\r\nContent-Length: {}\r\n\r\n",
        tree.len()
    );
    upload.send(head.as_bytes());
    let (most, last) = tree.split_at(tree.len() - 1);
    upload.send(most);
    crowd.idle(Duration::from_millis(50)); // the rest of it is on its way alone
    crowd.texts.fill(0);
    crowd.ends = 0;
    let sent = Instant::now();
    upload.send(last);
    let (mut first, mut untold) = (None, crowd.lines.len());
    while untold > 0 {
        untold -= crowd.step(Duration::from_secs(60));
        first = first.or_else(|| (untold < crowd.lines.len()).then(|| sent.elapsed()));
    }
    let last = sent.elapsed();
    while crowd.ends < crowd.lines.len() {
        crowd.step(Duration::from_secs(60));
    }
    assert_eq!(upload.answer().0.status, 202);
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    Told {
        first_ms: ms(first.expect("one at least")),
        last_ms: ms(last),
    }
}

struct Line {
    stream: TcpStream,
    /// The beginning of a frame.
    part: Vec<u8>,
}

/// Watchers of all events.
struct ConnectionLimiter {
    poll: Poll,
    events: Events,
    lines: Vec<Line>,
    /// How many messages each has got.
    texts: Vec<u32>,
    /// How many were told of the end of a build.
    ends: usize,
}

impl ConnectionLimiter {
    fn open(server: &Server, count: usize) -> ConnectionLimiter {
        let poll = Poll::new().expect("a poll");
        let to = address(server);
        let lines = (0..count).map(|nth| {
            let stream = connect(to, loopback(nth), None).expect("it listens");
            let stream = Wire::over(stream).upgraded("/ws").stream;
            stream.set_nonblocking(true).expect("a socket");
            let fd = stream.as_raw_fd();
            let registry = poll.registry();
            let done = registry.register(&mut SourceFd(&fd), Token(nth), Interest::READABLE);
            done.expect("a socket");
            let part = Vec::new();
            Line { stream, part }
        });
        let lines = lines.collect();
        ConnectionLimiter {
            poll,
            events: Events::with_capacity(4_096),
            lines,
            texts: vec![0; count],
            ends: 0,
        }
    }

    /// Answers pings for so long.
    fn idle(&mut self, time: Duration) {
        let begun = Instant::now();
        while let Some(left) = time.checked_sub(begun.elapsed()) {
            self.step(left);
        }
    }

    /// Reads what has come; gives how many watchers got their first message by it.
    fn step(&mut self, patience: Duration) -> usize {
        let polled = self.poll.poll(&mut self.events, Some(patience));
        polled.expect("a poll");
        let mut newly = 0;
        for event in &self.events {
            let nth = event.token().0;
            let line = &mut self.lines[nth];
            read_all(line);
            let mut taken = 0;
            while let Some((kind, payload, length)) = frame(&line.part[taken..]) {
                match kind {
                    PING => line
                        .stream
                        .write_all(&pong(payload))
                        .expect("room for a pong"),
                    TEXT => {
                        newly += usize::from(self.texts[nth] == 0);
                        self.texts[nth] += 1;
                        let end = b"\"state\":\"finished\"";
                        self.ends +=
                            usize::from(payload.windows(end.len()).any(|some| some == end));
                    }
                    other => panic!("a frame of kind {other}"),
                }
                taken += length;
            }
            line.part.drain(..taken);
        }
        newly
    }
}

fn read_all(line: &mut Line) {
    let mut bytes = [0; 4 << 10];
    loop {
        match line.stream.read(&mut bytes) {
            Ok(0) => panic!("the server hung up"),
            Ok(read) => line.part.extend_from_slice(&bytes[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => panic!("{error}"),
        }
    }
}
