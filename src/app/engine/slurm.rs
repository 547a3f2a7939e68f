//! Builds on the nodes of a Slurm cluster: the commands, and how the answers are read.
//!
//! A build is one allocation, which bears the name of its container, and one step in it. The allocation is a lease: it
//! needs no process of ours to go on, it says which node has the container, and Slurm sees to it that the container
//! ends with it.
//!
//! | | command |
//! |---|---|
//! | ask for a slot, wait for it | `salloc --no-shell`, without an end: it may take days |
//! | start the container, ask about it | `squeue` for the allocation, then `srun` in it: `on_node.sh` |
//! | remove the container | `scancel` of its name; the node's epilog removes it |
//! | which allocations are there, which nodes | `squeue`, `sinfo`; no node is asked, so a dead one delays nothing |
//!
//! The comment of an allocation is `DATA_ID/NAME`: whose it is.

use crate::app::engine::limits::{LEASE_GRACE_S, NODE_MEMORY_BYTES, STEP_GRACE_S};
use crate::config::settings::Settings;

/// What runs on the node, and how that is found.
const ON_NODE: &str = include_str!("on_node.sh");
/// In front of `docker run` on the node: ends the container by then, whoever is out of reach.
const STEP: &str = "/usr/lib/zigcheck/step";
/// Cancels each of these allocations; there may be no such one.
const CANCEL: &str = "for name; do scancel --name=\"$name\" || failed=1; done; exit ${failed:-0}";

/// Nodes with state, processors, memory, features and reason; requests that wait, with comment and reason.
const LIST_NODES: &str =
    "sinfo -h -N -o 'node|%N|%T|%C|%m|%b|%E' && squeue -h -t PD -o 'wait|%k|%r'";

/// What is asked of Slurm for each build of one data directory.
#[derive(Debug, Clone)]
pub struct Cluster {
    data_id: String,
    cpus: u64,
    memory_mib: u64,
    build_timeout_s: u64,
}

impl Cluster {
    pub fn new(settings: &Settings, data_id: &str) -> Cluster {
        Cluster {
            data_id: data_id.to_string(),
            cpus: settings.cpus.ceil() as u64,
            memory_mib: (settings.memory_bytes + NODE_MEMORY_BYTES) >> 20,
            build_timeout_s: settings.build_timeout_ms / 1_000,
        }
    }

    fn lease(&self, name: &str) -> String {
        format!("{}/{name}", self.data_id)
    }

    /// Waits for an allocation of that name on a node that has that image; prints the node's name, which `node_of`
    /// reads.
    pub fn place(&self, name: &str, image: &str) -> Vec<String> {
        let tag = image.strip_prefix("zigcheck:").unwrap_or(image);
        let minutes = (self.build_timeout_s + LEASE_GRACE_S).div_ceil(60);
        let mut words = on_node(&["place", &self.lease(name), name]);
        words.extend([
            format!("-c{}", self.cpus),
            format!("--mem={}", self.memory_mib),
            format!("-t{minutes}"),
            format!("-Czig-{tag}"),
        ]);
        words
    }

    /// The words in front of a command about that container.
    pub fn reach(&self, name: &str) -> Vec<String> {
        on_node(&[&self.lease(name), name])
    }

    /// The words in front of the `docker run` of that container.
    pub fn start(&self, name: &str) -> Vec<String> {
        let mut words = self.reach(name);
        let seconds = self.build_timeout_s + STEP_GRACE_S;
        words.extend([STEP.to_string(), seconds.to_string(), name.to_string()]);
        words
    }

    /// What a container bears so that the epilog and the health script of its node know it. `on_node.sh` adds the
    /// number.
    pub fn labels(&self, name: &str) -> Vec<String> {
        let lease = self.lease(name);
        vec![
            "--label=zigcheck.job=".to_string(),
            format!("--label=zigcheck.lease={lease}"),
        ]
    }

    /// Ends allocations, and with them their containers, wherever they are.
    pub fn cancel(&self, names: &[String]) -> Vec<String> {
        let words = ["bash", "-c", CANCEL, "cancel"].map(str::to_string);
        words.into_iter().chain(names.iter().cloned()).collect()
    }

    /// Lists all allocations: `own_allocations` reads the answer.
    pub fn list(&self) -> Vec<String> {
        ["squeue", "-h", "-o", "%k"].map(str::to_string).to_vec()
    }

    /// The names of those allocations in an answer to `list` that belong to its data directory.
    pub fn own_allocations(&self, answer: &str) -> Vec<String> {
        let names = answer.lines().filter_map(|line| self.name_of(line.trim()));
        names.map(str::to_string).collect()
    }

    /// The name of the allocation with that comment, if it belongs to its data directory.
    pub fn name_of<'l>(&self, lease: &'l str) -> Option<&'l str> {
        let (owner, name) = lease.split_once('/')?;
        (owner == self.data_id).then_some(name)
    }

    /// Lists the nodes, and the requests that wait for one: `Listing::read` reads the answer.
    pub fn list_nodes(&self) -> Vec<String> {
        ["bash", "-c", LIST_NODES].map(str::to_string).to_vec()
    }

    /// Takes a node out of service for that reason, or back without one.
    pub fn set_node(name: &str, reason: Option<&str>) -> Vec<String> {
        let state = reason.map_or("state=resume", |_| "state=drain");
        let words = ["scontrol", "update", &format!("nodename={name}"), state];
        let words = words.map(str::to_string).into_iter();
        let reason = reason.map(|reason| format!("reason={reason}"));
        words.chain(reason).collect()
    }

    /// How many builds a node with so many processors, and so much memory, holds at once, and how many of these are
    /// taken where so many processors are allocated.
    pub fn slots(&self, cpus: u64, allocated_cpus: u64, memory_mib: u64) -> (usize, usize) {
        let slots = (cpus / self.cpus).min(memory_mib / self.memory_mib);
        let taken = allocated_cpus.div_ceil(self.cpus);
        (slots as usize, taken as usize)
    }
}

fn on_node(words: &[&str]) -> Vec<String> {
    let first = ["bash", "-c", ON_NODE, "on_node"].into_iter();
    first
        .chain(words.iter().copied())
        .map(str::to_string)
        .collect()
}

/// The node in an answer to `Cluster::place`; none if the allocation was gone by then.
pub fn node_of(answer: &str) -> Option<&str> {
    let node = answer.trim();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    (!node.is_empty() && node.bytes().all(plain)).then_some(node)
}
