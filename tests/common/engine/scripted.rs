//! The engine without chance: containers do what a test tells them to. Their names are given and
//! shown without the id of the data directory.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use zigcheck::interface::event::{Command, Exit, JobId, Pipe};

use crate::common::engine::client::{Client, Move};
use crate::common::engine::container::{Container, State, purpose};
use crate::common::engine::engine::Engine;
use crate::common::engine::slurm::{ClusterCommand, Slurm, cluster_command};
use crate::common::seed::Faultless;

pub const NONCE: &str = "the nonce of the head";

pub struct Scripted {
    engine: Engine,
    clients: BTreeMap<JobId, Client>,
    pub asked: Vec<String>,
    /// The engine of another machine, that commands with `--host` go to.
    node: Option<Box<Scripted>>,
}

impl Deref for Scripted {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.engine
    }
}

impl DerefMut for Scripted {
    fn deref_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }
}

impl Scripted {
    pub fn new() -> Scripted {
        Scripted {
            engine: Engine::new(
                &[("0.16.0", "sha256:a"), ("0.15.2", "sha256:b")]
                    .map(|(version, id)| (version, id.to_string())),
            ),
            clients: BTreeMap::new(),
            asked: Vec::new(),
            node: None,
        }
    }

    /// The engine of another machine, whose images have ids of their own.
    pub fn node(&mut self) -> &mut Scripted {
        self.node.get_or_insert_with(|| {
            let mut node = Scripted::new();
            let images = node.images.iter();
            let images = images.map(|(version, id)| (version.clone(), format!("{id}-there")));
            node.images = images.collect();
            Box::new(node)
        })
    }

    fn own(&self) -> String {
        format!("zigcheck-{}-", self.data_id)
    }

    /// That container of this server.
    pub fn container(&mut self, name: &str) -> &mut Container {
        let full = name.replacen("zigcheck-", &self.own(), 1);
        let all = self.all();
        let is_there = self.get(&full).is_none();
        let engine = match self.node.as_mut().filter(|_| is_there) {
            Some(node) => &mut node.engine,
            None => &mut self.engine,
        };
        let found = engine.get_mut(&full);
        found.unwrap_or_else(|| panic!("no {name} among {all:?}"))
    }

    fn names(&self, is_shown: impl Fn(&Container) -> bool) -> Vec<String> {
        let shown = self.containers.iter().filter(|c| is_shown(c));
        let names = shown.map(|c| c.name.replacen(&self.own(), "zigcheck-", 1));
        names.collect()
    }

    pub fn running(&self) -> Vec<String> {
        self.names(Container::is_running)
    }

    pub fn all(&self) -> Vec<String> {
        self.names(|_| true)
    }

    pub fn count(&self, words: &str) -> usize {
        let asked = self.asked.iter().filter(|asked| asked.starts_with(words));
        asked.count()
    }

    /// The container writes that, with the nonce of the head that it was sent.
    pub fn writes(&mut self, name: &str, pipe: Pipe, bytes: &[u8]) {
        let container = self.container(name);
        let nonce = container.task().map(|head| head["nonce"].clone());
        match (pipe, nonce, str::from_utf8(bytes)) {
            (Pipe::Stdout, Some(nonce), Ok(text)) => {
                let text = text.replace(NONCE, nonce.as_str().expect("a nonce"));
                container.say(pipe, text.as_bytes());
            }
            _ => container.say(pipe, bytes),
        }
    }

    pub fn ends(&mut self, name: &str, code: i32, oom_killed: bool) {
        let container = self.container(name);
        assert_eq!(container.state, State::Running, "{name}");
        container.end(code, oom_killed);
    }

    /// The `docker run` of a container ends, and the container goes on.
    pub fn client_ends(&mut self, name: &str, code: i32, words: &str) {
        self.end_clients(name, code, words);
    }

    /// Ends the clients that follow the log of a container.
    pub fn follower_ends(&mut self, name: &str, code: i32) {
        self.end_clients(name, code, "");
    }

    fn end_clients(&mut self, name: &str, code: i32, words: &str) {
        let full = self.container(name).name.clone();
        for client in self.clients.values_mut() {
            if client.name.as_ref() == Some(&full) {
                while client.go_on(&mut self.engine, &mut Faultless) {}
                client.end(words, Exit::Code(code), &mut Faultless);
            }
        }
    }

    /// A container of this server that runs and has no client.
    pub fn has_stray(&mut self, name: &str) {
        let full = name.replacen("zigcheck-", &self.own(), 1);
        let mut stray = Container::new(&full, Some(purpose(&full)));
        stray.state = State::Running;
        self.containers.push(stray);
    }

    /// The container was never made, or somebody has removed it.
    pub fn forgets(&mut self, name: &str) {
        let full = self.container(name).name.clone();
        self.containers.retain(|c| c.name != full);
    }

    /// The server and all its children are gone; the containers go on.
    pub fn loses_server(&mut self) {
        self.clients.clear();
        self.node.iter_mut().for_each(|node| node.loses_server());
    }

    pub fn kill(&mut self, job: JobId) {
        self.node.iter_mut().for_each(|node| node.kill(job));
        if let Some(client) = self.clients.get_mut(&job) {
            client.die(&mut self.engine, &mut Faultless);
            client.was_killed();
        }
    }

    pub fn spawn(&mut self, job: JobId, command: &Command) {
        if let Some(command) = for_node(command) {
            return self.node().spawn(job, &command);
        }
        let client = match cluster_command(command) {
            None => self.client(command),
            Some(ClusterCommand::Place { lease, feature }) => {
                self.set_owner(&lease);
                Client::place(lease, feature)
            }
            Some(ClusterCommand::OnNode { lease, command }) => self.client(&command).about(lease),
            Some(ClusterCommand::Short(words)) => Client::to_cluster(words),
        };
        if client.is_on_cluster() {
            self.engine.slurm.get_or_insert_with(|| Slurm::new(2));
        }
        self.insert(job, client);
    }

    fn set_owner(&mut self, lease: &str) {
        let (owner, _) = lease.split_once('/').expect("whose it is");
        self.engine.data_id = owner.to_string();
    }

    fn insert(&mut self, job: JobId, mut client: Client) {
        client.sound = true;
        while client.go_on(&mut self.engine, &mut Faultless) {}
        self.clients.insert(job, client);
    }

    fn client(&mut self, command: &Command) -> Client {
        for word in &command.argv {
            if let Some((_, id)) = word.split_once("label=zigcheck.data=") {
                self.engine.data_id = id.to_string();
            }
        }
        let own = self.own();
        let words = command.argv[1..].iter();
        let words: Vec<String> = words.map(|word| word.replace(&own, "zigcheck-")).collect();
        self.asked.push(words.join(" "));
        match command
            .argv
            .get(2)
            .and_then(|word| word.strip_prefix("--name="))
        {
            Some(name) => {
                let mut container = Container::new(name, Some(purpose(name)));
                container.stdin = command.stdin.clone();
                container.kept = Some(Default::default());
                Client::run(container)
            }
            None => Client::short(command),
        }
    }

    /// What one of its clients does next, as the server sees it.
    pub fn next(&mut self) -> Option<(JobId, Move)> {
        self.clients.retain(|_, client| !client.is_over());
        let here = self.next_here();
        here.or_else(|| self.node.as_mut()?.next())
    }

    fn next_here(&mut self) -> Option<(JobId, Move)> {
        self.clients.iter_mut().find_map(|(job, client)| {
            while client.go_on(&mut self.engine, &mut Faultless) {}
            Some((*job, client.moves.pop_front()?))
        })
    }
}

/// A command that goes to the engine of another machine, as that gets it.
fn for_node(command: &Command) -> Option<Command> {
    let mut command = command.clone();
    if command.argv[0] == "ssh" {
        // The words behind the program are what counts from here on.
        command.argv = ["docker", "connect"].map(str::to_string).to_vec();
        return Some(command);
    }
    let is_far = command.argv.get(1)?.starts_with("--host=");
    is_far.then(|| {
        command.argv.remove(1);
        command
    })
}
