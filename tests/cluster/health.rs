//! The health script of nodes: what a node offers, whether it is in service, and which containers it removes.

use crate::cluster::{Cluster, IMAGE};

const STOP_ENGINE: &str =
    "pid=$(cat /var/run/docker.pid); kill $pid; while kill -0 $pid; do sleep 0.1; done 2>/dev/null";

#[test]
fn a_node_offers_the_images_that_are_there() {
    let cluster = Cluster::start(1);
    let node = &cluster.nodes[0];
    let offers = "sinfo -h -N -n n1 -o %b";
    assert_eq!(cluster.server.sh(offers), "zig,zig-test");
    node.sh(&format!("docker tag {IMAGE} zigcheck:0.16.0"));
    node.sh(&format!("docker tag {IMAGE} other:1"));
    cluster.server.wait(offers, "zig,zig-0.16.0,zig-test");
    let ask = |version: &str| {
        let ask = cluster.allocation("zigcheck-1-1", &format!("-C zig-{version}"));
        cluster.server.try_sh(&ask)
    };
    assert!(ask("0.16.0").status.success());
    node.sh("docker rmi zigcheck:0.16.0");
    cluster.server.wait(offers, "zig,zig-test");
    // Slurm refuses at once, in other words for an image that was never there.
    for (version, word) in [
        ("0.16.0", "node configuration is not available"),
        ("0.1.0", "Invalid feature specification"),
    ] {
        let refused = ask(version);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && said.contains(word), "{said}");
    }
    node.sh(&format!("docker rmi {IMAGE}"));
    cluster.server.wait(offers, "zig");
}

#[test]
fn a_node_without_engine_is_drained_until_it_is_back() {
    let cluster = Cluster::start(1);
    let node = &cluster.nodes[0];
    node.sh(STOP_ENGINE);
    cluster.wait_for("n1", "drained");
    let reason = "sinfo -h -N -n n1 -o %E";
    let expected = "zigcheck: the engine does not answer";
    assert_eq!(cluster.server.sh(reason), expected);
    cluster.start_engine(node);
    cluster.wait_for("n1", "idle");

    // The owner's word counts for more than the script's.
    cluster
        .server
        .sh("scontrol update nodename=n1 state=drain reason=disk");
    node.sh(STOP_ENGINE);
    node.sh("/usr/lib/zigcheck/health");
    assert_eq!(cluster.server.sh(reason), "disk");
    cluster.start_engine(node);
    node.sh("/usr/lib/zigcheck/health");
    assert_eq!(cluster.server.sh(reason), "disk");
    cluster.wait_for("n1", "drained");
}

#[test]
fn containers_without_an_allocation_are_removed_and_no_others() {
    let cluster = Cluster::start(1);
    let node = &cluster.nodes[0];
    cluster.allocate("zigcheck-1-1");
    let build = cluster.build("zigcheck-1-1", 100, "cat");
    cluster.witness("n1", "start", "zigcheck-1-1", 1);
    let job = cluster.server.sh("squeue -h -n zigcheck-1-1 -o %A");
    let run = |name: &str, job: &str, lease: &str| {
        let labels = format!("--label zigcheck.job={job} --label zigcheck.lease={lease}");
        node.sh(&format!(
            "docker run -d --network=none --name {name} {labels} {IMAGE} sleep 1000"
        ));
    };
    run("forgotten", "4711", "data/forgotten");
    // Numbers of allocations are given out again after a crash of slurmctld.
    run("earlier", &job, "data/earlier");
    node.sh(&format!(
        "docker run -d --network=none --name foreign {IMAGE} sleep 1000"
    ));
    cluster.witness("n1", "destroy", "forgotten", 1);
    cluster.witness("n1", "destroy", "earlier", 1);
    assert_eq!(
        node.sh("docker ps --format '{{.Names}}' | sort"),
        "foreign\nzigcheck-1-1"
    );
    drop(build);
}

#[test]
fn a_container_that_begins_while_the_script_runs_is_not_removed() {
    let cluster = Cluster::start(1);
    let node = &cluster.nodes[0];
    // Begins a build as soon as slurmctld has answered which allocations there are, and passes on the answer when it
    // runs. The number is the next one.
    let squeue = format!(
        "#!/bin/bash\nanswer=$(/usr/bin/squeue \"$@\")\nexport PATH=/usr/local/bin:/usr/bin:/usr/sbin\n\
         salloc -Q --no-shell -J late --comment=data/late -n1 -c2 --mem=256 </dev/null\n\
         job=$(squeue -h -n late -o %A)\n\
         docker run -d --network=none --name late --label zigcheck.job=$job --label zigcheck.lease=data/late {IMAGE} \
         sleep 1000 >/dev/null\ntouch /run/begun\necho \"$answer\"\n"
    );
    // There has to be a reason to ask.
    node.sh(&format!(
        "mkdir /run/bin && cat >/run/bin/squeue <<'END'\n{squeue}END\nchmod 755 /run/bin/squeue"
    ));
    let reason = format!(
        "docker create --name reason --label zigcheck.job=4711 --label zigcheck.lease=data/reason {IMAGE} true"
    );
    // The script that slurmd runs may take the reason away first.
    node.sh(&format!(
        "for _ in 1 2 3 4 5; do {reason} 2>/dev/null || true; PATH=/run/bin:$PATH /usr/lib/zigcheck/health
         [ ! -e /run/begun ] || break; done; test -e /run/begun"
    ));
    cluster.witness("n1", "start", "late", 1);
    node.sh("/usr/lib/zigcheck/health");
    assert_eq!(cluster.containers("n1"), "late");
}
