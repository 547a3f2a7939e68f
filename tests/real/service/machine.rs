//! A small machine under a real systemd: a container whose first process that is.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::common::server::{PATIENCE, scratch};
use crate::common::standin;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const IMAGE: &str = "zigcheck-systemd";
/// Which test run a machine belongs to.
const OWNER: &str = "zigcheck.service-test";

pub struct Machine {
    name: String,
}

impl Machine {
    /// Booted, with the stand-in for the engine running and zigcheck's tree in /opt/zigcheck.
    pub fn boot() -> Machine {
        static MACHINES: AtomicU32 = AtomicU32::new(0);
        make_image();
        let owner = std::process::id();
        let number = MACHINES.fetch_add(1, Ordering::Relaxed);
        let machine = Machine {
            name: format!("zigcheck-machine-{owner}-{number}"),
        };
        // What systemd needs, and less than --privileged, which some machines have not to give.
        docker(&[
            "create",
            "--name",
            &machine.name,
            &format!("--label={OWNER}={owner}"),
            "--network=none",
            "--cgroupns=private",
            "--cap-add=SYS_ADMIN",
            "--cap-add=NET_ADMIN",
            // The stand-in for the engine opens the pipes of its clients, who are others.
            "--cap-add=SYS_PTRACE",
            "--security-opt=seccomp=unconfined",
            "--security-opt=apparmor=unconfined",
            "--tmpfs=/run",
            "--tmpfs=/run/lock",
            "--env=container=docker",
            IMAGE,
        ]);
        machine.put(Path::new(ROOT).join("systemd"), "/opt/zigcheck/");
        machine.put(Path::new(ROOT).join("images"), "/opt/zigcheck/");
        machine.put(env!("CARGO_BIN_EXE_zigcheck"), "/opt/zigcheck/program");
        let notifier = env!("CARGO_BIN_EXE_zigcheck-notify");
        machine.put(notifier, "/opt/zigcheck/zigcheck-notify");
        machine.put(engine(), "/var/lib/engine/engine");
        machine.put(engine(), "/usr/bin/docker");
        machine.put(standin::program(), "/var/lib/engine/standin");
        machine.put(standin::tree(), "/opt/tree.tar.gz");
        docker(&["start", &machine.name]);
        machine.wait("systemctl is-system-running 2>/dev/null", "running");
        machine.wait("systemctl is-active engine.service || true", "active");
        machine
    }

    /// With zigcheck installed and started, after `settings` were added to its own.
    pub fn serving(settings: &str) -> Machine {
        let machine = Machine::boot();
        machine.install();
        let add = format!("printf '%s\\n' '{settings}' >>/etc/zigcheck/zigcheck.env");
        machine.sh(&add);
        machine.sh("systemctl enable --now zigcheck.socket zigcheck.service 2>&1");
        machine
    }

    pub fn install(&self) -> String {
        self.sh("/opt/zigcheck/systemd/install /opt/zigcheck/program")
    }

    fn put(&self, from: impl AsRef<Path>, to: &str) {
        let from = from.as_ref().canonicalize().expect("it is there");
        let from = from.display().to_string();
        docker(&["cp", &from, &format!("{}:{to}", self.name)]);
    }

    /// Copies a directory to its place on another machine.
    pub fn copy_to(&self, other: &Machine, dir: &str) {
        let from = scratch(&format!("{}-files", self.name));
        let from = from.display().to_string();
        docker(&["cp", "--archive", &format!("{}:{dir}", self.name), &from]);
        docker(&[
            "cp",
            "--archive",
            &format!("{from}/."),
            &format!("{}:{dir}", other.name),
        ]);
        std::fs::remove_dir_all(from).expect("it was copied");
    }

    pub fn sh(&self, script: &str) -> String {
        let output = self.try_sh(script);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            let log = self.try_sh("journalctl --no-pager -n 60 | grep -v compat");
            let log = String::from_utf8_lossy(&log.stdout);
            panic!("{script}: {}\n{text}\n{error}\n{log}", output.status);
        }
        text.trim_end().to_string()
    }

    fn try_sh(&self, script: &str) -> Output {
        let mut command = Command::new("docker");
        command.args(["exec", &self.name, "bash", "-c", script]);
        command.output().expect("docker is installed")
    }

    /// Until the script says that.
    pub fn wait(&self, script: &str, text: &str) -> Duration {
        let began = Instant::now();
        loop {
            let output = self.try_sh(script);
            let said = String::from_utf8_lossy(&output.stdout);
            if said.trim() == text {
                return began.elapsed();
            }
            if began.elapsed() > PATIENCE {
                let log = self.sh("journalctl --no-pager -n 60 | grep -v compat");
                panic!("{script} never said {text:?} but {said:?}\n{log}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn show(&self, property: &str) -> String {
        self.sh(&format!("systemctl show --value -p {property} zigcheck"))
    }

    pub fn get(&self, path: &str) -> serde_json::Value {
        let text = self.sh(&format!(
            "curl -sS --max-time 30 http://127.0.0.1:3000{path}"
        ));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let mut command = Command::new("docker");
        command.args(["rm", "--force", "--volumes", &self.name]);
        let _ = command.stdout(Stdio::null()).status();
    }
}

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output();
    let output = output.expect("docker is installed");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {args:?}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The engine builds nothing that it has built from the same.
fn make_image() {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| {
        remove_left_over();
        let context = Path::new(ROOT)
            .join("tests/real/service")
            .display()
            .to_string();
        docker(&["build", "--network=host", "--tag", IMAGE, &context]);
    });
}

/// Machines of test runs that are over.
fn remove_left_over() {
    let filter = format!("--filter=label={OWNER}");
    let format = format!("--format={{{{.Names}}}} {{{{.Label \"{OWNER}\"}}}}");
    for line in docker(&["ps", "--all", &filter, &format]).lines() {
        if let Some((name, owner)) = line.split_once(' ')
            && !Path::new("/proc").join(owner).exists()
        {
            docker(&["rm", "--force", "--volumes", name]);
        }
    }
}

fn engine() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let done = scratch("service-engine");
        let mut rustc = Command::new("rustc");
        rustc.args(["--edition", "2024", "-O", "-C", "strip=symbols", "-o"]);
        rustc.arg(&done);
        rustc.arg(Path::new(ROOT).join("tests/real/service/engine.rs"));
        assert!(rustc.status().expect("cargo has its rustc").success());
        done
    })
}
