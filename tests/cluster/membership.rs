//! Nodes that are drained, that join, and that leave.

use crate::cluster::{Cluster, remove_left_over};
use crate::common::server::scratch;

#[test]
fn a_drained_node_ends_what_runs_and_starts_nothing() {
    let cluster = Cluster::start(1);
    let server = &cluster.server;
    cluster.allocate("zigcheck-1-1");
    let build = cluster.build("zigcheck-1-1", 100, "cat");
    cluster.witness("n1", "start", "zigcheck-1-1", 1);
    server.sh("scontrol update nodename=n1 state=drain reason=bye");
    cluster.wait_for("n1", "draining");
    server.daemon("waiting", &cluster.allocation("zigcheck-2-1", ""));
    let waits = "squeue -h -n zigcheck-2-1 -o '%T %r'";
    server.wait(
        &format!("{waits} | grep -o 'PENDING.*D[RO][AW][IN]N*'"),
        "PENDING Nodes required for job are DOWN, DRAIN",
    );
    let output = build.wait_with_output().expect("it is ours");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    server.sh("scancel --name=zigcheck-1-1");
    cluster.wait_for("n1", "drained");
    server.sh("scontrol update nodename=n1 state=resume");
    server.wait("squeue -h -n zigcheck-2-1 -o '%T %N'", "RUNNING n1");
}

#[test]
fn a_node_joins_a_full_cluster_and_leaves_again() {
    let mut cluster = Cluster::start(2);
    let scheduler = cluster.server.sh("cat /run/slurmctld.pid");
    for number in 1..=4 {
        cluster.allocate(&format!("zigcheck-{number}-1"));
    }
    let more = cluster.allocation("zigcheck-5-1", "");
    cluster.server.daemon("waiting", &more);
    let state = "squeue -h -n zigcheck-5-1 -o '%T %r%N'";
    cluster.server.wait(state, "PENDING Resources");
    cluster.add_node();
    cluster.server.wait(state, "RUNNING Nonen3");
    let build = cluster.build("zigcheck-5-1", 100, "cat");
    let output = build.wait_with_output().expect("it is ours");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    cluster.witness("n3", "start", "zigcheck-5-1", 1);
    // It waits for the build's end.
    let node = &cluster.nodes[2];
    let remove = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/cluster/node remove");
    node.daemon("remove", remove);
    cluster.wait_for("n3", "draining");
    cluster.server.sh("scancel --name=zigcheck-5-1");
    node.wait(
        "tail -n 1 /var/log/remove.log",
        "node: n3 has left the cluster; packages, images and the user zigcheck remain",
    );
    cluster.server.wait("sinfo -h -N -o %N | xargs", "n1 n2");
    assert_eq!(cluster.server.sh("cat /run/slurmctld.pid"), scheduler);
    let left = "ls -d /usr/lib/zigcheck /etc/zigcheck /etc/munge/munge.key /etc/docker/daemon.json 2>/dev/null || true";
    assert_eq!(node.sh(left), "");
    assert_eq!(
        node.sh("pgrep slurmd || true"),
        "",
        "slurmd goes with the node"
    );
    // The number of its user, and the groups that its steps had, came from the server and from the node.
    assert_eq!(
        node.sh("id -u zigcheck"),
        cluster.server.sh("id -u zigcheck")
    );
}

#[test]
fn what_a_killed_run_left_is_removed() {
    // No process has this number: it is above the kernel's limit.
    let left = scratch("zigcheck-cluster-99999999-0");
    std::fs::create_dir_all(left.join("n1/etc")).expect("a directory");
    let group = "/sys/fs/cgroup/memory/zigcheck-cluster-99999999-0-n1";
    let _ = std::fs::create_dir(group);
    remove_left_over();
    assert!(!left.exists() && !std::path::Path::new(group).exists());
}
