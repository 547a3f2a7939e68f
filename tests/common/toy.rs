//! A small core that does what a test's requests say, and checks the shell while it is driven.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::Duration;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use zigcheck::base::slab::Key;
use zigcheck::config::settings::Listen;
use zigcheck::interface::event::*;
use zigcheck::interface::message::*;
use zigcheck::shell::clock::Clock;
use zigcheck::shell::disk::Disk;
use zigcheck::shell::listen::Listener;
use zigcheck::shell::reactor;
use zigcheck::shell::signal::SignalPipes;

const TURN_LIMIT_BYTES: usize = 64 << 10;

#[derive(Debug, Default, Clone)]
pub struct Job {
    pub stdout: Vec<u8>,
    pub stdout_bytes: usize,
    pub stderr: Vec<u8>,
    pub eofs: Vec<Pipe>,
    pub exit: Option<Exit>,
    /// `out`, `err`, `eof`, `exit`, in the order told, without repetition.
    pub order: Vec<&'static str>,
    /// Who waits for its end.
    asker: Option<Key>,
}

impl Job {
    fn is_over(&self) -> bool {
        match self.exit {
            Some(Exit::NotStarted(_)) => true,
            Some(_) => self.eofs.len() == 2,
            None => false,
        }
    }

    fn happened(&mut self, what: &'static str) {
        if self.order.last() != Some(&what) {
            self.order.push(what);
        }
    }
}

#[derive(Debug)]
enum Flow {
    /// So many bytes are left; each pull gives all there is room for.
    Bytes(usize),
    /// So many bytes are left, one at each `Time`.
    Drip(usize, bool),
}

#[derive(Debug, Default)]
pub struct Toy {
    /// Started one after the other, `at_once` of them at a time.
    pub to_start: VecDeque<Command>,
    pub at_once: usize,
    pub stop_when_idle: bool,
    pub keep_output: bool,
    /// Kill a job this long after its first output, and once more after its exit.
    pub kill_on_output: bool,
    pub kill_after_exit: bool,
    pub commit_fails: bool,
    failed: bool,
    /// Written at every commit.
    pub marker: Option<std::path::PathBuf>,
    pub jobs: BTreeMap<JobId, Job>,
    next_job: u64,
    running: usize,
    actions: VecDeque<Action>,
    /// Requests told and not answered to the end.
    pub open: BTreeSet<Key>,
    pub gone: Vec<Key>,
    pub held: Vec<Key>,
    flows: BTreeMap<Key, Flow>,
    pub pulled_bytes: usize,
    uploads: BTreeMap<Key, (usize, Sha256)>,
    pub stops: usize,
    pub drains: usize,
    /// Goes on after the first so many.
    pub stops_ignored: usize,
    /// Open descriptors at every exit, where they are counted.
    pub fd_counts: Option<Vec<usize>>,
    pub turns: usize,
    stopped: bool,
    started: bool,
    drip_at: Option<u64>,
    /// Told in this turn, by source.
    told: BTreeMap<(u64, u64), usize>,
    last_now: u64,
}

impl Toy {
    pub fn with(commands: Vec<Command>) -> Toy {
        Toy {
            to_start: commands.into(),
            at_once: usize::MAX,
            stop_when_idle: true,
            keep_output: true,
            ..Toy::default()
        }
    }

    pub fn serving(keep_output: bool) -> Toy {
        Toy {
            keep_output,
            ..Toy::default()
        }
    }

    fn respond(&mut self, conn: Key, response: Response) {
        assert!(self.open.remove(&conn), "answered what was not asked");
        self.actions.push_back(Action::Respond { conn, response });
    }

    fn start(&mut self, command: Command, asker: Option<Key>) {
        let job = JobId(self.next_job);
        self.next_job += 1;
        self.running += 1;
        let record = Job {
            asker,
            ..Job::default()
        };
        self.jobs.insert(job, record);
        self.actions.push_back(Action::Spawn { job, command });
    }

    fn start_more(&mut self) {
        while self.running < self.at_once {
            let Some(command) = self.to_start.pop_front() else {
                break;
            };
            self.start(command, None);
        }
        if self.running == 0 && self.stop_when_idle {
            self.stopped = true;
        }
    }

    fn look_at(&mut self, id: JobId) {
        let job = &self.jobs[&id];
        if !job.is_over() {
            return;
        }
        self.running -= 1;
        if let Some(conn) = job.asker.filter(|conn| self.open.contains(conn)) {
            let mut body = format!("{:?}\n", job.exit).into_bytes();
            body.extend(&job.stdout);
            self.respond(conn, Response::new(200, "text/plain", body));
        }
        self.start_more();
    }

    fn request(&mut self, conn: Key, request: Request, now: Now) {
        assert!(
            self.open.insert(conn),
            "two requests at once on one connection"
        );
        let number = || request.head.query.parse::<usize>().unwrap();
        let text = |body: String| Response::new(200, "text/plain", body);
        match request.head.path.as_str() {
            "/hello" => self.respond(conn, text("hello".into())),
            "/big" => self.respond(conn, text("x".repeat(number()))),
            "/post" => self.respond(conn, text(request.body.len().to_string())),
            "/early" => self.respond(conn, Response::error(400, "no")),
            "/hold" => self.held.push(conn),
            "/turns" => self.respond(conn, text(self.turns.to_string())),
            "/gone" => self.respond(conn, text(self.gone.len().to_string())),
            "/pulled" => self.respond(conn, text(self.pulled_bytes.to_string())),
            "/release" => {
                for held in std::mem::take(&mut self.held) {
                    if self.open.contains(&held) {
                        self.respond(held, text("released".into()));
                    } else {
                        // Stale on purpose.
                        let response = text("stale".into());
                        self.actions.push_back(Action::Respond {
                            conn: held,
                            response,
                        });
                    }
                }
                self.respond(conn, text("ok".into()));
            }
            "/upload" => {
                self.uploads.insert(conn, (0, Sha256::new()));
            }
            "/run" => {
                let script = String::from_utf8(request.body).unwrap();
                self.start(sh(&script), Some(conn));
            }
            "/start" => {
                let script = String::from_utf8(request.body).unwrap();
                self.start(sh(&script), None);
                self.respond(conn, text("started".into()));
            }
            "/stream" | "/drip" => {
                let flow = if request.head.path == "/drip" {
                    self.drip_at = Some(now.mono_ms);
                    Flow::Drip(number(), false)
                } else {
                    Flow::Bytes(number())
                };
                self.flows.insert(conn, flow);
                let head = text(String::new());
                self.actions.push_back(Action::Stream {
                    conn,
                    head,
                    body: Default::default(),
                });
            }
            "/poison" => {
                self.commit_fails = true;
                self.start(sh("touch /tmp/zigcheck-must-not-exist"), None);
                self.respond(conn, Response::new(201, "text/plain", "saved"));
            }
            "/stop" => {
                self.stopped = true;
                self.respond(conn, text("x".repeat(number())));
            }
            _ => self.respond(conn, Response::error(404, "no such path")),
        }
    }

    fn count(&mut self, source: (u64, u64), bytes: usize) {
        assert!(bytes > 0, "told of nothing");
        let told = self.told.entry(source).or_default();
        *told += bytes;
        assert!(
            *told <= TURN_LIMIT_BYTES,
            "{told} bytes of one source in one turn"
        );
    }

    fn tick(&mut self, now: Now) {
        if !self.started {
            self.started = true;
            self.start_more();
        }
        if self.drip_at.is_some_and(|at| at <= now.mono_ms) {
            self.drip_at = None;
            for (&conn, flow) in &mut self.flows {
                if let Flow::Drip(_, fresh) = flow {
                    *fresh = true;
                    self.drip_at = Some(now.mono_ms + 2);
                    self.actions.push_back(Action::Wake { conn });
                }
            }
        }
    }
}

impl Core for Toy {
    fn admit(&self, _from: Option<IpAddr>, head: &Head, _now: Now) -> Admission {
        match head.path.as_str() {
            "/upload" | "/early" => Admission::Spool {
                limit_bytes: 32 << 20,
            },
            "/refuse" => Admission::Refuse(Response::error(403, "refused")),
            _ => Admission::Collect {
                limit_bytes: 1 << 20,
            },
        }
    }

    fn handle(&mut self, event: Event<'_>, now: Now) {
        assert!(now.mono_ms >= self.last_now);
        self.last_now = now.mono_ms;
        match event {
            Event::Request { conn, request, .. } => self.request(conn, request, now),
            Event::Body { conn, bytes } => {
                let name = (u64::from(conn.index) << 32 | u64::from(conn.generation), 9);
                self.count(name, bytes.len());
                let (count, hash) = self.uploads.get_mut(&conn).expect("a body without a head");
                *count += bytes.len();
                hash.update(bytes);
            }
            Event::BodyEnd { conn } => {
                let (count, hash) = self.uploads.remove(&conn).expect("an end without a head");
                let body = format!("{count} {}", HEXLOWER.encode(&hash.finalize()));
                self.respond(conn, Response::new(200, "text/plain", body));
            }
            Event::Aborted { conn } => {
                assert!(self.open.remove(&conn), "gone twice, or never there");
                self.uploads.remove(&conn);
                self.flows.remove(&conn);
                self.gone.push(conn);
            }
            Event::Output { job, pipe, bytes } => {
                self.count((job.0, pipe as u64), bytes.len());
                let (keep, kill) = (self.keep_output, self.kill_on_output);
                let record = self.jobs.get_mut(&job).unwrap();
                assert!(!record.eofs.contains(&pipe), "output behind the end");
                record.happened(if pipe == Pipe::Stdout { "out" } else { "err" });
                record.stdout_bytes += bytes.len();
                if keep && pipe == Pipe::Stdout {
                    record.stdout.extend(bytes);
                } else if keep {
                    record.stderr.extend(bytes);
                }
                if kill {
                    self.actions.push_back(Action::Kill { job });
                }
            }
            Event::Eof { job, pipe } => {
                let record = self.jobs.get_mut(&job).unwrap();
                assert!(!record.eofs.contains(&pipe), "two ends of one pipe");
                record.happened("eof");
                record.eofs.push(pipe);
                self.look_at(job);
            }
            Event::Exited { job, exit } => {
                if let Some(counts) = &mut self.fd_counts {
                    counts.push(open_fds());
                }
                let record = self.jobs.get_mut(&job).unwrap();
                assert!(record.exit.is_none(), "two exits");
                record.happened("exit");
                record.exit = Some(exit);
                if self.kill_after_exit && record.eofs.len() < 2 {
                    record.eofs = vec![Pipe::Stdout, Pipe::Stderr];
                    self.actions.push_back(Action::Kill { job });
                }
                self.look_at(job);
            }
            Event::DiskUsage(_) => {}
            Event::Time => self.tick(now),
            Event::Drain => {
                self.drains += 1;
                self.stop_when_idle = true;
                self.start_more();
            }
            Event::Stop => {
                self.stops += 1;
                self.stopped = self.stops > self.stops_ignored;
            }
        }
    }

    fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn commit(&mut self, _now: Now) -> Result<(), String> {
        self.turns += 1;
        self.told.clear();
        if let Some(marker) = &self.marker {
            std::fs::write(marker, self.turns.to_string()).unwrap();
        }
        if self.commit_fails {
            self.failed = true;
            return Err("the disk is full".into());
        }
        Ok(())
    }

    fn deadline(&self) -> Option<u64> {
        if self.started { self.drip_at } else { Some(0) }
    }

    fn pull(&mut self, conn: Key, room: usize, out: &mut Vec<u8>) -> Pull {
        assert!(room > 0 && out.is_empty());
        assert!(!self.failed, "pulled what was not saved");
        let Some(flow) = self.flows.get_mut(&conn) else {
            panic!("pulled for a stream that is not there");
        };
        let (left, give) = match flow {
            Flow::Bytes(left) => {
                let give = room.min(*left);
                (left, give)
            }
            Flow::Drip(left, fresh) => {
                let give = usize::from(std::mem::take(fresh)).min(*left);
                (left, give)
            }
        };
        out.resize(give, b'.');
        *left -= give;
        self.pulled_bytes += give;
        if *left == 0 {
            self.flows.remove(&conn);
            self.open.remove(&conn);
            return Pull::End;
        }
        if give > 0 { Pull::More } else { Pull::Idle }
    }

    fn load(&self) -> Load {
        Load::default()
    }

    fn stopped(&self) -> bool {
        self.stopped
    }
}

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

/// Wishes, and the other ends: of stops and drains.
pub fn wishes() -> (SignalPipes, [UnixStream; 2]) {
    let (stop, stopper) = UnixStream::pair().unwrap();
    let (drain, drainer) = UnixStream::pair().unwrap();
    let (stop, drain) = (stop.into(), drain.into());
    (SignalPipes { stop, drain }, [stopper, drainer])
}

/// Runs `toy` on this thread until it has stopped.
pub fn run(toy: &mut Toy) {
    let listener = Listener::open(&any_port()).unwrap();
    let (wishes, _kept) = wishes();
    reactor::run(
        toy,
        listener,
        wishes,
        Clock::start(),
        Disk::of("/".as_ref()),
    )
    .unwrap();
}

/// The jobs of these commands, all ended.
pub fn ended(commands: Vec<Command>) -> Vec<Job> {
    let mut toy = Toy::with(commands);
    run(&mut toy);
    toy.jobs.into_values().collect()
}

pub struct Server {
    pub name: String,
    /// Stops and drains.
    wishes: [UnixStream; 2],
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

    pub fn behind(mut toy: Toy, listener: Listener) -> Server {
        let name = listener.name.clone();
        let (ours, theirs) = wishes();
        let thread = std::thread::spawn(move || {
            let result = reactor::run(
                &mut toy,
                listener,
                ours,
                Clock::start(),
                Disk::of("/".as_ref()),
            );
            (toy, result)
        });
        Server {
            name,
            wishes: theirs,
            thread,
        }
    }

    pub fn connect(&self) -> TcpStream {
        let address: SocketAddr = self.name.parse().unwrap();
        let socket = TcpStream::connect(address).unwrap();
        // `write!` sends piece by piece, and each would wait for the one before.
        socket.set_nodelay(true).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        socket
            .set_write_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        socket
    }

    pub fn get(&self, path: &str) -> String {
        let mut socket = self.connect();
        get(&mut socket, path)
    }

    pub fn post(&self, path: &str, body: &str) -> String {
        let mut socket = self.connect();
        write!(
            socket,
            "POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        read_answer(&mut socket).1
    }

    pub fn signal(&mut self) {
        self.wishes[0].write_all(b"X").unwrap();
    }

    pub fn drain(&mut self) {
        self.wishes[1].write_all(b"X").unwrap();
    }

    pub fn ended(self) -> (Toy, Result<(), String>) {
        self.thread.join().unwrap()
    }

    /// Stops it; what it came to.
    pub fn stop(mut self) -> Toy {
        self.signal();
        let (toy, result) = self.ended();
        result.unwrap();
        toy
    }
}

pub fn get(socket: &mut (impl Read + Write), path: &str) -> String {
    write!(socket, "GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    read_answer(socket).1
}

/// Head and body of one answer with a length.
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
