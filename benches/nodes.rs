//! Builds on the nodes of a Slurm cluster: what a node adds to a build, builds a second on 1, 2, 4 and 8 nodes, many
//! builds at once, and what Slurm takes with hundreds of nodes.
//!
//! The machines are namespaces of this one, with real Slurm and munge, and the builds sleep, so that two cores
//! suffice. Engines are real where the output says so; elsewhere a script stands in for docker on the nodes. Prints
//! times, memory and ratios, and asserts nothing about them. `cargo bench --bench nodes -- widths` measures one part:
//! `added`, `widths`, `wide` or `many`; `wide 600 60` with so many builds of so many seconds, `many 1000 8000` with so
//! many nodes and requests that wait. `short` makes each part short.

#[path = "../tests/common/mod.rs"]
mod common;

#[path = "../tests/cluster/cluster.rs"]
#[expect(dead_code, reason = "tests use the rest")]
mod cluster;
#[path = "../tests/cluster/machine.rs"]
mod machine;
#[path = "../tests/cluster/stand_in.rs"]
#[expect(dead_code, reason = "tests use the rest")]
mod stand_in;

#[path = "nodes/added.rs"]
mod added;
#[path = "nodes/engines.rs"]
mod engines;
#[path = "nodes/many.rs"]
mod many;
#[path = "nodes/processes.rs"]
mod processes;
#[path = "nodes/server.rs"]
mod server;
#[path = "nodes/wide.rs"]
mod wide;
#[path = "nodes/widths.rs"]
mod widths;

use cluster::Cluster;
use engines::Engines;

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Extent {
    /// Nodes with real engines, and with stand-ins.
    pub real: &'static [usize],
    pub stand_ins: &'static [usize],
    /// Builds that each slot gets, one after another, and how long each of them sleeps.
    pub rounds: usize,
    pub sleep_s: usize,
    /// Pairs of builds, on a node and here.
    pub pairs: usize,
    /// Builds at once, and how long each of them sleeps: longer than it takes until all run.
    pub at_once: usize,
    pub at_once_sleep_s: usize,
    /// Nodes that run nothing, and requests that wait for them.
    pub many: usize,
    pub waiting: usize,
}

const WHOLE: Extent = Extent {
    real: &[1, 2],
    stand_ins: &[1, 2, 4, 8],
    rounds: 3,
    sleep_s: 6,
    pairs: 20,
    at_once: 200,
    at_once_sleep_s: 40,
    many: 200,
    waiting: 1_000,
};

const SHORT: Extent = Extent {
    real: &[1],
    stand_ins: &[1, 2],
    rounds: 2,
    sleep_s: 2,
    pairs: 5,
    at_once: 50,
    at_once_sleep_s: 15,
    many: 20,
    waiting: 100,
};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let says = |word: &str| words.iter().any(|it| it == word);
    // `cargo bench` passes --bench; `cargo test` must not run this.
    if !says("--bench") {
        return;
    }
    if let Some(lacks) = Cluster::lacks() {
        println!("builds on nodes are not measured: {lacks}");
        return;
    }
    let extent = if says("short") { SHORT } else { WHOLE };
    let parts = ["added", "widths", "wide", "many"];
    let all = !parts.into_iter().any(says);
    for engines in [Engines::Real, Engines::StandIns] {
        if all || says("added") {
            added::measure(engines, extent);
        }
        if all || says("widths") {
            widths::measure(engines, extent);
        }
    }
    let mut numbers = words.iter().filter_map(|word| word.parse().ok());
    let (first, second) = (numbers.next(), numbers.next());
    if all || says("wide") {
        let builds = first.unwrap_or(extent.at_once);
        wide::measure(builds, second.unwrap_or(extent.at_once_sleep_s));
    }
    if all || says("many") {
        let nodes = first.unwrap_or(extent.many);
        many::measure(nodes, second.unwrap_or(extent.waiting));
    }
}

/// The value below which that share of the values is. They are sorted first.
pub fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) * percent / 100]
}
