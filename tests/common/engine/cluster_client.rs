//! Clients on a cluster: they wait for a slot, and reach the node that has their allocation.

use zigcheck::interface::event::{Exit, Pipe};

use crate::common::engine::client::{Client, Kind, Move, Stage};
use crate::common::engine::engine::Engine;
use crate::common::engine::slurm::Reach;
use crate::common::seed::Chance;

impl Client {
    /// Waits for a slot of the cluster.
    pub fn place(lease: String, feature: String) -> Client {
        let asked = false;
        Client::new(Kind::Place { feature, asked }, None).about(lease)
    }

    pub fn to_cluster(words: Vec<String>) -> Client {
        Client::new(Kind::Cluster(words), None)
    }

    /// The same on the node of that allocation.
    pub fn about(mut self, lease: String) -> Client {
        if let Kind::Run(run) = &mut self.kind
            && let Some(container) = &mut run.container
        {
            container.on_node = true;
        }
        self.lease = Some(lease);
        self
    }

    /// Its allocation is gone. `srun` says 0 of a node that died.
    pub fn vacated(&mut self, chance: &mut dyn Chance) {
        if !matches!(self.kind, Kind::Over) {
            let code = i32::from(self.read[0] > 0);
            self.end("", Exit::Code(code), chance);
        }
    }

    pub fn is_on_cluster(&self) -> bool {
        self.lease.is_some() || matches!(self.kind, Kind::Cluster(_))
    }

    /// True where its node is not to be reached, or is not known.
    pub(super) fn is_out_of_reach(&mut self, engine: &mut Engine, chance: &mut dyn Chance) -> bool {
        let is_place = matches!(self.kind, Kind::Place { .. });
        let Some(lease) = self.lease.clone().filter(|_| !is_place) else {
            return false;
        };
        let is_attached = self.read != [0; 2]
            || matches!(&self.kind, Kind::Run(run) if run.stage == Stage::Attached);
        let slurm = engine.slurm.as_ref().expect("a cluster");
        let name = lease.rsplit('/').next().expect("a name");
        match slurm.reach(&lease) {
            Reach::Node(_) => return false,
            Reach::NoScheduler if is_attached => return false,
            Reach::Nowhere => {}
            Reach::NoScheduler => {
                let words = "the scheduler does not answer\n";
                self.end(words, Exit::Code(1), chance);
            }
            Reach::NoAllocation if is_attached => self.vacated(chance),
            Reach::NoAllocation => {
                let words = format!("no such allocation: {name}\n");
                self.end(&words, Exit::Code(1), chance);
            }
        }
        true
    }

    pub(super) fn wait_for_slot(&mut self, engine: &mut Engine, chance: &mut dyn Chance) {
        let Kind::Place { feature, asked } = &mut self.kind else {
            return;
        };
        let lease = self.lease.clone().expect("a lease");
        let slurm = engine.slurm.as_mut().expect("a cluster");
        if !*asked {
            let mut tags = engine.images.iter().map(|(tag, _)| format!("zig-{tag}"));
            let refused = match () {
                () if !slurm.up || (!self.sound && chance.once_in(40)) => Some("Socket timed out"),
                () if !tags.any(|tag| tag == *feature) => Some("Invalid feature specification"),
                () => None,
            };
            if let Some(why) = refused {
                let words = format!("salloc: error: Job submit/allocate failed: {why}\n");
                return self.end(&words, Exit::Code(1), chance);
            }
            slurm.ask(&lease);
            *asked = true;
        }
        if slurm.up {
            slurm.schedule();
        }
        let Some(allocation) = slurm.allocations.iter().find(|it| it.lease == lease) else {
            let words = "salloc: error: Job allocation has been revoked\n";
            return self.end(words, Exit::Code(1), chance);
        };
        if let Some(node) = allocation.node.filter(|_| slurm.up) {
            let node = format!("{}\n", slurm.nodes[node].name);
            self.moves
                .push_back(Move::Output(Pipe::Stdout, node.into_bytes()));
            self.end("", Exit::Code(0), chance);
        }
    }
}
