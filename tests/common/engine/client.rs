//! Clients of the engine, as the server starts them: `docker run`, `docker logs` and the short ones.

use std::collections::VecDeque;

use zigcheck::app::engine::limits::CLEANUP_DELAY_MS;
use zigcheck::interface::event::{Command, Exit, Pipe};

use crate::common::engine::container::{Container, State};
use crate::common::engine::engine::{Engine, no_engine};
use crate::common::seed::Chance;

/// What a client does to the server, in this order.
#[derive(Debug, Clone)]
pub enum Move {
    Output(Pipe, Vec<u8>),
    Eof(Pipe),
    Exit(Exit),
}

/// What `docker run` says when the engine goes away under it.
pub const CUT_OFF: &str = "error waiting for container: unexpected EOF\n";

#[derive(Debug)]
pub(super) enum Kind {
    Short(Vec<String>),
    /// A short command to the cluster.
    Cluster(Vec<String>),
    /// Waits for a slot.
    Place {
        feature: String,
        asked: bool,
    },
    Run(Box<Run>),
    Logs {
        name: String,
        follow: bool,
    },
    /// It has only its moves left.
    Over,
}

#[derive(Debug)]
pub(super) struct Run {
    pub(super) stage: Stage,
    pub(super) container: Option<Container>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stage {
    New,
    Created,
    Started,
    Attached,
}

#[derive(Debug)]
pub struct Client {
    pub(super) kind: Kind,
    pub moves: VecDeque<Move>,
    /// How much of the output of its container it has passed on.
    pub(super) read: [usize; 2],
    /// The container it stands for, as the server sees it.
    pub name: Option<String>,
    /// The engine refused the name: this is known before anything else happens.
    pub refused: bool,
    /// Its end is never told.
    pub hangs: bool,
    /// It does nothing odd.
    pub sound: bool,
    /// The allocation that it is about.
    pub lease: Option<String>,
    /// It has passed on all that its container said, and how that ended.
    pub told_all: bool,
}

impl Client {
    pub fn short(command: &Command) -> Client {
        let words = command.argv[1..].to_vec();
        let kind = match words[0].as_str() {
            "logs" => Kind::Logs {
                name: words.last().expect("a name").clone(),
                follow: words.iter().any(|word| word == "--follow"),
            },
            _ => Kind::Short(words),
        };
        let name = match &kind {
            Kind::Logs { name, .. } => Some(name.clone()),
            _ => None,
        };
        Client::new(kind, name)
    }

    pub fn run(container: Container) -> Client {
        let name = Some(container.name.clone());
        let run = Run {
            stage: Stage::New,
            container: Some(container),
        };
        Client::new(Kind::Run(Box::new(run)), name)
    }

    pub(super) fn new(kind: Kind, name: Option<String>) -> Client {
        Client {
            kind,
            moves: VecDeque::new(),
            read: [0; 2],
            name,
            refused: false,
            hangs: false,
            sound: false,
            lease: None,
            told_all: false,
        }
    }

    pub fn is_setting_up(&self) -> bool {
        matches!(&self.kind, Kind::Run(run) if run.stage != Stage::Attached)
    }

    pub fn is_over(&self) -> bool {
        matches!(self.kind, Kind::Over) && self.moves.is_empty() && !self.hangs
    }

    /// The server is told how it died.
    pub fn was_killed(&mut self) {
        self.name = None;
        self.hangs = false;
        self.moves = VecDeque::from(ended(Exit::Signal(9)));
    }

    pub fn end(&mut self, words: &str, exit: Exit, chance: &mut dyn Chance) {
        self.kind = Kind::Over;
        if !words.is_empty() {
            let words = words.as_bytes().to_vec();
            self.moves.push_back(Move::Output(Pipe::Stderr, words));
        }
        if matches!(exit, Exit::NotStarted(_)) {
            return self.moves.push_back(Move::Exit(exit));
        }
        let mut tail = vec![Move::Exit(exit), Move::Eof(Pipe::Stdout)];
        tail.push(Move::Eof(Pipe::Stderr));
        match chance.below(24) {
            0 => tail.truncate(1), // exits, and a grandchild holds the pipes
            1 if !self.sound => {
                tail.remove(0); // closes its pipes and runs on
                self.hangs = true;
            }
            2..=8 => tail.rotate_left(1),
            9..=12 => tail.rotate_left(2),
            _ => {}
        }
        self.moves.extend(tail);
    }

    /// Killed, by the server or with it. Gives what it leaves behind.
    pub fn die(&mut self, engine: &mut Engine, chance: &mut dyn Chance) {
        match std::mem::replace(&mut self.kind, Kind::Over) {
            Kind::Short(words) if chance.once_in(2) => {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                engine.command(&words, self.lease.is_some(), chance);
            }
            Kind::Cluster(words) if chance.once_in(2) => {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                engine.cluster_command(&words);
            }
            // Its request may stay.
            Kind::Place { asked: true, .. } if chance.once_in(2) => {
                let lease = self.lease.as_deref().expect("a lease");
                engine.slurm.as_mut().expect("a cluster").end(lease);
            }
            Kind::Run(mut run) => self.leave_container(&mut run, engine, chance),
            _ => {}
        }
        self.moves.clear();
    }

    fn leave_container(&mut self, run: &mut Run, engine: &mut Engine, chance: &mut dyn Chance) {
        let name = self.name.as_deref().expect("a name");
        if run.stage == Stage::New {
            let container = run.container.take();
            if chance.once_in(3) {
                // In the time in which the server expects that.
                let by_ms = engine.ms + chance.below(CLEANUP_DELAY_MS as usize) as u64;
                engine
                    .late
                    .extend(container.map(|container| (by_ms, container)));
            }
            return;
        }
        let up = engine.up || self.lease.is_some();
        let found = engine.containers.iter_mut().find(|c| c.name == name);
        if let Some(container) = found
            && container.purpose.is_some()
        {
            // What it had asked for last may still be done.
            if run.stage == Stage::Created && up && chance.once_in(3) {
                container.state = State::Running;
            }
            engine.met.push(match (container.state, container.fed) {
                (State::Created, _) => "containers left created",
                (_, false) => "containers cut off from their input",
                (State::Running, _) => "containers that outlive their client",
                (State::Exited { .. }, _) => "containers that ended unheard",
            });
            container.starve_of_input();
        }
    }

    /// The engine is gone, and with it the connection to it.
    pub fn interrupted_builds(&mut self, engine: &mut Engine, chance: &mut dyn Chance) {
        if self.lease.is_some() {
            return;
        }
        match &self.kind {
            Kind::Short(_) => {
                let (_, words, code) = no_engine();
                self.end(&words, Exit::Code(code), chance);
            }
            Kind::Run(_) => self.end_oddly(engine, chance),
            Kind::Logs { follow, .. } => {
                // A follower cannot tell that from the container's end.
                let code = [1, chance.below(2) as i32][usize::from(*follow)];
                self.end("", Exit::Code(code), chance);
            }
            Kind::Cluster(_) | Kind::Place { .. } | Kind::Over => {}
        }
    }

    /// It ends, and its container goes on.
    pub fn end_oddly(&mut self, engine: &mut Engine, chance: &mut dyn Chance) {
        if let Kind::Run(mut run) = std::mem::replace(&mut self.kind, Kind::Over) {
            engine.met.push("clients that end oddly");
            self.leave_container(&mut run, engine, chance);
            match chance.below(3) {
                0 => self.end("", Exit::Signal(9), chance),
                1 => self.end("", Exit::Code(1), chance),
                _ => self.end(CUT_OFF, Exit::Code(125), chance),
            }
        }
    }

    /// Does the next that it does by itself, where it has nothing to tell the server. False: it
    /// waits for something.
    pub fn go_on(&mut self, engine: &mut Engine, chance: &mut dyn Chance) -> bool {
        if matches!(self.kind, Kind::Over) || !self.moves.is_empty() {
            return false;
        }
        let set_up = self.is_setting_up();
        if self.is_out_of_reach(engine, chance) {
            return !self.moves.is_empty();
        }
        self.do_next(engine, chance);
        set_up || !self.moves.is_empty()
    }

    fn do_next(&mut self, engine: &mut Engine, chance: &mut dyn Chance) {
        match &mut self.kind {
            Kind::Over => {}
            Kind::Place { .. } => self.wait_for_slot(engine, chance),
            Kind::Cluster(words) => {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let (said, complained, code) = engine.cluster_command(&words);
                self.moves
                    .push_back(Move::Output(Pipe::Stdout, said.into_bytes()));
                self.end(&complained, Exit::Code(code), chance);
            }
            Kind::Short(words) => {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                if (engine.up && engine.hung) || (!self.sound && chance.once_in(120)) {
                    self.kind = Kind::Over;
                    self.hangs = true;
                    return;
                }
                let on_node = self.lease.is_some();
                let (said, complained, code) = engine.command(&words, on_node, chance);
                self.moves
                    .push_back(Move::Output(Pipe::Stdout, said.into_bytes()));
                self.end(&complained, Exit::Code(code), chance);
            }
            Kind::Run(run) if run.stage != Stage::Attached => self.set_up(engine, chance),
            Kind::Run(_) => self.attached(engine, chance),
            Kind::Logs { .. } => self.logs(engine, chance),
        }
    }

    fn set_up(&mut self, engine: &mut Engine, chance: &mut dyn Chance) {
        let Kind::Run(run) = &mut self.kind else {
            return;
        };
        let name = self.name.clone().expect("a name");
        if !engine.up && self.lease.is_none() {
            let words = format!("docker: {}", no_engine().1);
            return self.end(&words, Exit::Code(125), chance);
        }
        match run.stage {
            Stage::New => {
                if !self.sound && chance.once_in(40) {
                    return match chance.below(4) {
                        0 => self.end("", Exit::NotStarted("no such program".into()), chance),
                        _ => self.end("docker: some error\n", Exit::Code(125), chance),
                    };
                }
                if engine.get(&name).is_some() {
                    return self.refuse(&name);
                }
                let container = run.container.take().expect("it is made once");
                run.stage = Stage::Created;
                engine.containers.push(container);
            }
            Stage::Created => {
                let Some(container) = engine.get_mut(&name) else {
                    return self.end("docker: No such container\n", Exit::Code(125), chance);
                };
                run.stage = Stage::Started;
                container.state = State::Running;
            }
            Stage::Started => {
                run.stage = Stage::Attached;
                if let Some(container) = engine.get_mut(&name) {
                    container.fed = true;
                }
            }
            Stage::Attached => {}
        }
    }

    /// The name is taken by a container that an earlier client left.
    fn refuse(&mut self, name: &str) {
        self.refused = true;
        let words = format!("docker: Conflict. The container name {name} is already in use.\n");
        self.kind = Kind::Over;
        let words = words.into_bytes();
        self.moves.push_back(Move::Output(Pipe::Stderr, words));
        self.moves.extend(ended(Exit::Code(125)));
    }

    fn attached(&mut self, engine: &mut Engine, chance: &mut dyn Chance) {
        let name = self.name.clone().expect("a name");
        if !self.sound && chance.once_in(150) {
            return self.end_oddly(engine, chance);
        }
        let Some(container) = engine.get_mut(&name) else {
            return self.end("", Exit::Code(137), chance);
        };
        if let Some((pipe, bytes)) = next_piece(&container.wrote, &mut self.read, chance) {
            return self.moves.push_back(Move::Output(pipe, bytes));
        }
        if let State::Exited { code, .. } = container.state {
            self.told_all = code == 0;
            self.end("", Exit::Code(code), chance);
        }
    }

    fn logs(&mut self, engine: &mut Engine, chance: &mut dyn Chance) {
        let Kind::Logs { name, follow } = &self.kind else {
            return;
        };
        let (name, follow) = (name.clone(), *follow);
        let begun = self.read != [0; 2];
        if !engine.up && !begun && self.lease.is_none() {
            let (_, words, code) = no_engine();
            return self.end(&words, Exit::Code(code), chance);
        }
        let Some(container) = engine.get_mut(&name) else {
            let words = format!("Error response from daemon: No such container: {name}\n");
            let (words, code) = match begun {
                true => ("", 0),
                false => (words.as_str(), 1),
            };
            return self.end(words, Exit::Code(code), chance);
        };
        assert!(container.purpose.is_some(), "{name} is not ours");
        let Some(kept) = &container.kept else {
            let words =
                "Error response from daemon: configured logging driver does not support reading\n";
            return self.end(words, Exit::Code(1), chance);
        };
        if let Some((pipe, mut bytes)) = next_piece(kept, &mut self.read, chance) {
            let all = [kept[0].len(), kept[1].len()];
            if follow && self.read == all && bytes.last() != Some(&b'\n') && chance.once_in(2) {
                // The last line of a log that is followed may get lost where it has no end.
                let line = bytes.iter().rposition(|byte| *byte == b'\n');
                bytes.truncate(line.map_or(0, |end| end + 1));
            }
            return self.moves.push_back(Move::Output(pipe, bytes));
        }
        if !follow || !container.is_running() {
            self.told_all = !follow && !container.is_running();
            self.end("", Exit::Code(0), chance);
        }
    }
}

fn ended(exit: Exit) -> [Move; 3] {
    [
        Move::Eof(Pipe::Stdout),
        Move::Eof(Pipe::Stderr),
        Move::Exit(exit),
    ]
}

/// Some bytes that were not passed on yet, of either pipe.
fn next_piece(
    all: &[Vec<u8>; 2],
    read: &mut [usize; 2],
    chance: &mut dyn Chance,
) -> Option<(Pipe, Vec<u8>)> {
    let left = |at: usize| all[at].len() - read[at];
    let at = match (left(0), left(1)) {
        (0, 0) => return None,
        (_, 0) => 0,
        (0, _) => 1,
        _ => chance.below(2),
    };
    let count = match chance.below(3) {
        0 => chance.between(1, left(at)),
        _ => left(at),
    };
    let bytes = all[at][read[at]..read[at] + count].to_vec();
    read[at] += count;
    let pipe = [Pipe::Stdout, Pipe::Stderr][at];
    Some((pipe, bytes))
}
