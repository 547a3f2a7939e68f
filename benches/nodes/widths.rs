//! Builds a second here and on more and more nodes, and how much of the slots' time they used.

use std::time::Instant;

use crate::Extent;
use crate::cluster::Cluster;
use crate::engines::Engines;
use crate::processes::{Busy, Processes};
use crate::server::{ClusterServer, ON_NODES};

const SLOTS: usize = 8;

pub fn measure(engines: Engines, extent: Extent) {
    let Extent {
        rounds, sleep_s, ..
    } = extent;
    println!(
        "builds that sleep {sleep_s} s, {SLOTS} slots a node, {rounds} for each slot, {}:",
        engines.name()
    );
    let mut cluster = engines.cluster(SLOTS, Vec::new());
    let here = drain(&cluster, &format!("--max-builds {SLOTS}"), SLOTS, extent);
    let nodes = match engines {
        Engines::Real => extent.real,
        Engines::StandIns => extent.stand_ins,
    };
    for nodes in nodes {
        engines.grow(&mut cluster, *nodes);
        let rate = drain(&cluster, ON_NODES, nodes * SLOTS, extent);
        println!("    {:.2} of the builds a second here", rate / here);
    }
}

/// Builds a second in so many slots, on this machine or on the nodes that are there.
fn drain(cluster: &Cluster, flags: &str, slots: usize, extent: Extent) -> f64 {
    let Extent {
        rounds, sleep_s, ..
    } = extent;
    let nodes = cluster.nodes.len();
    let builds = slots * rounds;
    let server = ClusterServer::start(cluster, &format!("nodes-{nodes}"), 3001, flags);
    let zigcheck = Processes::of(&cluster.server, "zigcheck");
    let slurmctld = Processes::of(&cluster.server, "slurmctld");
    let used = [zigcheck.cpu_s(), slurmctld.cpu_s()];
    let (begun, busy) = (Instant::now(), Busy::now());
    server.submit(builds, sleep_s);
    let took = server.wait(begun, "state = 'finished'", builds);
    let each_ms = |now: f64, before: f64| (now - before) * 1e3 / builds as f64;
    let ideal = (rounds * sleep_s) as f64;
    let rate = builds as f64 / took;
    println!(
        "  {}: {builds} builds in {slots} slots took {took:.1} s, ideal {ideal:.0} s: efficiency {:.2}, {rate:.2} a second",
        match nodes {
            0 => "here".to_string(),
            _ => format!("nodes: {nodes}"),
        },
        ideal / took
    );
    println!(
        "    each took {:.1} ms of the server's thread, {:.1} ms of slurmctld's; this machine was {:.0} % busy",
        each_ms(zigcheck.cpu_s(), used[0]),
        each_ms(slurmctld.cpu_s(), used[1]),
        busy.percent_since()
    );
    let clean = server.count("build_status = 'success' AND attempt = 1");
    println!("    {clean} of {builds} a success at their first attempt");
    server.stop();
    rate
}
