//! The engine of the simulated world. Containers are things of their own, with or without anybody
//! who watches them; clients of the engine come and go.

use std::collections::{BTreeMap, VecDeque};

use zigcheck::interface::event::Pipe;

use crate::common::seed::Seed;

/// What a whole engine says of itself.
const INFO: &str = r#"{"MemoryLimit": true, "SwapLimit": true, "CpuCfsQuota": true, "PidsLimit": true,
    "SecurityOptions": ["name=seccomp,profile=default", "name=userns"]}"#;

pub const VERSIONS: [&str; 2] = ["0.17.1", "0.16.0"];

/// The data id of a server that is not ours.
pub const ANOTHER: &str = "another";

/// What a container does next by itself.
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
    /// What the engine keeps of it: whole lines, and at its end the rest. None: nothing is kept.
    pub kept: Option<[Vec<u8>; 2]>,
    /// What of it stands in the engine's memory alone.
    line: [Vec<u8>; 2],
    /// The engine was restarted within a line, and has lost the beginning of that line.
    pub torn: bool,
    /// `docker kill` does not help.
    pub stubborn: bool,
    /// It was ended by `docker kill`.
    pub killed: bool,
    /// The engine ended it.
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
            kept: None,
            line: [Vec::new(), Vec::new()],
            torn: false,
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

    fn say(&mut self, pipe: Pipe, bytes: &[u8]) {
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

    /// There is something left for it to do.
    fn is_moving(&self) -> bool {
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

pub fn index(pipe: Pipe) -> usize {
    usize::from(pipe == Pipe::Stderr)
}

/// An answer to a short command: standard output, standard error, exit code.
pub type Said = (String, String, i32);

pub fn no_engine() -> Said {
    let words = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. \
        Is the docker daemon running?\n";
    (String::new(), words.to_string(), 1)
}

#[derive(Debug)]
pub struct Engine {
    pub up: bool,
    /// The time of the world around it.
    pub ms: u64,
    pub data_id: String,
    pub containers: BTreeMap<String, Container>,
    /// Containers of ours that are no more.
    pub past: BTreeMap<Purpose, Container>,
    /// Asked for by clients that are no more: the engine may still get to it, until that time.
    pub late: Vec<(u64, Container)>,
    /// How often each image was made; none: it is not there.
    pub images: [Option<u32>; 2],
    pub image_count: u32,
    /// When it said so first.
    listed_ms: Option<u64>,
    /// How many containers of others there are.
    pub foreign: usize,
    /// What happened to it that is worth counting.
    pub met: Vec<&'static str>,
    /// From now on it answers.
    pub calm: bool,
}

impl Engine {
    pub fn new() -> Engine {
        Engine {
            up: true,
            ms: 0,
            data_id: String::new(),
            containers: BTreeMap::new(),
            past: BTreeMap::new(),
            late: Vec::new(),
            images: [Some(1); 2],
            image_count: 1,
            listed_ms: None,
            foreign: 0,
            met: Vec::new(),
            calm: false,
        }
    }

    pub fn image(&self, version: &str) -> Option<String> {
        let at = VERSIONS.iter().position(|known| *known == version);
        let made = self.images[at.expect("a version there is")]?;
        Some(format!("sha256:{version}-{made}"))
    }

    pub fn ours(&self) -> impl Iterator<Item = &Container> {
        self.containers.values().filter(|c| c.purpose.is_some())
    }

    /// The container of that purpose, whether it is still there or not.
    pub fn of(&self, purpose: Purpose) -> Option<&Container> {
        let there = self.ours().find(|c| c.purpose == Some(purpose));
        there.or_else(|| self.past.get(&purpose))
    }

    fn find(&mut self, name: &str) -> Result<&mut Container, Said> {
        let words = format!("Error response from daemon: No such container: {name}\n");
        let found = self.containers.get_mut(name);
        found.ok_or((String::new(), words, 1))
    }

    /// Does what a short command asks for.
    pub fn command(&mut self, words: &[&str], seed: &mut Seed) -> Said {
        if !self.up {
            return no_engine();
        }
        if !self.calm && seed.once_in(150) {
            let words = "Error response from daemon: i/o timeout\n";
            return (String::new(), words.to_string(), 1);
        }
        let answer = match words[0] {
            "info" => Ok(INFO.to_string()),
            "images" => Ok(self.list_images()),
            "ps" => {
                assert!(words.iter().any(|word| word.ends_with(&self.data_id)));
                let names: Vec<&str> = self.ours().map(|c| c.name.as_str()).collect();
                Ok(names.join("\n"))
            }
            "rm" => return self.remove_all(&words[3..]),
            "kill" => self.kill(words[1]),
            "inspect" => self.inspect(words[3]),
            "exec" => self.find(words[1]).and_then(|container| {
                assert!(container.purpose.is_some(), "{} is not ours", words[1]);
                match container.is_running() {
                    true => Ok("123456789\n".to_string()),
                    false => Err((String::new(), "it is not running\n".to_string(), 1)),
                }
            }),
            other => panic!("docker {other}"),
        };
        match answer {
            Ok(said) => (said, String::new(), 0),
            Err(said) => said,
        }
    }

    /// One of the images is made anew, or removed.
    pub fn set_image(&mut self, nth: usize, made: Option<u32>) {
        self.images[nth] = made;
        self.listed_ms = None;
    }

    /// True if the server has had the list of images for a minute.
    pub fn is_known_well(&self) -> bool {
        self.listed_ms.is_some_and(|at| self.ms >= at + 60_000)
    }

    /// A container of another server has that name, unless something has it already.
    pub fn add_foreign(&mut self, name: &str) {
        if !self.containers.contains_key(name) {
            let mut foreign = Container::new(name, None);
            foreign.state = State::Running;
            self.containers.insert(name.to_string(), foreign);
            self.foreign += 1;
        }
    }

    /// Containers of other owners are untouched.
    pub fn assert_others_are_untouched(&self) {
        let theirs = self.containers.values().filter(|c| c.purpose.is_none());
        let there = theirs.filter(|c| !c.killed).count();
        assert_eq!(there, self.foreign, "containers of others");
    }

    fn list_images(&mut self) -> String {
        self.listed_ms.get_or_insert(self.ms);
        let there = VERSIONS.iter().filter_map(|v| Some((v, self.image(v)?)));
        there
            .map(|(v, id)| format!("zigcheck:{v} {id}\n"))
            .collect()
    }

    fn inspect(&mut self, name: &str) -> Result<String, Said> {
        let container = self.find(name)?;
        assert!(container.purpose.is_some(), "{name} is not ours");
        let (word, code, oom_killed) = match container.state {
            State::Created => ("created", 0, false),
            State::Running => ("running", 0, false),
            State::Exited { code, oom_killed } => ("exited", code, oom_killed),
        };
        Ok(format!("{oom_killed} {word} {code}\n"))
    }

    fn kill(&mut self, name: &str) -> Result<String, Said> {
        let container = self.find(name)?;
        assert!(container.purpose.is_some(), "{name} is not ours");
        if !container.is_running() {
            let words = format!("Cannot kill container: {name}: it is not running\n");
            return Err((String::new(), words, 1));
        }
        container.killed = true;
        if !container.stubborn {
            container.end(137, false);
        }
        Ok(format!("{name}\n"))
    }

    fn remove_all(&mut self, names: &[&str]) -> Said {
        let mut said = (String::new(), String::new(), 0);
        for name in names {
            match self.remove(name) {
                true => said.0 += &format!("{name}\n"),
                false => {
                    said.1 += &format!("Error: No such container: {name}\n");
                    said.2 = 1;
                }
            }
        }
        said
    }

    fn remove(&mut self, name: &str) -> bool {
        let Some(mut container) = self.containers.remove(name) else {
            return false;
        };
        let purpose = container.purpose.expect("it is ours");
        if container.is_running() {
            container.end(137, false);
            container.broken = true;
        }
        self.past.insert(purpose, container);
        true
    }

    /// The engine goes, and takes all containers that run with it, or none.
    pub fn go_down(&mut self, containers_live: bool) {
        self.up = false;
        // What it had not come to is lost with it.
        self.late.clear();
        for container in self.containers.values_mut() {
            if !container.is_running() {
                continue;
            }
            for line in &mut container.line {
                container.torn |= !line.is_empty();
                line.clear();
            }
            if !containers_live {
                container.end([137, 255][container.name.len() % 2], false);
                container.broken = true;
            }
        }
    }

    /// One of the containers moves on; false: none can.
    pub fn go_on(&mut self, seed: &mut Seed) -> bool {
        let now = self.ms;
        let moving = |c: &&mut Container| c.is_moving() && c.slow_until_ms <= now;
        let mut moving: Vec<&mut Container> = self.containers.values_mut().filter(moving).collect();
        if moving.is_empty() {
            return false;
        }
        let nth = seed.below(moving.len());
        moving[nth].go_on()
    }

    /// It is there, with all images, and stays.
    pub fn calm_down(&mut self) {
        self.up = true;
        self.calm = true;
        for nth in 0..self.images.len() {
            if self.images[nth].is_none() {
                self.set_image(nth, Some(1));
            }
        }
    }

    /// When something there goes on by itself that is slow now, or is made late.
    pub fn next_ms(&self) -> Option<u64> {
        let slow = self.containers.values().filter(|c| c.is_moving());
        let slow = slow.map(|c| c.slow_until_ms).filter(|at| *at > self.ms);
        slow.chain(self.late.iter().map(|(at, _)| *at)).min()
    }

    /// The engine gets to what was asked of it until that time by somebody who is gone. Where it does
    /// not answer, it has not heard of it.
    pub fn catch_up(&mut self, until_ms: u64) {
        let (due, later) = std::mem::take(&mut self.late)
            .into_iter()
            .partition(|(at, _)| *at <= until_ms);
        self.late = later;
        let due: Vec<(u64, Container)> = due;
        for (_, container) in due.into_iter().filter(|_| self.up) {
            let name = container.name.clone();
            self.met.push("containers made late");
            self.containers.entry(name).or_insert(container);
        }
    }
}
