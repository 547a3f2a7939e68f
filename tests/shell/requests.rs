//! Requests over real sockets.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::common::pack::sha256;
use zigcheck::config::settings::Listen;
use zigcheck::shell::listen::Listener;

use crate::common::server::PATIENCE;
use crate::common::toy::Toy;
use crate::common::toy_server::{Server, ask, begin_post, get, read_answer, wait_until};
use crate::dir::{Dir, pattern};

#[test]
fn a_flood_leaves_the_others_alone() {
    let server = Server::with(Toy::serving(false));
    server.post("/start", "exec yes");
    server.post("/start", "exec cat /dev/zero >&2");
    let mut socket = server.connect();
    let began = Instant::now();
    let mut worst = Duration::ZERO;
    for _ in 0..500 {
        let sent = Instant::now();
        assert_eq!(get(&mut socket, "/hello"), "hello");
        worst = worst.max(sent.elapsed());
    }
    println!(
        "500 pings next to two floods: {:?}, worst {worst:?}",
        began.elapsed()
    );
    assert!(began.elapsed() < PATIENCE);
    let toy = server.stop();
    let flood: usize = toy.jobs.values().map(|job| job.stdout_bytes).sum();
    println!("{} MiB of flood", flood >> 20);
    assert!(
        toy.jobs.values().all(|job| job.stdout_bytes > 1 << 20),
        "both floods were read"
    );
}

#[test]
fn a_request_starts_a_child_and_its_end_is_the_answer() {
    let server = Server::start();
    assert_eq!(
        server.post("/run", "echo hi; exit 7"),
        "Some(Code(7))\nhi\n"
    );
}

#[test]
fn two_hundred_connections_stay_open() {
    let server = Server::start();
    let mut sockets: Vec<_> = (0..200).map(|_| server.connect()).collect();
    for round in 0..5 {
        for socket in &mut sockets {
            ask(socket, &format!("/big?{}", 1 + round * 1000));
        }
        for socket in &mut sockets {
            assert_eq!(read_answer(socket).1.len(), 1 + round * 1000);
        }
    }
    let toy = server.stop();
    println!("1000 requests of 200 connections in {} turns", toy.turns);
    assert!(toy.gone.is_empty());
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start();
    let mut socket = server.connect();
    let mut all = String::new();
    for i in 0..300 {
        all += &format!("GET /big?{i} HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    socket.write_all(all.as_bytes()).unwrap();
    for i in 0..300 {
        assert_eq!(read_answer(&mut socket).1.len(), i);
    }
}

#[test]
fn a_client_that_never_reads_is_answered_up_to_a_limit() {
    let server = Server::start();
    let mut deaf = server.connect();
    for _ in 0..200 {
        ask(&mut deaf, "/big?1000000");
    }
    assert_eq!(server.get("/hello"), "hello");
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(server.get("/hello"), "hello");
    // And the answers are still there for one who begins to read.
    for _ in 0..200 {
        assert_eq!(read_answer(&mut deaf).1.len(), 1_000_000);
    }
}

#[test]
fn a_slow_client_is_understood() {
    let server = Server::start();
    let mut socket = server.connect();
    for _ in 0..2 {
        for byte in b"POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello" {
            socket.write_all(&[*byte]).unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(read_answer(&mut socket).1, "5");
    }
}

#[test]
fn a_client_that_sends_no_more_still_gets_its_answers() {
    let server = Server::start();
    let mut socket = server.connect();
    let two = "GET /big?3 HTTP/1.1\r\nHost: h\r\n\r\nGET /big?300000 HTTP/1.1\r\nHost: h\r\n\r\n";
    socket.write_all(two.as_bytes()).unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_answer(&mut socket).1.len(), 3);
    assert_eq!(read_answer(&mut socket).1.len(), 300_000);
    assert_eq!(socket.read(&mut [0; 9]).unwrap(), 0, "then it is closed");
    let mut late = server.connect();
    ask(&mut late, "/hold");
    late.shutdown(Shutdown::Write).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    server.get("/release");
    assert_eq!(read_answer(&mut late).1, "released");
}

#[test]
fn a_spooled_body_comes_in_pieces() {
    let server = Server::start();
    let mut socket = server.connect();
    let bytes = pattern(10 << 20);
    for _ in 0..2 {
        begin_post(&mut socket, "/upload", bytes.len(), "");
        socket.write_all(&bytes).unwrap();
        let want = format!("{} {}", bytes.len(), sha256(&bytes));
        assert_eq!(read_answer(&mut socket).1, want);
    }
    assert_eq!(get(&mut socket, "/hello"), "hello");
}

#[test]
fn what_lies_there_already_is_read_to_the_end() {
    let dir = Dir::new("early");
    let path = dir.0.join("socket");
    let listener = Listener::open(&Listen::Unix(path.clone())).unwrap();
    // All of it is there before anyone looks, and no edge comes behind it.
    let mut socket = UnixStream::connect(&path).unwrap();
    let body = pattern(150_000);
    let length = body.len();
    begin_post(&mut socket, "/upload", length, "");
    socket.write_all(&body).unwrap();
    let server = Server::behind(Toy::serving(true), listener);
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let want = format!("{length} {}", sha256(&body));
    assert_eq!(read_answer(&mut socket).1, want);
    server.stop();
}

#[test]
fn a_reset_behind_an_end_is_seen() {
    let server = Server::start();
    let mut leaver = server.connect();
    ask(&mut leaver, "/hold");
    leaver.shutdown(Shutdown::Write).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(server.get("/gone"), "0", "it may still read");
    rustix::net::sockopt::set_socket_linger(&leaver, Some(Duration::ZERO)).unwrap();
    drop(leaver);
    wait_until("the reset is seen", || server.get("/gone") != "0");
    assert_eq!(server.stop().gone.len(), 1);
}

/// All bytes are sent before the first is read: the answer, and then the end of the connection, which is no reset.
fn write_then_read(server: &Server, head: &str, body: usize) -> String {
    let mut socket = server.connect();
    socket.write_all(head.as_bytes()).unwrap();
    let mut left = body;
    while left > 0 {
        let count = left.min(1 << 20);
        socket.write_all(&vec![b'x'; count]).unwrap();
        left -= count;
    }
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn an_answer_before_the_body_reaches_a_client_that_writes_first() {
    let server = Server::start();
    for (status, line, upload) in [
        (400, "POST /early HTTP/1.1", 30 << 20),
        (400, "POST /upload HTTP/1.1\r\nHost: h", 70 << 20),
        (403, "POST /refuse HTTP/1.1", 70 << 20),
        (413, "POST /post HTTP/1.1", 70 << 20),
        (413, "POST /upload HTTP/1.0", 70 << 20),
        (505, "POST /upload HTTP/2.0", 70 << 20),
    ] {
        let head = format!("{line}\r\nHost: h\r\nContent-Length: {upload}\r\n\r\n");
        let answer = write_then_read(&server, &head, upload);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    assert_eq!(server.get("/hello"), "hello");
}

/// What follows a last request is no request, and resets nothing.
#[test]
fn bytes_behind_a_last_request_draw_no_reset() {
    let server = Server::start();
    for head in [
        "GET /big?9000 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "GET /big?9000 HTTP/1.0\r\n\r\n",
        "GET /stream?9000 HTTP/1.0\r\n\r\n",
        "GET /stream?9000 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "BAD\r\n\r\n",
    ] {
        for behind in [0, 1, 2 << 20] {
            let answer = write_then_read(&server, head, behind);
            assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
            let all = head.starts_with("BAD") || answer.matches(['x', '.']).count() >= 9_000;
            assert!(all, "{} bytes", answer.len());
        }
        // Behind the answer, too.
        let mut socket = server.connect();
        socket.write_all(head.as_bytes()).unwrap();
        let mut first = [0; 9];
        socket.read_exact(&mut first).unwrap();
        for _ in 0..20 {
            socket.write_all(&[b'x'; 1_000]).unwrap();
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut rest = String::new();
        socket.read_to_string(&mut rest).unwrap();
        assert!(!rest.is_empty());
    }
}

#[test]
fn an_interrupted_upload_is_aborted() {
    let server = Server::start();
    let mut socket = server.connect();
    begin_post(&mut socket, "/upload", 900000, "abc");
    while server.get("/gone") == "0" {
        socket.shutdown(Shutdown::Both).unwrap_or(());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(server.stop().gone.len(), 1);
}
