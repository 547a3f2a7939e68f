//! What a test does with a core: submissions, uploads, and what its containers say.

use crate::common::core::{Inside, request};
use crate::common::engine::scripted::NONCE;
use crate::common::pack::sha256;
use serde_json::{Value, json};
use zigcheck::base::slab::Key;
use zigcheck::interface::event::{Core, DiskUsage, Event, Pipe};
use zigcheck::interface::message::{Admission, Response};
use zigcheck::interface::peer::Peer;

impl Inside {
    /// Adds the package of that name; gives the id of its check.
    pub fn submit(&mut self, name: &str) -> i64 {
        let body = json!({"url": format!("https://github.com/x/{name}")}).to_string();
        let response = self.request("POST", "/api/packages", &[], body.as_bytes());
        assert_eq!(response.status, 201);
        let answer: Value = serde_json::from_slice(&response.body).unwrap();
        answer["check"].as_i64().unwrap()
    }

    /// Submits a package to an idle server of one slot and two versions: its builds fail.
    pub fn submit_failing(&mut self, name: &str) {
        self.submit(name);
        let source = self.names().pop().expect("a fetch");
        self.source_is_there(&source);
        for _ in 0..2 {
            let build = self.names().pop().expect("a build");
            self.build_fails(&build);
        }
    }

    /// Uploads a tree to be checked under the newest toolchain; gives the answer's only build.
    pub fn upload(&mut self, tree: &[u8]) -> Value {
        self.upload_with("", tree)
    }

    /// The first build of an uploaded tree, with these parameters as well.
    pub fn upload_with(&mut self, parameters: &str, tree: &[u8]) -> Value {
        let target = format!("/api/check?name=up&zig_versions=0.16.0{parameters}");
        let conn = self.uploads(&target, tree);
        self.tell(Event::BodyEnd { conn });
        self.tell(Event::Time);
        let response = self.answer(conn);
        let answer: Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!(response.status, 202, "{answer}");
        answer["builds"][0].clone()
    }

    /// The head of an upload and a first piece of it have come; whose it is.
    pub fn upload_begins(&mut self, piece: &[u8]) -> Key {
        let conn = self.uploads("/api/check", piece);
        self.pump();
        conn
    }

    fn uploads(&mut self, target: &str, piece: &[u8]) -> Key {
        let length = [("content-length", "1000")];
        let mut request = request("POST", target, &length, b"");
        request.spooled = true;
        let conn = self.key();
        let admission = self.app.admit(conn, Peer::Unix, &request.head, self.now());
        assert!(
            matches!(admission, Admission::Spool { .. }),
            "{admission:?}"
        );
        self.tell(Event::Request { conn, request });
        self.tell(Event::Body { conn, bytes: piece });
        conn
    }

    /// What that one was answered, if it was.
    pub fn answer_to(&mut self, conn: Key) -> Option<Response> {
        let place = self.answered.iter().position(|(key, _)| *key == conn)?;
        Some(self.answered.remove(place).1)
    }

    /// What becomes of a body, by its head.
    pub fn admit(&mut self, method: &str, target: &str) -> Admission {
        let length = [("content-length", "1000")];
        let head = request(method, target, &length, b"").head;
        let conn = self.key();
        self.app.admit(conn, Peer::Unix, &head, self.now())
    }

    /// The disk was looked at, and there was so much room.
    pub fn room(&mut self, free_bytes: u64, total_bytes: u64) {
        self.tell(Event::DiskUsage(DiskUsage {
            free_bytes,
            total_bytes,
        }));
        self.pump();
    }

    pub fn sleeps_ms(&self) -> Option<u64> {
        let at = self.app.deadline()?;
        Some(at.saturating_sub(self.now().mono_ms))
    }

    pub fn names(&self) -> Vec<String> {
        self.engine.running()
    }

    /// The container ends, having said that.
    #[track_caller]
    pub fn container_ends(&mut self, name: &str, said: &[u8], code: i32) {
        self.engine.writes(name, Pipe::Stdout, said);
        self.engine.ends(name, code, false);
        self.pump();
    }

    pub fn logs(&mut self, name: &str, text: &str) {
        self.engine.writes(name, Pipe::Stderr, text.as_bytes());
        self.pump();
    }

    pub fn tests_begin(&mut self, name: &str) {
        let line = b"{\"state\":\"testing\",\"compiled\":2}\n";
        self.engine.writes(name, Pipe::Stdout, line);
        self.pump();
    }

    pub fn source_is_there(&mut self, container: &str) {
        let tree = format!("the tree of {container}");
        self.source_is(container, tree.as_bytes(), false);
    }

    /// The same at that commit, so that verdicts on it are history.
    pub fn commit_is_there(&mut self, container: &str, commit: &str) {
        let head = json!({"format": "tar.gz", "commit": commit, "dependencies": false});
        self.container_ends(container, &framed(head, b"the tree"), 0);
    }

    pub fn source_is(&mut self, container: &str, body: &[u8], dependencies: bool) {
        let head = json!({"format": "tar.gz", "commit": "0123456789abcdef",
            "dependencies": dependencies});
        let said = framed(head, body);
        self.container_ends(container, &said, 0);
    }

    #[track_caller]
    pub fn build_succeeds(&mut self, container: &str) {
        self.container_ends(container, &good(container), 0);
    }

    pub fn build_fails(&mut self, container: &str) {
        self.build_fails_for(container, "compile_error");
    }

    pub fn build_fails_for(&mut self, container: &str, reason: &str) {
        let record = json!({"build_id": build_of(container), "nonce": NONCE, "build_status": "failed",
            "reason": reason, "detail": "error: no", "build_exit": 1, "error_log": "error: no"});
        self.container_ends(container, format!("{record}\n").as_bytes(), 0);
    }
}

/// What a fetch container sends: that head, with length and hash, and the body.
pub fn framed(mut head: Value, body: &[u8]) -> Vec<u8> {
    head["bytes"] = json!(body.len());
    head["sha256"] = json!(sha256(body));
    [format!("{head}\n").as_bytes(), body].concat()
}

fn build_of(container: &str) -> i64 {
    container.split('-').nth(1).unwrap().parse().unwrap()
}

/// The record of a build that succeeded with its tests.
pub fn good(container: &str) -> Vec<u8> {
    let record = json!({"build_id": build_of(container), "nonce": NONCE, "build_status": "success",
        "test_status": "success", "import_status": "success", "build_exit": 0, "test_exit": 0,
        "compiled": 2, "tests_passed": 3, "tests_skipped": 0, "tests_total": 3, "error_log": "",
        "modules": [{"name": "p", "status": "success"}]});
    format!("{record}\n").into_bytes()
}
