//! The world around the core, virtual: a clock, an engine, clients, and what they do to it.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use rusqlite::{Connection, OpenFlags};
use zigcheck::app::dispatch::dispatch::App;
use zigcheck::app::store::store::Store;
use zigcheck::base::slab::Key;
use zigcheck::config::commands::Invocation;
use zigcheck::config::flags;
use zigcheck::config::launcher::Launcher;
use zigcheck::config::settings::{Machine, Settings};
use zigcheck::config::token::Token;
use zigcheck::interface::event::{Action, Core, DiskUsage, Event, JobId, Now};

use crate::admin::TOKEN;
use crate::audience::{Audience, Wish};
use crate::common::engine::client::Client;
use crate::common::engine::engine::{ANOTHER, Engine};
use crate::common::engine::slurm::Slurm;
use crate::common::seed::Seed;
use crate::days::Days;
use crate::order::Starts;
use crate::people::Asked;
use crate::rules::{Books, number};
use crate::scripts::{self, Outside, VERSIONS};
use crate::tally::Tally;

pub struct World {
    pub seed: Seed,
    pub settings: Settings,
    uri: String,
    /// Keeps the database in memory alive over crashes, and reads what is committed.
    pub keeper: Connection,
    pub app: Option<App>,
    pub ms: u64,
    /// What the clock of the server showed then.
    pub mono_from: u64,
    /// The server may be killed in the middle of a turn.
    pub perilous: bool,
    /// The server was asked to run dry.
    pub draining: bool,
    /// The disk has no room, as the server knows, or hears when it starts.
    pub low: bool,
    /// The last event that was seen before the server went down.
    seen: Option<u64>,
    pub engine: Engine,
    /// How many images were made of each toolchain, at the most.
    pub image_count: u32,
    pub clients: BTreeMap<JobId, Client>,
    pub outside: Outside,
    next_conn: u32,
    pub asked: BTreeMap<Key, Asked>,
    /// What is still to be sent of the bodies of requests.
    pub sending: BTreeMap<Key, VecDeque<Vec<u8>>>,
    pub audience: Audience,
    pub submitted: u64,
    pub books: Books,
    pub days: Days,
    pub starts: Starts,
    pub tally: Tally,
    talks: bool,
}

impl World {
    pub fn new(seed: u64) -> World {
        let data = quick_dir().join(format!("zigcheck-sim-{}-{seed}", std::process::id()));
        for dir in ["logs", "sources"] {
            std::fs::create_dir_all(data.join(dir)).expect("a temporary directory");
        }
        let uri = format!(
            "file:sim{}x{seed}?mode=memory&cache=shared",
            std::process::id()
        );
        let mut world = World {
            seed: Seed(seed),
            settings: settings(data, seed),
            keeper: connect(&uri),
            uri,
            app: None,
            ms: 0,
            mono_from: 0,
            perilous: false,
            draining: false,
            low: false,
            seen: None,
            engine: Engine::new(&VERSIONS.map(|version| (version, scripts::image(version, 1)))),
            image_count: 1,
            clients: BTreeMap::new(),
            outside: Outside::default(),
            next_conn: 0,
            asked: BTreeMap::new(),
            sending: BTreeMap::new(),
            audience: Audience::default(),
            submitted: 0,
            books: Books::default(),
            days: Days::default(),
            starts: Starts::default(),
            tally: Tally::default(),
            talks: std::env::var_os("SEED").is_some(),
        };
        if world.settings.launcher == Launcher::Slurm {
            world.engine.slurm = Some(Slurm::new(2));
        }
        world.engine.peak = Some("123456789\n".to_string());
        world.meet_neighbours();
        if world.seed.once_in(2) {
            let recipe = scripts::recipe(1);
            for version in VERSIONS {
                world.engine.name_recipe(version, &recipe);
            }
        }
        world.open();
        world.perilous = true;
        world
    }

    /// Another server on the same engine has containers of the same builds and attempts as this one.
    fn meet_neighbours(&mut self) {
        if self.seed.once_in(2) {
            return;
        }
        for _ in 0..self.seed.between(1, 4) {
            let id = self.seed.between(1, 20);
            let name = match self.seed.below(3) {
                0 => format!("zigcheck-{ANOTHER}-source-{id}-1"),
                1 => format!("zigcheck-{ANOTHER}-remote-{id}-1"),
                _ => format!("zigcheck-{ANOTHER}-{id}-1"),
            };
            self.engine.add_foreign(&name);
        }
    }

    /// Time goes on until then, and the engine gets to what was asked of it meanwhile.
    pub fn pass_to(&mut self, ms: u64) {
        let ms = ms.max(self.ms);
        self.engine.catch_up(ms);
        self.ms = ms;
        self.engine.ms = ms;
        self.end_silences();
    }

    pub fn pass(&mut self, ms: u64) {
        self.pass_to(self.ms + ms);
    }

    pub fn now(&self) -> Now {
        Now {
            mono_ms: self.mono_from + self.ms,
            unix_ms: 1_700_000_000_000 + self.ms as i64,
        }
    }

    /// For who replays one life.
    pub fn say(&self, what: std::fmt::Arguments) {
        if self.talks {
            eprintln!("{:>8} {what}", self.ms);
        }
    }

    pub fn open(&mut self) {
        self.say(format_args!("open"));
        let store = Store::from_connection(connect(&self.uri)).expect("the schema");
        self.engine.data_id = store.identity.data_id.clone();
        self.mono_from = self.seed.below(1_000_000) as u64;
        // It may come back with other limits.
        if self.seed.once_in(8) {
            self.tally.met("other limits");
            self.settings.memory_bytes ^= 1 << 30;
        }
        // What it was not analysed for meanwhile, it is afterwards.
        if self.seed.once_in(8) {
            self.tally.met("other targets switched on or off");
            self.settings.targets ^= true;
        }
        self.change_versions();
        self.starts.opened(self.ms);
        let app = App::open(self.settings.clone(), store, self.now()).expect("it opens");
        self.app = Some(app);
        self.turn(None);
        // The shell looks first of all.
        self.tell_room();
        // One of those who watched comes back, and goes on where it was.
        if let Some(since) = self.seen.take()
            && self.app.is_some()
        {
            self.ask_to_watch(Wish::Events { since: Some(since) });
        }
    }

    /// It may come back without one of its toolchains, and later with all of them.
    fn change_versions(&mut self) {
        if !self.seed.once_in(10) {
            return;
        }
        let mut versions = VERSIONS.map(str::to_string).to_vec();
        if self.settings.zig_versions == versions {
            self.tally.met("versions retired");
            let retired = versions.remove(self.seed.below(versions.len()));
            self.days.named.remove(retired.as_str());
        }
        self.settings.zig_versions = versions;
    }

    /// One of the toolchains that the server has.
    pub fn some_version(&mut self) -> String {
        self.seed.pick(&self.settings.zig_versions).clone()
    }

    pub fn tell_room(&mut self) {
        let free_bytes = if self.low { 1 << 20 } else { 1 << 40 };
        self.turn(Some(Event::DiskUsage(DiskUsage {
            free_bytes,
            total_bytes: 1 << 41,
        })));
    }

    /// The server is gone, at once, with all the clients it has started.
    pub fn die(&mut self) {
        self.say(format_args!("die"));
        self.app = None;
        self.draining = false;
        let looks = self.open_looks();
        for (_, mut client) in std::mem::take(&mut self.clients) {
            client.die(&mut self.engine, &mut self.seed);
        }
        let unix_ms = self.now().unix_ms;
        self.days.die(&self.keeper, unix_ms, looks);
        self.books.late.clear();
        self.asked.clear();
        self.sending.clear();
        self.seen = self.audience.interrupted_builds().or(self.seen);
    }

    pub fn turn(&mut self, event: Option<Event>) {
        let now = self.now();
        let fate = match self.perilous && self.seed.once_in(250) {
            true => self.seed.between(1, 2),
            false => 0,
        };
        let Some(app) = self.app.as_mut() else {
            return;
        };
        if let Some(event) = event {
            if self.talks {
                eprintln!("{:>8} {}", self.ms, told(&event));
            }
            app.handle(event, now);
        }
        let mut actions = Vec::new();
        while let Some(action) = app.next_action() {
            actions.push(action);
        }
        if fate == 1 {
            self.tally.met("crashes before the commit");
            return self.die();
        }
        app.commit(now).expect("the database in memory takes it");
        self.check_starts(&actions);
        for action in actions {
            if fate == 2 && self.seed.once_in(2) {
                break;
            }
            self.perform(action);
        }
        if fate == 2 {
            self.tally.met("crashes behind the commit");
            self.check();
            return self.die();
        }
        self.let_them_read(false);
        let app = self.app.as_ref().expect("still there");
        assert!(app.running() <= self.settings.max_builds);
        let watched = self.clients.values().filter(|c| c.name.is_some());
        assert!(
            watched.count() <= self.settings.max_builds,
            "more containers than slots"
        );
        let dry = self.draining && app.stopped();
        self.check();
        self.check_nobody_hears_cancelled();
        if dry {
            self.tally.met("ran dry");
            self.die();
        }
    }

    fn perform(&mut self, action: Action) {
        self.say(format_args!("  {}", asked(&action)));
        match action {
            Action::Spawn { job, command } => self.spawn(job, command),
            Action::Kill { job } => self.kill_client(job),
            Action::Respond { conn, response } => self.hear(conn, &response),
            Action::Stream { conn, .. } | Action::Upgrade { conn } => {
                let newest = self.newest_event();
                match self.asked.remove(&conn) {
                    Some(Asked::Watch(wish)) => self.audience.begin(conn, wish, newest),
                    other => panic!("{other:?} is to be watched"),
                }
            }
            Action::Wake { conn } => self.audience.wake(conn),
        }
    }

    pub fn let_them_read(&mut self, patient: bool) {
        let app = self.app.as_mut().expect("it lives");
        let logs = self.settings.data.join("logs");
        self.audience
            .read(app, (&self.keeper, &logs), &mut self.seed, patient);
        self.audience
            .assert_sleepers_miss_nothing(&self.keeper, &logs);
    }

    pub fn newest_event(&self) -> u64 {
        number(&self.keeper, "SELECT coalesce(max(seq), 0) FROM events") as u64
    }

    pub fn new_conn(&mut self) -> Key {
        self.next_conn += 1;
        Key {
            index: self.next_conn,
            generation: 1,
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.settings.data);
    }
}

/// Files are made by the thousand: in memory, where the system has a place for that.
fn quick_dir() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    match memory.is_dir() {
        true => memory,
        false => std::env::temp_dir(),
    }
}

fn connect(uri: &str) -> Connection {
    Connection::open_with_flags(uri, OpenFlags::default()).expect("a database in memory")
}

fn settings(data: PathBuf, seed: u64) -> Settings {
    let machine = Machine {
        cpus: 2,
        memory_bytes: 64 << 30,
    };
    let flags = [
        "--max-builds=3",
        "--build-timeout=22",
        "--silence-timeout=20",
        "--fetch-network=bridge",
    ];
    let versions = format!("--zig-versions={}", VERSIONS.join(","));
    let flags = flags.iter().map(|flag| flag.to_string());
    let flags = flags.chain([versions]).map(|flag| flag.into());
    match flags::parse(flags, &|_| None, machine) {
        Ok(Invocation::Serve(settings)) => Settings {
            data,
            // Some lives are on a cluster.
            launcher: match seed % 4 {
                0 => Launcher::Slurm,
                _ => Launcher::Local,
            },
            admin_token: Token::read(TOKEN).ok(),
            ..*settings
        },
        other => panic!("{other:?}"),
    }
}

fn told(event: &Event) -> String {
    match event {
        Event::Request { request, .. } => {
            let (head, body) = (&request.head, String::from_utf8_lossy(&request.body));
            format!("{} {}?{} {body}", head.method, head.path, head.query)
        }
        Event::Output { job, pipe, bytes } => {
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
            format!("{job:?} {pipe:?} {text:?}")
        }
        event => format!("{event:?}"),
    }
}

fn asked(action: &Action) -> String {
    match action {
        Action::Spawn { job, command } => {
            // The scripts for a cluster say nothing new.
            let words = command
                .argv
                .iter()
                .skip(1)
                .filter(|word| !word.contains('\n'));
            let words: Vec<&str> = words
                .filter(|w| !w.starts_with("--"))
                .map(String::as_str)
                .collect();
            let name = command.argv.get(2).map_or("", String::as_str);
            format!("{job:?}: {name} {words:?}")
        }
        Action::Respond { response, .. } => {
            let text = String::from_utf8_lossy(&response.body);
            format!(
                "{}: {}",
                response.status,
                text.chars().take(200).collect::<String>()
            )
        }
        action => format!("{action:?}"),
    }
}
