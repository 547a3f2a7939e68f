//! What README says of more machines, as a newcomer does it.

use std::process::Command;

use crate::cluster::{Cluster, IMAGE, SERVER};
use crate::common::server::scratch;
use crate::server::Server;

/// The commands of the section on more machines, for a server at that address.
fn commands(server: &str) -> Vec<String> {
    let readme = include_str!("../../README.md");
    let (_, section) = readme
        .split_once("\n## From one machine to two\n")
        .expect("a section");
    let (section, _) = section.split_once("\n## ").expect("another section");
    let commands = section.lines().filter_map(|line| line.strip_prefix("    "));
    commands
        .map(|line| line.replace("10.8.0.1", server))
        .collect()
}

#[test]
#[ignore = "clones the repository: make test-all"]
fn the_lines_of_readme_make_a_cluster_that_builds() {
    let clone = scratch("readme-cluster");
    let _ = std::fs::remove_dir_all(&clone);
    let git = Command::new("git")
        .args(["clone", "--quiet", env!("CARGO_MANIFEST_DIR")])
        .arg(&clone)
        .status();
    assert!(git.expect("git").success());
    let make = commands(SERVER);
    let [on_server, on_node] = &make[..] else {
        panic!("{make:?}");
    };
    let mut cluster = Cluster::start(0);
    let clone = clone.display();
    // Without systemd its services are started by hand, as it says.
    let said = cluster.server.sh(&format!("cd {clone} && {on_server}"));
    assert!(said.contains("cluster: configured for 10.77.0.1"), "{said}");
    cluster.add_machine();
    let ssh = cluster.stand_in_for_ssh();
    let node = cluster.nodes.last().expect("a machine");
    let offers = "CPUS=4 MEMORY=4096";
    let output = node.try_sh(&format!(
        "cd {clone} && PATH={}:$PATH {on_node} {offers}",
        ssh.display()
    ));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("node: no systemd here: start munged, dockerd"),
        "{said}"
    );
    assert!(said.contains("all else is done"), "{said}");
    cluster.start_engine(node);
    cluster.import_image(node, IMAGE);
    cluster.start_node(node);
    cluster.wait_for("n1", "idle");
    let server = Server::start(&cluster);
    assert_eq!(server.nodes()[0]["state"], "idle");
    let build = server.upload();
    server.wait_for_ticks(build, 3);
    server.let_go(&server.container(build, 1));
    server.succeeds(build, 1);
    assert_eq!(server.build(build)["node"], "n1");
    server.left_nothing();
}
