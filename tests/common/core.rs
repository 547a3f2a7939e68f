//! The core without its shell: requests go in, answers come out, and containers do what a test
//! tells them to.
#![allow(dead_code)]

#[path = "rows.rs"]
pub mod rows;
#[path = "settings.rs"]
pub mod settings;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zigcheck::app::App;
use zigcheck::config::Token;
use zigcheck::event::{Action, Core, Event, Exit, JobId, Now, Pipe};
use zigcheck::message::{Head, Request, Response};
use zigcheck::slab::Key;
use zigcheck::store::Store;

/// The admin's word.
pub const TOKEN: &str = "the-word-of-the-admin";

/// When every test begins.
pub const START: i64 = 1_700_000_000_000;

pub struct Inside {
    app: App,
    /// Milliseconds since `START`.
    pub ms: u64,
    engine_up: bool,
    conns: u32,
    answered: Vec<(Key, Response)>,
    /// Containers that run, by name.
    pub containers: Vec<(String, JobId)>,
}

/// A directory of that name with what a data directory must have, made anew.
fn data(name: &str) -> PathBuf {
    let data = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("core")
        .join(name);
    let _ = std::fs::remove_dir_all(&data);
    for dir in ["logs", "sources"] {
        std::fs::create_dir_all(data.join(dir)).unwrap();
    }
    data
}

impl Inside {
    /// A server on that database under two toolchains, whose engine has answered.
    pub fn open(name: &str, store: Store, slots: usize) -> Inside {
        let mut inside = Inside::unheard(name, store, slots);
        inside.pump();
        inside
    }

    /// The same, with an engine that is not there.
    pub fn without_engine(name: &str, store: Store) -> Inside {
        let mut inside = Inside::unheard(name, store, 1);
        inside.engine_up = false;
        inside.pump();
        inside
    }

    fn unheard(name: &str, store: Store, slots: usize) -> Inside {
        let data = format!("--data={}", data(name).display());
        let slots = format!("--max-builds={slots}");
        let flags = [
            data.as_str(),
            slots.as_str(),
            "--zig-versions=0.16.0,0.15.2",
        ];
        let mut settings = settings::settings(&flags);
        settings.admin_token = Token::read(TOKEN).ok();
        let now = Now {
            mono_ms: 0,
            unix_ms: START,
        };
        Inside {
            app: App::open(settings, store, now).unwrap(),
            ms: 0,
            engine_up: true,
            conns: 0,
            answered: Vec::new(),
            containers: Vec::new(),
        }
    }

    fn now(&self) -> Now {
        Now {
            mono_ms: self.ms,
            unix_ms: START + self.ms as i64,
        }
    }

    fn tell(&mut self, event: Event) {
        self.app.handle(event, self.now());
    }

    /// Does what is asked for, until nothing is.
    fn pump(&mut self) {
        let mut ends: VecDeque<(JobId, String, i32)> = VecDeque::new();
        loop {
            while let Some(action) = self.app.next_action() {
                match action {
                    Action::Respond { conn, response } => self.answered.push((conn, response)),
                    Action::Spawn { job, command } => match command.argv[1].as_str() {
                        "run" => {
                            let name = command.argv[2].strip_prefix("--name=").unwrap();
                            self.containers.push((name.to_string(), job));
                        }
                        _ if !self.engine_up => ends.push_back((job, String::new(), 1)),
                        "images" => {
                            let images = "zigcheck:0.16.0 sha256:a\nzigcheck:0.15.2 sha256:b\n";
                            ends.push_back((job, images.to_string(), 0));
                        }
                        _ => ends.push_back((job, String::new(), 0)),
                    },
                    action => panic!("{action:?} was not asked for"),
                }
            }
            match ends.pop_front() {
                Some((job, said, code)) => self.end(job, said.as_bytes(), code),
                None => break,
            }
        }
        self.app.commit(self.now()).unwrap();
    }

    fn end(&mut self, job: JobId, said: &[u8], code: i32) {
        let pipe = Pipe::Stdout;
        self.tell(Event::Output {
            job,
            pipe,
            bytes: said,
        });
        self.tell(Event::Eof { job, pipe });
        let pipe = Pipe::Stderr;
        self.tell(Event::Eof { job, pipe });
        let exit = Exit::Code(code);
        self.tell(Event::Exited { job, exit });
    }

    /// Lets time pass.
    pub fn pass(&mut self, ms: u64) {
        self.ms += ms;
        self.tell(Event::Time);
        self.pump();
    }

    pub fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let head = Head {
            method: method.to_string(),
            path: path.to_string(),
            query: query.to_string(),
            headers: headers.iter().map(owned).collect(),
        };
        let request = Request {
            head,
            body: body.to_vec(),
            spooled: false,
        };
        self.conns += 1;
        let conn = Key {
            index: self.conns,
            generation: 0,
        };
        self.tell(Event::Request {
            conn,
            from: None,
            request,
        });
        self.pump();
        let (_, response) = self
            .answered
            .pop()
            .filter(|(key, _)| *key == conn)
            .expect("an answer");
        response
    }

    /// What curl is shown.
    pub fn curl(&mut self, target: &str) -> String {
        let headers = [("host", "zig.example.org"), ("accept", "*/*")];
        let response = self.request("GET", target, &headers, b"");
        String::from_utf8(response.body).unwrap()
    }

    pub fn json(&mut self, target: &str) -> Value {
        serde_json::from_str(&self.curl(target)).unwrap()
    }

    /// Adds the package of that name; gives the id of its check.
    pub fn submit(&mut self, name: &str) -> i64 {
        let body = json!({"url": format!("https://github.com/x/{name}")}).to_string();
        let response = self.request("POST", "/api/packages", &[], body.as_bytes());
        assert_eq!(response.status, 201);
        let answer: Value = serde_json::from_slice(&response.body).unwrap();
        answer["check"].as_i64().unwrap()
    }

    /// Names of the containers that run.
    pub fn names(&self) -> Vec<&str> {
        self.containers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// The container ends, having said that.
    pub fn container_ends(&mut self, name: &str, said: &[u8], code: i32) {
        let at = self.containers.iter().position(|(known, _)| known == name);
        let (_, job) = self.containers.remove(at.expect("it runs"));
        self.end(job, said, code);
        self.pump();
    }

    /// The source of a check is there, of its own kind, and needs nothing more.
    pub fn source_is_there(&mut self, container: &str) {
        self.this_source_is_there(container, container.as_bytes());
    }

    pub fn this_source_is_there(&mut self, container: &str, body: &[u8]) {
        let hash: String = Sha256::digest(body)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        let head = json!({"format": "tar.gz", "commit": "0123456789abcdef", "dependencies": false,
            "bytes": body.len(), "sha256": hash});
        let said = [format!("{head}\n").as_bytes(), body].concat();
        self.container_ends(container, &said, 0);
    }

    /// The build succeeds with its tests.
    pub fn build_succeeds(&mut self, container: &str) {
        let build: i64 = container.split('-').nth(1).unwrap().parse().unwrap();
        let record = json!({"build_id": build, "build_status": "success",
            "test_status": "success", "build_exit": 0, "test_exit": 0, "compiled": 2,
            "tests_passed": 3, "tests_total": 3, "error_log": "", "build_zig": true});
        self.container_ends(container, format!("{record}\n").as_bytes(), 0);
    }
}
