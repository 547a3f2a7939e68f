//! What the containers of the simulated world do: each script in its good and its bad ways.

use std::collections::VecDeque;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zigcheck::event::{Command, Exit, Input, Pipe};

use super::{Move, World, ended};

impl World {
    pub(super) fn run(&mut self, name: &str, words: &[&str], command: &Command) -> VecDeque<Move> {
        let script = words
            .iter()
            .find_map(|w| w.strip_prefix("/usr/lib/zigcheck/"));
        let script = script.expect("a script of ours");
        if script == "build" {
            assert!(words.contains(&"--network=none"));
            let build: i64 = name
                .split('-')
                .nth(1)
                .and_then(|id| id.parse().ok())
                .expect("an id");
            let state = self
                .committed(build)
                .expect("no container ahead of its row");
            assert_eq!(state[0], "building");
        }
        if !self.engine_up || self.seed.once_in(40) {
            return match self.seed.below(3) {
                0 => ended(Exit::Code(125)),
                1 if !self.containers.contains(name) => {
                    self.foreign.insert(name.to_string());
                    ended(Exit::Code(125))
                }
                _ => VecDeque::from([Move::Exit(Exit::NotStarted("no such program".into()))]),
            };
        }
        assert!(!self.foreign.contains(name), "{name} was taken before");
        assert!(
            self.containers.insert(name.to_string()),
            "the name {name} is taken"
        );
        let mut moves: Vec<Move> = (0..self.seed.below(3))
            .map(|_| Move::Output(Pipe::Stderr, b"some output\n".to_vec()))
            .collect();
        let (said, exit) = match script {
            "fetch-source" => self.source(),
            "fetch-deps" => self.dependencies(),
            _ => self.record(name, command),
        };
        moves.extend(
            said.into_iter()
                .map(|bytes| Move::Output(Pipe::Stdout, bytes)),
        );
        let mut tail = vec![
            Move::Exit(Exit::Code(exit)),
            Move::Eof(Pipe::Stdout),
            Move::Eof(Pipe::Stderr),
        ];
        match self.seed.below(20) {
            0 => tail.clear(),         // never ends
            1 => tail.truncate(1),     // exits, and a grandchild holds the pipes
            2 => drop(tail.remove(0)), // closes its pipes and runs on
            3 => tail.swap(0, 1),
            _ => {}
        }
        moves.extend(tail);
        VecDeque::from(moves)
    }

    fn framed(&mut self, mut head: Value) -> Vec<Vec<u8>> {
        let count = self.seed.below(200);
        let body = self.seed.bytes(count);
        let digest = Sha256::digest(&body);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        head["bytes"] = json!(body.len() + usize::from(self.seed.once_in(20)));
        head["sha256"] = json!(hex);
        let all = [format!("{head}\n").into_bytes(), body].concat();
        let pieces = self.seed.pieces(&all, 150);
        pieces.into_iter().map(<[u8]>::to_vec).collect()
    }

    fn source(&mut self) -> (Vec<Vec<u8>>, i32) {
        match self.seed.below(12) {
            0 => (Vec::new(), 10),
            1 => (Vec::new(), 11),
            2 => (Vec::new(), 12),
            3 => (Vec::new(), 0),
            _ => {
                let dependencies = self.seed.once_in(2);
                let head =
                    json!({"format": "tar.gz", "commit": "c0", "dependencies": dependencies});
                (self.framed(head), 0)
            }
        }
    }

    fn dependencies(&mut self) -> (Vec<Vec<u8>>, i32) {
        match self.seed.below(12) {
            0 => (Vec::new(), 12),
            1 => (Vec::new(), 65),
            n => {
                let how = ["fetched", "fetched", "manifest", "refused", "unreachable"][n % 5];
                (self.framed(json!({"dependencies": how})), 0)
            }
        }
    }

    /// What a runner says, and its exit code.
    fn record(&mut self, container: &str, command: &Command) -> (Vec<Vec<u8>>, i32) {
        let Some(Input::Bytes(head)) = command.stdin.first() else {
            panic!("a runner is told its task");
        };
        let head: Value = serde_json::from_slice(head).expect("JSON");
        let testing = b"{\"state\":\"testing\",\"compiled\":2}\n".to_vec();
        let record = |status: &str, tests: Value, build: i64, test: Value, failures: u64| {
            let record = json!({
                "build_id": head["build_id"], "build_status": status, "test_status": tests,
                "build_exit": build, "test_exit": test, "compiled": 2,
                "compile_failures": failures, "error_log": "", "build_zig": true,
            });
            format!("{record}\n").into_bytes()
        };
        match self.seed.below(14) {
            0..=4 => (
                vec![testing, record("success", json!("success"), 0, json!(0), 0)],
                0,
            ),
            5 => (
                vec![testing, record("success", json!("failed"), 0, json!(1), 0)],
                0,
            ),
            6 => (
                vec![record("success", json!("no_tests"), 0, Value::Null, 0)],
                0,
            ),
            7 | 8 => (vec![record("failed", Value::Null, 1, Value::Null, 1)], 0),
            9 => (vec![testing], 0),
            10 => (vec![b"{\"build_id\":-1}\n".to_vec()], 0),
            11 => (vec![vec![b'x'; 70_000]], 0),
            12 => {
                if self.seed.once_in(2) {
                    self.starved.insert(container.to_string());
                }
                let said = if self.seed.once_in(2) {
                    vec![testing]
                } else {
                    Vec::new()
                };
                (said, 137)
            }
            _ => (Vec::new(), [65, 1, 125][self.seed.below(3)]),
        }
    }
}
