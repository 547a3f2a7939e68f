//! The shell at the limits of its process: descriptors, signals, what it inherits. One test at
//! a time, as these are counted for the whole process.

#[path = "common/mod.rs"]
mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::common::server::PATIENCE;
use crate::common::toy::Toy;
use crate::common::toy_server::*;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

use zigcheck::config::limits::DEFAULT_MAX_BUILDS;
use zigcheck::shell::listen::Listener;
use zigcheck::shell::processes::reserved_files;
use zigcheck::shell::signal::SignalPipes;

static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn allow_fds(count: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = Some(count);
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
}

#[test]
fn a_thousand_children_leave_nothing_open() {
    let _alone = alone();
    let began = Instant::now();
    let mut toy = Toy::with((0..1000).map(|i| sh(&format!("exit {}", i % 50))).collect());
    toy.at_once = 1;
    toy.fd_counts = Some(Vec::new());
    run(&mut toy);
    let counts = toy.fd_counts.take().unwrap();
    println!(
        "1000 children in {:?}, {} turns",
        began.elapsed(),
        toy.turns
    );
    println!(
        "descriptors at the first exit {}, at the last {}",
        counts[0], counts[999]
    );
    // The pipes of one child may or may not be closed when its exit is told.
    assert!(counts[999] <= counts[0] + 2);
    for (i, job) in toy.jobs.values().enumerate() {
        assert_eq!(
            job.exit,
            Some(zigcheck::interface::event::Exit::Code(i as i32 % 50))
        );
    }
}

#[test]
fn what_grandchildren_hold_can_be_let_go() {
    let _alone = alone();
    let mut toy = Toy::with((0..30).map(|_| sh("sleep 30 & exit 0")).collect());
    toy.at_once = 1;
    toy.kill_after_exit = true;
    toy.fd_counts = Some(Vec::new());
    run(&mut toy);
    let counts = toy.fd_counts.take().unwrap();
    assert!(counts[29] <= counts[0] + 3, "{counts:?}");
}

#[test]
fn a_full_house_lets_others_in_as_some_leave() {
    let _alone = alone();
    // What is left for connections, behind what is reserved; both ends of all are in this process.
    let house = 380;
    allow_fds((reserved_files(DEFAULT_MAX_BUILDS) + house) as u64);
    let server = Server::start();
    let mut sockets: Vec<TcpStream> = (0..house + 88).map(|_| server.connect()).collect();
    for socket in &mut sockets {
        socket
            .write_all(b"GET /hello HTTP/1.1\r\nHost: h\r\n\r\n")
            .unwrap();
    }
    for socket in &mut sockets[..house] {
        assert_eq!(read_answer(socket).1, "hello");
    }
    let mut waiting = sockets.split_off(house);
    waiting[0]
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    assert!(waiting[0].read(&mut [0]).is_err(), "no room yet");
    waiting[0].set_read_timeout(Some(PATIENCE)).unwrap();
    sockets.truncate(house - 100);
    for socket in &mut waiting {
        assert_eq!(read_answer(socket).1, "hello");
    }
    let toy = server.stop();
    assert!(
        toy.turns < 2_000,
        "{} turns: it was busy with nothing",
        toy.turns
    );
}

#[test]
fn without_descriptors_it_waits_and_goes_on() {
    let _alone = alone();
    allow_fds(1024);
    let listener = Listener::open(&any_port()).unwrap();
    let mut clients: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut socket = TcpStream::connect(listener.name.as_str()).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket
                .write_all(b"GET /hello HTTP/1.1\r\nHost: h\r\n\r\n")
                .unwrap();
            socket
        })
        .collect();
    let (pipes, mut ends) = signal_pipes();
    // Enough for the poll and some twenty of the forty.
    let dir = open_fds() as u64 - 1;
    allow_fds(dir + 25);
    let server = std::thread::spawn(move || {
        let mut toy = Toy::serving(true);
        let result = run_on(&mut toy, listener, pipes);
        (toy, result)
    });
    let mut rest = clients.split_off(15);
    for socket in &mut clients {
        assert_eq!(read_answer(socket).1, "hello");
    }
    std::thread::sleep(Duration::from_millis(1500));
    drop(clients);
    for mut socket in rest.drain(..) {
        assert_eq!(read_answer(&mut socket).1, "hello");
    }
    allow_fds(1024);
    ends[0].write_all(b"X").unwrap();
    let (toy, result) = server.join().unwrap();
    result.unwrap();
    println!(
        "{} turns for 40 clients and two seconds without descriptors",
        toy.turns
    );
    assert!(toy.turns < 300);
}

#[test]
fn a_child_that_finds_no_descriptors_is_not_started() {
    let _alone = alone();
    allow_fds(1024);
    let mut toy = Toy::with((0..40).map(|_| sh("read x; sleep 0.2")).collect());
    // Seven for a start, four for each that runs.
    allow_fds(open_fds() as u64 + 50);
    run(&mut toy);
    allow_fds(1024);
    let started = toy.jobs.values().filter(|job| job.eofs.len() == 2).count();
    println!("{started} of 40 children were started");
    assert!((8..40).contains(&started));
}

// ---- a whole process: its signals, and a socket handed over ----

/// Not a test by itself: the server that the tests below start, and end with signals.
#[test]
#[ignore]
fn serve_until_stopped_twice() {
    let listener = Listener::open(&any_port()).unwrap();
    let wishes = SignalPipes::listen().unwrap();
    println!("\nlistening on {}", listener.name);
    let mut toy = Toy::serving(true);
    toy.stops_ignored = 1;
    run_on(&mut toy, listener, wishes).unwrap();
    println!("\nended after {} stops, {} drains", toy.stops, toy.drains);
}

struct Whole {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Whole {
    fn start(prelude: &str, stdin: Stdio) -> Whole {
        let tests = std::env::current_exe().unwrap();
        let arguments = "--exact serve_until_stopped_twice --ignored --nocapture";
        let script = format!("{prelude} '{}' {arguments}", tests.display());
        let mut child = Command::new("sh")
            .args(["-c", &script])
            .stdin(stdin)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Whole { child, lines }
    }

    /// What stands behind `prefix` in the first line that begins with it.
    fn line(&mut self, prefix: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(
                self.lines.read_line(&mut line).unwrap() > 0,
                "no line {prefix}"
            );
            if let Some(rest) = line.strip_prefix(prefix) {
                return rest.trim().to_string();
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until the first signal has closed the door, then sends the second.
    fn stop(mut self, address: &str) {
        self.signal(Signal::INT);
        while TcpStream::connect(address).is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.signal(Signal::TERM);
        assert_eq!(self.line("ended after "), "2 stops, 0 drains");
        assert!(self.child.wait().unwrap().success());
    }
}

fn ask(address: &str, request: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let body = read_answer(&mut socket).1;
    let _ = socket.shutdown(Shutdown::Both);
    body
}

const RUN: &str = "POST /run HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nexit 9";

#[test]
fn two_signals_are_two_stops() {
    let _alone = alone();
    let mut whole = Whole::start("exec", Stdio::null());
    let address = whole.line("listening on ");
    assert_eq!(ask(&address, RUN), "Some(Code(9))\n");
    whole.stop(&address);
}

#[test]
fn another_signal_is_a_drain() {
    let _alone = alone();
    let mut whole = Whole::start("exec", Stdio::null());
    let address = whole.line("listening on ");
    assert_eq!(ask(&address, RUN), "Some(Code(9))\n");
    whole.signal(Signal::USR1);
    assert_eq!(whole.line("ended after "), "0 stops, 1 drains");
    assert!(whole.child.wait().unwrap().success());
}

#[test]
fn children_end_under_a_parent_that_ignores_theirs() {
    let _alone = alone();
    let mut whole = Whole::start("exec env --ignore-signal=CHLD,PIPE", Stdio::null());
    let address = whole.line("listening on ");
    assert_eq!(ask(&address, RUN), "Some(Code(9))\n");
    whole.stop(&address);
}

#[test]
fn a_socket_handed_over_wins_and_is_not_inherited() {
    let _alone = alone();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let prelude = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec";
    let mut whole = Whole::start(prelude, Stdio::from(OwnedFd::from(socket)));
    assert_eq!(whole.line("listening on "), "the socket handed over");
    assert_eq!(
        ask(&address, "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n"),
        "hello"
    );
    let script = "echo ${LISTEN_FDS-none}; ls -l /proc/self/fd | grep -c socket";
    let length = script.len();
    let request =
        format!("POST /run HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{script}");
    assert_eq!(ask(&address, &request), "Some(Code(1))\nnone\n0\n");
    whole.stop(&address);
}

#[test]
fn what_is_handed_over_must_be_one_listening_socket() {
    let _alone = alone();
    for (prelude, why) in [
        (
            "exec 3</dev/null;",
            "what was handed over is not a listening socket",
        ),
        ("exec 3>&-;", "the socket handed over: Bad file descriptor"),
    ] {
        let prelude = format!("{prelude} export LISTEN_PID=$$ LISTEN_FDS=1; exec 2>&1; exec");
        let whole = Whole::start(&prelude, Stdio::null());
        let mut text = String::new();
        let mut lines = whole.lines;
        lines.read_to_string(&mut text).unwrap();
        assert!(text.contains(why), "{text}");
        let mut child = whole.child;
        assert!(!child.wait().unwrap().success());
    }
}
