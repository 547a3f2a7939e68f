//! The cost of reads on a catalogue of 20,000 packages and 96,000 builds against one of 20 packages; the time to the
//! first byte of a page; and how long the server takes to answer beside ten clients that ask for the dearest page as fast
//! as they can. `cargo bench --bench catalogue -- pages` measures the pages alone.
//!
//! Prints milliseconds and ratios, and asserts nothing about them. A stand-in for docker runs no build.

#[path = "../tests/common/mod.rs"]
mod common;

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::http::ask;
use common::server::{Server, scratch};
use common::standin;
use common::wire::{Wire, address, connect};
use rusqlite::Connection;
use zigcheck::app::store::store::Store;

const FILL: &str = include_str!("../tests/unit/fixtures/catalogue.sql");
const COMPARISONS: &str = include_str!("../tests/unit/fixtures/comparisons.sql");
const FEW: usize = 20;
const MANY: usize = 20_000;
const ROUNDS: usize = 50;
const GREEDY: usize = 10;
/// How long the greedy clients ask, and the pause between two requests of the one that is measured.
const MEASURE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);

const READS: [&str; 24] = [
    "/",
    "/?search=json",
    "/packages/lib-00003",
    "/compare/0.16.0..0.17.1",
    "/stats",
    "/api/health",
    "/api/compare/0.16.0..0.17.1",
    "/api/stats",
    "/api/packages",
    "/api/packages?search=json",
    "/api/packages?search=needle",
    "/api/packages?sort=-popularity_score",
    "/api/packages?sort=name&page=9",
    "/api/packages?status=failed&zig_version=0.16.0",
    "/api/packages?license=MIT",
    "/api/packages?author=owner1",
    "/api/packages/lib-00003",
    "/api/packages/lib-00003/history",
    "/api/packages/lib-00003/dependents",
    "/api/builds",
    "/api/builds?status=success&zig_version=0.15.2",
    "/api/builds?package=lib-00003",
    "/api/checks/3",
    "/api/queue",
];

fn main() {
    // `cargo bench` passes --bench; `cargo test` must not run this.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let many = catalogue(MANY);
    show_first_bytes(&many);
    if std::env::args().any(|arg| arg == "pages") {
        return;
    }
    let few = catalogue(FEW);
    println!("{MANY} packages against {FEW}, {ROUNDS} rounds: p50 and p99 in ms, and their ratios");
    let mut dearest = (0.0, READS[0]);
    for target in READS {
        let (small, large) = (
            measure(address(&few), target),
            measure(address(&many), target),
        );
        let [small, large] = [small, large].map(|took| (at(&took, 50), at(&took, 99)));
        println!(
            "  {target:<52} {:>7.2} {:>7.2}   {:>7.2} {:>7.2}   {:>5.1} {:>5.1}",
            small.0,
            small.1,
            large.0,
            large.1,
            large.0 / small.0,
            large.1 / small.1
        );
        if large.0 > dearest.0 {
            dearest = (large.0, target);
        }
    }
    println!(
        "GET /api/health beside {GREEDY} clients that ask for {} without a pause:",
        dearest.1
    );
    for (name, server) in [("20", &few), ("20,000", &many)] {
        let (took, asked) = beside_greedy(address(server), dearest.1);
        println!(
            "  {name:>6} packages: p50 {:.1} ms, p99 {:.1} ms, worst {:.1} ms; {asked} pages",
            at(&took, 50),
            at(&took, 99),
            at(&took, 100)
        );
    }
}

/// A server with that many packages, each with its builds.
fn catalogue(packages: usize) -> Server {
    let name = format!("bench-catalogue-{packages}");
    let data = scratch(&name);
    let _ = std::fs::remove_dir_all(&data);
    std::fs::create_dir_all(&data).expect("a directory");
    let path = data.join("zigcheck.db");
    drop(Store::open(&path).expect("a new database"));
    let db = Connection::open(&path).expect("a database");
    db.execute_batch(&FILL.replace("PACKAGES", &packages.to_string()))
        .expect("rows");
    db.execute_batch(COMPARISONS).expect("rows");
    // The toolchains are known: nothing is built for them meanwhile.
    db.execute_batch(
        "INSERT INTO toolchains VALUES ('0.16.0', 'sha256:0.16.0', 0), ('0.17.1', 'sha256:0.17.1', 0)",
    )
    .expect("rows");
    drop(db);
    let (_, docker) = standin::standin(&name);
    let versions = "0.16.0,0.17.1";
    let server = Server::restart(data, &["--docker", &docker, "--zig-versions", versions]);
    // What follows a start is not measured.
    std::thread::sleep(Duration::from_secs(5));
    server
}

/// Prints times of pages that are not kept: each is another one.
fn show_first_bytes(many: &Server) {
    println!(
        "first byte of a page for a browser, {MANY} packages, {ROUNDS} rounds: p50, p99, worst in ms"
    );
    let front = |nth: usize| format!("/?limit={}", 10 + nth);
    let package = |nth: usize| format!("/packages/{}", name(nth + 1));
    let compare = |nth: usize| format!("/compare/0.16.0..0.17.1?limit={}", 10 + nth);
    let stats = |nth: usize| format!("/stats?days={}", 90 + nth);
    let health = |_| "/api/health".to_string();
    let pages: [(&str, &dyn Fn(usize) -> String); 5] = [
        ("/", &front),
        ("/packages/NAME", &package),
        ("/compare/OLD..NEW", &compare),
        ("/stats", &stats),
        ("/api/health, for comparison", &health),
    ];
    for (name, page) in pages {
        let to = address(many);
        let mut took: Vec<f64> = (0..ROUNDS).map(|nth| first_byte(to, &page(nth))).collect();
        took.sort_by(f64::total_cmp);
        let [p50, p99, worst] = [50, 99, 100].map(|percent| at(&took, percent));
        println!("  {name:<52} {p50:>7.2} {p99:>7.2} {worst:>7.2}");
    }
}

/// The milliseconds from the connection to the first byte of a page.
fn first_byte(to: SocketAddr, target: &str) -> f64 {
    let begun = Instant::now();
    let mut wire = Wire::over(connect(to, Ipv4Addr::LOCALHOST, None).expect("it listens"));
    wire.send(
        format!("GET {target} HTTP/1.1\r\nHost: bench\r\nAccept: text/html\r\nAccept-Encoding: gzip\r\n\r\n").as_bytes(),
    );
    let mut head = [0; 12];
    wire.stream.read_exact(&mut head[..1]).expect("an answer");
    let took = begun.elapsed().as_secs_f64() * 1_000.0;
    wire.stream.read_exact(&mut head[1..]).expect("an answer");
    assert_eq!(&head, b"HTTP/1.1 200", "{target}");
    took
}

fn measure(to: SocketAddr, target: &str) -> Vec<f64> {
    let mut took: Vec<f64> = (0..ROUNDS).map(|n| one(to, &other(target, n))).collect();
    took.sort_by(f64::total_cmp);
    took
}

/// The name of a package, as `FILL` gives it.
fn name(id: usize) -> String {
    let kind = match id % 7 {
        0 => "json",
        1 => "http",
        _ => "lib",
    };
    format!("{kind}-{id:05}")
}

/// A request of the same kind whose answer is not kept yet: another package, or a page of another length.
fn other(target: &str, nth: usize) -> String {
    let limit = 10 + nth % 90;
    let package = target.replace("lib-00003", &name(nth % FEW + 1));
    match (target.rsplit_once('/'), target.split_once('?')) {
        _ if package != target || target.contains("lib-00003") => package,
        // Every fifth package has a newer check, and retention deletes the older one.
        (Some(("/api/checks", _)), _) => format!("/api/checks/{}", nth % 16 / 4 * 5 + nth % 4 + 1),
        _ if target == "/api/health" => target.to_string(),
        _ if target.ends_with("/stats") => format!("{target}?days={limit}"),
        (_, Some(_)) => format!("{target}&limit={limit}"),
        (_, None) => format!("{target}?limit={limit}"),
    }
}

/// The milliseconds of one request on a connection of its own.
fn one(to: SocketAddr, target: &str) -> f64 {
    let begun = Instant::now();
    let answer = ask(to, "GET", target, b"").expect("an answer");
    assert_eq!(answer.status, 200, "{target}");
    begun.elapsed().as_secs_f64() * 1_000.0
}

/// The milliseconds of each request for health meanwhile, in order of size, and how many pages were sent.
fn beside_greedy(to: SocketAddr, target: &'static str) -> (Vec<f64>, usize) {
    let over = Arc::new(AtomicBool::new(false));
    let greedy: Vec<_> = (0..GREEDY)
        .map(|nth| {
            let over = over.clone();
            std::thread::spawn(move || {
                let mut asked = 0;
                while !over.load(Ordering::Relaxed) {
                    one(to, &other(target, nth + asked * GREEDY));
                    asked += 1;
                }
                asked
            })
        })
        .collect();
    let begun = Instant::now();
    let mut took = Vec::new();
    while begun.elapsed() < MEASURE {
        took.push(one(to, "/api/health"));
        std::thread::sleep(PAUSE);
    }
    over.store(true, Ordering::Relaxed);
    let asked = greedy
        .into_iter()
        .map(|one| one.join().expect("it only asks"))
        .sum();
    took.sort_by(f64::total_cmp);
    (took, asked)
}

fn at(sorted: &[f64], percent: usize) -> f64 {
    sorted[(sorted.len() - 1) * percent / 100]
}
