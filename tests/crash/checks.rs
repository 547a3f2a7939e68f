//! What must be true of a data directory and its engine, after all that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::common::http::ask;
use crate::common::noise::{Ending, Noise};
use crate::common::server::PATIENCE;
use crate::life::Life;

#[derive(Debug, Default, Clone, Copy)]
pub struct Seen {
    pub kills: usize,
    pub builds: usize,
    /// Builds that were running when a server died, and finished in the same attempt.
    pub adopted: usize,
    pub repeated: usize,
    pub cached: usize,
    /// Containers that had all they needed, and were removed for having been seen too early.
    pub wasted: usize,
    pub log_bytes: usize,
}

impl Seen {
    pub fn add(&mut self, other: &Seen) {
        self.kills += other.kills;
        self.builds += other.builds;
        self.adopted += other.adopted;
        self.repeated += other.repeated;
        self.cached += other.cached;
        self.wasted += other.wasted;
        self.log_bytes += other.log_bytes;
    }

    /// True if each way to go on was met often enough.
    pub fn shows_something(&self) -> bool {
        self.kills >= 500 && self.adopted >= 50 && self.repeated >= 20 && self.cached >= 20
    }
}

pub fn promises_are_written(life: &Life, db: &Connection) {
    let promises = life.load.promises.lock().expect("no panic");
    let sql = "SELECT b.id, b.zig_version, c.package FROM builds b JOIN checks c ON c.id = b.check_id \
        WHERE b.check_id = ?1 ORDER BY b.id";
    let mut select = db.prepare_cached(sql).expect("tables");
    // Those before were looked at before, and all of them are at the end.
    let newest = promises.iter().rev().take(40);
    for promise in newest {
        let row = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let rows = select.query_map([promise.check], row).expect("rows");
        let rows: Vec<(i64, String, String)> = rows.map(|row| row.expect("a row")).collect();
        let mut told: Vec<_> = promise
            .builds
            .iter()
            .map(|(id, version)| (*id, version.clone(), promise.package.clone()))
            .collect();
        told.sort();
        assert_eq!(rows, told, "SEED={}: check {}", life.seed, promise.check);
    }
}

pub fn after(mut life: Life) -> Seen {
    let seed = life.seed;
    let mut server = life.start();
    life.wait_until_it_listens(&mut server);
    wait_until(seed, "some builds never finish", || {
        let queue = get(&life, "/api/queue");
        let empty = |name: &str| queue[name].as_array().is_some_and(Vec::is_empty);
        empty("running") && empty("waiting")
    });
    // Their removal comes behind the commit.
    wait_until(seed, "containers are left", || containers(&life).is_empty());
    life.look_at_what_is_left();
    let seen = all_builds(&life);
    logs(&life);
    stop(&mut server);
    nothing_is_left_in_sources(&life);
    let refused = life.load.refused.lock().expect("no panic");
    // A request before the engine has answered waits, or gets a 503.
    let other = refused.iter().find(|refusal| !refusal.starts_with("503"));
    assert_eq!(other, None, "SEED={seed}");
    seen
}

fn wait_until(seed: u64, otherwise: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < PATIENCE, "SEED={seed}: {otherwise}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn get(life: &Life, target: &str) -> Value {
    let answer = ask(life.to, "GET", target, b"").expect("it listens");
    assert_eq!(answer.status, 200, "SEED={}: {target}", life.seed);
    serde_json::from_slice(&answer.body).expect("JSON")
}

fn containers(life: &Life) -> Vec<String> {
    let all = std::fs::read_dir(life.standin.join("state")).expect("the stand-in's state");
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").file_name();
    all.map(|entry| name(entry).display().to_string()).collect()
}

fn stop(server: &mut std::process::Child) {
    kill_process(Pid::from_child(server), Signal::TERM).expect("it is ours");
    let ended = server.wait().expect("it is ours");
    assert!(ended.success(), "{ended}");
}

#[derive(Debug)]
struct Row {
    build: i64,
    package: String,
    state: String,
    verdict: String,
    attempt: i64,
    cached_from: Option<i64>,
    log_bytes: i64,
}

fn rows(db: &Connection) -> Vec<Row> {
    let sql = "SELECT b.id, c.package, b.state, b.build_status || ' ' || coalesce(b.test_status, '-') \
        || ' ' || coalesce(b.reason, '-'), b.attempt, b.cached_from, b.log_bytes \
        FROM builds b JOIN checks c ON c.id = b.check_id ORDER BY b.id";
    let mut select = db.prepare(sql).expect("tables");
    let row = |row: &rusqlite::Row| {
        Ok(Row {
            build: row.get(0)?,
            package: row.get(1)?,
            state: row.get(2)?,
            verdict: row.get(3)?,
            attempt: row.get(4)?,
            cached_from: row.get(5)?,
            log_bytes: row.get(6)?,
        })
    };
    let rows = select.query_map([], row).expect("rows");
    rows.map(|row| row.expect("a row")).collect()
}

/// What a package comes to, whatever happens to servers.
fn verdict_of(package: &str) -> &'static str {
    match Noise::of(package).map(|noise| noise.ending) {
        None | Some(Ending::Success) => "success success -",
        Some(Ending::Failed) => "failed - compile_error",
        // The build itself had succeeded.
        Some(Ending::Starved) => "success failed out_of_memory",
    }
}

/// Each has one verdict, the true one, and was given it once.
fn all_builds(life: &Life) -> Seen {
    let seed = life.seed;
    let db = life.database().expect("a database");
    promises_are_written(life, &db);
    let rows = rows(&db);
    let mut finished: BTreeMap<i64, usize> = BTreeMap::new();
    for (seq, event) in &life.events {
        let count = finished.entry(event.build).or_default();
        assert_eq!(
            *count, 0,
            "SEED={seed}: event {seq} of a build that was finished"
        );
        *count += usize::from(event.state == "finished");
    }
    for row in &rows {
        assert_eq!(row.state, "finished", "SEED={seed}: {row:?}");
        assert_eq!(
            row.verdict,
            verdict_of(&row.package),
            "SEED={seed}: {row:?}"
        );
        assert_eq!(finished.get(&row.build), Some(&1), "SEED={seed}: {row:?}");
        if let Some(from) = row.cached_from {
            let from = rows
                .iter()
                .find(|other| other.build == from)
                .expect("it is there");
            assert_eq!(
                (from.cached_from, &from.package),
                (None, &row.package),
                "SEED={seed}"
            );
        }
    }
    let promises = life.load.promises.lock().expect("no panic");
    let known: BTreeSet<i64> = rows.iter().map(|row| row.build).collect();
    let told = promises.iter().flat_map(|promise| &promise.builds);
    assert!(
        told.into_iter().all(|(build, _)| known.contains(build)),
        "SEED={seed}"
    );
    let count = |is: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| is(row)).count();
    Seen {
        kills: life.kills,
        builds: rows.len(),
        adopted: count(&|row| life.orphans.contains(&(row.build, row.attempt))),
        repeated: count(&|row| row.attempt > 1),
        cached: count(&|row| row.cached_from.is_some()),
        wasted: none_ran_twice(life, &rows),
        log_bytes: rows.iter().map(|row| row.log_bytes as usize).sum(),
    }
}

/// Whatever came to its own end in a container is not run again. Gives how many containers that had
/// their whole source were removed before that: a server that looks at one just before it starts
/// cannot know.
fn none_ran_twice(life: &Life, rows: &[Row]) -> usize {
    let calls = std::fs::read_to_string(life.standin.join("state.calls")).expect("calls");
    // By build: attempts that had their source, and those of them that came to their end.
    let mut whole: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    let mut ended: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for line in calls.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let of = match words[..] {
            ["whole", _] => &mut whole,
            ["end", _, code] if code != "65" => &mut ended,
            _ => continue,
        };
        // Containers of fetches have a word in place of a build.
        let parts: Vec<&str> = words[1].split('-').collect();
        if let ["zigcheck", _, build, attempt] = parts[..]
            && let (Ok(build), Ok(attempt)) = (build.parse::<i64>(), attempt.parse::<i64>())
        {
            of.entry(build).or_default().push(attempt);
        }
    }
    let mut wasted = 0;
    for row in rows {
        let none = Vec::new();
        let whole = whole.get(&row.build).unwrap_or(&none);
        let ended = ended.get(&row.build).unwrap_or(&none);
        let once = if row.cached_from.is_some() {
            vec![]
        } else {
            vec![row.attempt]
        };
        assert_eq!(
            *ended, once,
            "SEED={}: {row:?} had its source in {whole:?}",
            life.seed
        );
        wasted += whole.len() - ended.len();
    }
    wasted
}

/// Every byte of each is there once, in order.
fn logs(life: &Life) {
    let db = life.database().expect("a database");
    // Those that were cached have the log of another.
    for row in rows(&db).iter().filter(|row| row.cached_from.is_none()) {
        let target = format!("/api/builds/{}/log", row.build);
        let answer = ask(life.to, "GET", &target, b"").expect("it listens");
        assert_eq!(answer.status, 200, "SEED={}: {row:?}", life.seed);
        let said = Noise::of(&row.package).map_or(Vec::new(), |noise| noise.said());
        let whole = [format!("building {}\n", row.package).into_bytes(), said].concat();
        if let Err(why) = is_log_of(&answer.body, &whole, row.attempt) {
            panic!("SEED={}: {why}: {row:?}", life.seed);
        }
    }
}

/// All that its container said, behind a line of ours for each attempt before, with a part of that.
fn is_log_of(log: &[u8], whole: &[u8], attempt: i64) -> Result<(), String> {
    if attempt == 1 {
        return match log == whole {
            true => Ok(()),
            false => Err(format!("{} bytes instead of {}", log.len(), whole.len())),
        };
    }
    let rest = log
        .strip_suffix(whole)
        .ok_or("the last attempt is not whole")?;
    let mut rest = rest;
    while !rest.is_empty() {
        let line = rest
            .strip_suffix(b" follows]\n")
            .ok_or("no line before an attempt")?;
        let begin = line.windows(12).rposition(|word| word == b"\n[zigcheck: ");
        rest = &rest[..begin.ok_or("no begin of a line")?];
        let last = rest.windows(9).rposition(|word| word == b" follows]");
        let part = &rest[last.map_or(0, |at| at + 10)..];
        let part_of_it = &part[..not_its_own(part).unwrap_or(part.len())];
        if !whole.starts_with(part_of_it) {
            return Err(format!(
                "{:?} is no part of it",
                String::from_utf8_lossy(part)
            ));
        }
        rest = &rest[..rest.len() - part.len()];
    }
    Ok(())
}

/// Where in a part of a log the words of a runner without its source begin, or those of an engine
/// that was not there.
fn not_its_own(part: &[u8]) -> Option<usize> {
    let words = [
        "zigcheck: no head line",
        "zigcheck: standard input",
        "docker: Cannot connect",
        "error waiting for container",
    ];
    let mut at = words.iter().filter_map(|word| {
        let mut places = part.windows(word.len());
        places.position(|place| place == word.as_bytes())
    });
    at.next()
}

/// A server that starts removes what no row names, and keeps what one does.
fn nothing_is_left_in_sources(life: &Life) {
    let mut server = life.start();
    life.wait_until_it_listens(&mut server);
    stop(&mut server);
    let db = life.database().expect("a database");
    let sql = "SELECT hash || '.' || format FROM sources UNION SELECT hash || '.tar.gz' FROM dependencies";
    let mut select = db.prepare(sql).expect("tables");
    let named = select.query_map([], |row| row.get(0)).expect("rows");
    let named: BTreeSet<String> = named.map(|row| row.expect("a row")).collect();
    let there = std::fs::read_dir(life.data.join("sources")).expect("the sources");
    let there = there.map(|entry| entry.expect("an entry").file_name().display().to_string());
    let there: BTreeSet<String> = there.collect();
    let left: Vec<_> = there.difference(&named).collect();
    assert!(left.is_empty(), "SEED={}: {left:?}", life.seed);
}
