//! One data directory and its engine, over many servers that all come to a bad end.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::checks::{self, Seen};
use crate::common::load::Load;
use crate::common::seed::Seed;
use crate::common::server::{PATIENCE, scratch};
use crate::common::standin::{free_address, spawn_at, standin};

/// Between making a container and starting it: a moment to be killed in, as with a real engine.
const START_MS: &str = "6";
/// What has so many errors behind it is let finish: it is given up with one more.
const LAST_ERRORS: i64 = 3;
/// A life that is shorter than this is short; after two of them comes a longer one.
const SHORT_MS: usize = 100;

pub struct Event {
    pub build: i64,
    pub state: String,
}

pub struct Life {
    pub seed: u64,
    pub data: PathBuf,
    pub docker: String,
    pub standin: PathBuf,
    pub to: SocketAddr,
    pub load: Arc<Load>,
    pub events: BTreeMap<i64, Event>,
    /// Build and attempt of what was building whenever the server died.
    pub orphans: Vec<(i64, i64)>,
    pub kills: usize,
    /// Held while a server starts. A reader of the database that the machine forgets at the wrong moment would keep the
    /// server from its recovery.
    starts: Arc<Mutex<()>>,
}

/// Lives through so many deaths, and checks what came of it all.
pub fn lived(seed: u64, kills: usize) -> Seen {
    let mut life = Life::begin(seed);
    let load = life.load.clone();
    let mut others: Vec<_> = (0..4)
        .map(|client| {
            let load = load.clone();
            std::thread::spawn(move || load.submit(seed * 10 + client))
        })
        .collect();
    if has_outages(seed) {
        let (down, data) = (life.standin.join("state.down"), life.data.clone());
        let starts = life.starts.clone();
        others.push(std::thread::spawn(move || {
            comes_and_goes(&down, &data, &starts, &load.over, seed);
        }));
    }
    let mut chance = Seed(seed);
    let mut short = 0;
    while life.kills < kills {
        let longest_ms = if short < 2 && chance.once_in(2) {
            SHORT_MS
        } else {
            300
        };
        let ms = chance
            .between(3, longest_ms)
            .max(if short < 2 { 0 } else { SHORT_MS });
        short = if ms < SHORT_MS { short + 1 } else { 0 };
        // One in twelve is asked to stop, as at an upgrade.
        let way = match chance.below(12) {
            0 => Way::Stop,
            1..4 => Way::KillWithClients,
            _ => Way::Kill,
        };
        life.server_lives(Duration::from_millis(ms as u64), way);
        life.look_at_what_is_left();
    }
    life.load.over.store(true, Ordering::Relaxed);
    for other in others {
        other.join().expect("who fails has said why");
    }
    checks::after(life)
}

/// An engine that is away for a moment now and then, whoever else is. Its containers go on.
fn comes_and_goes(down: &Path, data: &Path, starts: &Mutex<()>, over: &AtomicBool, seed: u64) {
    let mut chance = Seed(seed);
    while !over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(chance.between(100, 1_500) as u64));
        let none_starts = starts.lock().expect("no panic");
        let would_cost = last_attempts(data, seed);
        drop(none_starts);
        if would_cost {
            continue;
        }
        std::fs::write(down, "").expect("a file");
        std::thread::sleep(Duration::from_millis(chance.between(5, 80) as u64));
        std::fs::remove_file(down).expect("it was there");
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Kill,
    /// What it had started to talk to the engine, too, as the kernel does when memory is short.
    KillWithClients,
    Stop,
}

impl Life {
    fn begin(seed: u64) -> Life {
        let name = format!("crash-{seed}");
        let (dir, docker) = standin(&name);
        std::fs::write(dir.join("state.pause"), START_MS).expect("a file");
        let data = scratch(&name);
        let _ = std::fs::remove_dir_all(&data);
        std::fs::create_dir_all(&data).expect("a directory");
        let _ = std::fs::remove_file(data.with_extension("log"));
        let to = free_address(seed as u16);
        Life {
            seed,
            data,
            docker,
            standin: dir,
            to,
            load: Arc::new(Load::new(to)),
            events: BTreeMap::new(),
            orphans: Vec::new(),
            kills: 0,
            starts: Arc::default(),
        }
    }

    pub fn start(&self) -> Child {
        let log = self.data.with_extension("log");
        spawn_at(self.to, &self.data, &self.docker, &log)
    }

    /// Until it is heard; panics if it has ended instead.
    pub fn wait_until_it_listens(&self, server: &mut Child) {
        let start = Instant::now();
        while TcpStream::connect(self.to).is_err() {
            let ended = server.try_wait().expect("it is ours");
            assert!(
                ended.is_none(),
                "SEED={}: {ended:?}, see {:?}",
                self.seed,
                self.data
            );
            assert!(start.elapsed() < PATIENCE, "it never listens");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn server_lives(&mut self, long: Duration, way: Way) {
        let starts = self.starts.clone();
        let mut starting = Some(starts.lock().expect("no panic"));
        let mut server = self.start();
        let begun = Instant::now();
        while let Some(left) = long.checked_sub(begun.elapsed()) {
            if starting.is_some() && TcpStream::connect(self.to).is_ok() {
                starting = None;
            }
            let pause = if starting.is_some() {
                Duration::from_millis(1)
            } else {
                left
            };
            std::thread::sleep(left.min(pause));
        }
        if way == Way::Stop {
            self.wait_until_it_listens(&mut server);
        }
        self.halt_where_it_costs_no_verdict(&server);
        if way == Way::Stop {
            let start = Instant::now();
            signal(&server, Signal::TERM);
            signal(&server, Signal::CONT);
            let ended = server.wait().expect("it is ours");
            assert!(ended.success(), "SEED={}: {ended}", self.seed);
            let took = start.elapsed();
            assert!(took < PATIENCE, "SEED={}: {took:?}", self.seed);
            return;
        }
        if way == Way::KillWithClients {
            // It stands still: it can neither start another nor forget one.
            for client in children(&server) {
                let _ = kill_process(client, Signal::KILL);
            }
        }
        server.kill().expect("it is ours");
        let ended = server.wait().expect("it is ours");
        assert_eq!(
            ended.code(),
            None,
            "SEED={}: it ended before, see {:?}",
            self.seed,
            self.data
        );
        self.kills += 1;
        // Between fork and exec a child of it holds the socket and the lock a moment longer.
        let begun = Instant::now();
        while TcpListener::bind(self.to).is_err() || self.is_locked() {
            assert!(begun.elapsed() < PATIENCE, "who listens there?");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn is_locked(&self) -> bool {
        let directory = std::fs::File::open(&self.data).expect("a directory");
        directory.try_lock().is_err()
    }

    pub fn database(&self) -> Option<Connection> {
        database(&self.data)
    }

    /// Stops the server at a moment when nothing would be given up for one more disturbance. A server that ran on could
    /// begin a last attempt between that question and its end.
    fn halt_where_it_costs_no_verdict(&self, server: &Child) {
        let start = Instant::now();
        loop {
            signal(server, Signal::STOP);
            let halted = waitpid(Some(Pid::from_child(server)), WaitOptions::UNTRACED);
            let halted = halted.expect("it is ours");
            assert!(
                matches!(halted, Some((_, is)) if is.stopped()),
                "SEED={}: {halted:?}, see {:?}",
                self.seed,
                self.data
            );
            if !last_attempts(&self.data, self.seed) {
                return;
            }
            signal(server, Signal::CONT);
            let long = start.elapsed();
            assert!(long < PATIENCE, "SEED={}: it never ends", self.seed);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// With no server there: what happened, and that nothing promised is missing.
    pub fn look_at_what_is_left(&mut self) {
        let Some(db) = self.database() else { return };
        let last = self.events.keys().next_back().copied().unwrap_or(0);
        let sql = "SELECT seq, build_id, state FROM events WHERE seq > ?1";
        let mut events = db.prepare(sql).expect("a table");
        let event = |row: &rusqlite::Row| {
            let (build, state) = (row.get(1)?, row.get(2)?);
            Ok((row.get(0)?, Event { build, state }))
        };
        let events = events.query_map([last], event).expect("events");
        self.events
            .extend(events.map(|event| event.expect("an event")));
        let sql = "SELECT id, attempt FROM builds WHERE state IN ('building', 'testing')";
        let mut orphans = db.prepare(sql).expect("a table");
        let orphans = orphans.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        let orphans = orphans.expect("builds").map(|row| row.expect("a row"));
        self.orphans.extend(orphans);
        let finished = "SELECT count(*) FROM builds WHERE state = 'finished'";
        let finished: i64 = db
            .query_row(finished, [], |row| row.get(0))
            .expect("a count");
        self.load
            .finished
            .store(finished as usize, Ordering::Relaxed);
        checks::promises_are_written(self, &db);
    }
}

fn database(data: &Path) -> Option<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let db = Connection::open_with_flags(data.join("zigcheck.db"), flags).ok()?;
    db.busy_timeout(Duration::from_secs(10)).expect("a timeout");
    // Killed at its first start, it has made none of its tables, or all.
    let made = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'builds')";
    let made: bool = db.query_row(made, [], |row| row.get(0)).ok()?;
    made.then_some(db)
}

/// Whether something would be given up if it were disturbed once more.
fn last_attempts(data: &Path, seed: u64) -> bool {
    let Some(db) = database(data) else {
        return false;
    };
    // With an engine that goes away, a disturbance may come in two.
    let errors = LAST_ERRORS - i64::from(has_outages(seed));
    let sql = "SELECT count(*) FROM builds b JOIN checks c ON c.id = b.check_id \
        WHERE b.state NOT IN ('finished', 'cancelled') \
        AND (b.errors >= ?1 OR c.source IS NULL AND c.errors >= ?1)";
    let count = db.query_row(sql, [errors], |row| row.get::<_, i64>(0));
    count.is_ok_and(|count| count > 0)
}

/// One engine in four goes away at times.
fn has_outages(seed: u64) -> bool {
    seed.is_multiple_of(4)
}

fn signal(server: &Child, signal: Signal) {
    kill_process(Pid::from_child(server), signal).expect("it is ours");
}

fn children(of: &Child) -> Vec<Pid> {
    let tasks = Path::new("/proc").join(of.id().to_string()).join("task");
    let tasks = std::fs::read_dir(tasks).into_iter().flatten().flatten();
    let named = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let named: Vec<String> = named.collect();
    let pids = named.iter().flat_map(|names| names.split_whitespace());
    pids.filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
        .collect()
}
