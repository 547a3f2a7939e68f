//! Two thousand live pages of one build, as browsers have them: their memory, and the time until the last one shows a change.

use std::fs::write;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::common::server::Server;
use crate::common::standin::{check, start};
use crate::common::wire::{address, connect};
use crate::{loopback, resident_kib};

const PAGES: usize = 2_000;
/// Long after the last one: nothing comes any more.
const SILENCE: Duration = Duration::from_millis(500);

pub fn live_pages() {
    for encoding in ["identity", "gzip"] {
        let (server, dir) = start(&format!("bench-pages-{encoding}"), &[]);
        let check = check(&server, "stepwise");
        let path = format!("/api/checks/{check}");
        let started = server.wait_for(&path, |check| check["builds"][0]["state"] == "building");
        let build = &started["builds"][0]["id"];
        // A warm-up: what is made once is not counted.
        drop(Pages::open(
            &server,
            &format!("/builds/{build}"),
            encoding,
            10,
        ));
        let before = resident_kib(&server);
        let begun = Instant::now();
        let mut pages = Pages::open(&server, &format!("/builds/{build}"), encoding, PAGES);
        let opening = begun.elapsed().as_secs_f64();
        let after = resident_kib(&server);
        println!(
            "{PAGES} live pages of one build, {encoding}, opened one by one in {opening:.1} s:"
        );
        let each = after.saturating_sub(before) as f64 / PAGES as f64;
        println!("  server {before} KiB before, {after} KiB after: {each:.2} KiB each");
        let bytes = pages.bytes;
        let begun = Instant::now();
        write(dir.join("state.go"), "").expect("a file");
        let [first, last] = pages.until_all_end(begun);
        println!(
            "  the build ends: the first page shows it after {first:.0} ms, the last one has ended after {last:.0} ms"
        );
        let sent = (pages.bytes - bytes) as f64 / PAGES as f64;
        println!(
            "  {sent:.0} bytes for each; server {} KiB after it",
            resident_kib(&server)
        );
    }
}

struct Page {
    stream: TcpStream,
    /// The last bytes that came.
    tail: Vec<u8>,
    has_ended: bool,
}

struct Pages {
    poll: Poll,
    events: Events,
    pages: Vec<Page>,
    /// What all have read.
    bytes: usize,
}

impl Pages {
    /// Opens them, and reads until each has shown the present state.
    fn open(server: &Server, target: &str, encoding: &str, count: usize) -> Pages {
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: bench\r\nAccept: text/html\r\nUser-Agent: Mozilla/5.0 Firefox/128.0\r\n\
             Accept-Encoding: {encoding}\r\n\r\n"
        );
        let poll = Poll::new().expect("a poll");
        let to = address(server);
        let pages = (0..count).map(|nth| {
            let mut stream = connect(to, loopback(nth), None).expect("it listens");
            stream
                .write_all(request.as_bytes())
                .expect("space for a request");
            stream.set_nonblocking(true).expect("a socket");
            let fd = stream.as_raw_fd();
            let registry = poll.registry();
            let done = registry.register(&mut SourceFd(&fd), Token(nth), Interest::READABLE);
            done.expect("a socket");
            Page {
                stream,
                tail: Vec::new(),
                has_ended: false,
            }
        });
        let pages = pages.collect();
        let mut all = Pages {
            poll,
            events: Events::with_capacity(4_096),
            pages,
            bytes: 0,
        };
        while all.step(SILENCE) > 0 {}
        let is_live = |page: &Page| !page.tail.is_empty() && !page.has_ended;
        assert!(all.pages.iter().all(is_live), "a page is not live");
        all
    }

    /// Milliseconds until the first page has got anything, and until the last one has ended.
    fn until_all_end(&mut self, begun: Instant) -> [f64; 2] {
        let ms = || begun.elapsed().as_secs_f64() * 1_000.0;
        let mut first = None;
        while !self.pages.iter().all(|page| page.has_ended) {
            assert!(self.step(Duration::from_secs(60)) > 0, "the pages stopped");
            first = first.or_else(|| Some(ms()));
        }
        [first.expect("a change"), ms()]
    }

    /// Reads what has come; returns how many pages got something.
    fn step(&mut self, timeout: Duration) -> usize {
        let polled = self.poll.poll(&mut self.events, Some(timeout));
        polled.expect("a poll");
        let mut count = 0;
        for event in &self.events {
            let page = &mut self.pages[event.token().0];
            let read = page.read();
            self.bytes += read;
            count += usize::from(read > 0);
        }
        count
    }
}

impl Page {
    /// Reads what is there; returns how much that was.
    fn read(&mut self) -> usize {
        let (mut bytes, mut count) = ([0; 16 << 10], 0);
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => panic!("the server hung up"),
                Ok(read) => {
                    count += read;
                    self.tail.extend_from_slice(&bytes[..read]);
                    let old = self.tail.len().saturating_sub(7);
                    self.tail.drain(..old);
                    // The last chunk.
                    self.has_ended |= self.tail == b"\r\n0\r\n\r\n";
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return count,
                Err(error) => panic!("{error}"),
            }
        }
    }
}
