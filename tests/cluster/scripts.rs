//! The scripts that make servers and nodes: what they refuse, in one sentence each, and what they undo.

use crate::cluster::{Cluster, SCRIPTS, SERVER};
use crate::machine::Machine;

#[track_caller]
fn refused(machine: &Machine, script: &str) -> String {
    let output = machine.try_sh(&format!("cd {SCRIPTS} && {script}"));
    assert_eq!(output.status.code(), Some(1), "{script}: {output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim_end();
    assert_eq!(said.lines().count(), 1, "{script}: {said}");
    said.to_string()
}

#[test]
fn a_refusal_is_one_sentence_that_says_what_to_do() {
    let mut cluster = Cluster::start(0);
    let server = &cluster.server;
    let without = "env -u ADDRESS ./server config";
    assert!(refused(server, without).ends_with("make cluster ADDRESS=10.8.0.1"));
    server.sh("ip route add default dev eth0 src 10.77.0.1");
    let config = server.sh(&format!("{SCRIPTS}/server config"));
    assert!(
        config.contains("\nSlurmctldHost=head(10.77.0.1)\n"),
        "{config}"
    );
    server.sh(
        "ip addr add 203.0.113.7/24 dev eth0; ip route replace default dev eth0 src 203.0.113.7",
    );
    assert!(refused(server, without).contains("203.0.113.7 is a public address"));
    assert!(refused(server, "ADDRESS=10.99.0.1 ./server").contains("no address of this machine"));
    assert!(
        refused(server, "SERVER=10.77.0.1 ./node install").contains("this machine is the server")
    );
    assert!(refused(server, "./node remove").contains("this machine is no node"));

    let node = cluster.add_machine();
    assert!(refused(node, "./node").contains("make node SERVER=ADDRESS"));
    let install = format!("SERVER={SERVER} ./node install");
    node.sh("mkdir -p /etc/docker; echo '{}' >/etc/docker/daemon.json");
    assert!(refused(node, &install).contains("systemd/cluster/daemon.json"));
    node.sh("rm /etc/docker/daemon.json; mkdir /run/bin; ln -s /bin/false /run/bin/ssh");
    let install = format!("PATH=/run/bin:$PATH {install}");
    assert!(refused(node, &install).contains("let root of this machine in"));
    assert!(refused(node, "./server remove").contains("nothing to remove"));
}

#[test]
fn both_leave_nothing_and_a_node_needs_no_server_for_that() {
    let cluster = Cluster::start(1);
    let (server, node) = (&cluster.server, &cluster.nodes[0]);
    assert!(refused(server, "./server remove").contains("there are nodes: n1"));
    server
        .sh("kill $(cat /run/slurmctld.pid); while [ -e /run/slurmctld.pid ]; do sleep 0.1; done");
    assert!(refused(node, "./node remove").contains("with NOW=1 if it never will"));
    let said = node.sh(&format!("NOW=1 {SCRIPTS}/node remove"));
    assert!(said.contains("scontrol delete nodename=n1"), "{said}");
    node.sh("! test -e /etc/zigcheck && ! test -e /usr/lib/zigcheck && ! test -e /etc/docker/daemon.json");
    server.sh(&format!("NOW=1 {SCRIPTS}/server remove"));
    assert_eq!(
        server.sh("ls /var/lib/slurm/slurmctld; ls /etc/slurm/slurm.conf 2>/dev/null || true"),
        ""
    );
}
