//! A server at the size that it is made for: 20,000 packages, 96,000 builds that are over, 1,000,000 rows of history,
//! 100,000 builds that wait, and every recheck due.
//!
//! Prints what the database takes on disk, how long the start takes, the memory, how long `/api/health` waits beside
//! the work, and how large the write-ahead log becomes, also while another program holds a transaction. Asserts
//! nothing about them. A stand-in for docker runs one build that never ends.

#[path = "../tests/common/mod.rs"]
mod common;

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::http::ask;
use common::server::{Server, scratch};
use common::standin;
use common::wire::address;
use rusqlite::Connection;
use rustix::fs::{Advice, fadvise};
use zigcheck::app::store::store::Store;

const CATALOGUE: &str = include_str!("../tests/unit/fixtures/catalogue.sql");
const PACKAGES: u32 = 20_000;
const HISTORY: u32 = 1_000_000;
/// Each with four builds.
const WAITING_CHECKS: u32 = 25_000;
const VERSIONS: &str = "0.17.1,0.16.0,0.15.2,0.14.1";
/// The hash by which the waiting builds know their source.
const SOURCE: &str = "5c0";
const MEASURE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

/// As real ones: an error that 200 keys share, a commit and numbers of its own.
const ADD_HISTORY: &str = "
    INSERT INTO history_texts (id, text)
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
        SELECT i, format('error: no member named %d in struct', i) FROM n;
    INSERT INTO history (package_id, \"commit\", commit_time, zig_version, toolchain, build_status, test_status,
            reason, error_key, error_place, minimum_zig_version, steps, compiled, tests_passed, tests_skipped,
            tests_total, zig_ms, peak_memory_bytes, checked_at)
        WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ROWS - 1)
        SELECT 1 + i % PACKAGES, randomblob(20), 1700000000 + i, 1 + i % 4, 5 + i % 4,
            iif(i % 2, 'failed', 'success'), iif(i % 2, NULL, 'success'), iif(i % 2, 'compile_error', NULL),
            iif(i % 2, 10 + i % 200, NULL), iif(i % 2, 9, NULL), 250, 251, 7, 12, 0, 12, 5000 + i % 9000,
            300000000 + i, 1700000000000 + i * 1000 FROM n;";

const ADD_QUEUE: &str = "
    INSERT INTO sources (hash, format, bytes, dependencies, created_at) VALUES ('SOURCE', 'tar.gz', 200, 0, 0);
    INSERT INTO checks (package, source, tenant, created_at)
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ROWS)
        SELECT 'silent', 'SOURCE', format('10.0.%d.%d', i % 4, i % 250), 0 FROM n;
    INSERT INTO builds (check_id, zig_version, created_at)
        SELECT c.id, v.value, 0 FROM checks c, json_each('VERSIONS') v WHERE c.package = 'silent';
    INSERT INTO queue (kind, id, priority, tenant, popularity)
        SELECT 1, b.id, 0, c.tenant, 0 FROM checks c JOIN builds b ON b.check_id = c.id WHERE c.package = 'silent';
    INSERT INTO lanes SELECT priority, tenant, 0, 0, min(ticket) FROM queue GROUP BY priority, tenant;
    UPDATE packages SET next_check = 0;";

fn main() {
    // `cargo bench` passes --bench; `cargo test` must not run this.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let data = scratch("bench-scale");
    let _ = fs::remove_dir_all(&data);
    fs::create_dir_all(data.join("sources")).expect("a directory");
    fill(&data);
    let (_, docker) = standin::standin("bench-scale");
    let flags = [
        "--docker",
        &docker,
        "--zig-versions",
        VERSIONS,
        "--max-builds",
        "1",
    ];
    for name in ["a cold page cache", "a warm one"] {
        if name.contains("cold") {
            drop_from_cache(&database(&data));
        }
        let begun = Instant::now();
        let server = Server::restart(data.clone(), &flags);
        ask(address(&server), "GET", "/api/health", b"").expect("an answer");
        let took = begun.elapsed().as_secs_f64();
        println!(
            "start with {name}: {took:.2} s to the first answer, {} KiB",
            memory(&server, "VmRSS")
        );
    }
    let server = Server::restart(data, &flags);
    println!("while {PACKAGES} rechecks that are due enter the queue, and afterwards:");
    beside(&server, "GET /api/health", || std::thread::sleep(PAUSE));
    println!("beside a client that submits packages:");
    beside(&server, "GET /api/health", submitter(&server));
    println!("the same while another program holds a transaction on the database:");
    let reader = Connection::open(database(&server.data)).expect("a database");
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM server;")
        .expect("a snapshot");
    beside(&server, "GET /api/health", submitter(&server));
    reader.execute_batch("COMMIT").expect("the end of it");
    println!("once it has ended:");
    beside(&server, "GET /api/health", submitter(&server));
}

fn database(data: &Path) -> PathBuf {
    data.join("zigcheck.db")
}

/// Fills the database, and says what each kind of row takes.
fn fill(data: &Path) {
    let path = database(data);
    drop(Store::open(&path).expect("a new database"));
    let db = Connection::open(&path).expect("a database");
    db.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -400000;")
        .expect("settings");
    let versions: Vec<String> = VERSIONS.split(',').map(|v| format!("\"{v}\"")).collect();
    let versions = format!("[{}]", versions.join(", "));
    let catalogue = CATALOGUE
        .replace("PACKAGES", &PACKAGES.to_string())
        .replace("[\"0.16.0\", \"0.17.1\"]", &versions);
    let history = ADD_HISTORY
        .replace("PACKAGES", &PACKAGES.to_string())
        .replace("ROWS", &HISTORY.to_string());
    let queue = ADD_QUEUE
        .replace("SOURCE", SOURCE)
        .replace("VERSIONS", &versions)
        .replace("ROWS", &WAITING_CHECKS.to_string());
    let mut before = size(&db);
    for (what, rows, sql) in [
        (
            "package with its verdicts and its checks",
            PACKAGES,
            &catalogue,
        ),
        ("row of history", HISTORY, &history),
        ("waiting build", WAITING_CHECKS * 4, &queue),
    ] {
        let sql = ["PRAGMA synchronous = OFF;", "BEGIN;", "COMMIT;"]
            .iter()
            .fold(sql.clone(), |sql, word| sql.replace(word, ""));
        db.execute_batch(&format!("BEGIN; {sql} COMMIT;"))
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let after = size(&db);
        println!(
            "on disk, for each {what}: {} bytes",
            (after - before) / i64::from(rows)
        );
        before = after;
    }
    for version in VERSIONS.split(',') {
        let sql = "INSERT INTO toolchains VALUES (?1, 'sha256:' || ?1, 0)";
        db.execute(sql, [version]).expect("a row");
    }
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);")
        .expect("a checkpoint");
    fs::copy(
        standin::tree(),
        data.join("sources").join(format!("{SOURCE}.tar.gz")),
    )
    .expect("a source");
}

fn size(db: &Connection) -> i64 {
    let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
    db.query_row(sql, [], |row| row.get(0)).expect("a size")
}

fn drop_from_cache(path: &Path) {
    let file = File::open(path).expect("the database");
    file.sync_all().expect("a disk");
    fadvise(&file, 0, None, Advice::DontNeed).expect("a plain file");
}

/// A field of the server's memory in KiB.
fn memory(server: &Server, field: &str) -> u64 {
    let status =
        fs::read_to_string(format!("/proc/{}/status", server.child.id())).expect("it runs");
    let line = status
        .lines()
        .find(|line| line.starts_with(field))
        .expect("a field");
    line.split_whitespace()
        .nth(1)
        .and_then(|word| word.parse().ok())
        .expect("a number")
}

/// What submits one package after another.
fn submitter(server: &Server) -> impl Fn() + Send + 'static {
    let to = address(server);
    let begun = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let begun = begun.expect("a clock").as_micros();
    let nth = std::sync::atomic::AtomicU32::new(0);
    move || {
        let nth = nth.fetch_add(1, Ordering::Relaxed);
        let body = format!("{{\"url\":\"https://github.com/scale/p{begun}-{nth}\"}}");
        let answer = ask(to, "POST", "/api/packages", body.as_bytes()).expect("an answer");
        assert_eq!(
            answer.status,
            201,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
    }
}

/// Says how long a request takes while another thread does that, and what became of memory and log.
fn beside(server: &Server, name: &str, other: impl Fn() + Send + 'static) {
    let over = Arc::new(AtomicBool::new(false));
    let (flag, to) = (over.clone(), address(server));
    let thread = std::thread::spawn(move || {
        let mut count = 0;
        while !flag.load(Ordering::Relaxed) {
            other();
            count += 1;
        }
        count
    });
    let log = database(&server.data).with_extension("db-wal");
    let (mut took, mut log_bytes) = (Vec::new(), 0);
    let begun = Instant::now();
    while begun.elapsed() < MEASURE {
        took.push(one(to));
        log_bytes = log_bytes.max(fs::metadata(&log).map_or(0, |file| file.len()));
        std::thread::sleep(PAUSE);
    }
    over.store(true, Ordering::Relaxed);
    let count: u32 = thread.join().expect("it only asks");
    took.sort_by(f64::total_cmp);
    let at = |percent: usize| took[(took.len() - 1) * percent / 100];
    println!(
        "  {name}: p50 {:.1} ms, p99 {:.1} ms, worst {:.1} ms; the log at most {} KiB, then {}; memory {} KiB, at most {} KiB; {count} times",
        at(50),
        at(99),
        at(100),
        log_bytes >> 10,
        fs::metadata(&log).map_or(0, |file| file.len()) >> 10,
        memory(server, "VmRSS"),
        memory(server, "VmHWM")
    );
}

/// The milliseconds of one request on a connection of its own.
fn one(to: SocketAddr) -> f64 {
    let begun = Instant::now();
    ask(to, "GET", "/api/health", b"").expect("an answer");
    begun.elapsed().as_secs_f64() * 1_000.0
}
