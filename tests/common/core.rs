//! The core without its shell: requests go in, answers come out, and containers do what a test
//! tells them to. It can be killed at any moment, and started again on what it left.

use crate::common::settings;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::common::engine::client::Move;
use crate::common::engine::scripted::Scripted;
use rusqlite::Connection;
use serde_json::{Value, json};
use zigcheck::app::dispatch::dispatch::App;
use zigcheck::app::store::store::Store;
use zigcheck::base::slab::Key;
use zigcheck::config::settings::Settings;
use zigcheck::config::token::Token;
use zigcheck::interface::event::{Action, Core, Event, Now, Pull};
use zigcheck::interface::message::{Admission, Head, Request, Response};
use zigcheck::interface::peer::Peer;

/// What every server here knows its admin by.
pub const TOKEN: &str = "the-word-of-the-admin";

pub const START: i64 = 1_700_000_000_000;

pub const VERSIONS: &str = "--zig-versions=0.16.0,0.15.2";

/// A request with its body in pieces.
pub struct Asked<'a> {
    pub method: &'a str,
    pub target: &'a str,
    pub headers: Vec<(&'a str, &'a str)>,
    pub body: Vec<&'a [u8]>,
    pub whole: bool,
}

pub struct Inside {
    pub(super) app: App,
    pub settings: Settings,
    /// Milliseconds since `START`.
    pub ms: u64,
    /// What the clock that never goes back showed at `START`, or would have.
    mono_ms: u64,
    pub engine: Scripted,
    conns: u32,
    pub(super) answered: Vec<(Key, Response)>,
    /// The streams that are kept open; none: each is read up to now, and ends.
    pub streams: Option<BTreeMap<Key, Kept>>,
}

/// What came of a stream that is kept open, and how it ended.
pub type Kept = (Vec<u8>, Option<Pull>);

/// A directory of that name with what a data directory must have, made anew.
pub fn data(name: &str) -> PathBuf {
    let data = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("core")
        .join(name);
    let _ = std::fs::remove_dir_all(&data);
    for dir in ["logs", "sources"] {
        std::fs::create_dir_all(data.join(dir)).unwrap();
    }
    data
}

/// A server that is gone, and what it left.
pub struct Killed {
    pub settings: Settings,
    pub ms: u64,
    pub engine: Scripted,
}

/// A database in memory, which is there for as long as somebody has it open.
pub struct Memory {
    uri: String,
    pub db: Connection,
}

impl Memory {
    /// `name` is that of no other.
    pub fn new(name: &str) -> Memory {
        let uri = format!("file:{name}?mode=memory&cache=shared");
        let db = Connection::open(&uri).unwrap();
        Memory { uri, db }
    }

    pub fn open(&self) -> Store {
        Store::from_connection(Connection::open(&self.uri).unwrap()).unwrap()
    }

    /// The states that were told of a build, in order.
    pub fn events(&self, build: i64) -> Vec<String> {
        let sql = "SELECT state FROM events WHERE build_id = ?1 ORDER BY seq";
        let mut statement = self.db.prepare(sql).unwrap();
        let states = statement.query_map([build], |row| row.get(0)).unwrap();
        states.map(Result::unwrap).collect()
    }
}

fn app(settings: &Settings, store: Store, now: Now) -> App {
    App::open(settings.clone(), store, now).unwrap()
}

impl Inside {
    /// A server with these settings besides, whose engine has answered.
    pub fn with(name: &str, store: Store, change: impl Fn(&mut Settings)) -> Inside {
        let mut inside = Inside::set_up(name, store, 1, change);
        inside.pump();
        inside
    }

    /// A server on that database under two toolchains, whose engine has answered.
    pub fn open(name: &str, store: Store, slots: usize) -> Inside {
        let mut inside = Inside::unheard(name, store, slots);
        inside.pump();
        inside
    }

    /// The same on a new database, which others may open as well.
    pub fn begin(name: &str, slots: usize) -> (Inside, Memory) {
        let memory = Memory::new(name);
        (Inside::open(name, memory.open(), slots), memory)
    }

    /// The same, with an engine that is not there.
    pub fn without_engine(name: &str, store: Store) -> Inside {
        let mut inside = Inside::unheard(name, store, 1);
        inside.engine.up = false;
        inside.pump();
        inside
    }

    fn unheard(name: &str, store: Store, slots: usize) -> Inside {
        Inside::set_up(name, store, slots, |_| {})
    }

    fn set_up(name: &str, store: Store, slots: usize, change: impl Fn(&mut Settings)) -> Inside {
        let data = format!("--data={}", data(name).display());
        let slots = format!("--max-builds={slots}");
        let mut settings = settings::settings(&[
            &data,
            &slots,
            VERSIONS,
            "--commit-search=off",
            "--targets=off",
        ]);
        settings.admin_token = Token::read(TOKEN).ok();
        change(&mut settings);
        let now = Now {
            mono_ms: 0,
            unix_ms: START,
        };
        Inside {
            app: app(&settings, store, now),
            settings,
            ms: 0,
            mono_ms: 0,
            engine: Scripted::new(),
            conns: 0,
            answered: Vec::new(),
            streams: None,
        }
    }

    /// Goes on with other settings, as if started with other flags.
    pub fn restarted_with(self, memory: &Memory, change: impl Fn(&mut Settings)) -> Inside {
        let mut killed = self.killed();
        change(&mut killed.settings);
        killed.starts(memory)
    }

    /// The end of it, in the middle of things; its engine goes on.
    pub fn killed(self) -> Killed {
        let Inside {
            settings,
            ms,
            mut engine,
            ..
        } = self;
        engine.loses_server();
        Killed {
            settings,
            ms,
            engine,
        }
    }

    /// It is killed, and another is started at once on the same database.
    pub fn restarted(self, memory: &Memory) -> Inside {
        self.killed().starts(memory)
    }

    pub fn now(&self) -> Now {
        Now {
            mono_ms: self.mono_ms + self.ms,
            unix_ms: START + self.ms as i64,
        }
    }

    pub fn tell(&mut self, event: Event) {
        self.app.handle(event, self.now());
    }

    pub fn pump(&mut self) {
        loop {
            while let Some(action) = self.app.next_action() {
                match action {
                    Action::Respond { conn, response } => self.answered.push((conn, response)),
                    Action::Spawn { job, command } => self.engine.spawn(job, &command),
                    Action::Kill { job } => self.engine.kill(job),
                    Action::Stream { conn, .. } if self.streams.is_some() => self.read_on(conn),
                    Action::Wake { conn } if self.streams.is_some() => self.read_on(conn),
                    Action::Stream { conn, head, .. } => self.pull_all(conn, head),
                    action => panic!("{action:?} was not asked for"),
                }
            }
            match self.engine.next() {
                None => break,
                Some((job, Move::Output(pipe, bytes))) => {
                    let bytes = bytes.as_slice();
                    self.tell(Event::Output { job, pipe, bytes });
                }
                Some((job, Move::Eof(pipe))) => self.tell(Event::Eof { job, pipe }),
                Some((job, Move::Exit(exit))) => self.tell(Event::Exited { job, exit }),
            }
        }
        self.app.commit(self.now()).unwrap();
    }

    /// Reads what a stream that is kept open has now.
    fn read_on(&mut self, conn: Key) {
        let streams = self.streams.as_mut().expect("streams are kept");
        let (bytes, end) = streams.entry(conn).or_default();
        loop {
            match self.app.pull(conn, 1_000, bytes) {
                Pull::More | Pull::Text => {}
                Pull::Idle => break,
                Pull::End | Pull::Unfinished => {
                    *end = Some(Pull::End);
                    break;
                }
            }
        }
    }

    fn pull_all(&mut self, conn: Key, mut response: Response) {
        loop {
            match self.app.pull(conn, 64 << 10, &mut response.body) {
                Pull::More | Pull::Text => {}
                Pull::Idle => {
                    self.tell(Event::Aborted { conn });
                    break;
                }
                Pull::End | Pull::Unfinished => break,
            }
        }
        self.answered.push((conn, response));
    }

    pub fn pass(&mut self, ms: u64) {
        self.ms += ms;
        self.tell(Event::Time);
        self.pump();
    }

    /// Lets time pass as the server wants to be told of it, and no further than so long.
    pub fn pass_step_by_step(&mut self, ms: u64) {
        let end = self.ms + ms;
        let mut at_once = 0;
        loop {
            let due = self
                .app
                .deadline()
                .map(|at| at.saturating_sub(self.mono_ms));
            let next = due.map_or(end, |at| at.clamp(self.ms, end));
            at_once = if next == self.ms { at_once + 1 } else { 0 };
            assert!(at_once < 1_000, "it does not sleep");
            self.ms = next;
            self.tell(Event::Time);
            self.pump();
            if self.ms == end && self.app.deadline().is_none_or(|at| at > self.now().mono_ms) {
                return;
            }
        }
    }

    pub fn app(&mut self) -> &mut App {
        &mut self.app
    }

    pub fn stopped(&self) -> bool {
        self.app.stopped()
    }

    pub fn counts(&self, from: Option<IpAddr>) -> bool {
        self.app.counted(from.into()).is_some()
    }

    pub fn key(&mut self) -> Key {
        self.conns += 1;
        Key {
            index: self.conns,
            generation: 0,
        }
    }

    pub(super) fn answer(&mut self, conn: Key) -> Response {
        self.pump();
        let (_, response) = self
            .answered
            .pop()
            .filter(|(key, _)| *key == conn)
            .expect("an answer");
        response
    }

    pub fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let conn = self.key();
        let length = body.len().to_string();
        let headers = [headers, &[("content-length", &length)]].concat();
        let request = request(method, target, &headers, body);
        let admission = self.app.admit(conn, Peer::Unix, &request.head, self.now());
        if let Admission::Refuse(response) = admission {
            return response;
        }
        self.tell(Event::Request { conn, request });
        self.answer(conn)
    }

    pub fn as_admin(&mut self, method: &str, target: &str, body: &[u8]) -> Response {
        let bearer = format!("Bearer {TOKEN}");
        self.request(method, target, &[("authorization", &bearer)], body)
    }

    /// The same with JSON, if `body` is not null: status and answer.
    pub fn admin_json(&mut self, method: &str, target: &str, body: &Value) -> (u16, Value) {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let response = self.as_admin(method, target, body.as_bytes());
        let answer = serde_json::from_slice(&response.body).expect("JSON");
        (response.status, answer)
    }

    /// As the shell does it with who comes from that address: what the head alone is answered is
    /// the answer; a tree is sent in pieces after its head. Without an answer it waits for more.
    pub fn ask_from(&mut self, from: Option<IpAddr>, asked: &Asked) -> Option<Response> {
        self.ask_as(from.into(), asked)
    }

    /// The same with whoever is connected like that.
    pub fn ask_as(&mut self, from: Peer, asked: &Asked) -> Option<Response> {
        let conn = self.key();
        let mut request = request(asked.method, asked.target, &asked.headers, b"");
        match self.app.admit(conn, from, &request.head, self.now()) {
            Admission::Refuse(response) => return Some(response),
            Admission::Spool { .. } => request.spooled = true,
            Admission::Collect { .. } => request.body = asked.body.concat(),
        }
        let spooled = request.spooled;
        self.tell(Event::Request { conn, request });
        for bytes in asked.body.iter().filter(|_| spooled) {
            self.tell(Event::Body { conn, bytes });
        }
        if spooled && asked.whole {
            self.tell(Event::BodyEnd { conn });
        }
        self.pump();
        // A tree is looked through a slice a turn.
        while self.answered.is_empty() && self.app.deadline() == Some(0) {
            self.tell(Event::Time);
            self.pump();
        }
        let answered = self.answered.pop();
        answered.map(|(key, response)| {
            assert_eq!(key, conn, "one answer to each");
            response
        })
    }

    pub fn curl(&mut self, target: &str) -> String {
        let headers = [("host", "zig.example.org"), ("accept", "*/*")];
        let response = self.request("GET", target, &headers, b"");
        String::from_utf8(response.body).unwrap()
    }

    pub fn json(&mut self, target: &str) -> Value {
        serde_json::from_str(&self.curl(target)).unwrap()
    }

    pub fn build(&mut self, build: i64) -> Value {
        self.json(&format!("/api/builds/{build}"))
    }

    #[track_caller]
    pub fn is(
        &mut self,
        build: i64,
        state: &str,
        status: &str,
        reason: Option<&str>,
        attempt: u32,
    ) {
        let row = self.build(build);
        let found = ["state", "build_status", "reason", "attempt"].map(|name| row[name].clone());
        let wanted = [json!(state), json!(status), json!(reason), json!(attempt)];
        assert_eq!(found, wanted, "{row}");
    }

    pub fn log(&self, build: i64) -> String {
        let path = self.settings.data.join(format!("logs/{build}.log"));
        String::from_utf8(std::fs::read(path).unwrap()).unwrap()
    }

    pub fn sources(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.settings.data.join("sources")).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    pub fn path_of_source(&self, name: &str) -> PathBuf {
        self.settings.data.join("sources").join(name)
    }
}

impl Killed {
    /// Another server, on a clock that shows something else.
    pub fn starts(self, memory: &Memory) -> Inside {
        self.starts_on(memory.open())
    }

    pub fn starts_on(self, store: Store) -> Inside {
        let mono_ms = 77_000_000;
        let now = Now {
            mono_ms: mono_ms + self.ms,
            unix_ms: START + self.ms as i64,
        };
        let mut inside = Inside {
            app: app(&self.settings, store, now),
            settings: self.settings,
            ms: self.ms,
            mono_ms,
            engine: self.engine,
            conns: 1_000,
            answered: Vec::new(),
            streams: None,
        };
        inside.pump();
        inside
    }
}

pub fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    let head = Head {
        method: method.to_string(),
        path: path.to_string(),
        query: query.to_string(),
        headers: headers.iter().map(owned).collect(),
        http10: false,
    };
    Request {
        head,
        body: body.to_vec(),
        spooled: false,
    }
}
