//! Another machine, as far as a server can tell: namespaces of its own with an engine and an sshd in them, on a line that
//! can be cut. Its programs are this machine's.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::common::server::{PATIENCE, ends_with_its_parent, scratch, write_script};

/// Its first process. What is below /run is its own, as is the engine's socket there; the engine has no bridge, and so
/// no network that a container could be given. The words: its directory, its name.
const INIT: &str = r#"set -e
d=$0; name=$1
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/sshd
hostname "$name"
ip link set lo up
dockerd --bridge=none --iptables=false --ip6tables=false --data-root=$d/docker --exec-root=/run/docker \
    --pidfile=/run/docker.pid --cgroup-parent=/$name --host=unix:///run/docker.sock --host=unix://$d/engine >$d/dockerd.log 2>&1 &
/usr/sbin/sshd -D -e -f /dev/null -h $d/host_key -o PidFile=none -o StrictModes=no -o UsePAM=no \
    -o PermitRootLogin=prohibit-password -o AuthorizedKeysFile=$d/authorized_keys >$d/sshd.log 2>&1 &
sleep infinity & while :; do wait; done
"#;

pub struct OwnNode {
    name: String,
    address: Ipv4Addr,
    root: PathBuf,
    /// The docker command that speaks to its engine, without the line.
    command: String,
    machine: Child,
}

impl OwnNode {
    /// A machine whose engine answers.
    pub fn start() -> OwnNode {
        let root = rustix::process::geteuid().is_root();
        let sshd = Path::new("/usr/sbin/sshd").exists();
        assert!(root && sshd, "needs root, dockerd and sshd here");
        let number = std::process::id();
        let name = format!("zcn{number}");
        let root = scratch("node");
        let _ = fs::remove_dir_all(&root);
        // Others may not enter: keys are in it.
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&root);
        made.expect("a directory");
        for key in ["key", "host_key"] {
            let path = root.join(key);
            let words = ["-q", "-t", "ed25519", "-N", "", "-f"];
            run(Command::new("ssh-keygen").args(words).arg(path));
        }
        // It forwards, and does nothing else.
        let key = fs::read_to_string(root.join("key.pub")).expect("its key");
        let allowed = format!("restrict,port-forwarding {key}");
        fs::write(root.join("authorized_keys"), allowed).expect("a file");
        // One of 2^14 networks of two addresses.
        let [_, _, high, low] = (number << 2).to_be_bytes();
        let here = Ipv4Addr::new(10, 213, high, (low & 0xfc) + 1);
        let address = Ipv4Addr::new(10, 213, high, (low & 0xfc) + 2);
        connect(&name, here, address);
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{name}"));
        command.args(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        command.args(["--uts", "--mount", "--ipc", "sh", "-c", INIT]);
        let log = fs::File::create(root.join("init.log")).expect("a log");
        command.arg(&root).arg(&name).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(log);
        ends_with_its_parent(&mut command, Signal::TERM);
        let machine = command.spawn().expect("nsenter is installed");
        let command = root.join("docker-there");
        let engine = root.join("engine");
        let text = format!(
            "#!/bin/sh\nexec docker --host=unix://{} \"$@\"\n",
            engine.display()
        );
        write_script(&command, &text);
        let node = OwnNode {
            name,
            address,
            command: command.display().to_string(),
            root,
            machine,
        };
        let start = Instant::now();
        while !succeeds(Command::new(&node.command).arg("version")) {
            assert!(start.elapsed() < PATIENCE, "see {:?}", node.root);
            std::thread::sleep(Duration::from_millis(100));
        }
        node
    }

    pub fn command(&self) -> &str {
        &self.command
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The value of `--launcher` for builds on it.
    pub fn launcher(&self) -> String {
        format!("ssh:root@{}", self.address)
    }

    /// What an administrator puts into a data directory: the key, and whose host key is right.
    pub fn introduce(&self, data: &Path) {
        let directory = data.join("ssh");
        fs::create_dir_all(&directory).expect("a directory");
        fs::copy(self.root.join("key"), directory.join("id_ed25519")).expect("the key");
        let key = fs::read_to_string(self.root.join("host_key.pub")).expect("its key");
        let known = format!("{} {key}", self.address);
        fs::write(directory.join("known_hosts"), known).expect("a file");
    }

    pub fn load(&self, image: &str) {
        let script = format!("docker save {image} | {} load", self.command);
        run(Command::new("sh").args(["-c", &script]));
    }

    pub fn cut_line(&self) {
        run(Command::new("ip").args(["link", "set", &self.name, "down"]));
    }

    pub fn mend_line(&self) {
        run(Command::new("ip").args(["link", "set", &self.name, "up"]));
    }
}

impl Drop for OwnNode {
    fn drop(&mut self) {
        // All that is in it ends with its first process, which ends with this one.
        let _ = self.machine.kill();
        let _ = self.machine.wait();
        succeeds(Command::new("ip").args(["link", "del", &self.name]));
        succeeds(Command::new("ip").args(["netns", "del", &self.name]));
        let script = format!(
            "find /sys/fs/cgroup -depth -type d -path '*/{}*' -exec rmdir {{}} +",
            self.name
        );
        succeeds(Command::new("sh").args(["-c", &script]));
        let _ = fs::remove_dir_all(self.root.join("docker"));
    }
}

/// A network namespace of that name with a line to it, whose end here has that name too.
fn connect(name: &str, here: Ipv4Addr, there: Ipv4Addr) {
    let script = format!(
        "set -e; ip netns add {name}; ip link add {name} type veth peer name eth0 netns {name}; \
         ip addr add {here}/30 dev {name}; ip link set {name} up; \
         ip -n {name} addr add {there}/30 dev eth0; ip -n {name} link set eth0 up"
    );
    run(Command::new("sh").args(["-c", &script]));
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().expect("a program");
    assert!(output.status.success(), "{command:?}: {output:?}");
}

fn succeeds(command: &mut Command) -> bool {
    let output = command.stdin(Stdio::null()).output();
    output.is_ok_and(|output| output.status.success())
}
