//! The real server on a cluster: builds that outlive it, its scheduler and their nodes.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cluster::{AS_SERVER, Cluster};
use crate::common::server::archive;
use crate::common::zig::{packed, zig_init};
use crate::machine::Machine;
use crate::stand_in::ticks;

/// What `--zig-versions` names, and the stand-in image is tagged with.
const VERSION: &str = "0.16.0";
const TOKEN: &str = "the-word-of-the-admin";
const URL: &str = "http://127.0.0.1:3977";

/// A server on the machine of the cluster's scheduler, as its own user.
pub struct Server<'c> {
    cluster: &'c Cluster,
    data: PathBuf,
}

impl Server<'_> {
    /// With the stand-in for a runner on all machines.
    pub fn start(cluster: &Cluster) -> Server<'_> {
        let machines: Vec<&Machine> = cluster.nodes.iter().chain([&cluster.server]).collect();
        Server::start_with(cluster, &machines)
    }

    /// With the stand-in for a runner on these machines; the others have an image already.
    fn start_with<'c>(cluster: &'c Cluster, machines: &[&Machine]) -> Server<'c> {
        cluster.start_engine(&cluster.server);
        for machine in machines {
            cluster.import_image(machine, &format!("zigcheck:{VERSION}"));
        }
        for node in &cluster.nodes {
            let offers = format!("sinfo -h -N -n {} -o %b", node.name);
            let expected = format!("zig,zig-{VERSION},zig-test");
            cluster.server.wait(&offers, &expected);
        }
        let data = cluster.data("data");
        let token = data.join("token").display().to_string();
        let write = format!("umask 77; echo {TOKEN} >{token}; chown zigcheck: {token}");
        cluster.server.sh(&write);
        let server = Server { cluster, data };
        server.serve();
        server
    }

    fn serve(&self) {
        self.serve_with("");
    }

    fn serve_with(&self, more: &str) {
        let (program, data) = (env!("CARGO_BIN_EXE_zigcheck"), self.data.display());
        let flags = format!(
            "--launcher slurm --zig-versions {VERSION} --data {data} --admin-token-file {data}/token --listen 127.0.0.1:3977 \
             --commit-search off --targets off --keep-caches off --fetch-network host --memory 512m --cpus 2 {more}"
        );
        let script = format!("echo $$ >/run/zigcheck.pid; exec {AS_SERVER} {program} {flags}");
        self.cluster.server.daemon("zigcheck", &script);
        let status = format!("curl -s -o /dev/null -w '%{{http_code}}' {URL}/api/health");
        self.cluster.server.wait(&status, "200");
    }

    fn kill(&self) {
        self.cluster.server.sh("kill -9 $(cat /run/zigcheck.pid)");
    }

    #[track_caller]
    fn get(&self, path: &str) -> Value {
        let said = self.cluster.server.sh(&format!("curl -s {URL}{path}"));
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"))
    }

    /// Asks for a build; gives its id.
    pub fn upload(&self) -> i64 {
        self.upload_tree(&archive("on-a-cluster", &[("build.zig", "")]))
    }

    fn upload_tree(&self, tree: &Path) -> i64 {
        let tree = tree.display();
        let ask = format!("curl -s --data-binary @{tree} '{URL}/api/check?name=p&fresh=true'");
        let said: Value = serde_json::from_str(&self.cluster.server.sh(&ask)).expect("JSON");
        let check = said["check"].as_i64().unwrap_or_else(|| panic!("{said}"));
        let check = self.get(&format!("/api/checks/{check}"));
        check["builds"][0]["id"].as_i64().expect("an id")
    }

    fn cancel(&self, build: i64) {
        let with = format!("-X DELETE -H 'Authorization: Bearer {TOKEN}'");
        let cancel = format!("curl -sf {with} {URL}/api/builds/{build}");
        self.cluster.server.sh(&cancel);
    }

    fn change_node(&self, node: &str, change: &str) {
        let with = format!("-X PATCH -H 'Authorization: Bearer {TOKEN}' -d '{change}'");
        let call = format!("curl -sf {with} {URL}/admin/nodes/{node}");
        self.cluster.server.sh(&call);
    }

    pub fn nodes(&self) -> Vec<Value> {
        let with = format!("-H 'Authorization: Bearer {TOKEN}'");
        let said = self
            .cluster
            .server
            .sh(&format!("curl -sf {with} {URL}/admin/nodes"));
        let said: Value = serde_json::from_str(&said).expect("JSON");
        said["nodes"].as_array().expect("nodes").clone()
    }

    pub fn build(&self, build: i64) -> Value {
        self.get(&format!("/api/builds/{build}"))
    }

    /// Waits until a build has that in a field; gives the build.
    #[track_caller]
    fn wait(&self, build: i64, field: &str, expected: &str) -> Value {
        let words = format!("curl -s {URL}/api/builds/{build} | grep -o '\"{field}\":\"[^\"]*\"'");
        let expected = format!("\"{field}\":\"{expected}\"");
        self.cluster.server.wait(&words, &expected);
        self.build(build)
    }

    /// A number of the row of a build.
    fn row(&self, build: i64, column: &str) -> i64 {
        let sql = format!("SELECT {column} FROM builds WHERE id = ?1");
        let number = self.database().query_row(&sql, [build], |row| row.get(0));
        number.expect("a number")
    }

    fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.data.join("zigcheck.db")).expect("a database")
    }

    /// The container of an attempt.
    pub fn container(&self, build: i64, attempt: u32) -> String {
        let sql = "SELECT id FROM server";
        let id = self.database().query_row(sql, [], |row| row.get(0));
        let id: String = id.expect("an id");
        format!("zigcheck-{id}-{build}-{attempt}")
    }

    /// The node that has the slot of that container.
    fn node_of(&self, container: &str) -> String {
        let words = format!("squeue -h -n {container} -t R -o %N");
        self.cluster.server.sh(&words)
    }

    /// The command that prints how many ticks its log has.
    fn ticks_command(&self, build: i64) -> String {
        let data = self.data.display();
        format!("grep -ac '^tick' {data}/logs/{build}.log || true")
    }

    /// How many its log has now. A log that is followed anew has them all once more, from the first on.
    fn ticks_so_far(&self, build: i64) -> usize {
        let count = self.cluster.server.sh(&self.ticks_command(build));
        count.parse().expect("a log")
    }

    /// Waits until its log has so many.
    pub fn wait_for_ticks(&self, build: i64, count: usize) {
        let words = format!(
            "[ $({}) -ge {count} ] && echo so",
            self.ticks_command(build)
        );
        self.cluster.server.wait(&words, "so");
    }

    /// Lets the runner of a container come to its end.
    pub fn let_go(&self, container: &str) {
        self.let_go_on(&self.node_of(container), container);
    }

    fn let_go_on(&self, node: &str, container: &str) {
        let node = self.cluster.node(node);
        node.sh(&format!("docker exec {container} bash -c ': >/work/go'"));
    }

    /// The verdict of a build that was let go, and its log.
    pub fn succeeds(&self, build: i64, attempt: i64) -> Vec<u8> {
        let row = self.wait(build, "state", "finished");
        assert_eq!(row["build_status"], "success", "{row}");
        assert_eq!(row["attempt"], attempt, "{row}");
        std::fs::read(self.data.join(format!("logs/{build}.log"))).expect("its log")
    }

    /// Nothing of it is left anywhere.
    pub fn left_nothing(&self) {
        self.cluster.server.wait("squeue -h | wc -l", "0");
        for node in &self.cluster.nodes {
            node.wait("docker ps -aq | wc -l", "0");
        }
    }
}

#[test]
fn a_build_on_a_node_outlives_the_server() {
    let cluster = Cluster::start(1);
    let server = Server::start(&cluster);
    let build = server.upload();
    server.wait(build, "state", "building");
    let container = server.container(build, 1);
    server.wait_for_ticks(build, 5);
    server.kill();
    let before = server.ticks_so_far(build);
    server.serve();
    server.wait_for_ticks(build, before + 5);
    server.let_go(&container);
    let log = server.succeeds(build, 1);
    assert!(ticks(&log) >= before + 5);
    assert!(log.starts_with(b"[zigcheck: on node n1]\ntick 0001 "));
    assert_eq!(server.build(build)["node"], "n1");
    cluster.witness("n1", "start", &container, 1);
    server.left_nothing();
}

#[test]
#[ignore = "takes a quarter of a minute: make test-all"]
fn a_build_whose_node_dies_is_built_on_another_and_that_costs_no_error() {
    let mut cluster = Cluster::start(2);
    let server = Server::start(&cluster);
    let (lost, kept) = (server.upload(), server.upload());
    for build in [lost, kept] {
        server.wait_for_ticks(build, 3);
    }
    let node = server.node_of(&server.container(lost, 1));
    let other = server.node_of(&server.container(kept, 1));
    assert_ne!(node, other, "builds are spread over the nodes");
    let (data, index) = (server.data.clone(), cluster.index(&node));
    cluster.nodes[index].power_off();
    let server = Server {
        cluster: &cluster,
        data,
    };
    let second = server.container(lost, 2);
    cluster.witness(&other, "start", &second, 1);
    server.let_go(&second);
    server.let_go(&server.container(kept, 1));
    ticks(&server.succeeds(kept, 1));
    let log = server.succeeds(lost, 2);
    let log = String::from_utf8_lossy(&log);
    assert!(log.contains("lost; attempt 2 follows"), "{log}");
    let row = server.row(lost, "errors");
    assert_eq!(row, 0, "it had no part in that");
    cluster.witness(&other, "start", &second, 1);
}

#[test]
#[ignore = "takes a quarter of a minute: make test-all"]
fn a_build_waits_for_a_node_as_long_as_that_takes() {
    let cluster = Cluster::start(1);
    let server = Server::start(&cluster);
    assert_eq!(server.get("/api/queue")["slots"], 3, "two and a spare one");
    server.change_node("n1", r#"{"drained": true, "reason": "a new disk"}"#);
    let node = &server.nodes()[0];
    assert_eq!(node["state"], "drained", "{node}");
    assert_eq!(node["reason"], "a new disk", "{node}");
    assert_eq!(server.get("/api/health")["nodes"]["drained"], 1);
    // One is cancelled while it waits, one outlives the server.
    let (first, second) = (server.upload(), server.upload());
    cluster.server.wait("squeue -h -t PD | wc -l", "1");
    for build in [first, second] {
        assert_eq!(server.build(build)["state"], "queued");
    }
    let reasons = "curl -s 127.0.0.1:3977/api/queue | grep -o '\"reason\":\"[^\"]*' | cut -c11- | cut -c-50 | xargs -d '\\n'";
    let machine = "its turn has come; it waits for a machine: Nodes r";
    let expected = format!("{machine} a person asked: it is next");
    cluster.server.wait(reasons, &expected);
    server.cancel(first);
    assert_eq!(server.build(first)["state"], "cancelled");
    let waits = server.container(second, 1);
    cluster.server.wait("squeue -h -t PD -o %j", &waits);
    server.kill();
    server.serve();
    let again = server.container(second, 2);
    cluster.server.wait("squeue -h -o %j", &again);
    server.change_node("n1", r#"{"drained": false}"#);
    cluster.witness("n1", "start", &again, 1);
    assert_eq!(server.nodes()[0]["builds"], serde_json::json!([second]));
    let row = server.build(second);
    assert_eq!(row["state"], "building", "{row}");
    let (created, started) = (row["created_at"].as_str(), row["started_at"].as_str());
    assert!(started > created, "its time begins with its node: {row}");
    server.let_go(&again);
    ticks(&server.succeeds(second, 2));
    server.left_nothing();
    cluster.witness("n1", "start", &server.container(second, 1), 0);
}

#[test]
#[ignore = "takes a quarter of a minute: make test-all"]
fn a_cancelled_build_leaves_its_node_and_others_go_on() {
    let cluster = Cluster::start(1);
    let server = Server::start(&cluster);
    let (first, second) = (server.upload(), server.upload());
    for build in [first, second] {
        server.wait_for_ticks(build, 3);
    }
    server.cancel(first);
    cluster.witness("n1", "destroy", &server.container(first, 1), 1);
    // Slurmctld is away for a while, and the cable is out for a moment.
    cluster.server.wait(
        "grep -c zigcheck -a /var/lib/slurm/slurmctld/job_state >/dev/null && echo saved",
        "saved",
    );
    cluster.server.sh("kill -9 $(cat /run/slurmctld.pid)");
    cluster.cable("n1", "down");
    let before = server.ticks_so_far(second);
    cluster.cable("n1", "up");
    server.wait_for_ticks(second, before + 5);
    server.let_go_on("n1", &server.container(second, 1));
    ticks(&server.succeeds(second, 1));
    // What comes meanwhile waits.
    let third = server.upload();
    cluster.start_slurmctld();
    server.wait_for_ticks(third, 3);
    server.let_go(&server.container(third, 1));
    ticks(&server.succeeds(third, 1));
    server.left_nothing();
}

#[test]
#[ignore = "takes a quarter of a minute: make test-all"]
fn a_step_daemon_that_dies_costs_its_build_nothing() {
    let cluster = Cluster::start(1);
    let server = Server::start(&cluster);
    server.kill();
    server.serve_with("--silence-timeout 5");
    let build = server.upload();
    server.wait_for_ticks(build, 3);
    let container = server.container(build, 1);
    cluster.node("n1").sh("pkill -9 slurmstepd");
    let before = server.ticks_so_far(build);
    // Its client hears nothing more. Once that has been silent for too long, the container is followed without it.
    server.wait_for_ticks(build, before + 5);
    server.let_go(&container);
    assert!(ticks(&server.succeeds(build, 1)) >= before + 5);
    cluster.witness("n1", "start", &container, 1);
    server.left_nothing();
}

#[test]
#[ignore = "takes half a minute: make test-all"]
fn a_build_that_is_out_of_reach_runs_elsewhere_and_has_one_verdict() {
    let cluster = Cluster::start(2);
    let server = Server::start(&cluster);
    let build = server.upload();
    server.wait_for_ticks(build, 3);
    let first = server.container(build, 1);
    let node = server.node_of(&first);
    let other = if node == "n1" { "n2" } else { "n1" };
    cluster.cable(&node, "down");
    let second = server.container(build, 2);
    cluster.witness(other, "start", &second, 1);
    server.let_go(&second);
    server.succeeds(build, 2);
    assert_eq!(server.row(build, "errors"), 0);
    cluster.cable(&node, "up");
    cluster.witness(&node, "destroy", &first, 1);
    server.left_nothing();
}

/// Gives the image of a machine that recipe in place of the one that it had.
fn name_recipe(machine: &Machine, recipe: &str) {
    machine.sh(&format!(
        "docker images --format '{{{{.Repository}}}}:{{{{.Tag}}}}' zigcheck | grep '^zigcheck:{VERSION}-' | xargs -r docker rmi
        docker tag zigcheck:{VERSION} zigcheck:{VERSION}-{recipe}"
    ));
}

/// Waits until the scheduler knows that a node has that recipe.
fn offers(cluster: &Cluster, node: &str, recipe: &str) {
    let offers = format!("sinfo -h -N -n {node} -o %b");
    let expected = format!("zig,zig-{VERSION},zig-{VERSION}-{recipe},zig-test");
    cluster.server.wait(&offers, &expected);
}

#[test]
#[ignore = "takes a minute and a half: make test-all"]
fn a_build_goes_to_a_node_that_has_the_recipe_of_the_server() {
    let (old, new, newer) = ("1111111111111111", "222222222222222a", "333333333333333b");
    let cluster = Cluster::start(2);
    let server = Server::start(&cluster);
    for (machine, recipe) in [
        (&cluster.server, new),
        (cluster.node("n1"), old),
        (cluster.node("n2"), new),
    ] {
        name_recipe(machine, recipe);
    }
    offers(&cluster, "n1", old);
    offers(&cluster, "n2", new);
    // It has to list its images anew.
    server.kill();
    server.serve();
    let missing = format!("curl -s {URL}/api/health | grep -c missing_images || true");
    let builds: Vec<i64> = (0..3).map(|_| server.upload()).collect();
    for build in &builds {
        let row = server.wait(*build, "state", "building");
        assert_eq!(row["node"], "n2", "{row}");
        assert_eq!(row["toolchain"], format!("zigcheck:{VERSION}-{new}"));
        let container = server.container(*build, 1);
        let image = format!("docker inspect --format '{{{{.Config.Image}}}}' {container}");
        let image = cluster.node("n2").sh(&image);
        assert_eq!(image, format!("zigcheck:{VERSION}-{new}"));
        server.let_go(&container);
        server.succeeds(*build, 1);
    }
    // One that waits for the node is asked for anew when its image is replaced here, and where it goes then.
    // A node in service without the image would leave it in the queue.
    let drain = "scontrol update nodename=n1,n2 reason=disk state=drain";
    cluster.server.sh(drain);
    let waits = server.upload();
    let first = server.container(waits, 1);
    cluster.server.wait("squeue -h -t PD -o %j", &first);
    name_recipe(&cluster.server, newer);
    cluster.server.wait(&missing, "1");
    assert_eq!(server.build(waits)["state"], "queued");
    name_recipe(cluster.node("n1"), newer);
    offers(&cluster, "n1", newer);
    cluster
        .server
        .sh("scontrol update nodename=n1 state=resume");
    cluster.server.wait(&missing, "0");
    cluster.server.wait("squeue -h -t PD | wc -l", "0");
    let second = server.container(waits, 2);
    cluster.witness("n1", "start", &second, 1);
    server.let_go(&second);
    server.succeeds(waits, 2);
    let row = server.build(waits);
    assert_eq!(row["toolchain"], format!("zigcheck:{VERSION}-{newer}"));
    assert_eq!(server.row(waits, "errors"), 0);
    server.left_nothing();
}

#[test]
#[ignore = "takes a minute, most of it for the image: make test-all"]
fn real_zig_builds_on_a_node() {
    let cluster = Cluster::start(1);
    let image = format!("docker save zigcheck:{VERSION}");
    let node = cluster.nodes[0].init().to_string();
    let load = format!("{image} | nsenter --all --target {node} docker load");
    let loaded = std::process::Command::new("bash")
        .args(["-c", &load])
        .output();
    assert!(loaded.expect("bash").status.success());
    let server = Server::start_with(&cluster, &[&cluster.server]);
    let tree = packed(&zig_init(VERSION));
    let build = server.upload_tree(&tree);
    let row = server.wait(build, "state", "finished");
    assert_eq!(row["build_status"], "success", "{row}");
    assert_eq!(
        (&row["test_status"], &row["attempt"]),
        (&"success".into(), &1.into())
    );
    server.left_nothing();
}
