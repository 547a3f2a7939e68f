//! Where each engine command goes.
//!
//! | command | about | goes to |
//! |---|---|---|
//! | `run` | a fetch, a question to a remote, the probe of the fetch network | this machine |
//! | `run` | a build, an analysis for other targets: never a network | the node |
//! | `inspect`, `logs`, `exec`, `kill`, `rm` | one container | where its `run` went |
//! | `info`, `images`, `ps`, `rm` of leftovers | one engine | each engine in turn |
//!
//! Without a node everything goes to this machine. A container's place is read off its name, which an attempt has
//! before its container exists and a restarted server still knows: the place is stored nowhere. In a cluster the
//! scheduler says which node it is, and is asked in place of the engines for what there is: see `slurm.rs`.

use crate::app::engine::slurm::Cluster;
use crate::app::engine::ssh::SshLine;
use crate::config::launcher::Launcher;
use crate::config::settings::Settings;

/// An engine that commands go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// The engine of this machine.
    Here,
    /// The engine of the machine that builds run on.
    Node,
    /// The engines of a cluster, by way of its scheduler.
    Cluster,
}

/// What a container is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// It builds or analyses, without a network.
    Build,
    /// It reaches other hosts, over the fetch network.
    Fetch,
}

impl Work {
    /// The work of the container of that name, `zigcheck-DATA-…`. A name that no attempt has counts as a fetch.
    pub fn of_container(name: &str) -> Work {
        let rest = name.splitn(3, '-').nth(2).unwrap_or("");
        let is_build = rest.starts_with(|c: char| c.is_ascii_digit());
        match is_build || rest.starts_with("targets-") {
            true => Work::Build,
            false => Work::Fetch,
        }
    }
}

/// The engines there are, and how a client reaches each.
#[derive(Debug, Clone)]
pub struct Routing {
    here: Vec<String>,
    node: Option<Node>,
    cluster: Option<Cluster>,
}

#[derive(Debug, Clone)]
struct Node {
    name: String,
    client: Vec<String>,
    line: SshLine,
}

impl Routing {
    pub fn new(settings: &Settings, data_id: &str) -> Routing {
        let node = match &settings.launcher {
            Launcher::Local | Launcher::Slurm => None,
            Launcher::Ssh(host) => {
                let line = SshLine::new(host, &settings.data);
                Some(Node {
                    name: host.name.clone(),
                    client: vec![settings.docker.clone(), format!("--host={}", line.engine())],
                    line,
                })
            }
        };
        Routing {
            here: vec![settings.docker.clone()],
            node,
            cluster: (settings.launcher == Launcher::Slurm)
                .then(|| Cluster::new(settings, data_id)),
        }
    }

    /// Where builds run.
    pub fn of_builds(&self) -> Place {
        match (&self.node, &self.cluster) {
            (_, Some(_)) => Place::Cluster,
            (Some(_), None) => Place::Node,
            (None, None) => Place::Here,
        }
    }

    /// Where a container of that name is, or is made.
    pub fn place_of(&self, container: &str) -> Place {
        match Work::of_container(container) {
            Work::Build => self.of_builds(),
            Work::Fetch => Place::Here,
        }
    }

    /// All places.
    pub fn places(&self) -> &'static [Place] {
        match self.of_builds() {
            Place::Here => &[Place::Here],
            Place::Node => &[Place::Here, Place::Node],
            Place::Cluster => &[Place::Here, Place::Cluster],
        }
    }

    /// The first words of a command for that engine.
    pub fn client(&self, place: Place) -> &[String] {
        match (place, &self.node) {
            (Place::Node, Some(node)) => &node.client,
            _ => &self.here,
        }
    }

    /// The first words of a command about that container.
    pub fn client_of(&self, container: &str) -> Vec<String> {
        match (self.place_of(container), &self.cluster) {
            (Place::Cluster, Some(cluster)) => on_engine(cluster.reach(container)),
            (place, _) => self.client(place).to_vec(),
        }
    }

    /// The first words of the command that makes that container.
    pub fn runner_of(&self, container: &str) -> Vec<String> {
        match (self.place_of(container), &self.cluster) {
            (Place::Cluster, Some(cluster)) => on_engine(cluster.start(container)),
            (place, _) => self.client(place).to_vec(),
        }
    }

    /// The labels by which its machine knows that container.
    pub fn labels_of(&self, container: &str) -> Vec<String> {
        match (self.place_of(container), &self.cluster) {
            (Place::Cluster, Some(cluster)) => cluster.labels(container),
            _ => Vec::new(),
        }
    }

    /// The name of the machine that builds run on, if it is always the same other one.
    pub fn node(&self) -> Option<&str> {
        self.node.as_ref().map(|node| node.name.as_str())
    }

    /// The cluster that builds run on.
    pub fn cluster(&self) -> Option<&Cluster> {
        self.cluster.as_ref()
    }

    /// The words that wait for a slot of the cluster for that container.
    pub fn place(&self, container: &str, image: &str) -> Vec<String> {
        let cluster = self.cluster.as_ref();
        cluster.map_or(Vec::new(), |cluster| cluster.place(container, image))
    }

    /// The words that connect this machine with the node.
    pub fn connect(&self) -> Vec<String> {
        let line = self.node.as_ref().map(|node| &node.line);
        line.map(SshLine::connect).unwrap_or_default()
    }
}

/// A node's engine is its own docker.
fn on_engine(mut words: Vec<String>) -> Vec<String> {
    words.push("docker".to_string());
    words
}
