//! The engines of nodes, and what runs in them: builds that sleep.

use crate::cluster::{Cluster, Plan};
use crate::machine::Machine;
use crate::stand_in::runner_that;

/// The toolchain of all builds.
pub const VERSION: &str = "0.16.0";
/// What a slot is: `--cpus`, and `--memory` with what a node adds to it.
pub const SLOT_CPUS: usize = 1;
pub const SLOT_MIB: usize = 512 + 64;

/// The name of the package says how long its build sleeps.
const SLEEPS: &str =
    r#"[[ $head =~ \"package_name\":\"sleeps-([0-9]+)\" ]]; sleep "${BASH_REMATCH[1]}""#;

/// What stands in for docker on a machine: it has the image, and its containers are their runners.
const DOCKER: &str = r#"#!/bin/bash
case $1 in
info) echo '{"MemoryLimit":true,"PidsLimit":true,"SecurityOptions":["name=seccomp"]}' ;;
images) case $* in *Repository*) echo "zigcheck:VERSION sha256:stand-in" ;; *) echo VERSION ;; esac ;;
esac
[ "$1" = run ] || exit 0
"#;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Engines {
    /// Each node runs dockerd.
    Real,
    /// A script stands in for docker on each node: it starts the runner as a process.
    StandIns,
}

impl Engines {
    pub fn name(self) -> &'static str {
        match self {
            Engines::Real => "real engines",
            Engines::StandIns => "stand-ins for engines",
        }
    }

    /// A cluster without nodes, whose nodes will have that many slots each. Its server has an engine.
    pub fn cluster(self, slots: usize, conf: Vec<(&'static str, String)>) -> Cluster {
        let cluster = Cluster::planned(Plan {
            conf,
            cpus: slots * SLOT_CPUS,
            memory_mib: slots * SLOT_MIB,
            runner: runner_that(SLEEPS),
        });
        self.start(&cluster, &cluster.server);
        cluster
    }

    /// Adds nodes until there are that many, and waits until all are idle.
    pub fn grow(self, cluster: &mut Cluster, nodes: usize) {
        while cluster.nodes.len() < nodes {
            cluster.add_machine();
            let node = cluster.nodes.last().expect("a machine");
            if self == Engines::StandIns {
                self.start(cluster, node);
            }
            cluster.install_node(node);
            if self == Engines::Real {
                self.start(cluster, node);
            }
            cluster.start_node(node);
        }
        for node in &cluster.nodes {
            cluster.wait_for(&node.name, "idle");
        }
    }

    /// Starts the engine of a machine, with the image.
    pub fn start(self, cluster: &Cluster, machine: &Machine) {
        match self {
            Engines::Real => {
                cluster.start_engine(machine);
                cluster.import_image(machine, &format!("zigcheck:{VERSION}"));
            }
            Engines::StandIns => {
                let script = DOCKER.replace("VERSION", VERSION) + &runner_that(SLEEPS);
                // For every PATH: the scripts that slurmd starts have a short one.
                let write = format!(
                    "cd /usr; rm -f bin/docker local/bin/docker; cat >bin/docker <<'END'\n{script}END
                    chmod 755 bin/docker; ln -s ../../bin/docker local/bin"
                );
                machine.sh(&write);
            }
        }
    }
}
