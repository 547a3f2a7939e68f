//! The world around the core, virtual: a clock, an engine, clients, and what they do to it.

#[path = "containers.rs"]
mod containers;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::PathBuf;

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use zigcheck::app::App;
use zigcheck::config::{self, Asked, Machine, Settings};
use zigcheck::event::{Action, Command, Core, Event, Exit, JobId, Now, Pipe};
use zigcheck::message::{Head, Request, Response};
use zigcheck::slab::Key;
use zigcheck::store::Store;

use crate::audience::{Audience, Wish};
use crate::seed::Seed;

/// What a child will do, in this order.
#[derive(Debug, Clone)]
enum Move {
    Output(Pipe, Vec<u8>),
    Eof(Pipe),
    Exit(Exit),
}

#[derive(Debug)]
struct Child {
    moves: VecDeque<Move>,
    /// The container it runs, for `docker run`.
    container: Option<String>,
    /// The kill did not help: it goes on as it was.
    stubborn: bool,
}

/// What was met over a life: a simulation that meets nothing proves nothing.
#[derive(Debug, Default)]
pub struct Tally {
    builds: u64,
    crashes: u64,
    engine_losses: u64,
    refused: u64,
    events: u64,
    resets: u64,
    checks_followed: u64,
    logs_read: u64,
    words: BTreeMap<String, u64>,
}

impl Tally {
    pub fn add(&mut self, other: &Tally) {
        self.builds += other.builds;
        self.crashes += other.crashes;
        self.engine_losses += other.engine_losses;
        self.refused += other.refused;
        self.events += other.events;
        self.resets += other.resets;
        self.checks_followed += other.checks_followed;
        self.logs_read += other.logs_read;
        for (word, count) in &other.words {
            *self.words.entry(word.clone()).or_default() += count;
        }
    }

    fn watched(&mut self, audience: &Audience) {
        self.events = audience.events;
        self.resets = audience.resets;
        self.checks_followed = audience.checks_followed;
        self.logs_read = audience.logs_read;
    }

    pub fn assert_everything_was_met(&self) {
        assert!(self.events > 10_000 && self.resets > 100);
        assert!(self.checks_followed > 500 && self.logs_read > 500);
        assert!(self.builds > 10_000, "too few builds: {}", self.builds);
        assert!(self.crashes > 500 && self.engine_losses > 500 && self.refused > 500);
        for word in [
            "success/null",
            "failed/compile_error",
            "success/test_failure",
            "failed/dependency_unavailable",
            "error/dependency_unavailable",
            "error/source_unavailable",
            "failed/timeout",
            "success/timeout",
            "failed/silent",
            "failed/out_of_memory",
            "error/engine_error",
            "error/lost",
        ] {
            assert!(self.words.contains_key(word), "never met {word}: {self:?}");
        }
    }
}

pub struct World {
    seed: Seed,
    settings: Settings,
    uri: String,
    /// Keeps the database in memory alive over crashes, and reads what is committed.
    keeper: Connection,
    app: Option<App>,
    mono_ms: u64,
    children: BTreeMap<JobId, Child>,
    containers: BTreeSet<String>,
    /// Containers that the memory limit ended.
    starved: BTreeSet<String>,
    /// Names that another server on the same engine holds.
    foreign: BTreeSet<String>,
    /// Children that end before anything else happens.
    at_once: Vec<JobId>,
    engine_up: bool,
    next_conn: u32,
    /// Requests not yet answered, and what they wish to watch.
    asked: BTreeMap<Key, Option<Wish>>,
    audience: Audience,
    /// Builds the server has promised, with their row once finished.
    promised: HashMap<i64, Option<Vec<String>>>,
    submitted: u64,
    pub tally: Tally,
}

const VERSIONS: [&str; 2] = ["0.17.1", "0.16.0"];

impl World {
    pub fn new(seed: u64) -> World {
        let data = std::env::temp_dir().join(format!("zigcheck-sim-{}-{seed}", std::process::id()));
        for dir in ["logs", "sources"] {
            std::fs::create_dir_all(data.join(dir)).expect("a temporary directory");
        }
        let uri = format!(
            "file:sim{}x{seed}?mode=memory&cache=shared",
            std::process::id()
        );
        let mut world = World {
            seed: Seed(seed),
            settings: settings(data),
            keeper: connect(&uri),
            uri,
            app: None,
            mono_ms: 1_000,
            children: BTreeMap::new(),
            containers: BTreeSet::new(),
            starved: BTreeSet::new(),
            foreign: BTreeSet::new(),
            at_once: Vec::new(),
            engine_up: true,
            next_conn: 0,
            asked: BTreeMap::new(),
            audience: Audience::default(),
            promised: HashMap::new(),
            submitted: 0,
            tally: Tally::default(),
        };
        world.open();
        world
    }

    fn now(&self) -> Now {
        Now {
            mono_ms: self.mono_ms,
            unix_ms: 1_700_000_000_000 + self.mono_ms as i64,
        }
    }

    fn open(&mut self) {
        let store = Store::on(connect(&self.uri)).expect("the schema");
        let app = App::open(self.settings.clone(), store, self.now()).expect("it opens");
        self.app = Some(app);
        self.turn(None);
    }

    /// One turn: an event, its actions, the commit, and then what the world hears.
    fn turn(&mut self, event: Option<Event>) {
        let now = self.now();
        let app = self.app.as_mut().expect("between crashes there is an app");
        if let Some(event) = event {
            app.handle(event, now);
        }
        let mut actions = Vec::new();
        while let Some(action) = app.next_action() {
            actions.push(action);
        }
        app.commit(now).expect("the database in memory takes it");
        for action in actions {
            match action {
                Action::Spawn { job, command } => self.spawn(job, command),
                Action::Kill { job } => self.kill_client(job),
                Action::Respond { conn, response } => self.hear(conn, &response),
                Action::Stream { conn, .. } | Action::Upgrade { conn } => {
                    let wish = self.asked.remove(&conn).expect("it was asked for");
                    let newest = self.newest_event();
                    let wish = wish.expect("it was to be watched");
                    self.audience.begin(conn, wish, newest);
                }
                Action::Wake { conn } => self.audience.wake(conn),
            }
        }
        self.let_them_read(false);
        let app = self.app.as_ref().expect("still there");
        assert!(app.running() <= self.settings.max_builds);
        let containers = self.children.values().filter(|c| c.container.is_some());
        assert!(
            containers.count() <= self.settings.max_builds,
            "more containers than slots"
        );
        while let Some(job) = self.at_once.pop() {
            while self.children.get(&job).is_some_and(|c| !c.moves.is_empty()) {
                self.move_child(job);
            }
        }
    }

    fn let_them_read(&mut self, patient: bool) {
        let app = self.app.as_mut().expect("it lives");
        let logs = self.settings.data.join("logs");
        self.audience.read(app, &logs, &mut self.seed, patient);
        self.audience
            .assert_sleepers_miss_nothing(&self.keeper, &logs);
    }

    fn newest_event(&self) -> u64 {
        let sql = "SELECT coalesce(max(seq), 0) FROM events";
        let newest = self.keeper.query_row(sql, [], |row| row.get::<_, i64>(0));
        newest.expect("the schema") as u64
    }

    // -- what the server does to the world --

    fn hear(&mut self, conn: Key, response: &Response) {
        let wish = self.asked.remove(&conn);
        assert!(wish.is_some(), "an answer nobody asked for");
        let body: Value = serde_json::from_slice(&response.body).expect("JSON");
        match response.status {
            201 => {
                for build in body["builds"].as_array().expect("builds") {
                    let id = build["id"].as_i64().expect("an id");
                    let state = self.committed(id).expect("the row is there before the 201");
                    // A free slot is taken in the same turn.
                    assert!(["queued", "fetching"].contains(&state[0].as_str()));
                    self.promised.insert(id, None);
                    self.tally.builds += 1;
                }
            }
            200 | 404 | 409 => {}
            503 => self.tally.refused += 1,
            other => panic!("{other}: {body}"),
        }
    }

    /// State, verdict and reason of a build as everybody else can read them.
    fn committed(&self, build: i64) -> Option<Vec<String>> {
        let sql = "SELECT state, build_status, coalesce(test_status, 'null'), \
            coalesce(reason, 'null'), coalesce(finished_at, 0) || '' FROM builds WHERE id = ?1";
        let mut statement = self.keeper.prepare_cached(sql).expect("the schema");
        let row = statement.query_row([build], |row| (0..5).map(|at| row.get(at)).collect());
        row.ok()
    }

    fn data_id(&self) -> String {
        let id = self
            .keeper
            .query_row("SELECT id FROM server", [], |row| row.get(0));
        id.expect("made once")
    }

    fn kill_client(&mut self, job: JobId) {
        if let Some(child) = self.children.get_mut(&job) {
            child.container = None;
            child.stubborn = false;
            child.moves = ended(Exit::Signal(9));
        }
    }

    fn spawn(&mut self, job: JobId, command: Command) {
        let words: Vec<&str> = command.argv.iter().map(String::as_str).collect();
        assert_eq!(words[0], "docker");
        let absent = !self.engine_up;
        let (moves, container) = match words[1] {
            "images" if !absent => {
                let lines = VERSIONS.map(|v| format!("zigcheck:{v} sha256:{v}\n"));
                (said(&lines.concat()), None)
            }
            "ps" if !absent => {
                let names: Vec<&str> = self.containers.iter().map(String::as_str).collect();
                (said(&names.join("\n")), None)
            }
            "rm" if !absent => {
                for name in &words[4..] {
                    assert!(!self.foreign.contains(*name), "{name} is not ours");
                    self.containers.remove(*name);
                    self.end_container(name);
                }
                (said(""), None)
            }
            "kill" if !absent => {
                assert!(!self.foreign.contains(words[2]), "{} is not ours", words[2]);
                self.end_container(words[2]);
                (said(""), None)
            }
            "inspect" if !absent => {
                let whose = match self.foreign.contains(words[4]) {
                    true => "another".to_string(),
                    false => self.data_id(),
                };
                let starved = self.starved.contains(words[4]);
                (said(&format!("{whose} {starved} exited 137\n")), None)
            }
            "run" => {
                let name = words[2]
                    .strip_prefix("--name=")
                    .expect("the name comes first");
                let moves = self.run(name, &words, &command);
                if self.foreign.contains(name) {
                    self.at_once.push(job);
                }
                (moves, Some(name.to_string()))
            }
            _ => (ended(Exit::Code(1)), None),
        };
        let stubborn = self.seed.once_in(8);
        let child = Child {
            moves,
            container,
            stubborn,
        };
        assert!(
            self.children.insert(job, child).is_none(),
            "a job's name twice"
        );
    }

    fn end_container(&mut self, name: &str) {
        let runs = |child: &&mut Child| child.container.as_deref() == Some(name) && !child.stubborn;
        if let Some(child) = self.children.values_mut().find(runs) {
            let mut moves = ended(Exit::Code(137));
            // What it had said before may still be in the pipe.
            if let Some(Move::Output(pipe, bytes)) = child.moves.front() {
                moves.push_front(Move::Output(*pipe, bytes.clone()));
            }
            child.moves = moves;
        }
    }

    // -- what the world does to the server --

    pub fn step(&mut self) {
        match self.seed.below(100) {
            0..=5 => self.submit(),
            6..=7 => self.look_around(),
            25..=28 => self.watch(),
            29 => {
                if let Some(conn) = self.audience.leave_one(&mut self.seed) {
                    self.turn(Some(Event::Gone { conn }));
                }
            }
            8 => {
                self.engine_up = !self.engine_up;
                self.tally.engine_losses += u64::from(!self.engine_up);
            }
            9 if self.seed.once_in(3) => self.crash(),
            10..=11 => self.leave_one(),
            12..=24 => self.let_time_pass(),
            _ => self.move_a_child(),
        }
    }

    fn request(&mut self, method: &str, path: &str, body: Value) {
        let head = Head {
            method: method.to_string(),
            path: path.to_string(),
            ..Head::default()
        };
        self.ask(head, body, None);
    }

    fn ask(&mut self, head: Head, body: Value, wish: Option<Wish>) {
        self.next_conn += 1;
        let conn = Key {
            index: self.next_conn,
            generation: 1,
        };
        let request = Request {
            head,
            body: body.to_string().into_bytes(),
            spooled: false,
        };
        self.asked.insert(conn, wish);
        self.turn(Some(Event::Request { conn, request }));
    }

    fn submit(&mut self) {
        self.submitted += u64::from(!self.seed.once_in(5));
        let url = format!("https://github.com/a/p{}", self.submitted);
        self.request("POST", "/api/packages", json!({"url": url}));
    }

    fn look_around(&mut self) {
        let paths = [
            "/api/packages",
            "/api/builds",
            "/api/health",
            "/api/builds/1",
        ];
        let path = paths[self.seed.below(paths.len())];
        self.request("GET", path, Value::Null);
    }

    fn watch(&mut self) {
        let newest = self.newest_event();
        let some = |seed: &mut Seed, of: u64| seed.between(1, of.max(1) as usize) as i64;
        let wish = match self.seed.below(4) {
            0 => Wish::Events { since: None },
            1 => Wish::Events {
                since: Some(some(&mut self.seed, newest + 1) as u64),
            },
            2 => Wish::Check(some(&mut self.seed, self.submitted)),
            _ => Wish::Log(some(&mut self.seed, 2 * self.submitted)),
        };
        self.ask_to_watch(wish);
    }

    fn ask_to_watch(&mut self, wish: Wish) {
        let mut head = Head {
            method: "GET".to_string(),
            ..Head::default()
        };
        let name = |name: &str, value: String| (name.to_string(), value);
        head.path = match wish {
            Wish::Events { since } => {
                let last = since.map(|seq| name("last-event-id", seq.to_string()));
                head.headers.extend(last);
                "/api/events".to_string()
            }
            Wish::Check(check) => {
                let json = "application/x-ndjson".to_string();
                head.headers.push(name("accept", json));
                format!("/api/checks/{check}")
            }
            Wish::Log(build) => format!("/api/builds/{build}/log"),
        };
        self.ask(head, Value::Null, Some(wish));
    }

    fn leave_one(&mut self) {
        if let Some((conn, _)) = self.asked.pop_first() {
            self.turn(Some(Event::Gone { conn }));
        }
    }

    fn crash(&mut self) {
        self.tally.crashes += 1;
        self.app = None;
        // Clients die with the server; containers run on until they are removed.
        self.children.clear();
        self.asked.clear();
        let last = self.audience.cut_off();
        self.mono_ms += 10;
        self.open();
        // One of them comes back, and goes on where it was.
        if last.is_some() {
            self.ask_to_watch(Wish::Events { since: last });
        }
    }

    fn let_time_pass(&mut self) {
        let deadline = self.app.as_ref().and_then(|app| app.deadline());
        match (self.seed.below(3), deadline) {
            (0, Some(at)) => self.mono_ms = self.mono_ms.max(at),
            _ => self.mono_ms += self.seed.below(1_000) as u64,
        }
        self.tell_time();
    }

    fn tell_time(&mut self) {
        let deadline = self.app.as_ref().and_then(|app| app.deadline());
        if deadline.is_some_and(|at| at <= self.mono_ms) {
            self.turn(Some(Event::Time));
        }
    }

    fn move_a_child(&mut self) {
        self.mono_ms += 1;
        if self.children.is_empty() {
            return self.tell_time();
        }
        let nth = self.seed.below(self.children.len());
        let job = *self.children.keys().nth(nth).expect("there are more");
        self.move_child(job);
        self.tell_time();
    }

    fn move_child(&mut self, job: JobId) {
        let child = self.children.get_mut(&job).expect("it is there");
        let Some(next) = child.moves.pop_front() else {
            return;
        };
        let event = match &next {
            Move::Output(pipe, bytes) => Event::Output {
                job,
                pipe: *pipe,
                bytes,
            },
            Move::Eof(pipe) => Event::Eof { job, pipe: *pipe },
            Move::Exit(exit) => {
                child.container = None;
                Event::Exited {
                    job,
                    exit: exit.clone(),
                }
            }
        };
        self.turn(Some(event));
        let over = |child: &Child| child.moves.is_empty() && child.container.is_none();
        if self.children.get(&job).is_some_and(over) {
            self.children.remove(&job);
        }
    }

    // -- what must hold --

    /// No finished build changes, and each promise is still on the books.
    pub fn check(&mut self) {
        if self.seed.once_in(10) {
            self.check_all();
        }
    }

    fn check_all(&mut self) {
        let builds: Vec<i64> = self.promised.keys().copied().collect();
        for build in builds {
            let row = self
                .committed(build)
                .expect("a promised build is never lost");
            if row[0] != "finished" {
                assert!(
                    self.promised[&build].is_none(),
                    "build {build} ended and came back"
                );
                assert_eq!(row[1], "pending");
                continue;
            }
            match &self.promised[&build] {
                Some(known) => assert_eq!(*known, row, "build {build} ended twice"),
                None => {
                    *self
                        .tally
                        .words
                        .entry(format!("{}/{}", row[1], row[3]))
                        .or_default() += 1;
                    self.promised.insert(build, Some(row));
                }
            }
        }
    }

    /// With the engine back and time going on, everything promised ends, and nothing stays.
    pub fn come_to_rest(&mut self) {
        self.engine_up = true;
        for _ in 0..200_000 {
            let moving = self.children.values().any(|child| !child.moves.is_empty());
            let deadline = self.app.as_ref().and_then(|app| app.deadline());
            match (moving, deadline) {
                (true, _) => self.move_a_child(),
                (false, Some(at)) => {
                    self.mono_ms = self.mono_ms.max(at);
                    self.tell_time();
                }
                (false, None) => break,
            }
        }
        let app = self.app.as_ref().expect("it lives");
        assert_eq!((app.running(), app.waiting()), (0, 0), "work is left over");
        assert!(self.asked.is_empty(), "a request was never answered");
        self.let_them_read(true);
        self.audience.assert_only_events_are_watched();
        self.tally.watched(&self.audience);
        self.check_all();
        for (build, row) in &self.promised {
            assert!(row.is_some(), "build {build} never ended");
        }
        // A new life removes whatever a lost engine left behind.
        self.crash();
        for _ in 0..1_000 {
            self.move_a_child();
        }
        assert!(self.containers.is_empty(), "left: {:?}", self.containers);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.settings.data);
    }
}

fn connect(uri: &str) -> Connection {
    Connection::open_with_flags(uri, OpenFlags::default()).expect("a database in memory")
}

fn settings(data: PathBuf) -> Settings {
    let machine = Machine {
        cpus: 2,
        memory_bytes: 64 << 30,
    };
    let args = [
        "--max-builds",
        "3",
        "--build-timeout",
        "22",
        "--silence-timeout",
        "20",
    ];
    let versions = ["--zig-versions".into(), VERSIONS.join(",").into()];
    let args = args.iter().map(|arg| arg.into()).chain(versions);
    match config::parse(args, &|_| None, machine) {
        Ok(Asked::Serve(settings)) => Settings { data, ..*settings },
        other => panic!("{other:?}"),
    }
}

fn ended(exit: Exit) -> VecDeque<Move> {
    VecDeque::from([
        Move::Eof(Pipe::Stdout),
        Move::Eof(Pipe::Stderr),
        Move::Exit(exit),
    ])
}

fn said(answer: &str) -> VecDeque<Move> {
    let mut moves = ended(Exit::Code(0));
    moves.push_front(Move::Output(Pipe::Stdout, answer.as_bytes().to_vec()));
    moves
}
