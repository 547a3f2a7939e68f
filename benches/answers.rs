//! Requests that the server answers in a second, beside nginx that sends the same bytes from files.
//!
//! Prints rates and ratios, and asserts nothing about them. nginx has one worker, as the server has one thread, and files
//! that are compressed already where the client takes gzip. `cargo bench --bench answers -- gzip` measures those alone.

#[path = "../tests/common/mod.rs"]
mod common;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use serde_json::json;

use common::server::{Server, scratch};
use common::standin::start;
use common::wire::{Wire, address, connect};

const CONNECTIONS: usize = 32;
/// Turns of server and nginx, one after the other; the median counts.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);

const JSON: &str = "Accept: */*";
const HTML: &str = "Accept: text/html";
const GZIP: &str = "Accept: text/html\r\nAccept-Encoding: gzip";

/// Targets and what is asked for.
const READS: [(&str, &str); 8] = [
    ("/api/health", JSON),
    ("/api/builds/1", JSON),
    ("/api/packages/known", JSON),
    ("/api/packages", JSON),
    ("/", HTML),
    ("/packages/known", HTML),
    ("/", GZIP),
    ("/packages/known", GZIP),
];

fn main() {
    // `cargo bench` passes --bench; `cargo test` must not run this.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let only_gzip = std::env::args().any(|arg| arg == "gzip");
    let (server, _dir) = start("bench-answers", &[]);
    for package in ["known", "other", "third"] {
        let known = json!({"url": format!("https://github.com/somebody/{package}")});
        let answer = server.post_json("/api/packages", &known);
        // Its source cannot be fetched, and after that nothing about it changes.
        server.finished(answer.json()["check"].as_i64().expect("a check"));
    }
    let dir = scratch("bench-answers-nginx");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a directory");
    for (nth, (target, accept)) in READS.iter().enumerate() {
        // nginx sends the compressed file where there is one.
        std::fs::write(dir.join(format!("{nth}")), "").expect("a file");
        std::fs::write(dir.join(file(nth)), body_of(&server, target, accept)).expect("a file");
    }
    let nginx = Nginx::start(&dir);
    println!(
        "{CONNECTIONS} connections, requests a second: the server, nginx, ratio; bytes of a body"
    );
    for (nth, (target, accept)) in READS.iter().enumerate() {
        if only_gzip && *accept != GZIP {
            continue;
        }
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(rate(address(&server), target, accept));
            theirs.push(rate(nginx.address, &format!("/{nth}"), accept));
        }
        let [ours, theirs] = [ours, theirs].map(median);
        let bytes = std::fs::metadata(dir.join(file(nth)))
            .expect("a file")
            .len();
        let gzip = if *accept == GZIP { "gzip" } else { "" };
        println!(
            "  {target:<20} {gzip:<4} {ours:>8.0} {theirs:>8.0} {:>6.2} {bytes:>7}",
            ours / theirs
        );
    }
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// The name of the file with the bytes of that answer.
fn file(nth: usize) -> String {
    let is_gzip = READS[nth].1 == GZIP;
    format!("{nth}{}", if is_gzip { ".gz" } else { "" })
}

fn request(target: &str, accept: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: bench\r\n{accept}\r\n\r\n").into_bytes()
}

fn body_of(server: &Server, target: &str, accept: &str) -> Vec<u8> {
    let mut wire = Wire::open(server);
    wire.send(&request(target, accept));
    let (head, body) = wire.answer();
    assert_eq!(head.status, 200, "{target}");
    body
}

struct Nginx {
    address: SocketAddr,
    child: Child,
}

impl Nginx {
    /// nginx that sends the files of this directory.
    fn start(dir: &Path) -> Nginx {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let config = format!(
            "daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log error.log;\n\
             events {{ worker_connections 512; }}\n\
             http {{ access_log off; keepalive_requests 1000000000; open_file_cache max=100;\n\
             client_body_temp_path a; proxy_temp_path b; fastcgi_temp_path c; uwsgi_temp_path d;\n\
             scgi_temp_path e; gzip_static on; server {{ listen {address}; root .; }} }}\n"
        );
        std::fs::write(dir.join("nginx.conf"), config).expect("a file");
        let mut command = Command::new("nginx");
        command.arg("-p").arg(dir).args(["-c", "nginx.conf"]);
        command.stderr(Stdio::null());
        let child = command
            .spawn()
            .expect("nginx, which `make setup-tests` installs");
        while TcpStream::connect(address).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        Nginx { address, child }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Answers a second, with one request at a time on each connection.
fn rate(to: SocketAddr, target: &str, accept: &str) -> f64 {
    let request = request(target, accept);
    let mut poll = Poll::new().expect("a poll");
    let mut streams: Vec<Client> = (0..CONNECTIONS)
        .map(|nth| {
            let stream = connect(to, Ipv4Addr::LOCALHOST, None).expect("it listens");
            stream.set_nodelay(true).expect("a socket");
            stream.set_nonblocking(true).expect("a socket");
            let mut source = SourceFd(&stream.as_raw_fd());
            let done = poll
                .registry()
                .register(&mut source, Token(nth), Interest::READABLE);
            done.expect("a socket");
            Client {
                stream,
                seen: Vec::new(),
            }
        })
        .collect();
    let mut events = Events::with_capacity(64);
    let (begun, mut answers) = (Instant::now(), 0);
    for client in &mut streams {
        client
            .stream
            .write_all(&request)
            .expect("space for a request");
    }
    while begun.elapsed() < ROUND {
        poll.poll(&mut events, Some(Duration::from_secs(1)))
            .expect("a poll");
        assert!(!events.is_empty(), "no answer comes");
        for event in &events {
            let client = &mut streams[event.token().0];
            if client.has_answer() {
                answers += 1;
                client
                    .stream
                    .write_all(&request)
                    .expect("space for a request");
            }
        }
    }
    answers as f64 / begun.elapsed().as_secs_f64()
}

struct Client {
    stream: TcpStream,
    /// What has come of the answer at hand.
    seen: Vec<u8>,
}

impl Client {
    /// Reads what is there; true at the end of an answer.
    fn has_answer(&mut self) -> bool {
        let mut bytes = [0; 64 << 10];
        while let Ok(read) = self.stream.read(&mut bytes) {
            assert!(read > 0, "the connection ended");
            self.seen.extend_from_slice(&bytes[..read]);
        }
        let Some(head) = self.seen.windows(4).position(|four| four == b"\r\n\r\n") else {
            return false;
        };
        let text = String::from_utf8_lossy(&self.seen[..head]).to_ascii_lowercase();
        assert!(text.starts_with("http/1.1 200"), "{text}");
        let (_, length) = text.split_once("content-length: ").expect("a length");
        let length: usize = length
            .lines()
            .next()
            .unwrap_or("")
            .parse()
            .expect("a number");
        let is_whole = self.seen.len() == head + 4 + length;
        if is_whole {
            self.seen.clear();
        }
        is_whole
    }
}
