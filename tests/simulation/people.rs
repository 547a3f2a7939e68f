//! What people ask of the server: they submit, upload, look around, watch, and leave.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::OnceLock;

use serde_json::{Value, json};
use zigcheck::app::dispatch::dispatch::App;
use zigcheck::app::domain::task::Priority;
use zigcheck::base::slab::Key;
use zigcheck::interface::event::{Core, Event};
use zigcheck::interface::message::{Admission, Head, Request};

use crate::audience::Wish;
use crate::common::pack;
use crate::common::seed::Seed;
use crate::rules::Row;
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

/// What was asked for, until it is answered.
#[derive(Debug)]
pub enum Asked {
    /// Anything that nobody holds the server to.
    Plain,
    Watch(Wish),
    /// A new check, in that class, for who asks; an admin asks for the owner of the package.
    Check(Priority, Option<String>),
    /// The end of that build, which was so before.
    Cancel(i64, Option<Row>),
    /// A look at all remotes.
    Looks,
    /// A check of all packages.
    CheckAll,
    Status,
    /// The same of that build, without the right to it: to be answered so.
    Forbidden(u16, i64),
}

impl World {
    pub fn request(&mut self, method: &str, path: &str, body: Value) {
        let head = Head {
            method: method.to_string(),
            path: path.to_string(),
            ..Head::default()
        };
        self.ask(head, body, None, Asked::Plain);
    }

    /// What becomes of a request; none while no server lives.
    fn admit(&mut self, conn: Key, from: Option<IpAddr>, head: &Head) -> Option<Admission> {
        let now = self.now();
        let app = self.app.as_mut()?;
        Some(app.admit(conn, from.into(), head, now))
    }

    pub fn ask(&mut self, mut head: Head, body: Value, from: Option<IpAddr>, asked: Asked) {
        if self.app.is_none() {
            return;
        }
        let (conn, body) = (self.new_conn(), body.to_string());
        let length = ("content-length".to_string(), body.len().to_string());
        head.headers.push(length);
        self.asked.insert(conn, asked);
        if let Some(Admission::Refuse(response)) = self.admit(conn, from, &head) {
            return self.hear(conn, &response);
        }
        let request = Request {
            head,
            body: body.into_bytes(),
            ..Request::default()
        };
        self.turn(Some(Event::Request { conn, request }));
    }

    /// Somebody: from this machine, or from one of a few others.
    fn somebody(&mut self) -> Option<IpAddr> {
        let nth = self.seed.below(4) as u32;
        (nth > 0).then(|| Ipv4Addr::from_bits(0x0a00_0000 + nth).into())
    }

    fn ask_for_check(&mut self, target: &str, body: Value) {
        let from = self.somebody();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let head = Head {
            method: "POST".to_string(),
            path: path.to_string(),
            query: query.to_string(),
            ..Head::default()
        };
        let asked = Asked::Check(Priority::Interactive, Some(tenant(from)));
        self.ask(head, body, from, asked);
    }

    pub fn submit(&mut self) {
        self.submitted += u64::from(!self.seed.once_in(5));
        self.tally.met("packages submitted");
        let url = url(self.submitted);
        self.ask_for_check("/api/packages", json!({"url": url}));
    }

    pub fn submit_again(&mut self) {
        let package = self.some_package();
        self.tally.met("packages submitted again");
        let fresh = ["", "?fresh"][usize::from(self.seed.once_in(3))];
        let target = format!("/api/packages/p{package}/builds{fresh}");
        self.ask_for_check(&target, Value::Null);
    }

    pub fn some_package(&mut self) -> u64 {
        self.seed.between(1, self.submitted.max(1) as usize) as u64
    }

    pub fn upload(&mut self) {
        let trees = trees();
        let tree = &trees[self.seed.below(trees.len())];
        let query = match self.seed.below(3) {
            0 => String::new(),
            _ => format!("zig_versions={}", self.some_version()),
        };
        let fresh = ["", "&fresh"][usize::from(self.seed.once_in(4))];
        let query = format!("{query}{fresh}");
        let head = Head {
            method: "POST".to_string(),
            path: "/api/check".to_string(),
            query,
            headers: vec![("content-length".to_string(), tree.len().to_string())],
            http10: false,
        };
        let from = self.somebody();
        let conn = self.new_conn();
        let admission = self.admit(conn, from, &head);
        if !matches!(admission, Some(Admission::Spool { .. })) {
            return;
        }
        self.tally.met("trees uploaded");
        let pieces = match self.seed.once_in(2) {
            true => vec![tree.clone()],
            false => self
                .seed
                .pieces(tree, 1_500)
                .iter()
                .map(|p| p.to_vec())
                .collect(),
        };
        let asked = Asked::Check(Priority::Interactive, Some(tenant(from)));
        self.asked.insert(conn, asked);
        self.sending.insert(conn, VecDeque::from(pieces));
        let request = Request {
            head,
            spooled: true,
            ..Request::default()
        };
        self.turn(Some(Event::Request { conn, request }));
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

    pub fn look_around(&mut self) {
        let paths = [
            "/",
            "/packages/p1",
            "/api/packages",
            "/api/packages/p1",
            "/api/packages/p1/history",
            "/api/builds",
            "/api/checks/1",
            "/api/health",
            "/api/builds/1",
            "/api/queue",
        ];
        let path = paths[self.seed.below(paths.len())];
        // Two who ask the same: the server asserts that the second answer is what it would render now.
        for _ in 0..2 {
            let again = |world: &World| world.app.as_ref().map_or(0, App::answered_again);
            let before = again(self);
            self.request("GET", path, Value::Null);
            if again(self) > before {
                self.tally.met("answered again");
            }
        }
    }

    pub fn watch(&mut self) {
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
        self.ask(head, Value::Null, None, Asked::Watch(wish));
    }

    pub fn leave_audience(&mut self) {
        if let Some(conn) = self.audience.leave_one(&mut self.seed) {
            self.turn(Some(Event::Aborted { conn }));
        }
    }

    pub fn leave_one(&mut self) {
        if let Some((conn, _)) = self.asked.pop_first() {
            self.sending.remove(&conn);
            self.turn(Some(Event::Aborted { conn }));
        }
    }
}

/// The repository of a package: a few people have them all.
pub fn url(package: u64) -> String {
    let owner = ["a", "b", "c"][package as usize % 3];
    format!("https://github.com/{owner}/p{package}")
}

/// The tenant of that address, as the server tells clients apart.
fn tenant(from: Option<IpAddr>) -> String {
    from.map(|address| address.to_string()).unwrap_or_default()
}
