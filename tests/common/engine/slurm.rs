//! A Slurm cluster in the test process: nodes that come and go, and allocations by name. The containers on its nodes are
//! among those of the one engine; an allocation says which are there.

use zigcheck::interface::event::Command;

use crate::common::engine::engine::Said;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeState {
    Serving,
    Drained,
    /// It answers nobody until then. Its containers run on.
    Silent {
        until_ms: u64,
        /// Slurm gives it up then, and with it all that runs there.
        is_lost: bool,
    },
    Down,
}

#[derive(Debug)]
pub struct Node {
    pub name: String,
    pub slots: usize,
    pub state: NodeState,
}

#[derive(Debug, Clone)]
pub struct Allocation {
    /// `DATA_ID/NAME`.
    pub lease: String,
    pub number: u64,
    /// None: it waits.
    pub node: Option<usize>,
}

#[derive(Debug)]
pub struct Slurm {
    /// slurmctld answers.
    pub up: bool,
    pub nodes: Vec<Node>,
    pub allocations: Vec<Allocation>,
    pub next_number: u64,
}

/// Where a command about a container gets to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Node(usize),
    /// The node is silent.
    Nowhere,
    NoAllocation,
    NoScheduler,
}

/// A command for the cluster.
pub enum ClusterCommand {
    Place {
        lease: String,
        /// What its node must offer.
        feature: String,
    },
    /// A command for the engine of the node that has that allocation.
    OnNode { lease: String, command: Command },
    /// Words that `Slurm::answer` takes.
    Short(Vec<String>),
}

/// Reads a command for a cluster; none if it is for the engine of this machine.
pub fn cluster_command(command: &Command) -> Option<ClusterCommand> {
    let words: Vec<&str> = command.argv.iter().map(String::as_str).collect();
    let short = |words: &[&str]| {
        let words = words.iter().map(|word| word.to_string());
        Some(ClusterCommand::Short(words.collect()))
    };
    match words[..] {
        [
            "bash",
            "-c",
            _,
            "on_node",
            "place",
            lease,
            name,
            ..,
            feature,
        ] => {
            assert!(lease.ends_with(&format!("/{name}")), "{lease}");
            let feature = feature.strip_prefix("-C").expect("a feature");
            let (lease, feature) = (lease.to_string(), feature.to_string());
            Some(ClusterCommand::Place { lease, feature })
        }
        [
            "bash",
            "-c",
            _,
            "on_node",
            lease,
            _,
            "/usr/lib/zigcheck/step",
            seconds,
            _,
            ..,
        ] => {
            assert!(seconds.parse::<u64>().is_ok_and(|seconds| seconds > 0));
            Some(on_node(lease, command, 9))
        }
        ["bash", "-c", _, "on_node", lease, _, ..] => Some(on_node(lease, command, 6)),
        ["bash", "-c", _, "cancel", ..] => short(&words[3..]),
        ["bash", "-c", listing] => {
            assert!(listing.starts_with("sinfo "), "{listing}");
            short(&["nodes"])
        }
        ["squeue", "-h", "-o", "%k"] => short(&["allocations"]),
        ["scontrol", "update", ..] => short(&words[1..]),
        _ => None,
    }
}

fn on_node(lease: &str, command: &Command, skipped: usize) -> ClusterCommand {
    assert_eq!(command.argv[skipped], "docker");
    ClusterCommand::OnNode {
        lease: lease.to_string(),
        command: Command {
            argv: command.argv[skipped..].to_vec(),
            stdin: command.stdin.clone(),
        },
    }
}

fn refused(words: &str) -> Said {
    (String::new(), words.to_string(), 1)
}

impl Slurm {
    /// A cluster of so many nodes with one slot each.
    pub fn new(nodes: usize) -> Slurm {
        let node = |nth: usize| Node {
            name: format!("n{nth}"),
            slots: 1,
            state: NodeState::Serving,
        };
        Slurm {
            up: true,
            nodes: (1..=nodes).map(node).collect(),
            allocations: Vec::new(),
            next_number: 1,
        }
    }

    fn find(&self, lease: &str) -> Option<&Allocation> {
        self.allocations.iter().find(|it| it.lease == lease)
    }

    pub fn reach(&self, lease: &str) -> Reach {
        if !self.up {
            return Reach::NoScheduler;
        }
        match self.find(lease).and_then(|allocation| allocation.node) {
            None => Reach::NoAllocation,
            Some(node) => match self.nodes[node].state {
                NodeState::Silent { .. } => Reach::Nowhere,
                _ => Reach::Node(node),
            },
        }
    }

    /// The node of an allocation, whether it can be reached or not.
    pub fn node_of(&self, lease: &str) -> Option<usize> {
        self.find(lease).and_then(|allocation| allocation.node)
    }

    pub fn ask(&mut self, lease: &str) {
        let number = self.next_number;
        self.next_number += 1;
        self.allocations.push(Allocation {
            lease: lease.to_string(),
            number,
            node: None,
        });
    }

    fn taken(&self, node: usize) -> usize {
        let there = |it: &&Allocation| it.node == Some(node);
        self.allocations.iter().filter(there).count()
    }

    /// Gives free slots to those that wait, first come, first served.
    pub fn schedule(&mut self) {
        while let Some(waiting) = self.allocations.iter().position(|it| it.node.is_none()) {
            let is_free = |nth: &usize| {
                let node = &self.nodes[*nth];
                node.state == NodeState::Serving && self.taken(*nth) < node.slots
            };
            let Some(node) = (0..self.nodes.len()).find(is_free) else {
                return;
            };
            self.allocations[waiting].node = Some(node);
        }
    }

    pub fn end(&mut self, lease: &str) {
        self.allocations.retain(|it| it.lease != lease);
    }

    /// The names in allocations on a node.
    pub fn leases_on(&self, node: usize) -> Vec<String> {
        let there = self.allocations.iter().filter(|it| it.node == Some(node));
        there.map(|it| it.lease.clone()).collect()
    }

    /// The answer to a short command, where all nodes have images of these tags.
    pub fn answer(&mut self, words: &[&str], tags: &[String]) -> Said {
        if !self.up {
            return refused("slurm_load_jobs error: Unable to contact slurm controller\n");
        }
        match words {
            ["nodes"] => (self.list(tags), String::new(), 0),
            ["allocations"] => {
                let leases = self.allocations.iter().map(|it| it.lease.as_str());
                (leases.collect::<Vec<_>>().join("\n"), String::new(), 0)
            }
            ["update", node, state, ..] => self.update(node, state),
            other => panic!("{other:?}"),
        }
    }

    fn update(&mut self, node: &str, state: &str) -> Said {
        let name = node.strip_prefix("nodename=").expect("a node");
        let Some(node) = self.nodes.iter_mut().find(|node| node.name == name) else {
            return refused("slurm_update error: Invalid node name specified\n");
        };
        node.state = match state {
            "state=drain" => NodeState::Drained,
            _ => NodeState::Serving,
        };
        (String::new(), String::new(), 0)
    }

    fn list(&self, tags: &[String]) -> String {
        let node = |(nth, node): (usize, &Node)| {
            let taken = self.taken(nth);
            let (state, reason) = match node.state {
                NodeState::Serving if taken > 0 => ("mixed", "none"),
                NodeState::Serving => ("idle", "none"),
                NodeState::Drained => ("drained", "a new disk"),
                NodeState::Silent { .. } => ("mixed*", "Not responding"),
                NodeState::Down => ("down*", "Not responding"),
            };
            let (used, all) = (2 * taken, 2 * node.slots);
            let features: String = tags.iter().map(|tag| format!(",zig-{tag}")).collect();
            let name = &node.name;
            let free = all.saturating_sub(used);
            format!("node|{name}|{state}|{used}/{free}/0/{all}|64000|zig{features}|{reason}\n")
        };
        let nodes = self.nodes.iter().enumerate().map(node);
        let waits = self.allocations.iter().filter(|it| it.node.is_none());
        let waits = waits.map(|it| format!("wait|{}|Resources\n", it.lease));
        nodes.chain(waits).collect()
    }
}
