//! The toy core on a reactor: in this thread, or in one of its own behind a real socket.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use zigcheck::config::settings::Listen;
use zigcheck::interface::event::Command;
use zigcheck::shell::clock::Clock;
use zigcheck::shell::disk::Disk;
use zigcheck::shell::listen::{Listener, Listeners};
use zigcheck::shell::reactor;
use zigcheck::shell::signal::SignalPipes;

use crate::common::server::PATIENCE;
use crate::common::toy::{Job, Toy};

pub fn sh(script: &str) -> Command {
    Command {
        argv: ["sh", "-c", script].map(String::from).to_vec(),
        stdin: Vec::new(),
    }
}

pub fn open_fds() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

pub fn any_port() -> Listen {
    Listen::Tcp("127.0.0.1:0".parse().unwrap())
}

/// Pipes for stops and drains, and their other ends.
pub fn signal_pipes() -> (SignalPipes, [UnixStream; 2]) {
    let (stop, stopper) = UnixStream::pair().unwrap();
    let (drain, drainer) = UnixStream::pair().unwrap();
    let (stop, drain) = (stop.into(), drain.into());
    (SignalPipes { stop, drain }, [stopper, drainer])
}

/// Runs `toy` on this thread until it has stopped.
pub fn run(toy: &mut Toy) {
    let listener = Listener::open(&any_port()).unwrap();
    let (pipes, _kept) = signal_pipes();
    run_on(toy, listener, pipes).unwrap();
}

pub fn run_on(
    toy: &mut Toy,
    listeners: impl Into<Listeners>,
    pipes: SignalPipes,
) -> Result<(), String> {
    reactor::run(
        toy,
        listeners,
        pipes,
        Clock::start(),
        Disk::of("/".as_ref()),
    )
}

pub fn ended(commands: Vec<Command>) -> Vec<Job> {
    let mut toy = Toy::with(commands);
    run(&mut toy);
    toy.jobs.into_values().collect()
}

pub struct Server {
    pub name: String,
    /// The other ends of the pipes for stops and drains.
    signals: [UnixStream; 2],
    thread: JoinHandle<(Toy, Result<(), String>)>,
}

impl Server {
    pub fn start() -> Server {
        Server::with(Toy::serving(true))
    }

    pub fn with(toy: Toy) -> Server {
        Server::at(toy, &any_port())
    }

    pub fn at(toy: Toy, listen: &Listen) -> Server {
        Server::behind(toy, Listener::open(listen).unwrap())
    }

    pub fn behind(toy: Toy, listener: Listener) -> Server {
        let name = listener.name.clone();
        Server::on(toy, name, listener.into())
    }

    /// A server of that name on those sockets.
    pub fn on(mut toy: Toy, name: String, listeners: Listeners) -> Server {
        let (ours, theirs) = signal_pipes();
        let thread = std::thread::spawn(move || {
            let result = run_on(&mut toy, listeners, ours);
            (toy, result)
        });
        Server {
            name,
            signals: theirs,
            thread,
        }
    }

    pub fn connect(&self) -> TcpStream {
        let address: SocketAddr = self.name.parse().unwrap();
        let socket = TcpStream::connect(address).unwrap();
        // `write!` sends piece by piece, and each would wait for the one before.
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    pub fn get(&self, path: &str) -> String {
        let mut socket = self.connect();
        get(&mut socket, path)
    }

    pub fn post(&self, path: &str, body: &str) -> String {
        let mut socket = self.connect();
        begin_post(&mut socket, path, body.len(), body);
        read_answer(&mut socket).1
    }

    pub fn signal(&mut self) {
        self.signals[0].write_all(b"X").unwrap();
    }

    pub fn drain(&mut self) {
        self.signals[1].write_all(b"X").unwrap();
    }

    pub fn ended(self) -> (Toy, Result<(), String>) {
        self.thread.join().unwrap()
    }

    pub fn stop(mut self) -> Toy {
        self.signal();
        let (toy, result) = self.ended();
        result.unwrap();
        toy
    }
}

/// Asks for a path, and leaves the answer to be read.
pub fn ask(socket: &mut impl Write, path: &str) {
    write!(socket, "GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
}

/// The head of a request with a body, of which more is to follow, and the beginning of that.
pub fn begin_post(socket: &mut impl Write, path: &str, length: usize, body: &str) {
    let head = format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{body}");
    socket.write_all(head.as_bytes()).unwrap();
}

pub fn get(socket: &mut (impl Read + Write), path: &str) -> String {
    ask(socket, path);
    read_answer(socket).1
}

pub fn read_answer(socket: &mut impl Read) -> (String, String) {
    let head = read_head(socket);
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "))
        .unwrap_or_else(|| panic!("no length: {head}"));
    let mut body = vec![0; length.parse().unwrap()];
    socket.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

pub fn read_head(socket: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Waits until something is true, for ever in terms of a test.
pub fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
