//! The real server, ended by SIGKILL twenty times while real Zig builds under the real engine.
//!
//! Needs docker and the toolchain images, and fails without: `make test` makes both.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::common::seed::Seed;
use crate::common::server::{PATIENCE, Server, archive};
use crate::common::zig::{Numbers, containers_of, packed, stands_once, without_times, zig_init};
use crate::exclusive::shared;
use serde_json::Value;

const KILLS: usize = 20;
/// With fewer adopted builds a run shows nothing.
const ADOPTED: usize = 6;
/// Checks that are not finished, above which no more is submitted.
const OPEN_LIMIT: usize = 5;
const FLAGS: [&str; 4] = ["--max-builds", "2", "--zig-versions", "0.17.1,0.16.0"];
const NUMBERS: Numbers = Numbers {
    name: "numbers",
    lines: 60,
    pause_s: 0.05,
};

/// A package, and what it comes to when nothing disturbs it.
struct Kind {
    version: &'static str,
    /// The tree of `zig init`; else it says numbers.
    hello: Option<PathBuf>,
    log: String,
}

impl Kind {
    fn new(version: &'static str, hello: Option<PathBuf>) -> Kind {
        Kind {
            version,
            hello,
            log: String::new(),
        }
    }

    fn tree(&self, nth: usize) -> PathBuf {
        let readme = format!("the {nth}th");
        match &self.hello {
            Some(dir) => {
                std::fs::write(dir.join("readme"), readme).expect("a file");
                packed(dir)
            }
            None => {
                let files = [("build.zig", &*NUMBERS.build_zig()), ("readme", &*readme)];
                archive("real-crash-numbers", &files)
            }
        }
    }

    fn submit(&self, server: &Server, nth: usize) -> i64 {
        let name = match self.hello {
            Some(_) => "hello",
            None => NUMBERS.name,
        };
        let query = format!("name={name}&zig_versions={}", self.version);
        server.upload(&self.tree(nth), &query)
    }
}

fn log_of(server: &Server, build: &Value) -> Vec<u8> {
    let id = build["id"].as_i64().expect("an id");
    let log = std::fs::read(server.data.join(format!("logs/{id}.log"))).expect("its log");
    assert_eq!(server.build_log(build), String::from_utf8_lossy(&log));
    log
}

fn is_success(build: &Value) {
    let said = (
        &build["build_status"],
        &build["test_status"],
        &build["reason"],
    );
    assert_eq!(
        said,
        (&"success".into(), &"success".into(), &Value::Null),
        "{build}"
    );
    assert_eq!(build["cached"], false, "{build}");
}

/// Builds and attempts that were under way when the server died.
fn under_way(data: &Path) -> Vec<(i64, i64)> {
    let db = rusqlite::Connection::open(data.join("zigcheck.db")).expect("a database");
    let sql = "SELECT id, attempt FROM builds WHERE state IN ('building', 'testing')";
    let mut select = db.prepare(sql).expect("a table");
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.expect("rows").map(|row| row.expect("a row")).collect()
}

/// Builds that were under way when a server died, and finished in the same attempt.
fn adopted(data: &Path, orphans: &BTreeSet<(i64, i64)>) -> usize {
    let db = rusqlite::Connection::open(data.join("zigcheck.db")).expect("a database");
    let sql = "SELECT id, attempt FROM builds WHERE state = 'finished'";
    let mut select = db.prepare(sql).expect("a table");
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let rows = rows.expect("rows").map(|row| row.expect("a row"));
    rows.filter(|row| orphans.contains(row)).count()
}

#[test]
fn real_builds_come_to_the_same_through_twenty_crashes() {
    let _machine = shared();
    let mut kinds = [
        Kind::new("0.16.0", None),
        Kind::new("0.17.1", Some(zig_init("0.17.1"))),
        Kind::new("0.17.1", None),
        Kind::new("0.16.0", Some(zig_init("0.16.0"))),
    ];
    let mut server = Server::start("real-crash", &FLAGS);
    let checks: Vec<i64> = kinds.iter().map(|kind| kind.submit(&server, 0)).collect();
    for (kind, check) in kinds.iter_mut().zip(checks) {
        let build = server.finished(check).remove(0);
        is_success(&build);
        kind.log = without_times(&log_of(&server, &build));
    }
    let mut chance = Seed(4);
    let mut submitted: Vec<(usize, i64)> = Vec::new();
    let mut orphans = BTreeSet::new();
    let mut kill = 0;
    // Where builds are slow fewer of them are adopted, and more crashes follow.
    let begun = Instant::now();
    while kill < KILLS || adopted(&server.data, &orphans) < ADOPTED {
        assert!(begun.elapsed() < 2 * PATIENCE, "too few are adopted");
        kill += 1;
        let open = submitted
            .iter()
            .filter(|(_, check)| server.get(&format!("/api/checks/{check}"))["finished"] == false);
        for nth in open.count()..OPEN_LIMIT.min(submitted.len() + 2) {
            let kind = submitted.len() % kinds.len();
            submitted.push((kind, kinds[kind].submit(&server, 10 * kill + nth)));
        }
        // Now and then as soon as a container is made, or not yet.
        let ms = match chance.once_in(3) {
            true => chance.below(400),
            false => chance.between(400, 6_000),
        };
        std::thread::sleep(Duration::from_millis(ms as u64));
        let data = server.crash();
        orphans.extend(under_way(&data));
        server = Server::restart(data, &FLAGS);
    }
    let mut repeated = 0;
    for (kind, check) in &submitted {
        let build = server.finished(*check).remove(0);
        is_success(&build);
        let kind = &kinds[*kind];
        let log = log_of(&server, &build);
        let shown = String::from_utf8_lossy(&log);
        assert_eq!(without_times(&log), kind.log, "{build}\n{shown}");
        let key = |name: &str| build[name].as_i64().expect("a number");
        repeated += usize::from(key("attempt") > 1);
        if kind.hello.is_none() && key("attempt") == 1 {
            let said = NUMBERS.said();
            assert!(stands_once(&log, &said, NUMBERS.name), "{build}\n{shown}");
        }
    }
    let adopted = adopted(&server.data, &orphans);
    println!(
        "{} builds, {adopted} adopted, {repeated} repeated",
        submitted.len()
    );
    assert!(adopted >= ADOPTED, "{adopted} of {}", submitted.len());
    server.wait_for("/api/health", |_| {
        containers_of(&server.data, "docker").is_empty()
    });
}
