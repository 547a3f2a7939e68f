//! What the scheduler of a cluster says: its nodes, and why requests for a slot wait.

use std::collections::HashMap;

use crate::app::engine::listings::Image;
use crate::app::engine::slurm::Cluster;

/// Whether a node takes builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NodeState {
    Idle,
    /// It has builds.
    Busy,
    /// It takes no new builds.
    Drained,
    /// It does not answer.
    Down,
}

impl NodeState {
    pub const ALL: [NodeState; 4] = [
        NodeState::Idle,
        NodeState::Busy,
        NodeState::Drained,
        NodeState::Down,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            NodeState::Idle => "idle",
            NodeState::Busy => "busy",
            NodeState::Drained => "drained",
            NodeState::Down => "down",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub name: String,
    pub state: NodeState,
    /// How many builds it holds at once while it is in service.
    pub slots: usize,
    /// How many of these are taken.
    pub taken: usize,
    /// Those of its images.
    pub tags: Vec<String>,
    /// Why it is out of service; empty if it is not.
    pub reason: String,
}

impl Node {
    pub fn is_in_service(&self) -> bool {
        matches!(self.state, NodeState::Idle | NodeState::Busy)
    }
}

/// The answer to `Cluster::list_nodes`.
#[derive(Debug, Default)]
pub struct Listing {
    /// In order of their names.
    pub nodes: Vec<Node>,
    /// The scheduler's reason for each request that waits, by its name.
    reasons: HashMap<String, String>,
}

impl Listing {
    pub fn read(answer: &str, cluster: &Cluster) -> Listing {
        let mut listing = Listing::default();
        for line in answer.lines() {
            match line.trim().split_once('|') {
                Some(("node", rest)) => listing.nodes.extend(node(rest, cluster)),
                Some(("wait", rest)) => listing.reasons.extend(wait(rest, cluster)),
                _ => {}
            }
        }
        // A node is listed once for each of its partitions.
        listing.nodes.sort_by(|a, b| a.name.cmp(&b.name));
        listing.nodes.dedup_by(|a, b| a.name == b.name);
        listing
    }

    /// The slots of nodes in service, and those that still run something on others.
    pub fn slots(&self) -> usize {
        let slots = |node: &Node| match node.is_in_service() {
            true => node.slots.max(node.taken),
            false => node.taken,
        };
        self.nodes.iter().map(slots).sum()
    }

    pub fn taken(&self) -> usize {
        self.nodes.iter().map(|node| node.taken).sum()
    }

    pub fn count(&self, state: NodeState) -> usize {
        let nodes = self.nodes.iter();
        nodes.filter(|node| node.state == state).count()
    }

    /// Why the request of that name waits; none if it did not wait then.
    pub fn reason(&self, name: &str) -> Option<&str> {
        self.reasons.get(name).map(String::as_str)
    }

    /// Whether builds in the image of that tag can start now: a node in service has it. While none is in service, they
    /// wait for any.
    pub fn serves(&self, tag: &str) -> bool {
        let mut in_service = self.nodes.iter().filter(|node| node.is_in_service());
        let is_none = in_service.clone().next().is_none();
        is_none || in_service.any(|node| node.tags.iter().any(|it| it == tag))
    }

    /// The images that nodes have, by tag; an error if no node is there that answers.
    pub fn images(&self) -> Result<HashMap<String, Image>, String> {
        if self.nodes.iter().all(|node| node.state == NodeState::Down) {
            return Err(match self.nodes.first() {
                None => "there are no nodes".to_string(),
                Some(node) => format!("no node answers: {} is down: {}", node.name, node.reason),
            });
        }
        let tags = self.nodes.iter().flat_map(|node| &node.tags);
        Ok(tags
            .map(|tag| (tag.clone(), Image::named(format!("zigcheck:{tag}"))))
            .collect())
    }
}

fn node(line: &str, cluster: &Cluster) -> Option<Node> {
    let mut parts = line.splitn(6, '|');
    let (name, state) = (parts.next()?, parts.next()?);
    let (cpus, memory) = (parts.next()?, parts.next()?);
    let (features, reason) = (parts.next()?, parts.next()?);
    // Allocated, idle, other, all.
    let cpus = cpus.split('/').map(|word| word.parse().unwrap_or(0));
    let cpus: Vec<u64> = cpus.collect();
    let [allocated, _, _, all] = cpus[..] else {
        return None;
    };
    let (slots, taken) = cluster.slots(all, allocated, memory.parse().unwrap_or(0));
    let versions = features.split(',').filter_map(|it| it.strip_prefix("zig-"));
    Some(Node {
        name: name.to_string(),
        state: state_of(state),
        slots,
        taken,
        tags: versions.map(str::to_string).collect(),
        reason: if reason == "none" { "" } else { reason }.to_string(),
    })
}

fn wait(line: &str, cluster: &Cluster) -> Option<(String, String)> {
    let (lease, reason) = line.split_once('|')?;
    let name = cluster.name_of(lease)?;
    // Before the scheduler has tried.
    let reason = if reason == "None" { "" } else { reason };
    Some((name.to_string(), reason.to_string()))
}

/// Signs behind the state: `*` is a node that does not answer; the others say that a build is just ending (`+`), or
/// what is planned for the node.
fn state_of(word: &str) -> NodeState {
    match word.trim_end_matches(['+', '-', '@', '^', '$']) {
        "idle" | "planned" => NodeState::Idle,
        "mixed" | "allocated" | "completing" => NodeState::Busy,
        "drained" | "draining" | "maint" | "reserved" => NodeState::Drained,
        _ => NodeState::Down,
    }
}
