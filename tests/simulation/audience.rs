//! Watchers of the simulated world: each reads when it likes, and must miss nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;
use zigcheck::app::dispatch::dispatch::App;
use zigcheck::base::slab::Key;
use zigcheck::interface::event::{Core, Pull};

use crate::common::seed::Seed;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// All events behind that one; without: those to come.
    Events {
        since: Option<u64>,
    },
    Check(i64),
    Log(i64),
}

#[derive(Debug)]
struct Watcher {
    wish: Wish,
    awake: bool,
    got: Vec<u8>,
    /// A watcher of events: the number of the last, and the one that was named last.
    last: u64,
    named: u64,
    states: BTreeMap<i64, String>,
}

#[derive(Debug, Default)]
pub struct Audience {
    /// Builds whose log was taken from the engine once more.
    pub taken_anew: BTreeSet<i64>,
    watchers: BTreeMap<Key, Watcher>,
    pub events: u64,
    pub resets: u64,
    pub checks_followed: u64,
    pub logs_read: u64,
}

impl Audience {
    /// `newest` is the number of the newest event.
    pub fn begin(&mut self, conn: Key, wish: Wish, newest: u64) {
        let last = match wish {
            Wish::Events { since } => since.unwrap_or(newest),
            _ => 0,
        };
        let watcher = Watcher {
            wish,
            awake: true,
            got: Vec::new(),
            last,
            named: 0,
            states: BTreeMap::new(),
        };
        self.watchers.insert(conn, watcher);
    }

    pub fn wake(&mut self, conn: Key) {
        if let Some(watcher) = self.watchers.get_mut(&conn) {
            assert!(!watcher.awake, "woken twice");
            watcher.awake = true;
        }
    }

    /// Somebody leaves, if anybody is there.
    pub fn leave_one(&mut self, seed: &mut Seed) -> Option<Key> {
        let nth = seed.below(self.watchers.len().max(1));
        let conn = *self.watchers.keys().nth(nth)?;
        self.watchers.remove(&conn);
        Some(conn)
    }

    /// The server has crashed: all are cut off. The last event that any of them saw.
    pub fn interrupted_builds(&mut self) -> Option<u64> {
        let watchers = std::mem::take(&mut self.watchers);
        let seen = watchers.values().map(|watcher| watcher.last);
        seen.max().filter(|last| *last > 0)
    }

    /// Some of those who are awake read a little; `patient`: all of them, to the end.
    pub fn read(
        &mut self,
        app: &mut App,
        (db, logs): (&Connection, &Path),
        seed: &mut Seed,
        patient: bool,
    ) {
        let conns: Vec<Key> = self.watchers.keys().copied().collect();
        for conn in conns {
            while self.watchers.get(&conn).is_some_and(|w| w.awake) {
                if !patient && seed.once_in(3) {
                    break;
                }
                let mut out = Vec::new();
                let room = seed.between(1 << 10, 8 << 10);
                let gave = app.pull(conn, room, &mut out);
                assert!(out.len() <= room, "{} of {room} bytes", out.len());
                self.take(conn, &out);
                match gave {
                    Pull::More | Pull::Text => assert!(!out.is_empty()),
                    Pull::Idle => self.sleep(conn),
                    Pull::End => self.end(conn, db, logs),
                    Pull::Unfinished => panic!("nothing is required, and the database answers"),
                }
            }
        }
    }

    fn sleep(&mut self, conn: Key) {
        let watcher = self.watchers.get_mut(&conn).expect("it reads");
        watcher.awake = false;
    }

    fn take(&mut self, conn: Key, bytes: &[u8]) {
        let watcher = self.watchers.get_mut(&conn).expect("it reads");
        watcher.got.extend_from_slice(bytes);
        if matches!(watcher.wish, Wish::Log(_)) {
            return;
        }
        while let Some(end) = watcher.got.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = watcher.got.drain(..=end).collect();
            let line = String::from_utf8(line).expect("text");
            let json = line.trim_end().trim_start_matches("data: ");
            let Ok(event) = serde_json::from_str::<Value>(json) else {
                if let Some(id) = line.trim_end().strip_prefix("id: ") {
                    watcher.named = id.parse().expect("a number");
                } else {
                    assert_eq!(line, "\n");
                }
                continue;
            };
            match (watcher.wish, event["type"].as_str()) {
                (Wish::Events { .. }, Some("build" | "newly_broken" | "newly_fixed")) => {
                    let seq = event["seq"].as_u64().expect("a number");
                    assert_eq!(seq, watcher.last + 1, "an event too many or too few");
                    watcher.last = seq;
                    self.events += 1;
                }
                (Wish::Events { .. }, Some("reset")) => {
                    watcher.last = watcher.named;
                    self.resets += 1;
                }
                (Wish::Check(check), Some("build")) => {
                    assert_eq!(event["check"], check);
                    let build = event["id"].as_i64().expect("an id");
                    let state = event["state"].as_str().expect("a state").to_string();
                    let before = watcher.states.insert(build, state);
                    assert!(
                        !before.is_some_and(|state| is_final(&state)),
                        "told of after its end"
                    );
                }
                (Wish::Check(_), Some("result")) => {
                    assert!(watcher.states.values().all(|state| is_final(state)));
                    assert_eq!(event["builds"], watcher.states.len());
                }
                _ => panic!("{line}"),
            }
        }
    }

    /// A watcher that sleeps has seen everything: no wake-up was missed.
    pub fn assert_sleepers_miss_nothing(&self, db: &Connection, logs: &Path) {
        let number = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0));
        let newest = number("SELECT coalesce(max(seq), 0) FROM events").expect("events");
        for watcher in self.watchers.values().filter(|watcher| !watcher.awake) {
            let unfinished = match watcher.wish {
                Wish::Events { .. } => {
                    assert_eq!(newest as u64, watcher.last);
                    continue;
                }
                Wish::Check(check) => format!("check_id = {check}"),
                Wish::Log(build) => {
                    let log = std::fs::metadata(logs.join(format!("{build}.log")));
                    let bytes = log.map_or(0, |log| log.len());
                    assert!(
                        // While a log is taken anew it is shorter than it was.
                        watcher.got.is_empty() || watcher.got.len() as u64 >= bytes,
                        "asleep beside a log that goes on"
                    );
                    format!("id = {build}")
                }
            };
            let sql = format!(
                "SELECT count(*) FROM builds WHERE {unfinished} \
                AND state NOT IN ('finished', 'cancelled')"
            );
            assert!(number(&sql).expect("builds") > 0, "it never ends");
        }
    }

    fn end(&mut self, conn: Key, db: &Connection, logs: &Path) {
        let watcher = self.watchers.remove(&conn).expect("it read");
        match watcher.wish {
            Wish::Events { .. } => panic!("events have no end"),
            Wish::Check(_) => self.checks_followed += 1,
            Wish::Log(build) => {
                let sql = "SELECT coalesce(cached_from, id) FROM builds WHERE id = ?1";
                let origin = db.query_row(sql, [build], |row| row.get::<_, i64>(0));
                let path = logs.join(format!("{}.log", origin.as_ref().expect("a row")));
                let stored = std::fs::read(path).unwrap_or_default();
                // What the engine kept is the log; a client of it may have said more, or lost less.
                if !self.taken_anew.contains(&build) {
                    // Before a verdict that was known there may have been an attempt of its own.
                    let known = origin.is_ok_and(|origin| origin != build);
                    let good = watcher.got == stored || (known && watcher.got.ends_with(&stored));
                    assert!(good, "the log of build {build}");
                }
                self.logs_read += 1;
            }
        }
    }

    /// Nothing more happens: whoever still watches waits for events.
    pub fn assert_only_events_are_watched(&self) {
        for watcher in self.watchers.values() {
            assert!(matches!(watcher.wish, Wish::Events { .. }), "{watcher:?}");
            assert!(!watcher.awake);
        }
    }
}

fn is_final(state: &str) -> bool {
    ["finished", "cancelled"].contains(&state)
}
