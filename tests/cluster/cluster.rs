//! A server's machine and its nodes on a switch, configured by the scripts of `make cluster` and `make node`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::common::server::{scratch, write_script};
use crate::machine::Machine;
use crate::stand_in;

pub const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/cluster");
pub const SERVER: &str = "10.77.0.1";
/// The image of builds: a shell.
pub const IMAGE: &str = "zigcheck:test";
/// The server's user. It is in the group docker, which has another number on the server than on the nodes.
pub const AS_SERVER: &str = "setpriv --reuid=zigcheck --regid=zigcheck --init-groups";

/// What the machines of a cluster are configured with.
pub struct Plan {
    /// Lines of slurm.conf, each with another one in its place.
    pub conf: Vec<(&'static str, String)>,
    /// What a node offers.
    pub cpus: usize,
    pub memory_mib: usize,
    /// What stands in for a runner in the image.
    pub runner: String,
}

impl Default for Plan {
    /// Nodes for two builds. Waits that a test need not have are shorter: a silent node is given up sooner, and the
    /// health script comes by more often.
    fn default() -> Plan {
        Plan {
            conf: vec![
                ("SlurmdTimeout=20", "SlurmdTimeout=5".to_string()),
                ("MessageTimeout=10", "MessageTimeout=2".to_string()),
                (
                    "HealthCheckInterval=20",
                    "HealthCheckInterval=2".to_string(),
                ),
            ],
            cpus: 4,
            memory_mib: 2048,
            runner: stand_in::runner(),
        }
    }
}

pub struct Cluster {
    /// Its name, which is that of its directory too.
    name: String,
    dir: PathBuf,
    plan: Plan,
    switch: Machine,
    pub server: Machine,
    pub nodes: Vec<Machine>,
}

impl Cluster {
    /// What this machine lacks for a cluster, in one line.
    pub fn lacks() -> Option<String> {
        if !rustix::process::geteuid().is_root() {
            return Some("needs root".to_string());
        }
        let is_missing = |program: &&str| Command::new(program).arg("-V").output().is_err();
        let mut programs = vec!["slurmctld", "slurmd", "munged", "dockerd"];
        programs.retain(is_missing);
        (!programs.is_empty()).then(|| format!("needs {}: make setup-tests", programs.join(", ")))
    }

    /// With so many nodes, named n1, n2 ..., all idle.
    pub fn start(nodes: usize) -> Cluster {
        let mut cluster = Cluster::planned(Plan::default());
        for _ in 0..nodes {
            cluster.add_node();
        }
        for node in &cluster.nodes {
            cluster.wait_for(&node.name, "idle");
        }
        cluster
    }

    /// Without a node.
    pub fn planned(plan: Plan) -> Cluster {
        static CLUSTERS: AtomicU32 = AtomicU32::new(0);
        assert_eq!(Cluster::lacks(), None);
        remove_left_over();
        let number = CLUSTERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("zigcheck-cluster-{}-{number}", std::process::id());
        let dir = scratch(&name);
        std::fs::create_dir_all(&dir).expect("a directory");
        let mut cluster = Cluster {
            switch: Machine::new("switch", &dir),
            server: Machine::new("head", &dir),
            nodes: Vec::new(),
            name,
            dir,
            plan,
        };
        cluster.switch.boot();
        let bridge = "ip link add br0 type bridge && ip link set br0 up";
        cluster.switch.sh(bridge);
        cluster.make_image();
        cluster.start_server();
        cluster
    }

    fn start_server(&mut self) {
        self.server.boot();
        self.connect("head", SERVER);
        let server = &self.server;
        server
            .sh("useradd --system --user-group --groups docker zigcheck; groupmod -g 4242 docker");
        server.sh("rm -f /etc/munge/munge.key /etc/slurm/slurm.conf");
        server.sh(&format!("ADDRESS={SERVER} {SCRIPTS}/server"));
        for (line, other) in &self.plan.conf {
            let conf = "/etc/slurm/slurm.conf";
            server.sh(&format!(
                "grep -qx '{line}' {conf} && sed -i 's|^{line}$|{other}|' {conf}"
            ));
        }
        start_munged(server);
        self.start_slurmctld();
    }

    pub fn start_slurmctld(&self) {
        self.server.daemon("slurmctld", "exec slurmctld -D");
        let is_up = "scontrol ping | grep -o UP";
        self.server.wait(is_up, "UP");
    }

    /// Adds a machine that is no node yet.
    pub fn add_machine(&mut self) -> &Machine {
        let index = self.nodes.len();
        let name = format!("n{}", index + 1);
        self.nodes.push(Machine::new(&name, &self.dir));
        self.boot(index);
        let machine = &self.nodes[index];
        machine.sh("rm -f /etc/munge/munge.key /etc/docker/daemon.json /etc/slurm/slurm.conf");
        machine
    }

    /// Adds a machine and makes it a node, as `make node` does.
    pub fn add_node(&mut self) {
        self.add_machine();
        let node = self.nodes.last().expect("a machine");
        self.install_node(node);
        self.start_engine(node);
        self.import_image(node, IMAGE);
        self.start_node(node);
    }

    /// Installs on a machine what a node has.
    pub fn install_node(&self, node: &Machine) {
        let Plan {
            cpus, memory_mib, ..
        } = self.plan;
        let offers = format!("CPUS={cpus} MEMORY={memory_mib}");
        let install = format!("SERVER={SERVER} {offers} {SCRIPTS}/node install");
        let ssh = self.stand_in_for_ssh();
        node.sh(&format!("PATH={}:$PATH {install}", ssh.display()));
    }

    /// Switches a node on, without starting anything there.
    pub fn boot(&mut self, index: usize) {
        self.nodes[index].boot();
        let name = self.nodes[index].name.clone();
        self.connect(&name, &format!("10.77.0.{}", 11 + index));
    }

    pub fn start_engine(&self, node: &Machine) {
        let group = format!("/{}-{}", self.name, node.name);
        let flags = format!("--cgroup-parent={group} --exec-root=/run/docker");
        node.daemon("dockerd", &format!("exec dockerd {flags}"));
        node.wait("docker version >/dev/null 2>&1 && echo answers", "answers");
        let format = "{{.Action}} {{.Actor.Attributes.name}}";
        let events = format!("exec docker events --filter type=container --format \"{format}\"");
        node.daemon("events", &events);
    }

    /// Starts what the node's unit starts.
    pub fn start_node(&self, node: &Machine) {
        start_munged(node);
        let run = "set -a; . /etc/zigcheck/node.env; exec /usr/lib/zigcheck/run-node";
        node.daemon("slurmd", run);
    }

    /// Gives the machine a cable to the switch.
    fn connect(&self, name: &str, address: &str) {
        let machine = match name {
            "head" => &self.server,
            _ => self
                .nodes
                .iter()
                .find(|node| node.name == name)
                .expect("it is there"),
        };
        let init = machine.init();
        let add = format!("ip link add v-{name} type veth peer name eth0 netns {init}");
        // The switch sees only its own processes: the other's network is named from here.
        let switch = self.switch.init();
        let script = format!(
            "nsenter --net --target {switch} sh -ec '{add}; ip link set v-{name} master br0 up'"
        );
        let output = Command::new("sh").args(["-c", &script]).output();
        let output = output.expect("a shell");
        assert!(output.status.success(), "{output:?}");
        machine.sh(&format!(
            "ip addr add {address}/24 dev eth0 && ip link set eth0 up"
        ));
    }

    /// Cuts the cable of a machine, or mends it.
    pub fn cable(&self, name: &str, state: &str) {
        self.switch.sh(&format!("ip link set v-{name} {state}"));
    }

    /// A folder for PATH with an `ssh` that asks the server's machine what `make node` asks: for its key and its
    /// user.
    pub fn stand_in_for_ssh(&self) -> PathBuf {
        let bin = self.dir.join("bin");
        std::fs::create_dir_all(&bin).expect("a directory");
        let etc = self.dir.join("head/etc").display().to_string();
        let text = format!(
            "#!/bin/bash\nexec unshare --mount bash -c \"mount --bind {etc}/munge /etc/munge\n\
             mount --bind {etc}/passwd /etc/passwd\n${{@: -1}}\"\n"
        );
        write_script(&bin.join("ssh"), &text);
        bin
    }

    /// A directory of the server's user.
    pub fn data(&self, name: &str) -> PathBuf {
        let data = self.dir.join(name);
        std::fs::create_dir_all(&data).expect("a directory");
        let own = format!("chown -R zigcheck: {}", data.display());
        self.server.sh(&own);
        data
    }

    /// Gives the engine of a machine the image under that tag.
    pub fn import_image(&self, machine: &Machine, image: &str) {
        let tar = self.dir.join("image.tar").display().to_string();
        machine.sh(&format!("docker import {tar} {image}"));
    }

    /// Makes a shell with a few programs of this machine as a tar file, and what stands in for a runner.
    fn make_image(&self) {
        let script = "mkdir -p image/bin image/tmp && for program in bash cat sleep; do
                program=$(readlink -f $(command -v $program))
                cp --parents $program image
                for library in $(ldd $program | grep -o '/[^ ]*'); do cp -L --parents $library image; done
            done
            mkdir -p image/usr/lib/zigcheck image/work && mv build image/usr/lib/zigcheck/build
            ln -s $(readlink -f $(command -v bash)) image/bin/bash 2>/dev/null
            tar -C image -cf image.tar .";
        write_script(&self.dir.join("build"), &self.plan.runner);
        let mut command = Command::new("bash");
        command.args(["-c", script]).current_dir(&self.dir);
        assert!(command.status().expect("bash").success());
    }

    /// Waits until Slurm says that of a node.
    #[track_caller]
    pub fn wait_for(&self, node: &str, state: &str) {
        self.server
            .wait(&format!("sinfo -h -N -n {node} -o %T"), state);
    }

    /// The command that asks for a slot under that name, as the server's user, and ends when it has it.
    pub fn allocation(&self, name: &str, more: &str) -> String {
        format!(
            "{AS_SERVER} salloc -Q --no-shell -J {name} --comment=data/{name} -n1 -c2 --mem=256 -C zig-test -t 30 \
             {more} </dev/null"
        )
    }

    /// Takes a slot under that name; gives its node.
    #[track_caller]
    pub fn allocate(&self, name: &str) -> String {
        self.server.sh(&self.allocation(name, ""));
        self.server.sh(&format!("squeue -h -n {name} -o %N"))
    }

    /// Starts a container with that script in the allocation of its name, which ends by then at the latest.
    pub fn build(&self, name: &str, limit_s: u32, script: &str) -> Child {
        let job = self.server.sh(&format!("squeue -h -n {name} -o %A"));
        let mut command = self.server.command("setpriv");
        command
            // As the service has it. On a node there is no such place.
            .env("DOCKER_CONFIG", "/var/lib/zigcheck/docker")
            .args(AS_SERVER.split(' ').skip(1))
            .args(["srun", "-Q", "-u", "--overlap", "-n1", "-D", "/"])
            .arg(format!("--jobid={job}"))
            .args(["/usr/lib/zigcheck/step", &limit_s.to_string(), name])
            .args(["docker", "run", "--interactive", "--name", name])
            .args(["--pull=never", "--network=none", "--log-driver=local"])
            .arg(format!("--label=zigcheck.job={job}"))
            .arg(format!("--label=zigcheck.lease=data/{name}"))
            .args([IMAGE, "/bin/bash", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().expect("nsenter is installed")
    }

    pub fn node(&self, name: &str) -> &Machine {
        let mut nodes = self.nodes.iter();
        nodes.find(|node| node.name == name).expect("a node")
    }

    pub fn index(&self, name: &str) -> usize {
        let mut nodes = self.nodes.iter();
        nodes.position(|node| node.name == name).expect("a node")
    }

    /// The containers that a node's engine has, running or not.
    #[track_caller]
    pub fn containers(&self, node: &str) -> String {
        let names = "docker ps --all --format '{{.Names}}' | sort | xargs";
        self.node(node).sh(names)
    }

    /// Waits until that is the number of times that the node's engine has reported this event of the container.
    #[track_caller]
    pub fn witness(&self, node: &str, event: &str, name: &str, times: usize) {
        let count = format!("grep -cx '{event} {name}' /var/log/events.log || true");
        self.node(node).wait(&count, &times.to_string());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for machine in &mut self.nodes {
            machine.power_off();
        }
        self.server.power_off();
        self.switch.power_off();
        remove(&self.dir);
    }
}

pub fn start_munged(machine: &Machine) {
    let as_munge = "setpriv --reuid=munge --regid=munge --clear-groups";
    machine.daemon("munged", &format!("exec {as_munge} munged --foreground"));
    machine.wait("munge -n >/dev/null 2>&1 && echo answers", "answers");
}

/// Removes what clusters of earlier runs have left on disk. Their processes ended with them.
pub fn remove_left_over() {
    let entries = std::fs::read_dir(env!("CARGO_TARGET_TMPDIR")).expect("the scratch directory");
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().and_then(|name| name.to_str());
        let rest = name.and_then(|name| name.strip_prefix("zigcheck-cluster-"));
        let owner = rest.and_then(|rest| rest.split('-').next());
        if let Some(owner) = owner
            && !Path::new("/proc").join(owner).exists()
        {
            remove(&path);
        }
    }
}

/// Removes the directory of a cluster, and the groups of its engines.
fn remove(dir: &Path) {
    let name = dir.file_name().and_then(|name| name.to_str());
    let name = name.expect("a name");
    let groups = format!("find /sys/fs/cgroup -depth -type d -path '*/{name}-[hn]*'");
    let script =
        format!("{groups} -exec rmdir {{}} + 2>/dev/null; ! {groups} 2>/dev/null | grep -q .");
    // The kernel may still be at it: processes that are killed leave their groups a moment later.
    for _ in 0..20 {
        let empty = Command::new("sh").args(["-c", &script]).status();
        let _ = std::fs::remove_dir_all(dir);
        if empty.is_ok_and(|status| status.success()) && !dir.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
