//! A docker engine of a test's own, which may be ended in any way: everything it has is apart from
//! the machine's own one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::server::{PATIENCE, ends_with_its_parent, scratch, write_script};

pub struct OwnEngine {
    root: PathBuf,
    /// Sockets, whose paths must be short.
    run: PathBuf,
    /// The docker command that speaks to this engine.
    command: String,
    /// The network it is in, if that is not the machine's: a namespace, and its name servers.
    network: Option<(String, PathBuf)>,
    daemon: Option<Child>,
}

impl OwnEngine {
    pub fn new(name: &str) -> OwnEngine {
        let version = Command::new("dockerd").arg("--version").output();
        let root = rustix::process::geteuid().is_root();
        assert!(root && version.is_ok(), "needs root, and dockerd here");
        let root = scratch(&format!("{name}-root"));
        static ENGINES: AtomicUsize = AtomicUsize::new(0);
        let number = ENGINES.fetch_add(1, Ordering::Relaxed);
        let run = PathBuf::from(format!("/tmp/zigcheck-{}-{number}", std::process::id()));
        clear(&root);
        for dir in [&root, &run] {
            fs::create_dir_all(dir).expect("a directory");
        }
        let command = run.join("docker");
        let text = format!(
            "#!/bin/sh\nDOCKER_HOST=unix://{}/socket exec docker \"$@\"\n",
            run.display()
        );
        write_script(&command, &text);
        OwnEngine {
            root,
            run,
            command: command.display().to_string(),
            network: None,
            daemon: None,
        }
    }

    /// One in that network namespace, which makes networks there as engines do, with name servers as
    /// that file (in the form of /etc/resolv.conf) has them.
    #[allow(dead_code)]
    pub fn in_network(name: &str, namespace: &str, resolvers: &Path) -> OwnEngine {
        let mut engine = OwnEngine::new(name);
        engine.network = Some((namespace.to_string(), resolvers.to_path_buf()));
        engine
    }

    pub fn command(&self) -> &str {
        &self.command
    }

    #[allow(dead_code)]
    pub fn host(&self) -> String {
        format!("unix://{}/socket", self.run.display())
    }

    pub fn ask(&self, words: &[&str]) -> bool {
        let mut asked = Command::new(&self.command);
        asked.args(words).stdin(Stdio::null());
        let status = asked.stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }

    /// Until it answers. With live restore containers go on while it is away.
    pub fn start(&mut self, live_restore: bool) {
        let log = self.root.with_extension("log");
        // One that finds the containerd of its forerunner still dying gives up after 15 s, and is
        // started once more, as by systemd.
        let answers = (0..3).any(|_| self.try_start(live_restore));
        assert!(answers, "dockerd does not come up: see {log:?}");
    }

    fn try_start(&mut self, live_restore: bool) -> bool {
        let run = self.run.display();
        let log = self.root.with_extension("log");
        let log = fs::File::options().append(true).create(true).open(log);
        let mut command = self.program();
        command
            .arg(format!("--data-root={}", self.root.display()))
            .arg(format!("--exec-root={run}/exec"))
            .arg(format!("--pidfile={run}/pid"))
            .arg(format!("--host=unix://{run}/socket"))
            .arg(format!("--live-restore={live_restore}"))
            .arg("--bridge=none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("a log"));
        ends_with_its_parent(&mut command, Signal::TERM);
        let mut daemon = command.spawn().expect("unshare is installed");
        let start = Instant::now();
        while !self.ask(&["version"]) {
            if daemon.try_wait().expect("it is ours").is_some() {
                return false;
            }
            assert!(start.elapsed() < PATIENCE, "it never answers");
            std::thread::sleep(Duration::from_millis(100));
        }
        self.daemon = Some(daemon);
        true
    }

    /// The daemon's program, and who leads to it.
    fn program(&self) -> Command {
        let Some((namespace, resolvers)) = &self.network else {
            // One of its own: an engine without a bridge removes the machine's.
            let mut command = Command::new("unshare");
            command.args(["--net", "dockerd", "--iptables=false", "--ip-masq=false"]);
            return command;
        };
        let script = "mount --bind \"$0\" /etc/resolv.conf && exec dockerd \"$@\"";
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/run/netns/{namespace}"))
            .args(["unshare", "--mount", "sh", "-c", script])
            .arg(resolvers);
        command
    }

    pub fn load(&self, image: &str) {
        let script = format!("docker save {image} | {} load", self.command);
        let loaded = Command::new("sh").args(["-c", &script]).output();
        let loaded = loaded.expect("a shell");
        assert!(
            loaded.status.success() && self.ask(&["image", "inspect", image]),
            "{loaded:?}"
        );
    }

    #[allow(dead_code)]
    pub fn kill(&mut self) {
        let mut daemon = self.daemon.take().expect("it runs");
        daemon.kill().expect("it is ours");
        daemon.wait().expect("it is ours");
    }

    pub fn stop(&mut self) {
        let Some(mut daemon) = self.daemon.take() else {
            return;
        };
        let _ = kill_process(Pid::from_child(&daemon), Signal::TERM);
        let _ = daemon.wait();
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        // Its containers may live: nobody but an engine finds all of them.
        let _ = self.daemon.is_some() || (0..3).any(|_| self.try_start(false));
        let script = format!("{0} ps -aq | xargs -r {0} rm -f", self.command);
        let _ = Command::new("sh").args(["-c", &script]).output();
        self.stop();
        clear(&self.root);
        clear(&self.run);
    }
}

/// Removes a directory, with what an engine left mounted there.
fn clear(root: &Path) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    let mut below: Vec<&str> = points
        .filter(|point| Path::new(point).starts_with(root))
        .collect();
    below.reverse();
    for point in below {
        let _ = Command::new("umount").args(["--lazy", point]).output();
    }
    let _ = fs::remove_dir_all(root);
}
