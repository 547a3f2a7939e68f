//! A machine as namespaces: processes, network, mounts and name of its own, with the programs of this one.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::server::ends_with_its_parent;

/// How long a test waits for anything at all: far above what it takes, so that only a hang fails.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Machine {
    pub name: String,
    /// What survives when it is switched off.
    dir: PathBuf,
    running: Option<Running>,
}

struct Running {
    unshare: Child,
    /// The machine's process 1, by its number here.
    init: Pid,
}

impl Machine {
    /// A machine that is switched off.
    pub fn new(name: &str, dir: &Path) -> Machine {
        let dir = dir.join(name);
        std::fs::create_dir_all(&dir).expect("a directory");
        Machine {
            name: name.to_string(),
            dir,
            running: None,
        }
    }

    /// Switches it on. All of it ends with the thread that does this, however that ends.
    pub fn boot(&mut self) {
        let log = std::fs::File::create(self.dir.join("init.log"));
        let mut command = Command::new("unshare");
        command
            .args(["--net", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["--uts", "--mount", "--ipc"])
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/cluster/machine"
            ))
            .arg(&self.name)
            .arg(&self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.expect("a log"));
        ends_with_its_parent(&mut command, Signal::KILL);
        let mut unshare = command.spawn().expect("unshare is installed");
        let stdout = unshare.stdout.take().expect("it is piped");
        let mut line = String::new();
        let _ = BufReader::new(stdout).read_line(&mut line);
        let log = std::fs::read_to_string(self.dir.join("init.log"));
        assert_eq!(line, "ready\n", "{}: {log:?}", self.name);
        let unshared = unshare.id();
        let children = format!("/proc/{unshared}/task/{unshared}/children");
        let init = std::fs::read_to_string(children).expect("unshare runs");
        let init = init.trim().parse().ok().and_then(Pid::from_raw);
        let init = init.expect("one child");
        self.running = Some(Running { unshare, init });
    }

    /// Pulls the plug: every process there is killed at once.
    pub fn power_off(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = kill_process(running.init, Signal::KILL);
            let _ = running.unshare.wait();
        }
    }

    /// The number of its process 1 on this machine.
    pub fn init(&self) -> i32 {
        let running = self.running.as_ref().expect("it is switched on");
        running.init.as_raw_nonzero().get()
    }

    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--all", "--target", &self.init().to_string(), program]);
        // The engine is the machine's own one.
        command.env_remove("DOCKER_HOST").current_dir("/");
        command
    }

    pub fn try_sh(&self, script: &str) -> Output {
        let mut command = self.command("bash");
        command.args(["-c", script]).stdin(Stdio::null());
        command.output().expect("nsenter is installed")
    }

    /// What the script says, without its last newline. It has to end with 0.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        let output = self.try_sh(script);
        assert!(
            output.status.success(),
            "{}: {script}: {output:?}\n{}",
            self.name,
            self.logs()
        );
        let said = String::from_utf8_lossy(&output.stdout);
        said.trim_end().to_string()
    }

    /// Starts a program that stays; its log is /var/log/NAME.log of the machine.
    pub fn daemon(&self, name: &str, script: &str) {
        self.sh(&format!(
            "setsid bash -c '{script}' </dev/null >>/var/log/{name}.log 2>&1 &"
        ));
    }

    /// Waits until the script says exactly that.
    #[track_caller]
    pub fn wait(&self, script: &str, expected: &str) {
        let start = Instant::now();
        loop {
            let output = self.try_sh(script);
            let said = String::from_utf8_lossy(&output.stdout);
            if said.trim_end() == expected {
                return;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{}: {script} never said {expected:?} but {output:?}\n{}",
                self.name,
                self.logs()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn logs(&self) -> String {
        let mut logs = String::new();
        for log in ["slurmctld", "slurmd", "dockerd"] {
            let path = self.dir.join(format!("var/log/{log}.log"));
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            let last = &lines[lines.len().saturating_sub(20)..];
            logs += &format!("-- {log}\n{}\n", last.join("\n"));
        }
        logs
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.power_off();
    }
}
