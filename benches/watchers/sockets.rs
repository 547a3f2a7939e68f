//! Ten thousand WebSockets on one thread: their memory, and the delay of an event.

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
/// The unit of times in `/proc/PID/stat`.
const TICKS_PER_SECOND: f64 = 100.0;

pub fn idle_and_notified() {
    // Both processes need some more descriptors than the watchers.
    let open_files = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let count = WATCHERS.min(open_files.saturating_sub(500) as usize);
    let (server, _dir) = start("bench-sockets", &[]);
    measure_event(&server, &mut Sockets::open(&server, 1)); // warm-up
    let before = resident_kib(&server);
    let begun = Instant::now();
    let mut sockets = Sockets::open(&server, count);
    let opening = begun.elapsed().as_secs_f64();
    let grown = resident_kib(&server) - before;
    println!("{count} WebSockets on /ws, opened one by one in {opening:.1} s:");
    println!(
        "  server {before} KiB before, {} KiB after: {:.2} KiB each",
        before + grown,
        grown as f64 / count as f64
    );
    let cpu = cpu_seconds(&server);
    sockets.idle(IDLE);
    let cpu = cpu_seconds(&server) - cpu;
    let idle = IDLE.as_secs();
    println!("  idle for {idle} s, a ping for each in it: {cpu:.2} s of processor time");
    let latencies: Vec<Latency> = (0..BUILDS)
        .map(|_| measure_event(&server, &mut sockets))
        .collect();
    let show = |name: &str, of: fn(&Latency) -> f64| {
        let mut times: Vec<f64> = latencies.iter().map(of).collect();
        times.sort_by(f64::total_cmp);
        let (p50, worst) = (at(&times, 50), at(&times, 100));
        println!("  {name:<44} p50 {p50:6.1} ms, worst {worst:6.1} ms");
    };
    println!("  {BUILDS} uploads, from the last byte sent to the first event of the build");
    show("  at the first watcher", |latency| latency.first_ms);
    show("  at the last watcher", |latency| latency.last_ms);
    let after = resident_kib(&server);
    println!("  server {after} KiB after the uploads");
}

/// Seconds of processor time that the server has taken.
fn cpu_seconds(server: &Server) -> f64 {
    let path = format!("/proc/{}/stat", server.child.id());
    let text = std::fs::read_to_string(path).expect("it runs");
    // After the name, which may contain spaces, utime is the 12th field and stime the 13th.
    let (_, fields) = text.rsplit_once(')').expect("a name");
    let fields = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = fields
        .map(|field| field.parse::<u64>().expect("a number"))
        .sum();
    ticks as f64 / TICKS_PER_SECOND
}

struct Latency {
    first_ms: f64,
    last_ms: f64,
}

/// Uploads a tree; reads until every watcher has got the first event of its build, and then the last.
fn measure_event(server: &Server, sockets: &mut Sockets) -> Latency {
    // Refreshes the state of the engine, so that the upload does not wait for it.
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
    sockets.idle(Duration::from_millis(50)); // the server has read the rest by then
    sockets.texts.fill(0);
    sockets.ends = 0;
    let sent = Instant::now();
    upload.send(last);
    let (mut first, mut unreached) = (None, sockets.connections.len());
    while unreached > 0 {
        unreached -= sockets.step(Duration::from_secs(60));
        first = first.or_else(|| (unreached < sockets.connections.len()).then(|| sent.elapsed()));
    }
    let last = sent.elapsed();
    while sockets.ends < sockets.connections.len() {
        sockets.step(Duration::from_secs(60));
    }
    assert_eq!(upload.answer().0.status, 202);
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    Latency {
        first_ms: ms(first.expect("an event")),
        last_ms: ms(last),
    }
}

struct Connection {
    stream: TcpStream,
    /// The part of a frame that has arrived.
    part: Vec<u8>,
}

/// Watchers of all events.
struct Sockets {
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    /// Number of messages of each.
    texts: Vec<u32>,
    /// Number of watchers that got the end of the build.
    ends: usize,
}

impl Sockets {
    fn open(server: &Server, count: usize) -> Sockets {
        let poll = Poll::new().expect("a poll");
        let to = address(server);
        let connections = (0..count).map(|nth| {
            let stream = connect(to, loopback(nth), None).expect("it listens");
            let stream = Wire::over(stream).upgraded("/ws").stream;
            stream.set_nonblocking(true).expect("a socket");
            let fd = stream.as_raw_fd();
            let registry = poll.registry();
            let done = registry.register(&mut SourceFd(&fd), Token(nth), Interest::READABLE);
            done.expect("a socket");
            let part = Vec::new();
            Connection { stream, part }
        });
        let connections = connections.collect();
        Sockets {
            poll,
            events: Events::with_capacity(4_096),
            connections,
            texts: vec![0; count],
            ends: 0,
        }
    }

    /// Answers pings for this time.
    fn idle(&mut self, time: Duration) {
        let begun = Instant::now();
        while let Some(left) = time.checked_sub(begun.elapsed()) {
            self.step(left);
        }
    }

    /// Reads what has arrived; returns how many watchers got their first message.
    fn step(&mut self, timeout: Duration) -> usize {
        let polled = self.poll.poll(&mut self.events, Some(timeout));
        polled.expect("a poll");
        let mut newly = 0;
        for event in &self.events {
            let nth = event.token().0;
            let connection = &mut self.connections[nth];
            read_all(connection);
            let mut taken = 0;
            while let Some((kind, payload, length)) = frame(&connection.part[taken..]) {
                match kind {
                    PING => connection
                        .stream
                        .write_all(&pong(payload))
                        .expect("space for a pong"),
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
            connection.part.drain(..taken);
        }
        newly
    }
}

fn read_all(connection: &mut Connection) {
    let mut bytes = [0; 4 << 10];
    loop {
        match connection.stream.read(&mut bytes) {
            Ok(0) => panic!("the server hung up"),
            Ok(read) => connection.part.extend_from_slice(&bytes[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => panic!("{error}"),
        }
    }
}
