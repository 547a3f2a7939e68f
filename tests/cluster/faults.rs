//! Nodes that lose power, and cables that are cut.

use std::io::{BufRead, BufReader, Read};

use crate::cluster::Cluster;

#[test]
fn a_node_without_power_loses_its_build_alone_and_comes_back() {
    let mut cluster = Cluster::start(2);
    let lost = cluster.allocate("zigcheck-1-1");
    let kept = cluster.allocate("zigcheck-2-1");
    assert_ne!(lost, kept, "builds are spread over the nodes");
    let build = cluster.build("zigcheck-1-1", 100, "sleep 1000");
    let other = cluster.build("zigcheck-2-1", 100, "cat");
    cluster.witness(&lost, "start", "zigcheck-1-1", 1);
    let index = cluster.index(&lost);
    cluster.nodes[index].power_off();

    // Slurm says 0 for a step of a node that is gone: no end of a build without a record means anything.
    let output = build.wait_with_output().expect("it is ours");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    cluster.wait_for(&lost, "down*");
    let forgotten = "squeue -h -n zigcheck-1-1 | wc -l";
    cluster.server.wait(forgotten, "0");
    let output = other.wait_with_output().expect("it is ours");
    assert_eq!(output.status.code(), Some(0), "{output:?}");

    // The next attempt runs elsewhere. What the first one left is removed when the node is back.
    assert_eq!(cluster.allocate("zigcheck-1-2"), kept);
    cluster.boot(index);
    let node = &cluster.nodes[index];
    cluster.start_engine(node);
    cluster.start_node(node);
    cluster.wait_for(&lost, "idle");
    cluster.witness(&lost, "destroy", "zigcheck-1-1", 1);
    assert_eq!(cluster.containers(&kept), "zigcheck-2-1");
}

#[test]
fn a_build_on_a_node_out_of_reach_ends_by_its_own_limit() {
    let cluster = Cluster::start(1);
    cluster.allocate("zigcheck-1-1");
    let build = cluster.build("zigcheck-1-1", 8, "sleep 1000");
    cluster.witness("n1", "start", "zigcheck-1-1", 1);
    cluster.cable("n1", "down");
    // The step's script ends it, and nobody else can.
    cluster.witness("n1", "kill", "zigcheck-1-1", 1);
    cluster.witness("n1", "die", "zigcheck-1-1", 1);
    cluster.wait_for("n1", "down*");
    let output = build.wait_with_output().expect("it is ours");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(cluster.containers("n1"), "zigcheck-1-1");
    cluster.cable("n1", "up");
    cluster.wait_for("n1", "idle");
    cluster.witness("n1", "destroy", "zigcheck-1-1", 1);
}

#[test]
fn a_short_break_of_the_line_is_not_noticed() {
    let cluster = Cluster::start(1);
    cluster.allocate("zigcheck-1-1");
    let script = "trap 'echo after; exit' USR1; echo before; while :; do sleep 0.1; done";
    let mut build = cluster.build("zigcheck-1-1", 100, script);
    let mut stdout = BufReader::new(build.stdout.take().expect("it is piped"));
    let mut said = String::new();
    stdout.read_line(&mut said).expect("a line");
    cluster.cable("n1", "down");
    cluster
        .node("n1")
        .sh("docker kill --signal=USR1 zigcheck-1-1");
    cluster.witness("n1", "die", "zigcheck-1-1", 1);
    cluster.cable("n1", "up");
    stdout.read_to_string(&mut said).expect("text");
    assert_eq!(said, "before\nafter\n");
    assert_eq!(build.wait().expect("it is ours").code(), Some(0));
}
