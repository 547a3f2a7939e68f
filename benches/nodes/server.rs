//! The real server on the machine of the cluster's scheduler, as its own user, and a client in that machine's network.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;

use crate::cluster::{AS_SERVER, Cluster};
use crate::common::http::ask;
use crate::common::server::archive;
use crate::engines::{SLOT_CPUS, VERSION};
use crate::percentile;

/// The flags of a server whose builds run on the nodes: its slots follow theirs.
pub const ON_NODES: &str = "--launcher slurm";
/// How long builds may take that are all there is: only a hang takes longer.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two requests of the client that is measured.
const PAUSE: Duration = Duration::from_millis(20);
const MEASURED: [&str; 2] = ["/api/health", "/api/queue"];

pub struct ClusterServer<'c> {
    pub cluster: &'c Cluster,
    name: String,
    data: PathBuf,
    to: SocketAddr,
}

impl<'c> ClusterServer<'c> {
    /// Starts one of that name with those flags. Names of one cluster differ, and so do ports.
    pub fn start(cluster: &'c Cluster, name: &str, port: u16, flags: &str) -> ClusterServer<'c> {
        let data = cluster.data(name);
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let program = env!("CARGO_BIN_EXE_zigcheck");
        let flags = format!(
            "{flags} --zig-versions {VERSION} --data {} --listen {to} --commit-search off --targets off --keep-caches off --fetch-network host --memory 512m \
             --cpus {SLOT_CPUS} --submit-rate 0 --upload-rate 0 --log-level warn",
            data.display()
        );
        let files = "ulimit -n $(ulimit -H -n)";
        let script =
            format!("{files}; echo $$ >/run/{name}.pid; exec {AS_SERVER} {program} {flags}");
        cluster.server.daemon(name, &script);
        let status = format!("curl -s -o /dev/null -w '%{{http_code}}' http://{to}/api/health");
        cluster.server.wait(&status, "200");
        ClusterServer {
            cluster,
            name: name.to_string(),
            data,
            to,
        }
    }

    /// Runs it in a thread that is in the network of the server's machine.
    pub fn within<T: Send>(&self, run: impl FnOnce(SocketAddr) -> T + Send) -> T {
        let space = format!("/proc/{}/ns/net", self.cluster.server.init());
        let enter_and_run = || {
            let space = File::open(space).expect("the machine is on");
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(space.as_fd(), kind).expect("root may");
            run(self.to)
        };
        std::thread::scope(|scope| scope.spawn(enter_and_run).join().expect("an answer"))
    }

    /// Asks for so many builds that sleep so long.
    pub fn submit(&self, builds: usize, sleep_s: usize) {
        let tree = std::fs::read(archive("bench-nodes", &[("build.zig", "")]));
        let tree = tree.expect("a file");
        self.within(|to| {
            for _ in 0..builds {
                submit(to, &tree, sleep_s);
            }
        });
    }

    /// Milliseconds from the request for a build that does nothing until its verdict can be read.
    pub fn one(&self) -> f64 {
        let tree = std::fs::read(archive("bench-nodes", &[("build.zig", "")]));
        let tree = tree.expect("a file");
        self.within(|to| {
            let begun = Instant::now();
            let check = submit(to, &tree, 0);
            let path = format!("/api/checks/{check}");
            while get(to, &path)["finished"] != true {
                std::thread::sleep(Duration::from_millis(2));
            }
            begun.elapsed().as_secs_f64() * 1e3
        })
    }

    /// How many builds are in that state.
    pub fn count(&self, condition: &str) -> usize {
        let db = Connection::open(self.data.join("zigcheck.db")).expect("a database");
        let sql = format!("SELECT count(*) FROM builds WHERE {condition}");
        let count: i64 = db.query_row(&sql, [], |row| row.get(0)).expect("a number");
        count as usize
    }

    /// Waits until so many builds are in that state; gives the seconds since then.
    pub fn wait(&self, begun: Instant, condition: &str, builds: usize) -> f64 {
        while self.count(condition) < builds {
            assert!(begun.elapsed() < PATIENCE, "{condition}: {}", self.said());
            std::thread::sleep(Duration::from_millis(50));
        }
        begun.elapsed().as_secs_f64()
    }

    /// What the server has said, how its builds are, and what Slurm says of them.
    fn said(&self) -> String {
        let name = &self.name;
        let states = "SELECT state, build_status, count(*) FROM builds GROUP BY 1, 2";
        let db = Connection::open(self.data.join("zigcheck.db")).expect("a database");
        let mut states = db.prepare(states).expect("a statement");
        let row = |row: &rusqlite::Row<'_>| {
            let (state, status): (String, String) = (row.get(0)?, row.get(1)?);
            let count: i64 = row.get(2)?;
            Ok(format!("{count} {state} {status}"))
        };
        let rows = states.query_map([], row).expect("rows");
        let rows: Vec<String> = rows.flatten().collect();
        let asks = format!(
            "tail -n 20 /var/log/{name}.log; squeue -o '%j %T %r %N'; sinfo -N -o '%N %T %C %E'"
        );
        let log = self.cluster.server.sh(&asks);
        format!("{rows:?}\n{log}")
    }

    /// Milliseconds of each answer about health, and about the queue, while that goes on.
    pub fn answers<T>(&self, run: impl FnOnce() -> T) -> (T, [Vec<f64>; 2]) {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let sampler = scope.spawn(|| self.within(|to| sample(to, &over)));
            let result = run();
            over.store(true, Ordering::Relaxed);
            (result, sampler.join().expect("it only asks"))
        })
    }

    pub fn stop(self) {
        let name = &self.name;
        let stop = format!(
            "pid=$(cat /run/{name}.pid); kill $pid; while [ -e /proc/$pid ]; do sleep 0.05; done"
        );
        self.cluster.server.sh(&stop);
        // The last epilogs.
        self.cluster.server.wait("squeue -h | wc -l", "0");
    }
}

fn submit(to: SocketAddr, tree: &[u8], sleep_s: usize) -> Value {
    let target = format!("/api/check?name=sleeps-{sleep_s}&fresh=true");
    let answer = ask(to, "POST", &target, tree).expect("an answer");
    let said = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 202, "{said}");
    let said: Value = serde_json::from_str(&said).expect("JSON");
    said["check"].clone()
}

fn get(to: SocketAddr, path: &str) -> Value {
    let answer = ask(to, "GET", path, b"").expect("an answer");
    serde_json::from_slice(&answer.body).expect("JSON")
}

/// Milliseconds of each answer to each of `MEASURED`, until it is over.
fn sample(to: SocketAddr, over: &AtomicBool) -> [Vec<f64>; 2] {
    let mut took = [Vec::new(), Vec::new()];
    while !over.load(Ordering::Relaxed) {
        for (path, took) in MEASURED.iter().zip(&mut took) {
            let begun = Instant::now();
            let answer = ask(to, "GET", path, b"").expect("an answer");
            took.push(begun.elapsed().as_secs_f64() * 1e3);
            assert_eq!(answer.status, 200, "{path}");
            std::thread::sleep(PAUSE);
        }
    }
    took
}

/// Says how long answers took, beside those of a server that did nothing.
pub fn show_answers(idle: &mut [Vec<f64>; 2], beside: &mut [Vec<f64>; 2]) {
    for (nth, path) in MEASURED.iter().enumerate() {
        let (idle, beside) = (&mut idle[nth], &mut beside[nth]);
        let at = |values: &mut Vec<f64>| [50, 99, 100].map(|percent| percentile(values, percent));
        let ([alone, ..], [p50, p99, worst]) = (at(idle), at(beside));
        println!(
            "  GET {path}: p50 {p50:.1} ms, p99 {p99:.1} ms, worst {worst:.1} ms; idle {alone:.1} ms, ratio {:.1}",
            p50 / alone
        );
    }
}
