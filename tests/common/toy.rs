//! A small core that does what a test's requests say, and checks the shell while it is driven.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use zigcheck::base::slab::Key;
use zigcheck::config::limits::DEFAULT_MAX_BUILDS;
use zigcheck::interface::counters::ShellCounters;
use zigcheck::interface::event::*;
use zigcheck::interface::message::*;
use zigcheck::interface::peer::Peer;

use crate::common::toy_server::{open_fds, sh};

const TURN_LIMIT_BYTES: usize = 64 << 10;

#[derive(Debug, Default, Clone)]
pub struct Job {
    pub stdout: Vec<u8>,
    pub stdout_bytes: usize,
    pub stderr: Vec<u8>,
    pub eofs: Vec<Pipe>,
    pub exit: Option<Exit>,
    /// `out`, `err`, `eof`, `exit` in the order of the events, without repetition.
    pub order: Vec<&'static str>,
    /// The connection that is answered when it is over.
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
    /// The bytes that are left; each pull gives as many as fit.
    Bytes(usize),
    /// The bytes that are left, one at each `Time`, and whether that one is due.
    Drip(usize, bool),
}

#[derive(Debug, Default)]
pub struct Toy {
    /// Commands that are still to start, at most `at_once` of them at a time.
    pub to_start: VecDeque<Command>,
    pub at_once: usize,
    pub stop_when_idle: bool,
    pub keep_output: bool,
    pub kill_on_output: bool,
    /// Kill each job at the first end of one of its pipes.
    pub kill_on_eof: bool,
    pub kill_after_exit: bool,
    pub commit_fails: bool,
    failed: bool,
    pub marker: Option<std::path::PathBuf>,
    pub jobs: BTreeMap<JobId, Job>,
    next_job: u64,
    running: usize,
    actions: VecDeque<Action>,
    pub open: BTreeSet<Key>,
    pub gone: Vec<Key>,
    pub held: Vec<Key>,
    flows: BTreeMap<Key, Flow>,
    pub pulled_bytes: usize,
    uploads: BTreeMap<Key, (usize, Sha256)>,
    pub stops: usize,
    pub drains: usize,
    pub stops_ignored: usize,
    /// If some, the number of open descriptors at every exit.
    pub fd_counts: Option<Vec<usize>>,
    pub turns: usize,
    pub counters: ShellCounters,
    stopped: bool,
    started: bool,
    drip_at: Option<u64>,
    /// Bytes that arrived in this turn, by connection or pipe.
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
        assert!(self.open.remove(&conn), "an answer without a request");
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

    fn finish_if_over(&mut self, id: JobId) {
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
        assert!(bytes > 0, "an event without bytes");
        let told = self.told.entry(source).or_default();
        *told += bytes;
        assert!(
            *told <= TURN_LIMIT_BYTES,
            "{told} bytes from one place in one turn"
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
    fn tasks_limit(&self) -> usize {
        DEFAULT_MAX_BUILDS
    }

    fn admit(&mut self, _: Key, _: Peer, head: &Head, _: Now) -> Admission {
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
                assert!(self.open.remove(&conn), "aborted twice, or unknown");
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
                if self.kill_on_eof && record.eofs.len() == 1 {
                    self.actions.push_back(Action::Kill { job });
                }
                self.finish_if_over(job);
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
                self.finish_if_over(job);
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
        assert!(!self.failed, "pulled after a commit failed");
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

    fn note_counters(&mut self, counters: &ShellCounters) {
        self.counters = *counters;
    }

    fn stopped(&self) -> bool {
        self.stopped
    }
}
