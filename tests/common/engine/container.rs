//! A container: what it is for, what it does by itself, and what it wrote.

use std::collections::VecDeque;

use serde_json::Value;
use zigcheck::interface::event::{Input, Pipe};

#[derive(Debug, Clone)]
pub enum Act {
    Say(Pipe, Vec<u8>),
    End { code: i32, oom_killed: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Script {
    Source,
    Dependencies,
    Remote,
    Commits,
    Targets,
    TargetDependencies,
    Build,
}

/// What a container is for: the id of the check, build or package, and the attempt.
pub type Purpose = (Script, i64, u32);

/// What a verdict hangs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub source: String,
    pub image: String,
    pub memory_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Created,
    Running,
    Exited { code: i32, oom_killed: bool },
}

#[derive(Clone)]
pub struct Container {
    pub name: String,
    /// None: it belongs to another server.
    pub purpose: Option<Purpose>,
    pub state: State,
    pub acts: VecDeque<Act>,
    /// Its input arrived whole.
    pub fed: bool,
    /// What it wrote so far, on each of its pipes.
    pub wrote: [Vec<u8>; 2],
    /// What its client feeds it with.
    pub stdin: Vec<Input>,
    /// The answer to `docker inspect`, in place of the truth.
    pub inspected_as: Option<String>,
    /// What the engine keeps of it: whole lines, and at its end the rest. None: nothing is kept.
    pub kept: Option<[Vec<u8>; 2]>,
    /// What of it stands in the engine's memory alone.
    line: [Vec<u8>; 2],
    /// The engine was restarted within a line, and has lost the beginning of that line.
    pub torn: bool,
    /// It is not on this machine.
    pub on_node: bool,
    pub stubborn: bool,
    pub killed: bool,
    pub broken: bool,
    /// What an honest server says of it when it ends by itself; none: nothing, it tries again.
    pub verdict: Option<String>,
    /// The key of a build: the same key, the same verdict.
    pub key: Option<Key>,
    pub started_ms: u64,
    /// Until then it does nothing.
    pub slow_until_ms: u64,
    /// When the server last heard of it.
    pub heard_ms: u64,
}

impl std::fmt::Debug for Container {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        let text =
            |bytes: &Vec<u8>| String::from_utf8_lossy(&bytes[..bytes.len().min(500)]).into_owned();
        out.debug_struct(&self.name)
            .field("state", &self.state)
            .field("wrote", &self.wrote.each_ref().map(text))
            .field("acts", &self.acts.len())
            .field("fed", &self.fed)
            .field("broken", &self.broken)
            .field("verdict", &self.verdict)
            .finish_non_exhaustive()
    }
}

impl Container {
    pub fn new(name: &str, purpose: Option<Purpose>) -> Container {
        Container {
            name: name.to_string(),
            purpose,
            state: State::Created,
            acts: VecDeque::new(),
            fed: false,
            wrote: [Vec::new(), Vec::new()],
            stdin: Vec::new(),
            inspected_as: None,
            kept: None,
            line: [Vec::new(), Vec::new()],
            torn: false,
            on_node: false,
            stubborn: false,
            killed: false,
            broken: false,
            verdict: None,
            key: None,
            started_ms: 0,
            slow_until_ms: 0,
            heard_ms: 0,
        }
    }

    pub fn is_running(&self) -> bool {
        self.state == State::Running
    }

    /// It is, or will be, worth a verdict: nobody may throw it away and run another in its place.
    pub fn is_worth_it(&self) -> bool {
        self.fed && !self.broken && self.verdict.is_some()
    }

    /// That is what is to be said of it. Of a node that died the server may have heard enough.
    pub fn is_told(&self, words: &String) -> bool {
        let is_verdict = self.verdict.as_ref() == Some(words);
        match self.is_worth_it() {
            true => !words.starts_with("error/"),
            false => self.on_node && is_verdict,
        }
    }

    pub fn say(&mut self, pipe: Pipe, bytes: &[u8]) {
        let at = index(pipe);
        self.wrote[at].extend_from_slice(bytes);
        let Some(kept) = &mut self.kept else { return };
        self.line[at].extend_from_slice(bytes);
        if let Some(end) = self.line[at].iter().rposition(|byte| *byte == b'\n') {
            kept[at].extend(self.line[at].drain(..=end));
        }
    }

    pub fn end(&mut self, code: i32, oom_killed: bool) {
        self.state = State::Exited { code, oom_killed };
        self.acts.clear();
        if let Some(kept) = &mut self.kept {
            for (kept, line) in kept.iter_mut().zip(&mut self.line) {
                kept.append(line);
            }
        }
    }

    /// The engine is restarted, and loses the lines that have not ended.
    pub fn lose_lines(&mut self) {
        for line in &mut self.line {
            self.torn |= !line.is_empty();
            line.clear();
        }
    }

    /// The head of the task that it is fed with.
    pub fn task(&self) -> Option<Value> {
        match self.stdin.first() {
            Some(Input::Bytes(head)) => Some(serde_json::from_slice(head).expect("JSON")),
            _ => None,
        }
    }

    pub fn is_moving(&self) -> bool {
        self.is_running() && self.fed && !self.acts.is_empty()
    }

    /// It does the next that it does by itself. False: it waits for something, or has ended.
    pub fn go_on(&mut self) -> bool {
        if !self.is_running() || !self.fed {
            return false;
        }
        match self.acts.pop_front() {
            None => return false,
            Some(Act::Say(pipe, bytes)) => self.say(pipe, &bytes),
            Some(Act::End { code, oom_killed }) => self.end(code, oom_killed),
        }
        true
    }

    /// The client that fed it is gone: its input is not whole.
    pub fn starve_of_input(&mut self) {
        if !self.fed && self.purpose.is_some() {
            self.acts = VecDeque::from([Act::End {
                code: 65,
                oom_killed: false,
            }]);
            self.verdict = None;
            self.fed = true;
        }
    }
}

fn index(pipe: Pipe) -> usize {
    usize::from(pipe == Pipe::Stderr)
}

/// What the container of that name is for.
pub fn purpose(name: &str) -> Purpose {
    let words: Vec<&str> = name.split('-').collect();
    let number = |word: &str| -> i64 { word.parse().expect("a number") };
    let (script, id, attempt) = match words[..] {
        ["zigcheck", _, "source", id, attempt] => (Script::Source, id, attempt),
        ["zigcheck", _, "remote", id, attempt] => (Script::Remote, id, attempt),
        ["zigcheck", _, "commits", id, attempt] => (Script::Commits, id, attempt),
        ["zigcheck", _, "targets", id, attempt] => (Script::Targets, id, attempt),
        ["zigcheck", _, "targetsfetch", id, attempt] => (Script::TargetDependencies, id, attempt),
        ["zigcheck", _, "fetch", id, attempt] => (Script::Dependencies, id, attempt),
        ["zigcheck", _, id, attempt] => (Script::Build, id, attempt),
        _ => panic!("{name}"),
    };
    (script, number(id), number(attempt) as u32)
}
