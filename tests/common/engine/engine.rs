//! An engine in the test process: containers with what they wrote, and what short commands answer.
//! Containers outlive the clients that watch them, and the server.

use std::collections::BTreeMap;

use crate::common::engine::container::{Container, Purpose, State};
use crate::common::engine::slurm::{Reach, Slurm};
use crate::common::seed::Chance;

/// The answer of an engine that has every capability to `docker info`.
const INFO: &str = r#"{"MemoryLimit": true, "SwapLimit": true, "CpuCfsQuota": true, "PidsLimit": true,
    "SecurityOptions": ["name=seccomp,profile=default", "name=userns"]}"#;

/// The data id of another server on the same engine.
pub const ANOTHER: &str = "another";

/// An answer to a short command: standard output, standard error, exit code.
pub type Said = (String, String, i32);

pub fn no_engine() -> Said {
    let words = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. \
        Is the docker daemon running?\n";
    (String::new(), words.to_string(), 1)
}

#[derive(Debug, Default)]
pub struct Engine {
    pub up: bool,
    /// The time of the world around it.
    pub ms: u64,
    /// Short commands get no answer, and do nothing.
    pub hung: bool,
    /// The answer of a running container to `docker exec`: its peak memory.
    pub peak: Option<String>,
    pub data_id: String,
    /// In the order in which they were made.
    pub containers: Vec<Container>,
    /// Containers of ours that are no more.
    pub past: BTreeMap<Purpose, Container>,
    /// Asked for by clients that are no more: the engine may still get to it, until that time.
    pub late: Vec<(u64, Container)>,
    /// Tag and id of each image: a version, or one with the recipe of the image of that version.
    pub images: Vec<(String, String)>,
    /// When it listed these images first.
    listed_ms: Option<u64>,
    /// How many containers of others there are.
    pub foreign: usize,
    /// What happened to it that is worth counting.
    pub met: Vec<&'static str>,
    /// From now on it answers.
    pub calm: bool,
    /// The cluster that builds run on.
    pub slurm: Option<Slurm>,
}

impl Engine {
    pub fn new(images: &[(&str, String)]) -> Engine {
        let owned = |(version, id): &(&str, String)| (version.to_string(), id.clone());
        Engine {
            up: true,
            images: images.iter().map(owned).collect(),
            ..Engine::default()
        }
    }

    pub fn image(&self, version: &str) -> Option<String> {
        let image = self.images.iter().find(|(known, _)| known == version);
        image.map(|(_, id)| id.clone())
    }

    pub fn get(&self, name: &str) -> Option<&Container> {
        self.containers.iter().find(|c| c.name == name)
    }

    pub fn get_mut(&mut self, name: &str) -> Option<&mut Container> {
        self.containers.iter_mut().find(|c| c.name == name)
    }

    pub fn ours(&self) -> impl Iterator<Item = &Container> {
        self.containers.iter().filter(|c| c.purpose.is_some())
    }

    /// The container of that purpose, whether it is still there or not.
    pub fn of(&self, purpose: Purpose) -> Option<&Container> {
        let there = self.ours().find(|c| c.purpose == Some(purpose));
        there.or_else(|| self.past.get(&purpose))
    }

    fn find(&mut self, name: &str) -> Result<&mut Container, Said> {
        let words = format!("Error response from daemon: No such container: {name}\n");
        let found = self.get_mut(name);
        found.ok_or((String::new(), words, 1))
    }

    /// The answer of the engine of this machine, or of that of a node.
    pub fn command(&mut self, words: &[&str], on_node: bool, chance: &mut dyn Chance) -> Said {
        if !self.up && !on_node {
            return no_engine();
        }
        if !self.calm && chance.once_in(150) {
            let words = "Error response from daemon: i/o timeout\n";
            return (String::new(), words.to_string(), 1);
        }
        let answer = match words[0] {
            "connect" => Ok(String::new()),
            "info" => Ok(INFO.to_string()),
            "images" => Ok(self.list_images()),
            "ps" => {
                assert!(words.iter().any(|word| word.ends_with(&self.data_id)));
                let here = self.ours().filter(|c| !c.on_node);
                let names: Vec<&str> = here.map(|c| c.name.as_str()).collect();
                Ok(names.join("\n"))
            }
            "rm" => return self.remove_all(&words[3..], chance),
            "kill" => self.kill(words[1]),
            "inspect" => self.inspect(words[3]),
            "exec" => {
                let peak = self.peak.clone();
                self.find(words[1]).and_then(|container| {
                    assert!(container.purpose.is_some(), "{} is not ours", words[1]);
                    let peak = peak.filter(|_| container.is_running());
                    peak.ok_or_else(|| (String::new(), "it is not running\n".to_string(), 1))
                })
            }
            other => panic!("docker {other}"),
        };
        match answer {
            Ok(said) => (said, String::new(), 0),
            Err(said) => said,
        }
    }

    /// The answer of the cluster.
    pub fn cluster_command(&mut self, words: &[&str]) -> Said {
        let tags: Vec<String> = self.images.iter().map(|(tag, _)| tag.clone()).collect();
        let slurm = self.slurm.as_mut().expect("a cluster");
        let ["cancel", names @ ..] = words else {
            return slurm.answer(words, &tags);
        };
        if !slurm.up {
            return slurm.answer(&[], &tags);
        }
        let leases: Vec<String> = names
            .iter()
            .map(|it| format!("{}/{it}", self.data_id))
            .collect();
        for (name, lease) in names.iter().zip(leases) {
            let silent = slurm.reach(&lease) == Reach::Nowhere;
            slurm.end(&lease);
            // Its epilog; that of a silent node comes later, and finds a container that nobody reaches.
            if self.containers.iter().any(|it| it.name == **name) {
                self.met.push(match silent {
                    true => "containers left on silent nodes",
                    false => "containers removed by their nodes",
                });
            }
        }
        for name in names {
            self.remove(name);
        }
        (String::new(), String::new(), 0)
    }

    /// An allocation is gone that nobody has cancelled, and its container with it.
    pub fn vacate(&mut self, lease: &str, is_heard: bool) {
        let slurm = self.slurm.as_mut().expect("a cluster");
        slurm.end(lease);
        let name = lease.rsplit('/').next().expect("a name").to_string();
        if let Some(container) = self.get_mut(&name) {
            container.broken |= !is_heard;
            container.torn |= !is_heard;
            self.remove(&name);
        }
    }

    /// The image of that version is made anew with that id, or removed.
    pub fn set_image(&mut self, version: &str, id: Option<String>) {
        let recipe = format!("{version}-");
        self.images
            .retain(|(known, _)| known != version && !known.starts_with(&recipe));
        self.images.extend(id.map(|id| (version.to_string(), id)));
        self.listed_ms = None;
    }

    /// The image of that version gets that recipe.
    pub fn name_recipe(&mut self, version: &str, recipe: &str) {
        let id = self.image(version);
        let tag = format!("{version}-{recipe}");
        self.images.extend(id.map(|id| (tag, id)));
        self.listed_ms = None;
    }

    /// What containers of that version are started in: an image with a recipe by that.
    pub fn name(&self, version: &str) -> Option<String> {
        let id = self.image(version)?;
        let recipe = format!("{version}-");
        let mut tags = self.images.iter();
        let tag = tags.find(|(tag, _)| tag.starts_with(&recipe));
        Some(tag.map_or(id, |(tag, _)| format!("zigcheck:{tag}")))
    }

    /// True if the server has had the list of images for a minute.
    pub fn is_known_well(&self) -> bool {
        self.listed_ms.is_some_and(|at| self.ms >= at + 60_000)
    }

    /// A container of another server has that name, unless something has it already.
    pub fn add_foreign(&mut self, name: &str) {
        if self.get(name).is_none() {
            let mut foreign = Container::new(name, None);
            foreign.state = State::Running;
            self.containers.push(foreign);
            self.foreign += 1;
        }
    }

    /// Containers of other owners are untouched.
    pub fn assert_others_are_untouched(&self) {
        let theirs = self.containers.iter().filter(|c| c.purpose.is_none());
        let there = theirs.filter(|c| !c.killed).count();
        assert_eq!(there, self.foreign, "containers of others");
    }

    fn list_images(&mut self) -> String {
        self.listed_ms.get_or_insert(self.ms);
        let line = |(version, id): &(String, String)| format!("zigcheck:{version} {id}\n");
        self.images.iter().map(line).collect()
    }

    fn inspect(&mut self, name: &str) -> Result<String, Said> {
        let container = self.find(name)?;
        assert!(container.purpose.is_some(), "{name} is not ours");
        if let Some(words) = &container.inspected_as {
            return Ok(words.clone());
        }
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

    fn remove_all(&mut self, names: &[&str], chance: &mut dyn Chance) -> Said {
        let mut said = (String::new(), String::new(), 0);
        for name in names {
            // It went by itself a moment ago, and its name is still known.
            if !self.calm && self.find(name).is_ok_and(|c| !c.is_running()) && chance.once_in(10) {
                self.remove(name);
                said.1 += &format!("removal of container {name} is already in progress\n");
                said.2 = 1;
                continue;
            }
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
        let Some(place) = self.containers.iter().position(|c| c.name == name) else {
            return false;
        };
        let mut container = self.containers.remove(place);
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
        for container in &mut self.containers {
            if !container.is_running() || container.on_node {
                continue;
            }
            container.lose_lines();
            if !containers_live {
                container.end([137, 255][container.name.len() % 2], false);
                container.broken = true;
            }
        }
    }

    /// One of the containers moves on; false: none can.
    pub fn go_on(&mut self, chance: &mut dyn Chance) -> bool {
        let now = self.ms;
        let moving = |c: &&mut Container| c.is_moving() && c.slow_until_ms <= now;
        let mut moving: Vec<&mut Container> = self.containers.iter_mut().filter(moving).collect();
        if moving.is_empty() {
            return false;
        }
        let nth = chance.below(moving.len());
        moving[nth].go_on()
    }

    /// When something there goes on by itself that is slow now, or is made late.
    pub fn next_ms(&self) -> Option<u64> {
        let slow = self.containers.iter().filter(|c| c.is_moving());
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
        for (_, container) in due {
            let lease = format!("{}/{}", self.data_id, container.name);
            let slurm = self.slurm.as_ref().filter(|_| container.on_node);
            let is_there = slurm.map_or(self.up, |slurm| slurm.node_of(&lease).is_some());
            if !is_there {
                continue;
            }
            self.met.push("containers made late");
            if self.get(&container.name).is_none() {
                self.containers.push(container);
            }
        }
    }
}
