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
//! before its container exists and a restarted server still knows: the place is stored nowhere.

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
}

#[derive(Debug, Clone)]
struct Node {
    name: String,
    client: Vec<String>,
    line: SshLine,
}

impl Routing {
    pub fn new(settings: &Settings) -> Routing {
        let node = match &settings.launcher {
            Launcher::Local => None,
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
        }
    }

    /// Where a container of that name is, or is made.
    pub fn place_of(&self, container: &str) -> Place {
        match (&self.node, Work::of_container(container)) {
            (Some(_), Work::Build) => Place::Node,
            (None, Work::Build) | (_, Work::Fetch) => Place::Here,
        }
    }

    /// All engines.
    pub fn places(&self) -> &'static [Place] {
        match self.node {
            Some(_) => &[Place::Here, Place::Node],
            None => &[Place::Here],
        }
    }

    /// The first words of a command for that engine.
    pub fn client(&self, place: Place) -> &[String] {
        match (place, &self.node) {
            (Place::Node, Some(node)) => &node.client,
            _ => &self.here,
        }
    }

    /// The name of the machine that builds run on, if it is another one.
    pub fn node(&self) -> Option<&str> {
        self.node.as_ref().map(|node| node.name.as_str())
    }

    /// The words that connect this machine with the node.
    pub fn connect(&self) -> Vec<String> {
        let line = self.node.as_ref().map(|node| &node.line);
        line.map(SshLine::connect).unwrap_or_default()
    }
}
