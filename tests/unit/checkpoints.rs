//! The write-ahead log stays small; while another program holds a transaction it grows, which is said, and nothing stops.

use crate::common::core::Inside;
use crate::common::rows::{self, Place};
use rusqlite::Connection;
use std::cell::RefCell;
use std::fs;
use zigcheck::app::store::limits::{
    CHECKPOINT_PAGES, LOG_KEPT_BYTES, LOG_REPORTED_BYTES, PAGE_BYTES,
};
use zigcheck::app::store::packages;
use zigcheck::app::store::store::Store;

/// Pages that a commit of these tests writes at most, besides those that are due.
const COMMIT_PAGES: u64 = 40;

fn commit_some(store: &mut Store, names: &mut u64, commits: usize) -> u64 {
    let mut most = 0;
    for _ in 0..commits {
        for _ in 0..8 {
            *names += 1;
            let mut package = rows::new(&format!("p{names}"));
            package.description = Some("x".repeat(500));
            packages::insert(store, &package, 0).unwrap();
        }
        store.commit().unwrap();
        most = most.max(store.log_bytes());
    }
    most
}

#[test]
fn the_log_is_copied_in_small_steps_and_begins_anew() {
    let place = Place::on_disk("small log");
    let mut store = place.open();
    let mut names = 0;
    let most = commit_some(&mut store, &mut names, 400);
    let bound = (CHECKPOINT_PAGES + COMMIT_PAGES) * PAGE_BYTES;
    assert!(
        most > CHECKPOINT_PAGES * PAGE_BYTES / 2,
        "{most}: it is used"
    );
    assert!(most <= bound, "{most} bytes, {bound} allowed");
}

#[test]
fn a_transaction_of_another_program_lets_the_log_grow_until_it_ends() {
    let place = Place::on_disk("held log");
    let mut store = place.open();
    let mut names = 0;
    commit_some(&mut store, &mut names, 1);
    let reader = Connection::open(place.path()).unwrap();
    let count = || -> u64 {
        let sql = "SELECT count(*) FROM packages";
        reader.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    reader.execute_batch("BEGIN").unwrap();
    assert_eq!(count(), names);
    let before = names;
    let most = commit_some(&mut store, &mut names, 400);
    assert!(most > 2 * CHECKPOINT_PAGES * PAGE_BYTES, "{most}");
    assert_eq!(count(), before, "the reader sees its snapshot");
    let mut inside = Inside::open("held-log", store, 1);
    let status = inside.as_admin("GET", "/admin/status", b"");
    let status: serde_json::Value = serde_json::from_slice(&status.body).unwrap();
    assert!(
        status["database_log_bytes"].as_u64().unwrap() >= most,
        "{status}"
    );
    assert_eq!(
        inside.json("/api/packages")["total"],
        names,
        "everybody else sees all"
    );
    drop(inside);
    reader.execute_batch("COMMIT").unwrap();
    let mut store = place.open();
    commit_some(&mut store, &mut names, 400);
    let log = place.path().with_extension("db-wal");
    let bytes = fs::metadata(log).unwrap().len();
    assert!(
        bytes <= LOG_KEPT_BYTES,
        "{bytes} bytes of the file are kept"
    );
}

thread_local! {
    /// The warnings of this thread.
    static WARNINGS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Warnings;

impl log::Log for Warnings {
    fn enabled(&self, _: &log::Metadata) -> bool {
        true
    }

    fn log(&self, record: &log::Record) {
        WARNINGS.with_borrow_mut(|warnings| warnings.push(record.args().to_string()));
    }

    fn flush(&self) {}
}

#[test]
fn a_log_that_cannot_begin_anew_is_said_once_each_time() {
    // No other unit test reads what is logged.
    log::set_logger(&Warnings).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
    let place = Place::on_disk("reported log");
    let mut store = place.open();
    let reader = Connection::open(place.path()).unwrap();
    let mut names = 0;
    let mut commit = |store: &mut Store| {
        names += 1;
        let mut package = rows::new(&format!("large{names}"));
        package.description = Some("x".repeat(1 << 20));
        packages::insert(store, &package, 0).unwrap();
        store.commit().unwrap();
    };
    for round in 1..=2 {
        reader
            .execute_batch("BEGIN; SELECT 1 FROM packages")
            .unwrap();
        commit(&mut store);
        while store.log_bytes() <= LOG_REPORTED_BYTES {
            assert_eq!(WARNINGS.with_borrow(Vec::len), round - 1, "too early");
            commit(&mut store);
        }
        for _ in 0..5 {
            commit(&mut store);
        }
        let warnings = WARNINGS.with_borrow(Vec::clone);
        assert_eq!(warnings.len(), round, "{warnings:?}");
        let said = &warnings[round - 1];
        assert!(
            said.contains("another program holds a transaction"),
            "{said}"
        );
        reader.execute_batch("COMMIT").unwrap();
        for _ in 0..3 {
            commit(&mut store);
        }
        assert!(store.log_bytes() < LOG_REPORTED_BYTES / 8, "it began anew");
    }
}
