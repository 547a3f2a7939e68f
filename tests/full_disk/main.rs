//! The real server on a small disk of its own, which somebody else fills to the last byte and frees
//! again, round after round, while builds run and people submit. It may end, and is started again as a
//! service manager would; nothing that it answered is lost or becomes something else.
//!
//! Needs root, `mkfs.ext4` and loop devices, and fails without.

#[path = "../common/mod.rs"]
mod common;

mod disk;
mod people;
mod service;

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::common::seed::Seed;
use crate::common::server::PATIENCE;
use disk::Disk;
use people::People;
use rusqlite::{Connection, OpenFlags};
use service::Service;

#[test]
fn a_disk_that_is_full_again_and_again_costs_nothing_that_was_answered() {
    lived("full-disk", 4_096, 12, &[]);
}

/// SQLite writes a byte to each page of the file that it shares in memory, so that touching the page
/// needs no room any more. Where blocks are smaller than pages that is not enough, and the kernel ends
/// the server by SIGBUS in the middle of a turn: no more is lost by that than by any other end.
#[test]
fn nor_does_one_of_small_blocks() {
    const SIGBUS: i32 = 7;
    lived("full-disk-small-blocks", 1_024, 8, &[SIGBUS]);
}

/// Fills and frees a disk so often, under a server that may end by these signals, besides its own
/// decision.
fn lived(name: &str, block: usize, rounds: usize, signals: &'static [i32]) {
    let disk = Disk::mount(name, 32, block);
    let service = Service::start(name, disk.data(), signals);
    let people = People::come(service.to);
    let mut chance = Seed(1);
    let mut round = 0;
    // A run shows nothing unless a commit met the end of the disk and somebody was refused.
    while round < rounds || service.ends() == 0 || people.count("507 ") == 0 {
        assert!(
            round < 5 * rounds,
            "the server never met the end of the disk"
        );
        pause(&mut chance, 500, 1_500);
        if round % 2 == 1 {
            // The database's log is gone with its end: what comes next needs blocks of its own, and
            // sooner or later a commit, or the start, does not get them.
            service.restart();
            pause(&mut chance, 0, 400);
        }
        let (promised, verdicts) = people.progress();
        // What the server gives back meanwhile is taken as well.
        let until = Instant::now() + Duration::from_millis(chance.between(200, 2_500) as u64);
        while Instant::now() < until {
            disk.fill();
            pause(&mut chance, 0, 20);
        }
        disk.free();
        wait_until(&format!("round {round}: it does not go on"), || {
            let now = people.progress();
            now.0 >= promised + 4 && now.1 >= verdicts + 2
        });
        round += 1;
    }
    let seen = people.leave();
    wait_until("some builds never finish", || {
        let empty = |list: &str| {
            let queue = service.get("/api/queue")?;
            Some(queue[list].as_array()?.is_empty())
        };
        empty("running") == Some(true) && empty("waiting") == Some(true)
    });
    let promised = people.load.promised.load(Ordering::Relaxed);
    let service_ends = service.ends();
    println!(
        "{name}, {round} rounds: {} ends, {promised} builds promised, {} verdicts seen meanwhile, \
         {} answers of 507, {} uploads cut by the disk",
        service_ends,
        seen.len(),
        people.count("507 "),
        people.count("507 {\"error\":\"the upload cannot be kept"),
    );
    people.check(&service, &seen);
    service.stop();
    check_database(&disk);
}

/// However a run ends, and however the one before did: nothing of it is left.
#[test]
fn a_disk_of_a_run_that_failed_or_was_killed_is_gone() {
    let name = "full-disk-left";
    let killed = Disk::mount(name, 4, 1_024);
    std::fs::write(killed.data().join("left"), "").expect("there is room");
    std::mem::forget(killed);
    let failed = std::panic::catch_unwind(|| {
        let next = Disk::mount(name, 4, 1_024);
        assert!(!next.data().join("left").exists(), "it is the old one");
        panic!("as a test that fails does");
    });
    let said = failed.expect_err("it panics");
    assert_eq!(said.downcast_ref(), Some(&"as a test that fails does"));
    let left = |place: &str| {
        std::fs::read_to_string(place)
            .expect("the system tells")
            .contains(name)
    };
    assert!(!left("/proc/self/mounts"), "it is mounted");
    for device in std::fs::read_dir("/sys/block").expect("the devices") {
        let file = device.expect("a device").path().join("loop/backing_file");
        let file = file.display().to_string();
        assert!(!Path::new(&file).exists() || !left(&file), "{file}");
    }
}

fn pause(chance: &mut Seed, least_ms: usize, most_ms: usize) {
    let ms = chance.between(least_ms, most_ms) as u64;
    std::thread::sleep(Duration::from_millis(ms));
}

fn wait_until(otherwise: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < PATIENCE, "{otherwise}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whole, and nothing beside it that no row names.
fn check_database(disk: &Disk) {
    let path = disk.data().join("zigcheck.db");
    let db =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).expect("it is there");
    let text = |sql: &str| db.query_row(sql, [], |row| row.get::<_, String>(0));
    assert_eq!(text("PRAGMA integrity_check").as_deref(), Ok("ok"));
    let broken = db.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| {
        row.get(0)
    });
    assert_eq!(broken, Ok(0));
    let files = std::fs::read_dir(disk.data().join("sources")).expect("the sources");
    let files = files.map(|file| file.expect("an entry").file_name().display().to_string());
    let parts: Vec<String> = files.filter(|name| name.ends_with(".part")).collect();
    assert!(parts.is_empty(), "{parts:?}");
}
