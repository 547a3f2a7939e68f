//! The overhead of the server: over four containers started by hand, and after the exit of a process.
//!
//! Prints ratios and milliseconds, and asserts nothing about time.

#[path = "../tests/common/mod.rs"]
mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Child;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use common::by_hand::{remove, settings, source_of, spawn};
use common::server::{self, Server, scratch};
use common::zig::{packed, zig_init};
use zigcheck::app::domain::ids::BuildId;
use zigcheck::app::engine::docker::{ContainerInput, Docker};
use zigcheck::config::settings::Settings;

/// Pairs of runs, through the server and by hand. Their order alternates, since the machine's speed drifts.
const ROUNDS: usize = 5;
const STANDIN_BUILDS: usize = 200;

fn main() {
    // `cargo bench` passes --bench; `cargo test` must not run this.
    if std::env::args().any(|arg| arg == "--bench") {
        exit_to_verdict();
        against_plain_docker();
    }
}

fn unix_ns() -> u128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock after 1970").as_nanos()
}

// -- four builds, through the server and by hand ----------------------------------------------

fn against_plain_docker() {
    let server = Server::start("bench-real", &["--max-builds", "4"]);
    let settings = settings();
    let docker = Docker::new(&settings, "bench", "");
    let tree = packed(&zig_init("0.16.0"));
    let _ = (ours(&server, &tree), by_hand(&settings, &docker, &tree, 0)); // warm both
    let mut ratios = Vec::new();
    println!("from POST to the last verdict against docker run of the same four, {ROUNDS} rounds:");
    for round in 1..=ROUNDS {
        // A new tree for each round, since the verdict of an old one is cached.
        let tree = packed(&zig_init("0.16.0"));
        let (ours, plain) = match round % 2 {
            0 => (
                ours(&server, &tree),
                by_hand(&settings, &docker, &tree, round),
            ),
            _ => {
                let plain = by_hand(&settings, &docker, &tree, round);
                (ours(&server, &tree), plain)
            }
        };
        println!(
            "  {ours:6.2} s by the server, {plain:6.2} s by hand: ratio {:.3}",
            ours / plain
        );
        ratios.push(ours / plain);
    }
    ratios.sort_by(f64::total_cmp);
    let (least, most) = (ratios[0], ratios[ROUNDS - 1]);
    println!(
        "  ratio: median {:.3} ({least:.3} to {most:.3})",
        ratios[ROUNDS / 2]
    );
}

/// Seconds from the start of the POST until the last verdict can be read.
fn ours(server: &Server, tree: &Path) -> f64 {
    let start = Instant::now();
    let check = server.upload(tree, "name=bench");
    let mut client = Client::open(server);
    let path = format!("/api/checks/{check}");
    while !client.get(&path).contains("\"finished\":true") {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    start.elapsed().as_secs_f64()
}

/// Seconds for the same four commands, started together.
fn by_hand(settings: &Settings, docker: &Docker, tree: &Path, round: usize) -> f64 {
    let source = source_of(tree);
    let build = |nth: usize| (round * 10 + nth + 1_000_000) as i64;
    let name = |nth: usize| docker.build_container(BuildId(build(nth)), 1);
    let names: Vec<String> = (0..settings.zig_versions.len()).map(name).collect();
    remove(docker, &names); // those of an interrupted run
    let start = Instant::now();
    let versions = settings.zig_versions.iter().enumerate();
    let children: Vec<Child> = versions
        .map(|(nth, version)| {
            let task = ContainerInput {
                record_id: docker.record_id(BuildId(build(nth)), 1),
                package: "bench",
                zig_version: version,
                image: &format!("zigcheck:{version}"),
                source: &source,
                dependencies: None,
                kept: None,
                kept_limit_bytes: 0,
                dir: None,
            };
            spawn(docker.build(&names[nth], &task))
        })
        .collect();
    for mut child in children {
        assert!(child.wait().expect("it is ours").success());
    }
    let seconds = start.elapsed().as_secs_f64();
    remove(docker, &names);
    seconds
}

// -- from the exit of a process to its verdict ------------------------------------------------

/// A stand-in for docker. It writes the time to a file just before it exits.
const STANDIN: &str = r#"#!/bin/bash
case $1 in
info) echo '{"MemoryLimit":true,"PidsLimit":true,"SecurityOptions":["name=seccomp"]}' ;;
images) echo "zigcheck:0.16.0 sha256:standin" ;;
run)
    for word; do case $word in --label=zigcheck.build=*) build=${word#*.build=} ;; esac; done
    read -r head
    nonce=${head#*\"nonce\":\"}
    cat >/dev/null
    sleep 0.1 # so that the client is already polling
    echo "{\"build_id\":$build,\"nonce\":\"${nonce%%\"*}\",\"build_status\":\"success\",\"test_status\":\"no_tests\",\"build_exit\":0}"
    echo "${EPOCHREALTIME/./}" >"$0.$build" ;;
esac
"#;

fn exit_to_verdict() {
    let docker = scratch("bench-docker");
    std::fs::write(&docker, STANDIN).expect("a file");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&docker, mode).expect("its owner");
    let command = docker.display().to_string();
    let flags = [
        "--docker",
        &command,
        "--zig-versions",
        "0.16.0",
        "--max-builds",
        "1",
    ];
    let server = Server::start("bench-standin", &flags);
    let mut client = Client::open(&server);
    let mut delays_ms = Vec::new();
    for nth in 0..STANDIN_BUILDS {
        // A new tree for each build, since the verdict of an old one is cached.
        let tree = server::archive("bench-tree", &[("build.zig", &nth.to_string())]);
        let check = server.upload(&tree, "name=standin");
        let value = server.get(&format!("/api/checks/{check}"));
        let build = value["builds"][0]["id"].as_i64().expect("an id");
        let path = format!("/api/builds/{build}");
        while !client.get(&path).contains("\"state\":\"finished\"") {
            // Polling without a pause would take processor time that the process needs to exit.
            std::thread::sleep(std::time::Duration::from_micros(200));
        }
        let served_us = unix_ns() / 1_000;
        assert!(client.get(&path).contains("\"attempt\":1,"), "{path}");
        let text = std::fs::read_to_string(format!("{command}.{build}")).expect("its exit time");
        let exit_us: u128 = text.trim().parse().expect("a time");
        delays_ms.push((served_us - exit_us) as f64 / 1_000.0);
    }
    delays_ms.sort_by(f64::total_cmp);
    let at = |percent: usize| delays_ms[(delays_ms.len() - 1) * percent / 100];
    println!("from the exit of a process to its verdict, {STANDIN_BUILDS} builds:");
    println!(
        "  p50 {:.2} ms, p99 {:.2} ms, worst {:.2} ms",
        at(50),
        at(99),
        at(100)
    );
}

/// A client with one connection that stays open.
struct Client(BufReader<TcpStream>);

impl Client {
    fn open(server: &Server) -> Client {
        let address = server.url.trim_start_matches("http://");
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket");
        Client(BufReader::new(stream))
    }

    fn get(&mut self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n");
        self.0
            .get_mut()
            .write_all(request.as_bytes())
            .expect("it is open");
        let mut length = 0;
        loop {
            let mut head = String::new();
            self.0.read_line(&mut head).expect("an answer");
            let lower = head.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a number");
            }
            if head.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("a body");
        String::from_utf8(body).expect("JSON")
    }
}
