//! The machine while hostile packages are built on it: what they leave, and how long its server takes to answer.

use std::collections::BTreeMap;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::common::server::{PATIENCE, Server};
use crate::common::zig::containers_of;

/// Where a package that gets out would leave its mark.
const MARKS: [&str; 5] = [
    "/zigcheck-escape",
    "/tmp/zigcheck-escape",
    "/var/tmp/zigcheck-escape",
    "/dev/shm/zigcheck-escape",
    "/root/zigcheck-escape",
];

pub struct Host {
    over: Arc<AtomicBool>,
    /// Every container that was seen, with where its files were.
    containers: JoinHandle<BTreeMap<String, String>>,
    /// Seconds for each of a number of requests.
    asker: JoinHandle<Vec<f64>>,
    /// No package may connect to it.
    victim: UnixListener,
}

/// A server whose containers end with it, also where a test fails: of these packages some would
/// run for ever, and nobody else would end them.
pub struct Guarded {
    /// First: what is freed first cannot start others.
    pub server: Server,
    _containers: Containers,
}

struct Containers(PathBuf);

impl Guarded {
    pub fn start(name: &str, flags: &[&str]) -> Guarded {
        let server = Server::start(name, flags);
        let containers = Containers(server.data.clone());
        Guarded {
            server,
            _containers: containers,
        }
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        for id in containers_of(&self.0, "docker").split_whitespace() {
            docker(&["rm", "--force", id]);
        }
    }
}

fn docker(words: &[&str]) -> String {
    let output = Command::new("docker").args(words).output();
    let output = output.expect("docker is installed");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Host {
    /// The containers of these servers; the first of them is asked.
    pub fn watch(servers: [&Server; 2]) -> Host {
        let over = Arc::new(AtomicBool::new(false));
        let (done, data) = (over.clone(), servers.map(|server| server.data.clone()));
        let containers = std::thread::spawn(move || {
            let mut seen = BTreeMap::new();
            while !done.load(Ordering::Relaxed) {
                let ids = data.each_ref().map(|data| containers_of(data, "docker"));
                for id in ids.iter().flat_map(|ids| ids.split_whitespace()) {
                    let format = "--format={{.Id}} {{.GraphDriver.Data.MergedDir}}";
                    let line = docker(&["inspect", format, id]);
                    if let Some((id, files)) = line.trim().split_once(' ') {
                        seen.insert(id.to_string(), files.to_string());
                    }
                }
                std::thread::sleep(Duration::from_millis(300));
            }
            seen
        });
        let (done, url) = (over.clone(), format!("{}/api/builds/1", servers[0].url));
        let asker = std::thread::spawn(move || {
            let mut took = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let word = "%{time_total}";
                let args = [
                    "-s",
                    "-o",
                    "/dev/null",
                    "-w",
                    word,
                    "--max-time",
                    "60",
                    &url,
                ];
                let asked = Command::new("curl").args(args).output();
                let said = String::from_utf8_lossy(&asked.expect("curl").stdout).into_owned();
                took.push(said.parse().expect("seconds"));
                std::thread::sleep(Duration::from_millis(100));
            }
            took
        });
        let name = SocketAddr::from_abstract_name("zigcheck-hostile-victim").expect("a name");
        let victim = UnixListener::bind_addr(&name).expect("nobody else has it");
        victim.set_nonblocking(true).expect("a socket");
        Host {
            over,
            containers,
            asker,
            victim,
        }
    }

    /// Nothing is left; says how the server answered meanwhile.
    pub fn ends(self, servers: [&Server; 2]) -> String {
        let start = Instant::now();
        let is_clean = |server: &&Server| containers_of(&server.data, "docker").is_empty();
        while !servers.iter().all(is_clean) {
            assert!(start.elapsed() < PATIENCE, "containers are left");
            std::thread::sleep(Duration::from_millis(100));
        }
        self.over.store(true, Ordering::Relaxed);
        let seen = self.containers.join().expect("it only looks");
        assert!(seen.len() >= 10, "only {} containers were seen", seen.len());
        for (id, files) in &seen {
            assert!(!Path::new(files).exists(), "{files} is left");
            nothing_is_left_of(id);
        }
        for mark in MARKS {
            assert!(!Path::new(mark).exists(), "{mark} is there");
        }
        assert!(self.victim.accept().is_err(), "somebody connected");
        let mut took = self.asker.join().expect("it only asks");
        took.sort_by(f64::total_cmp);
        let at = |percent: usize| took[(took.len() - 1) * percent / 100] * 1_000.0;
        format!(
            "{} requests meanwhile: p50 {:.1} ms, p99 {:.1} ms, worst {:.1} ms",
            took.len(),
            at(50),
            at(99),
            at(100)
        )
    }
}

/// No process, no control group and no mount of a container.
fn nothing_is_left_of(id: &str) {
    let processes = std::fs::read_dir("/proc").expect("it is there");
    for process in processes.map(|entry| entry.expect("an entry").path()) {
        // A process that has just ended has none.
        let groups = std::fs::read_to_string(process.join("cgroup")).unwrap_or_default();
        assert!(!groups.contains(id), "{} is left", process.display());
    }
    let groups = Command::new("find")
        .args([
            "/sys/fs/cgroup",
            "-maxdepth",
            "4",
            "-name",
            &format!("*{id}*"),
        ])
        .output();
    let groups = String::from_utf8_lossy(&groups.expect("find").stdout).into_owned();
    assert_eq!(groups, "", "control groups are left");
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("mounts");
    assert!(!mounts.contains(id), "a mount is left of {id}");
}

/// The most memory that a process has had, in KiB.
pub fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let words = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    words.expect("a number")
}
