//! What a node adds to a build: allocation, step and the way there, against the engine of the server's machine.

use crate::engines::Engines;
use crate::server::{ClusterServer, ON_NODES};
use crate::{Extent, percentile};

/// More than one build at a time takes, so that none waits for the end of an epilog.
const SLOTS: usize = 8;

pub fn measure(engines: Engines, extent: Extent) {
    let mut cluster = engines.cluster(SLOTS, Vec::new());
    engines.grow(&mut cluster, 1);
    let here = ClusterServer::start(&cluster, "here", 3001, "--max-builds 1");
    let there = ClusterServer::start(&cluster, "there", 3002, ON_NODES);
    // Warm both.
    let _ = (here.one(), there.one());
    let (mut local, mut node) = (Vec::new(), Vec::new());
    // In turns, since the machine's speed drifts.
    for _ in 0..extent.pairs {
        local.push(here.one());
        node.push(there.one());
    }
    println!(
        "a build that does nothing, from its request to its verdict, {} pairs, {}:",
        extent.pairs,
        engines.name()
    );
    for percent in [50, 90] {
        let [local, node] = [&mut local, &mut node].map(|took| percentile(took, percent));
        println!(
            "  p{percent}: here {local:.0} ms, on a node {node:.0} ms: {:.0} ms more, ratio {:.2}",
            node - local,
            node / local
        );
    }
    here.stop();
    there.stop();
}
