//! How long the server takes to answer beside four builds that take all they can: a fork bomb, a memory bomb and two
//! floods, each again and again, in the four slots of this machine. Server and client run with the niceness of
//! `systemd/zigcheck.service`, which takes root; the groups of its `CPUWeight=` need systemd and are not measured.
//!
//! Prints milliseconds and ratios to the same without builds, and asserts nothing about them.

#[path = "../tests/common/mod.rs"]
mod common;

use std::process::Command;
use std::time::{Duration, Instant};

use common::server::{Server, archive};
use common::wire::Wire;
use common::zig::{build_zig, containers_of};

/// The packages. The engine ends none of them before its time.
const NEIGHBOURS: [(&str, &str); 4] = [
    ("fork-bomb", "b() { b | b & }; while :; do b; sleep 1; done"),
    (
        "memory-bomb",
        "while :; do perl -e '$x .= \"a\" x 1000000 while length $x < 400_000_000'; done",
    ),
    (
        "flood",
        "while :; do yes | head -c 100000; sleep 0.05; done",
    ),
    (
        "flood-of-lines",
        "while :; do yes x | head -n 20000; sleep 0.05; done",
    ),
];
/// `Nice=` of the unit.
const NICENESS: &str = "-10";
/// How long each measurement takes, and the pause between two requests.
const MEASURE: Duration = Duration::from_secs(40);
const PAUSE: Duration = Duration::from_millis(20);

fn main() {
    // `cargo bench` passes --bench; `cargo test` must not run this.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    // The server inherits it.
    let me = std::process::id().to_string();
    let renice = Command::new("renice")
        .args(["-n", NICENESS, "-p", &me])
        .output();
    if !renice.is_ok_and(|output| output.status.success()) {
        println!("niceness {NICENESS} was refused: the figures are those of a server without it");
    }
    let flags = [
        "--zig-versions",
        "0.16.0",
        "--max-builds",
        "4",
        "--memory",
        "768m",
        "--build-timeout",
        "120",
    ];
    let server = Server::start("bench-neighbours", &flags);
    let alone = measure(&server);
    for (name, command) in NEIGHBOURS {
        let files = [("build.zig", &*build_zig(command))];
        server.upload(
            &archive(&format!("neighbours-{name}"), &files),
            &format!("name={name}"),
        );
    }
    while testing(&server) < NEIGHBOURS.len() {
        std::thread::sleep(Duration::from_millis(200));
    }
    let beside = measure(&server);
    println!(
        "GET /api/health, {} s each, {} requests alone:",
        MEASURE.as_secs(),
        alone.len()
    );
    for percent in [50, 99, 100] {
        let (alone, beside) = (at(&alone, percent), at(&beside, percent));
        let ratio = beside / alone;
        println!(
            "  p{percent}: alone {alone:.1} ms, beside four builds {beside:.1} ms, ratio {ratio:.0}"
        );
    }
    println!("  builds that still run: {}", testing(&server));
    let data = server.data.clone();
    drop(server);
    // The containers outlive their server.
    for id in containers_of(&data, "docker").split_whitespace() {
        let _ = Command::new("docker").args(["rm", "--force", id]).output();
    }
}

/// How many of the builds run their tests.
fn testing(server: &Server) -> usize {
    let queue = server.get("/api/queue");
    let running = queue["running"].as_array().map_or(&[][..], Vec::as_slice);
    running
        .iter()
        .filter(|build| build["state"] == "building" || build["state"] == "testing")
        .count()
}

/// Milliseconds of each request, in order of size. Each is a connection of its own, without a process of its own: to
/// start one beside a fork bomb takes longer than the answer.
fn measure(server: &Server) -> Vec<f64> {
    let start = Instant::now();
    let mut took = Vec::new();
    while start.elapsed() < MEASURE {
        let asked = Instant::now();
        let mut wire = Wire::open(server);
        wire.get("/api/health");
        let body = String::from_utf8(wire.answer().1).expect("JSON");
        assert!(body.contains(r#""status":"healthy""#), "{body}");
        took.push(asked.elapsed().as_secs_f64() * 1_000.0);
        std::thread::sleep(PAUSE);
    }
    took.sort_by(f64::total_cmp);
    took
}

fn at(sorted: &[f64], percent: usize) -> f64 {
    sorted[(sorted.len() - 1) * percent / 100]
}
