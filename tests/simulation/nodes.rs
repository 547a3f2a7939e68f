//! What happens to the nodes of the cluster that builds run on in some lives.

use crate::common::engine::slurm::NodeState;
use crate::world::World;

impl World {
    /// A node is drained, dies, is silent for a while or comes back; or slurmctld goes, or forgets an allocation.
    pub fn change_nodes(&mut self) {
        let fate = self.seed.below(8);
        let now = self.ms;
        let silence_ms = self.seed.between(1_000, 50_000) as u64;
        let Some(slurm) = &mut self.engine.slurm else {
            return;
        };
        // Mostly one that has something to lose.
        let busy = slurm.allocations.iter().find_map(|it| it.node);
        let any = self.seed.below(slurm.nodes.len());
        let nth = busy.filter(|_| !self.seed.once_in(4)).unwrap_or(any);
        let state = slurm.nodes[nth].state;
        if busy.is_none() && state == NodeState::Serving && !self.seed.once_in(8) {
            return;
        }
        let (new, what) = match (state, fate) {
            (_, 0) if self.seed.once_in(3) => {
                slurm.up = !slurm.up;
                self.tally.met("slurmctld goes or comes");
                return;
            }
            (_, 1) => return self.forget_allocation(),
            (NodeState::Serving, 2) => (NodeState::Drained, "nodes drained"),
            (NodeState::Serving, 3 | 4) => {
                self.empty_node(nth);
                return self.set_node(nth, NodeState::Down, "nodes that die");
            }
            (NodeState::Serving, _) => {
                let (until_ms, is_lost) = (now + silence_ms, fate > 5);
                (
                    NodeState::Silent { until_ms, is_lost },
                    "nodes that fall silent",
                )
            }
            (NodeState::Silent { .. }, _) => return,
            (NodeState::Drained | NodeState::Down, _) => {
                (NodeState::Serving, "nodes that come back")
            }
        };
        self.set_node(nth, new, what);
    }

    fn set_node(&mut self, nth: usize, state: NodeState, what: &str) {
        self.tally.met(what);
        let slurm = self.engine.slurm.as_mut().expect("a cluster");
        slurm.nodes[nth].state = state;
    }

    /// slurmctld was killed, and what it had not stored yet is forgotten. It gives the number out again.
    fn forget_allocation(&mut self) {
        let slurm = self.engine.slurm.as_mut().expect("a cluster");
        let Some(newest) = slurm.allocations.last().cloned() else {
            return;
        };
        slurm.next_number = newest.number;
        self.vacate(&newest.lease);
        self.tally.met("allocations forgotten");
    }

    /// All that runs on a node is gone.
    fn empty_node(&mut self, nth: usize) {
        let slurm = self.engine.slurm.as_ref().expect("a cluster");
        for lease in slurm.leases_on(nth) {
            self.vacate(&lease);
            self.tally.met("builds lost with their node");
        }
    }

    /// An allocation is gone, with its container and the clients of that. What a client has passed on counts.
    fn vacate(&mut self, lease: &str) {
        let mut heard = false;
        for client in self.clients.values_mut() {
            if client.lease.as_deref() == Some(lease) {
                heard |= client.told_all && !client.moves.is_empty();
                client.vacated(&mut self.seed);
            }
        }
        self.engine.vacate(lease, heard);
    }

    /// Nodes answer again, or Slurm gives them up.
    pub fn end_silences(&mut self) {
        let Some(slurm) = &self.engine.slurm else {
            return;
        };
        for nth in 0..slurm.nodes.len() {
            let slurm = self.engine.slurm.as_ref().expect("a cluster");
            match slurm.nodes[nth].state {
                NodeState::Silent { until_ms, is_lost } if until_ms <= self.ms => match is_lost {
                    true => {
                        self.empty_node(nth);
                        self.set_node(nth, NodeState::Down, "silent nodes given up");
                    }
                    false => {
                        self.set_node(nth, NodeState::Serving, "silent nodes that answer again")
                    }
                },
                _ => {}
            }
        }
    }

    pub fn silence_ends_ms(&self) -> Option<u64> {
        let nodes = self.engine.slurm.iter().flat_map(|slurm| &slurm.nodes);
        let ends = nodes.filter_map(|node| match node.state {
            NodeState::Silent { until_ms, .. } => Some(until_ms),
            _ => None,
        });
        ends.min()
    }

    /// From now on the cluster is whole.
    pub fn all_nodes_serve(&mut self) {
        if let Some(slurm) = &mut self.engine.slurm {
            slurm.up = true;
            for node in &mut slurm.nodes {
                node.state = NodeState::Serving;
            }
        }
    }
}
