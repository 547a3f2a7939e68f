//! What people, time and fate do to the server and to its engine.

use std::collections::VecDeque;
use std::sync::OnceLock;

use serde_json::{Value, json};
use zigcheck::app::App;
use zigcheck::event::{Core, Event, JobId};
use zigcheck::message::{Admission, Head, Request};

use crate::audience::Wish;
use crate::engine::VERSIONS;
use crate::pack;
use crate::seed::Seed;
use crate::world::World;

/// Trees that are uploaded, again and again the same: what matters is inside, not how it is packed.
fn trees() -> &'static [Vec<u8>] {
    static TREES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    TREES.get_or_init(|| {
        let tree = |n: usize, manifest: &str| {
            let build = pack::file("build.zig", format!("const n = {n};\n").as_bytes());
            pack::tar(&[build, pack::file("build.zig.zon", manifest.as_bytes())])
        };
        let needs =
            |url: &str| format!(".{{ .dependencies = .{{ .x = .{{\n.url = \"{url}\" }} }} }}");
        vec![
            tree(1, ".{}"),
            tree(2, ".{}"),
            pack::gzip(&tree(3, ".{}")),
            tree(4, &needs("https://example.org/a.tar.gz")),
            tree(5, &needs("https://example.org/a.tar.gz")),
            pack::zstd(&tree(6, &needs("https://example.org/b.tar.gz"))),
            b"no tree".to_vec(),
        ]
    })
}

impl World {
    pub fn step(&mut self) {
        if self.app.is_none() {
            return self.live_without();
        }
        if !self.engine.up && self.seed.once_in(30) {
            self.engine.up = true;
        }
        match self.seed.below(100) {
            0..=3 => self.submit(),
            4 => self.submit_again(),
            5..=6 => self.upload(),
            7 => self.look_around(),
            8..=10 => self.watch(),
            11 => self.leave_audience(),
            12 => self.leave_one(),
            13..=14 => self.meet_fate(),
            15..=22 => self.let_time_pass(),
            _ => self.move_on(),
        }
    }

    /// The server is down, and everything else goes on.
    fn live_without(&mut self) {
        match self.seed.below(12) {
            0..=1 => self.open(),
            2 => self.change_engine(),
            3 => self.ms += self.seed.below(3_000) as u64,
            4 => self.engine.catch_up(),
            _ => drop(self.engine.go_on(&mut self.seed)),
        }
    }

    fn meet_fate(&mut self) {
        match self.seed.below(14) {
            0..=4 => self.change_engine(),
            5..=8 => {
                self.tally.met("crashes");
                self.die();
            }
            9 => self.stop(),
            10 if self.seed.once_in(2) => {
                self.tally.met("drains");
                self.draining = true;
                self.turn(Some(Event::Drain));
            }
            11 => self.change_images(),
            _ => self.change_outside(),
        }
    }

    // -- the engine --

    pub fn change_engine(&mut self) {
        if !self.engine.up {
            self.engine.up = true;
            return;
        }
        match self.seed.below(3) {
            0 => {
                self.tally.met("outages");
                self.engine.up = false;
            }
            live => {
                let live = live == 1;
                let how = ["end", "live"][usize::from(live)];
                self.tally
                    .met(&format!("engine restarts, containers {how}"));
                self.engine.go_down(live);
                for client in self.clients.values_mut() {
                    client.cut_off(&mut self.engine, &mut self.seed);
                }
            }
        }
    }

    fn change_images(&mut self) {
        let nth = self.seed.below(VERSIONS.len());
        self.engine.image_count += 1;
        let images = &mut self.engine.images[nth];
        *images = match self.seed.once_in(4) {
            true => None,
            false => Some(self.engine.image_count),
        };
        let what = ["new images", "missing images"][usize::from(images.is_none())];
        self.tally.met(what);
    }

    fn change_outside(&mut self) {
        let package = self.seed.between(1, self.submitted.max(1) as usize);
        *self.outside.commits.entry(url(package as u64)).or_default() += 1;
    }

    // -- people --

    fn request(&mut self, method: &str, path: &str, body: Value) {
        let head = Head {
            method: method.to_string(),
            path: path.to_string(),
            ..Head::default()
        };
        self.ask(head, body, None);
    }

    fn ask(&mut self, head: Head, body: Value, wish: Option<Wish>) {
        let conn = self.new_conn();
        let request = Request {
            head,
            body: body.to_string().into_bytes(),
            ..Request::default()
        };
        self.asked.insert(conn, wish);
        self.turn(Some(Event::Request {
            conn,
            from: None,
            request,
        }));
    }

    fn submit(&mut self) {
        self.submitted += u64::from(!self.seed.once_in(5));
        self.tally.met("packages submitted");
        let url = url(self.submitted);
        self.request("POST", "/api/packages", json!({"url": url}));
    }

    fn submit_again(&mut self) {
        let package = self.seed.between(1, self.submitted.max(1) as usize);
        self.tally.met("packages submitted again");
        let path = format!("/api/packages/p{package}/builds");
        self.request("POST", &path, Value::Null);
    }

    fn upload(&mut self) {
        let trees = trees();
        let tree = &trees[self.seed.below(trees.len())];
        let query = match self.seed.below(3) {
            0 => String::new(),
            _ => format!("zig_versions={}", self.seed.pick(&VERSIONS)),
        };
        let head = Head {
            method: "POST".to_string(),
            path: "/api/check".to_string(),
            query,
            headers: vec![("content-length".to_string(), tree.len().to_string())],
        };
        let app = self.app.as_ref().expect("it lives");
        if !matches!(app.admit(&head), Admission::Spool { .. }) {
            return;
        }
        self.tally.met("trees uploaded");
        let conn = self.new_conn();
        let pieces = match self.seed.once_in(2) {
            true => vec![tree.clone()],
            false => self
                .seed
                .pieces(tree, 1_500)
                .iter()
                .map(|p| p.to_vec())
                .collect(),
        };
        self.asked.insert(conn, None);
        self.sending.insert(conn, VecDeque::from(pieces));
        let request = Request {
            head,
            spooled: true,
            ..Request::default()
        };
        self.turn(Some(Event::Request {
            conn,
            from: None,
            request,
        }));
    }

    /// Somebody sends the next piece. False: nobody has one.
    pub fn send(&mut self) -> bool {
        let Some((conn, mut pieces)) = self.sending.pop_first() else {
            return false;
        };
        if !self.asked.contains_key(&conn) {
            return true;
        }
        match pieces.pop_front() {
            None => self.turn(Some(Event::BodyEnd { conn })),
            Some(bytes) => {
                let bytes = &bytes;
                self.sending.insert(conn, pieces);
                self.turn(Some(Event::Body { conn, bytes }));
            }
        }
        true
    }

    fn look_around(&mut self) {
        let paths = [
            "/api/packages",
            "/api/builds",
            "/api/health",
            "/api/builds/1",
            "/api/queue",
        ];
        let path = paths[self.seed.below(paths.len())];
        self.request("GET", path, Value::Null);
    }

    fn watch(&mut self) {
        let newest = self.newest_event();
        let builds = self.books.promised.last().copied().unwrap_or(1) as u64;
        let some = |seed: &mut Seed, of: u64| seed.between(1, of.max(1) as usize) as i64;
        let wish = match self.seed.below(4) {
            0 => Wish::Events { since: None },
            1 => Wish::Events {
                since: Some(some(&mut self.seed, newest + 1) as u64),
            },
            2 => Wish::Check(some(&mut self.seed, builds / 2)),
            _ => Wish::Log(some(&mut self.seed, builds)),
        };
        self.ask_to_watch(wish);
    }

    pub fn ask_to_watch(&mut self, wish: Wish) {
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

    fn leave_audience(&mut self) {
        if let Some(conn) = self.audience.leave_one(&mut self.seed) {
            self.turn(Some(Event::Gone { conn }));
        }
    }

    fn leave_one(&mut self) {
        if let Some((conn, _)) = self.asked.pop_first() {
            self.sending.remove(&conn);
            self.turn(Some(Event::Gone { conn }));
        }
    }

    // -- time --

    /// When the server wants to look at the clock, in the time of this world.
    fn deadline(&self) -> Option<u64> {
        let deadline = self.app.as_ref()?.deadline()?;
        Some(deadline.saturating_sub(self.mono_from))
    }

    fn let_time_pass(&mut self) {
        match (self.seed.below(4), self.deadline()) {
            (0, Some(at)) => self.ms = self.ms.max(at),
            _ => self.ms += self.seed.below(1_000) as u64,
        }
        self.tell_time();
    }

    fn tell_time(&mut self) {
        for _ in 0..100 {
            let is_over = self.app.as_ref().is_some_and(App::stopped);
            if is_over || self.deadline().is_none_or(|at| at > self.ms) {
                return;
            }
            self.turn(Some(Event::Time));
        }
        panic!("it looks at the clock again and again, and does nothing");
    }

    fn move_on(&mut self) {
        self.ms += 1;
        match self.seed.below(10) {
            0..=2 => drop(self.engine.go_on(&mut self.seed)),
            3 => drop(self.send()),
            _ if !self.clients.is_empty() => {
                let nth = self.seed.below(self.clients.len());
                let job = *self.clients.keys().nth(nth).expect("there are more");
                self.move_client(job);
            }
            _ => self.engine.catch_up(),
        }
        self.tell_time();
    }

    /// Everything that can move does. False: only time can help.
    fn move_all(&mut self) -> bool {
        let mut moved = self.engine.go_on(&mut self.seed) | self.send();
        let jobs: Vec<JobId> = self.clients.keys().copied().collect();
        for job in jobs {
            moved |= self.move_client(job);
        }
        moved
    }

    // -- the end --

    fn stop(&mut self) {
        self.tally.met("stops");
        let began = self.ms;
        self.perilous = false;
        self.draining = false;
        self.turn(Some(Event::Stop));
        while !self.app.as_ref().expect("it lives").stopped() {
            if !self.move_all() {
                let deadline = self.deadline().expect("it never stops");
                self.ms = self.ms.max(deadline);
            }
            self.tell_time();
        }
        self.perilous = true;
        self.check_stopped(began);
        self.die();
    }

    /// With the engine back and time going on, everything promised ends, and nothing stays.
    pub fn come_to_rest(&mut self) {
        self.perilous = false;
        self.engine.calm_down();
        if self.app.is_none() {
            self.open();
        }
        self.settle();
        assert!(self.asked.is_empty(), "a request was never answered");
        self.let_them_read(true);
        self.audience.assert_only_events_are_watched();
        self.count_audience();
        self.check_rest();
        // A new life removes whatever a lost engine left behind.
        self.die();
        self.engine.catch_up();
        self.open();
        self.settle();
        self.check_rest();
        for what in std::mem::take(&mut self.engine.met) {
            self.tally.met(what);
        }
        let left: Vec<&str> = self.engine.ours().map(|c| c.name.as_str()).collect();
        assert!(left.is_empty(), "left: {left:?}");
    }

    fn settle(&mut self) {
        for _ in 0..100_000 {
            let moved = self.move_all();
            if self.app.is_none() {
                self.open();
            }
            self.tell_time();
            let app = self.app.as_ref().expect("it was opened");
            let idle = (app.running(), app.waiting()) == (0, 0) && self.clients.is_empty();
            match (moved, self.deadline()) {
                (true, _) => {}
                (false, None) if idle => return,
                // What is planned for later is another day's work.
                (false, Some(at)) if idle && at > self.ms + 60_000 => return,
                (false, Some(at)) => {
                    self.ms = self.ms.max(at);
                    self.tell_time();
                }
                (false, None) => break,
            }
        }
        let app = self.app.as_ref().expect("it lives");
        let (running, waiting) = (app.running(), app.waiting());
        panic!("{running} run, {waiting} wait: {:?}", self.clients);
    }

    fn count_audience(&mut self) {
        let audience = &self.audience;
        for (what, count) in [
            ("events", audience.events),
            ("resets", audience.resets),
            ("checks followed", audience.checks_followed),
            ("logs read", audience.logs_read),
        ] {
            self.tally.count(what, count);
        }
    }
}

fn url(package: u64) -> String {
    format!("https://github.com/a/p{package}")
}
