//! Streams, limits of time, and a loop that sleeps.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use crate::common::server::PATIENCE;
use crate::common::toy_server::*;

#[test]
fn a_stream_comes_whole_and_the_connection_goes_on() {
    let server = Server::start();
    let mut socket = server.connect();
    for path in ["/stream?3000000", "/drip?20"] {
        write!(socket, "GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        let head = read_head(&mut socket);
        assert!(head.contains("Transfer-Encoding: chunked"), "{head}");
        let length: usize = path.split('?').nth(1).unwrap().parse().unwrap();
        assert_eq!(read_chunks(&mut socket).len(), length);
    }
    write!(socket, "HEAD /stream?10 HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    read_head(&mut socket);
    assert_eq!(get(&mut socket, "/hello"), "hello");
    assert!(server.stop().open.is_empty());
}

fn read_chunks(socket: &mut impl Read) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).unwrap();
            line.push(byte[0]);
        }
        let size = std::str::from_utf8(&line).unwrap().trim();
        let mut chunk = vec![0; usize::from_str_radix(size, 16).unwrap() + 2];
        socket.read_exact(&mut chunk).unwrap();
        if chunk.len() == 2 {
            return body;
        }
        body.extend(&chunk[..chunk.len() - 2]);
    }
}

#[test]
fn a_watcher_that_never_reads_costs_its_buffer_only() {
    let server = Server::start();
    let mut deaf = server.connect();
    ask(&mut deaf, "/stream?1000000000");
    let pulled = || server.get("/pulled").parse::<usize>().unwrap();
    // The kernel's buffers and one of ours fill, and then nothing more is pulled.
    wait_until("the stream rests", || {
        let before = pulled();
        assert!(before < 16 << 20, "{before} bytes");
        std::thread::sleep(Duration::from_millis(200));
        before > 0 && pulled() == before
    });
}

#[test]
fn a_client_gone_in_mid_stream_is_told_once() {
    let server = Server::start();
    for path in ["/stream?1000000000", "/drip?1000000"] {
        let before = server.get("/gone");
        let mut socket = server.connect();
        write!(socket, "GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        read_head(&mut socket);
        drop(socket);
        wait_until("the client is gone", || server.get("/gone") != before);
    }
    assert_eq!(server.stop().gone.len(), 2);
}

#[test]
fn an_answer_for_one_who_left_goes_to_nobody() {
    let server = Server::start();
    for _ in 0..20 {
        let mut leaver = server.connect();
        write!(leaver, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\nGET ").unwrap();
        let before = server.get("/gone");
        // Closed with an answer unread, it resets: so it is known to be gone at once.
        let reset = rustix::net::sockopt::set_socket_linger(&leaver, Some(Duration::ZERO));
        reset.unwrap();
        drop(leaver);
        wait_until("the client is gone", || server.get("/gone") != before);
        // Its slot has a new tenant now, with the same index.
        let mut tenant = server.connect();
        assert_eq!(get(&mut tenant, "/hello"), "hello");
        assert_eq!(server.get("/release"), "ok");
        assert_eq!(get(&mut tenant, "/big?2"), "xx");
    }
    assert_eq!(server.stop().gone.len(), 20);
}

#[test]
fn time_limits_end_what_nobody_else_ends() {
    let server = Server::start();
    // Ten seconds for a head.
    let mut slow = server.connect();
    write!(slow, "GET /hel").unwrap();
    // Two seconds to hang up, for one who keeps talking.
    let began = Instant::now();
    let mut talker = server.connect();
    begin_post(&mut talker, "/early", 900000, "");
    read_answer(&mut talker);
    assert_eq!(talker.read(&mut [0; 9]).unwrap(), 0);
    while talker.write_all(b"more").is_ok() {
        std::thread::sleep(Duration::from_millis(20));
        assert!(began.elapsed() < PATIENCE, "it lingers on");
    }
    assert!(
        began.elapsed() > Duration::from_millis(1_500),
        "{:?}",
        began.elapsed()
    );
    let (head, _) = read_answer(&mut slow);
    assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
    assert!(began.elapsed() > Duration::from_secs(9));
}

#[test]
fn the_loop_sleeps_while_nothing_can_happen() {
    let server = Server::start();
    let ask = |request: &str| {
        let mut socket = server.connect();
        socket.write_all(request.as_bytes()).unwrap();
        socket
    };
    let hold = "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n";
    let half = ask(hold);
    half.shutdown(Shutdown::Write).unwrap();
    // More behind the request than there is room for.
    let mut eager = ask(hold);
    eager.set_nonblocking(true).unwrap();
    while eager.write(&[b'x'; 10_000]).is_ok() {}
    // Half a head; half a body; a stream that is not read; one with nothing to say.
    let _parts = [
        ask("GET /hel"),
        ask("POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx"),
        ask("POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx"),
        ask("GET /stream?1000000000 HTTP/1.1\r\nHost: h\r\n\r\n"),
        ask("GET /big?100000000 HTTP/1.1\r\nHost: h\r\n\r\n"),
        ask("GET /drip?0 HTTP/1.1\r\nHost: h\r\n\r\n"),
    ];
    // A child that says nothing, and one whose grandchild holds its pipes.
    let quiet = "sleep 60 & echo; exit";
    server.post("/start", "exec sleep 60");
    server.post("/start", quiet);
    let turns = || server.get("/turns").parse::<usize>().unwrap();
    wait_until("half a second is quiet", || {
        let before = turns();
        std::thread::sleep(Duration::from_millis(500));
        turns() - before < 10
    });
}
