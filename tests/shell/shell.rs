//! The shell with real children and real sockets, driven through a toy core.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::common::toy::*;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use zigcheck::config::settings::Listen;
use zigcheck::interface::event::{Command, Exit, Input, Pipe};
use zigcheck::shell::listen::Listener;

/// A directory of this test's own, gone with it.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let path = std::env::temp_dir().join(format!("zigcheck-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Dir(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn fed(program: &[&str], stdin: Vec<Input>) -> Command {
    let argv = program.iter().map(|word| word.to_string()).collect();
    Command { argv, stdin }
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 7 % 251) as u8).collect()
}

// ---- children ----

#[test]
fn output_is_told_before_the_end_of_its_pipe_and_an_exit_code_once() {
    let jobs = ended(vec![sh("echo out; echo err >&2; exit 3")]);
    assert_eq!(jobs[0].stdout, b"out\n");
    assert_eq!(jobs[0].stderr, b"err\n");
    assert_eq!(jobs[0].exit, Some(Exit::Code(3)));
    assert_eq!(jobs[0].eofs.len(), 2);
}

#[test]
fn a_signal_is_told_as_a_signal() {
    let jobs = ended(vec![sh("kill -TERM $$"), sh("kill -KILL $$")]);
    assert_eq!(jobs[0].exit, Some(Exit::Signal(15)));
    assert_eq!(jobs[1].exit, Some(Exit::Signal(9)));
}

#[test]
fn a_grandchild_holds_the_pipe_after_the_exit() {
    let jobs = ended(vec![sh("(sleep 0.5; echo late) & exit 0")]);
    assert_eq!(jobs[0].stdout, b"late\n");
    assert_eq!(jobs[0].order, ["exit", "out", "eof"]);
}

#[test]
fn a_kill_after_the_exit_lets_go_of_the_pipes() {
    let began = Instant::now();
    let mut toy = Toy::with(vec![sh("sleep 30 & exit 0")]);
    toy.kill_after_exit = true;
    run(&mut toy);
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_kill_ends_the_child() {
    let mut toy = Toy::with(vec![sh("echo ready; exec sleep 60")]);
    toy.kill_on_output = true;
    run(&mut toy);
    let job = toy.jobs.values().next().unwrap();
    assert_eq!(job.exit, Some(Exit::Signal(9)));
}

#[test]
fn what_cannot_be_started_says_why() {
    let jobs = ended(vec![
        fed(&["/no/such/program"], vec![]),
        fed(&["/etc/passwd"], vec![]),
        fed(&[], vec![]),
        sh("echo fine"),
    ]);
    let words = |i: usize| match &jobs[i].exit {
        Some(Exit::NotStarted(words)) => words.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        words(0),
        "cannot start \"/no/such/program\": No such file or directory (os error 2)"
    );
    assert!(words(1).contains("Permission denied"));
    assert!(words(2).contains("no program named"));
    assert_eq!(jobs[3].stdout, b"fine\n");
}

#[test]
fn a_failed_start_is_told_without_waiting_for_anything_else() {
    let jobs = ended(vec![fed(&["/no/such/program"], vec![])]);
    assert!(matches!(jobs[0].exit, Some(Exit::NotStarted(_))));
}

#[test]
fn ten_megabytes_go_in_and_come_out() {
    let dir = Dir::new("stdin");
    let file = dir.0.join("middle");
    let bytes = pattern(10 << 20);
    std::fs::write(&file, &bytes[1000..9 << 20]).unwrap();
    let stdin = || {
        vec![
            Input::Bytes(bytes[..1000].to_vec()),
            Input::Bytes(Vec::new()),
            Input::File(file.clone()),
            Input::Bytes(bytes[9 << 20..].to_vec()),
        ]
    };
    let jobs = ended(vec![fed(&["sha256sum"], stdin()), fed(&["cat"], stdin())]);
    let sum = String::from_utf8(jobs[0].stdout.clone()).unwrap();
    assert_eq!(
        sum,
        format!("{}  -\n", HEXLOWER.encode(&Sha256::digest(&bytes)))
    );
    assert!(jobs[1].stdout == bytes);
}

#[test]
fn no_input_ends_at_once() {
    let jobs = ended(vec![fed(&["cat"], vec![])]);
    assert_eq!(jobs[0].exit, Some(Exit::Code(0)));
}

#[test]
fn a_child_may_leave_its_input_unread() {
    let big = || vec![Input::Bytes(pattern(4 << 20))];
    let jobs = ended(vec![
        fed(
            &["sh", "-c", "head -c 10 >/dev/null; echo done; exit 5"],
            big(),
        ),
        fed(
            &["sh", "-c", "exec <&-; echo closed; sleep 0.3; echo more"],
            big(),
        ),
        fed(&["true"], big()),
    ]);
    assert_eq!(jobs[0].stdout, b"done\n");
    assert_eq!(jobs[0].exit, Some(Exit::Code(5)));
    assert_eq!(jobs[1].stdout, b"closed\nmore\n");
    assert_eq!(jobs[2].exit, Some(Exit::Code(0)));
}

#[test]
fn an_input_that_cannot_be_read_ends_early() {
    let dir = Dir::new("unreadable");
    let fifo = dir.0.join("fifo");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let stdin = |path: PathBuf| {
        vec![
            Input::Bytes(b"head".to_vec()),
            Input::File(path),
            Input::Bytes(b"tail".to_vec()),
        ]
    };
    let jobs = ended(vec![
        fed(&["cat"], stdin("/no/such/file".into())),
        fed(&["cat"], stdin(dir.0.clone())),
        fed(&["cat"], stdin(fifo)),
    ]);
    for job in &jobs {
        assert_eq!(job.stdout, b"head");
        assert_eq!(job.exit, Some(Exit::Code(0)));
    }
}

#[test]
fn a_child_starts_clean() {
    let script = "ls -l /proc/self/fd | wc -l; grep -E 'Sig(Blk|Ign)' /proc/self/status; \
                  ps -o pgid= -p $$ | tr -d ' '; echo $$; echo ${LISTEN_PID-none}; \
                  echo ${NOTIFY_SOCKET-none} ${WATCHDOG_USEC-none}";
    let jobs = ended(vec![sh(script)]);
    let text = String::from_utf8(jobs[0].stdout.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    // What was inherited from whoever runs the tests comes through either way.
    let plain = std::process::Command::new("sh")
        .arg("-c")
        .arg(script)
        .output()
        .unwrap();
    let plain = String::from_utf8(plain.stdout).unwrap();
    assert_eq!(lines[..3], plain.lines().collect::<Vec<_>>()[..3]);
    let ignored = u64::from_str_radix(lines[2].split('\t').nth(1).unwrap(), 16).unwrap();
    assert_eq!(ignored & 1 << 12, 0, "SIGPIPE does what it should");
    assert_eq!(lines[1], "SigBlk:\t0000000000000000");
    assert_eq!(lines[3], lines[4], "a process group of its own");
    assert_eq!(lines[5], "none");
    assert_eq!(lines[6], "none none");
}

#[test]
fn the_ends_of_a_child_are_blocking() {
    // A writer that met EAGAIN would fail: half a megabyte to a pipe that is not read at once.
    let jobs = ended(vec![
        sh("head -c 500000 /dev/zero && echo ok >&2"),
        fed(
            &["sh", "-c", "sleep 0.2; cat | wc -c"],
            vec![Input::Bytes(pattern(300_000))],
        ),
    ]);
    assert_eq!(jobs[0].stdout.len(), 500_000);
    assert_eq!(jobs[0].stderr, b"ok\n");
    assert_eq!(jobs[1].stdout, b"300000\n");
}

#[test]
fn more_children_than_there_is_room_for() {
    let mut toy = Toy::with((0..200).map(|_| sh("read x; exit 0")).collect());
    run(&mut toy);
    let not = |job: &&Job| matches!(job.exit, Some(Exit::NotStarted(_)));
    let refused = toy.jobs.values().filter(not).count();
    assert_eq!(toy.jobs.len(), 200);
    assert_eq!(refused, 200 - 128);
}

#[test]
fn single_bytes_do_not_fill_a_turn() {
    // dd writes one byte at a time, as fast as it can.
    let jobs = ended(vec![sh("dd if=/dev/zero bs=1 count=200000 2>/dev/null")]);
    assert_eq!(jobs[0].stdout.len(), 200_000);
}

#[test]
fn nothing_starts_before_it_is_saved() {
    let dir = Dir::new("marker");
    let marker = dir.0.join("marker");
    let mut toy = Toy::with(vec![sh(&format!("cat {}", marker.display()))]);
    toy.marker = Some(marker);
    run(&mut toy);
    let job = toy.jobs.values().next().unwrap();
    assert!(!job.stdout.is_empty());
    assert_eq!(job.exit, Some(Exit::Code(0)));
}

// ---- clients ----

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
    assert!(began.elapsed() < Duration::from_secs(20));
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
            write!(
                socket,
                "GET /big?{} HTTP/1.1\r\nHost: h\r\n\r\n",
                1 + round * 1000
            )
            .unwrap();
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
fn who_asks_and_never_reads_is_not_answered_for_ever() {
    let server = Server::start();
    let mut deaf = server.connect();
    for _ in 0..200 {
        write!(deaf, "GET /big?1000000 HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
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
    write!(late, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
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
        write!(
            socket,
            "POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n",
            bytes.len()
        )
        .unwrap();
        socket.write_all(&bytes).unwrap();
        let want = format!(
            "{} {}",
            bytes.len(),
            HEXLOWER.encode(&Sha256::digest(&bytes))
        );
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
    write!(
        socket,
        "POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n"
    )
    .unwrap();
    socket.write_all(&body).unwrap();
    let server = Server::behind(Toy::serving(true), listener);
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let want = format!("{length} {}", HEXLOWER.encode(&Sha256::digest(&body)));
    assert_eq!(read_answer(&mut socket).1, want);
    server.stop();
}

#[test]
fn a_reset_behind_an_end_is_seen() {
    let server = Server::start();
    let mut leaver = server.connect();
    write!(leaver, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    leaver.shutdown(Shutdown::Write).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(server.get("/gone"), "0", "it may still read");
    rustix::net::sockopt::set_socket_linger(&leaver, Some(Duration::ZERO)).unwrap();
    drop(leaver);
    while server.get("/gone") == "0" {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(server.stop().gone.len(), 1);
}

#[test]
fn an_early_answer_reaches_who_is_still_sending() {
    let server = Server::start();
    for path in ["/early", "/refuse"] {
        let mut socket = server.connect();
        write!(
            socket,
            "POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 900000\r\n\r\n"
        )
        .unwrap();
        for _ in 0..9 {
            socket.write_all(&[b'x'; 60_000]).unwrap();
        }
        let (head, _) = read_answer(&mut socket);
        assert!(head.starts_with("HTTP/1.1 40"), "{head}");
        assert_eq!(socket.read(&mut [0; 9]).unwrap(), 0, "and then the end");
    }
}

#[test]
fn an_upload_cut_off_is_told_as_gone() {
    let server = Server::start();
    let mut socket = server.connect();
    write!(
        socket,
        "POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 900000\r\n\r\nabc"
    )
    .unwrap();
    while server.get("/gone") == "0" {
        socket.shutdown(Shutdown::Both).unwrap_or(());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(server.stop().gone.len(), 1);
}

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
    write!(deaf, "GET /stream?1000000000 HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let pulled: usize = server.get("/pulled").parse().unwrap();
    println!("pulled for a deaf watcher: {pulled} bytes");
    assert!(
        pulled > 0 && pulled < 16 << 20,
        "{pulled}: the kernel's buffers and one cap"
    );
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(
        server.get("/pulled"),
        pulled.to_string(),
        "and then no more"
    );
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
        while server.get("/gone") == before {
            std::thread::sleep(Duration::from_millis(5));
        }
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
        while server.get("/gone") == before {
            std::thread::sleep(Duration::from_millis(2));
        }
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
    write!(
        talker,
        "POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 900000\r\n\r\n"
    )
    .unwrap();
    read_answer(&mut talker);
    assert_eq!(talker.read(&mut [0; 9]).unwrap(), 0);
    while talker.write_all(b"more").is_ok() {
        std::thread::sleep(Duration::from_millis(20));
        assert!(began.elapsed() < Duration::from_secs(8), "it lingers on");
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
fn nobody_is_busy_while_nothing_can_happen() {
    let server = Server::start();
    let ask = |request: &str| {
        let mut socket = server.connect();
        socket.write_all(request.as_bytes()).unwrap();
        socket
    };
    let hold = "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n";
    // Half-closed, waiting for its answer.
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
    let quiet = "sleep 5 & echo; exit";
    server.post("/start", "exec sleep 5");
    server.post("/start", quiet);
    std::thread::sleep(Duration::from_millis(300));
    let turns = || server.get("/turns").parse::<usize>().unwrap();
    let before = turns();
    std::thread::sleep(Duration::from_millis(500));
    let after = turns();
    println!(
        "turns of two requests, half a second apart: {}",
        after - before
    );
    assert!(after - before < 10, "{before} to {after}");
}

// ---- the end ----

#[test]
fn a_signal_stops_it_when_what_is_left_was_sent() {
    let mut server = Server::start();
    let mut socket = server.connect();
    write!(socket, "GET /big?3000000 HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    assert_eq!(server.get("/hello"), "hello");
    server.signal();
    assert_eq!(read_answer(&mut socket).1.len(), 3_000_000);
    let (toy, result) = server.ended();
    result.unwrap();
    assert_eq!(toy.stops, 1);
}

#[test]
fn the_last_answer_goes_out_whole() {
    let server = Server::start();
    assert_eq!(server.get("/stop?500000").len(), 500_000);
    server.ended().1.unwrap();
}

#[test]
fn the_end_does_not_wait_for_ever() {
    let mut server = Server::start();
    let mut deaf = server.connect();
    write!(deaf, "GET /big?30000000 HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    assert_eq!(server.get("/hello"), "hello");
    let began = Instant::now();
    server.signal();
    server.ended().1.unwrap();
    let took = began.elapsed();
    assert!(
        took > Duration::from_secs(2) && took < Duration::from_secs(10),
        "{took:?}"
    );
}

#[test]
fn who_was_let_in_before_the_end_is_answered() {
    let mut server = Server::start();
    let (mut late, mut cut) = (server.connect(), server.connect());
    write!(cut, "GET /hel").unwrap();
    assert_eq!(server.get("/hello"), "hello");
    server.signal();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(get(&mut late, "/hello"), "hello");
    write!(cut, "lo HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    assert_eq!(read_answer(&mut cut).1, "hello");
    server.ended().1.unwrap();
}

#[test]
fn who_was_let_in_and_never_asks_does_not_hold_up_the_end() {
    let mut server = Server::start();
    let _silent = server.connect();
    assert_eq!(server.get("/hello"), "hello");
    let began = Instant::now();
    server.signal();
    server.ended().1.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_drain_waits_for_what_runs_and_answers_meanwhile() {
    let mut server = Server::start();
    server.post("/start", "exec sleep 1");
    let began = Instant::now();
    server.drain();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(server.get("/hello"), "hello");
    let (toy, result) = server.ended();
    result.unwrap();
    assert!(began.elapsed() > Duration::from_millis(700));
    assert_eq!((toy.drains, toy.stops), (1, 0));
}

#[test]
fn children_that_are_left_are_killed_and_nobody_else() {
    let dir = Dir::new("left");
    let file = dir.0.join("pids");
    let server = Server::start();
    let script = format!(
        "sleep 30 & echo $$ $! > {0}.new; mv {0}.new {0}; wait",
        file.display()
    );
    server.post("/start", &script);
    while !file.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let began = Instant::now();
    server.stop();
    assert!(began.elapsed() < Duration::from_secs(2));
    let pids = std::fs::read_to_string(&file).unwrap();
    let pids: Vec<i32> = pids
        .split_whitespace()
        .map(|p| p.parse().unwrap())
        .collect();
    // Reaped, so not even there as a zombie.
    assert!(!PathBuf::from(format!("/proc/{}", pids[0])).exists());
    let grandchild = rustix::process::Pid::from_raw(pids[1]).unwrap();
    rustix::process::kill_process(grandchild, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn what_was_not_saved_is_not_heard() {
    let server = Server::start();
    let mut held = server.connect();
    write!(held, "GET /drip?1000000 HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    read_head(&mut held);
    // A stream that would go on for as long as it is pulled.
    let mut stream = server.connect();
    write!(
        stream,
        "GET /stream?100000000000 HTTP/1.1\r\nHost: h\r\n\r\n"
    )
    .unwrap();
    let reader = std::thread::spawn(move || std::io::copy(&mut stream, &mut std::io::sink()));
    let mut socket = server.connect();
    write!(socket, "GET /poison HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    let (head, body) = read_answer(&mut socket);
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert_eq!(body, "{\"error\":\"the database cannot be written\"}\n");
    let (_, result) = server.ended();
    assert_eq!(result.unwrap_err(), "the disk is full");
    let _ = reader.join().unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert!(!PathBuf::from("/tmp/zigcheck-must-not-exist").exists());
}

// ---- where it listens ----

#[test]
fn a_unix_socket_replaces_a_dead_one_only() {
    let dir = Dir::new("unix");
    let path = dir.0.join("socket");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "a dead socket file");
    let listen = Listen::Unix(path.clone());
    let server = Server::at(Toy::default(), &listen);
    let why = Listener::open(&listen).err().unwrap();
    assert!(why.ends_with("another server is listening there"), "{why}");
    let mut socket = UnixStream::connect(&path).unwrap();
    assert_eq!(get(&mut socket, "/hello"), "hello");
    server.stop();

    let file = dir.0.join("file");
    std::fs::write(&file, "precious").unwrap();
    let why = Listener::open(&Listen::Unix(file.clone())).err().unwrap();
    assert!(why.ends_with("there is a file of that name"), "{why}");
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    let why = Listener::open(&Listen::Unix(dir.0.join("no/dir")))
        .err()
        .unwrap();
    assert!(why.contains("No such file or directory"), "{why}");
}

#[test]
fn an_address_in_use_is_one_line() {
    let server = Server::start();
    let taken = Listen::Tcp(server.name.parse().unwrap());
    let why = Listener::open(&taken).err().unwrap();
    assert_eq!(
        why,
        format!(
            "cannot listen on {}: Address already in use (os error 98)",
            server.name
        )
    );
}

#[test]
fn both_pipes_are_told_apart() {
    let jobs = ended(vec![sh("exec 2>&-; sleep 0.1; echo x")]);
    assert_eq!(jobs[0].eofs[0], Pipe::Stderr);
}
