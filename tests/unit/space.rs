//! A disk that is nearly full: nothing begins that it has no room for, and what has begun comes to its
//! end.

use std::os::unix::fs::symlink;

use crate::common::core::{Inside, Memory, TOKEN};
use crate::common::rows::in_memory;
use crate::targets::count;
use serde_json::{Value, json};
use zigcheck::app::domain::disk_space::DiskSpace;
use zigcheck::app::domain::limits::{DISK_FLOOR_BYTES, DISK_PAUSE_MS};
use zigcheck::app::store::totals;
use zigcheck::app::web::limits::UPLOADS_LIMIT_BYTES;
use zigcheck::config::limits::SOURCE_LIMIT_BYTES;
use zigcheck::interface::event::{DiskUsage, Event};
use zigcheck::interface::message::{Admission, Response};
use zigcheck::shell::disk::{self, Disk};
use zigcheck::shell::limits::{DISK_CHECK_MS, DISK_RESERVE_BYTES};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

fn room(free_bytes: u64, total_bytes: u64) -> DiskUsage {
    DiskUsage {
        free_bytes,
        total_bytes,
    }
}

#[track_caller]
fn assert_insufficient(response: &Response) {
    assert_eq!(response.status, 507);
    let body = String::from_utf8(response.body.clone()).unwrap();
    let value: Value = serde_json::from_str(&body).unwrap();
    assert!(
        value["error"].is_string() && body.lines().count() == 1,
        "{body}"
    );
    assert!(
        response
            .headers
            .contains(&("Retry-After", "60".to_string())),
        "{response:?}"
    );
}

#[test]
fn the_floor_is_the_one_that_was_set_or_hangs_on_the_disk() {
    for (set, total, floor) in [
        (None, 100 * GIB, DISK_FLOOR_BYTES),
        (None, 10 * GIB, 10 * GIB / 100 * 5),
        (None, 25 * MIB, 25 * MIB / 100 * 5),
        (Some(3 * GIB), 25 * MIB, 3 * GIB),
        (Some(0), 100 * GIB, 0),
    ] {
        let mut space = DiskSpace::new(set);
        assert_eq!(space.floor_bytes(), set, "the disk was not looked at yet");
        space.update(room(floor, total), 0);
        assert_eq!((space.floor_bytes(), space.is_low), (Some(floor), false));
        if floor > 0 {
            space.update(room(floor - 1, total), 0);
            assert!(space.is_low, "{set:?} of {total}");
        }
    }
}

#[test]
fn between_floor_and_margin_it_stays_as_it_was() {
    let mut space = DiskSpace::new(Some(400 * MIB));
    for (free_mib, low) in [
        (499, false),
        (400, false),
        (399, true),
        (400, true),
        (499, true),
        (500, false),
        (499, false),
        (0, true),
        (9_000, false),
    ] {
        space.update(room(free_mib * MIB, GIB), 0);
        assert_eq!(space.is_low, low, "{free_mib} MiB");
    }
    // A write that fails says more than any look.
    space.note_full(7);
    assert!(space.is_low);
    assert_eq!(space.next_check_ms(), Some(7 + DISK_PAUSE_MS));
    space.update(room(500 * MIB, GIB), 8);
    assert_eq!((space.is_low, space.next_check_ms()), (false, None));
}

#[test]
fn without_a_floor_only_a_disk_that_takes_nothing_is_low() {
    let mut space = DiskSpace::new(Some(0));
    space.update(room(0, GIB), 0);
    assert!(!space.is_low);
    space.note_full(1);
    space.update(room(0, GIB), 2);
    assert!(space.is_low);
    space.update(room(1, GIB), 3);
    assert!(!space.is_low);
}

#[test]
fn what_runs_comes_to_its_verdict_and_what_waits_goes_on_waiting() {
    let mut inside = Inside::open("space-runs", in_memory(), 1);
    inside.room(100 * GIB, 200 * GIB);
    inside.submit("a");
    inside.source_is_there("zigcheck-source-1-1");
    assert_eq!(inside.names(), ["zigcheck-1-1"]);
    inside.pass(1_000);
    inside.room(GIB - 1, 200 * GIB);
    inside.logs("zigcheck-1-1", "still here\n");
    inside.tests_begin("zigcheck-1-1");
    inside.build_succeeds("zigcheck-1-1");
    inside.is(1, "finished", "success", None, 1);
    assert_eq!(inside.log(1), "still here\n");
    inside.pass_step_by_step(0);
    // The other build has its slot free, and does not get it, however long it takes.
    for _ in 0..100 {
        assert_eq!(inside.names(), [""; 0]);
        let sleeps_ms = inside.sleeps_ms().unwrap();
        assert!((1..=DISK_PAUSE_MS).contains(&sleeps_ms), "{sleeps_ms}");
        inside.pass(sleeps_ms);
    }
    inside.room(GIB, 200 * GIB);
    assert_eq!(inside.names(), [""; 0], "there is a margin");
    inside.room(GIB / 4 * 5, 200 * GIB);
    assert_eq!(inside.names(), ["zigcheck-2-1"]);
    inside.build_succeeds("zigcheck-2-1");
    inside.is(2, "finished", "success", None, 1);
}

/// The server does not wake up for a disk that nothing waits for.
#[test]
fn where_nothing_waits_the_disk_is_not_looked_at() {
    let mut inside = Inside::open("space-sleeps", in_memory(), 1);
    inside.pass_step_by_step(60_000);
    inside.room(0, GIB);
    inside.pass_step_by_step(0);
    assert_eq!(inside.sleeps_ms(), None);
}

#[test]
fn nobody_is_taken_in() {
    let mut inside = Inside::open("space-submissions", in_memory(), 1);
    inside.submit("a");
    let conn = inside.upload_begins(b"admitted while there was space");
    inside.room(0, 200 * GIB);
    assert_insufficient(&inside.answer_to(conn).unwrap());
    let body = br#"{"url": "https://github.com/x/b"}"#;
    let bearer = format!("Bearer {TOKEN}");
    let admin = [("authorization", bearer.as_str())];
    for (path, headers, body) in [
        ("/api/packages", &[][..], &body[..]),
        ("/api/packages/a/builds", &[], b""),
        ("/admin/trigger-build", &admin, br#"{"package_name": "a"}"#),
    ] {
        assert_insufficient(&inside.request("POST", path, headers, body));
    }
    // An upload is refused before its body is sent.
    match inside.admit("POST", "/api/check") {
        Admission::Refuse(response) => assert_insufficient(&response),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        inside.sources(),
        ["source-1.part"],
        "of the fetch that runs"
    );
    // Reading goes on, and so does ending.
    assert_eq!(inside.json("/api/packages")["total"], 1);
    let cancelled = inside.request("DELETE", "/api/builds/1", &admin, b"");
    assert_eq!(cancelled.status, 200);
    inside.room(100 * GIB, 200 * GIB);
    assert_eq!(inside.submit("b"), 2);
    assert!(matches!(
        inside.admit("POST", "/api/check"),
        Admission::Spool { .. }
    ));
}

/// Between two looks at the disk an upload may bring more than there is room for.
#[test]
fn what_uploads_bring_counts_at_once() {
    let mut inside = Inside::open("space-spent", in_memory(), 1);
    inside.room(GIB + 1_500, 200 * GIB);
    let first = inside.upload_begins(&[7; 1_000]);
    assert_eq!(inside.answer_to(first), None);
    let second = inside.upload_begins(&[7; 1_000]);
    for conn in [first, second] {
        assert_insufficient(&inside.answer_to(conn).unwrap());
    }
    assert_eq!(inside.sources(), [""; 0]);
}

#[test]
fn uploads_under_way_give_back_what_they_hold() {
    let mut inside = Inside::open("space-uploads", in_memory(), 1);
    let conns = [0; 3].map(|_| inside.upload_begins(&[7; 1_000]));
    assert_eq!(inside.sources().len(), 3);
    inside.room(0, GIB);
    for conn in conns {
        assert_insufficient(&inside.answer_to(conn).unwrap());
    }
    assert_eq!(inside.sources(), [""; 0]);
}

#[test]
fn an_upload_that_meets_the_end_of_the_disk_is_answered_and_leaves_nothing() {
    let mut inside = Inside::open("space-upload-full", in_memory(), 1);
    inside.room(100 * GIB, 200 * GIB);
    let part = inside.path_of_source("upload-1.part");
    symlink("/dev/full", &part).unwrap();
    let conn = inside.upload_begins(b"a byte too many");
    assert_insufficient(&inside.answer_to(conn).unwrap());
    assert_eq!(inside.sources(), [""; 0]);
    // What the last look saw counts no more.
    let refused = inside.request(
        "POST",
        "/api/packages",
        &[],
        br#"{"url": "https://github.com/x/b"}"#,
    );
    assert_insufficient(&refused);
    inside.room(100 * GIB, 200 * GIB);
    inside.submit("b");
}

#[test]
fn a_log_that_meets_the_end_of_the_disk_costs_no_verdict() {
    let mut inside = Inside::open("space-log-full", in_memory(), 1);
    inside.room(100 * GIB, 200 * GIB);
    inside.submit("a");
    symlink("/dev/full", inside.settings.data.join("logs/1.log")).unwrap();
    inside.source_is_there("zigcheck-source-1-1");
    inside.logs("zigcheck-1-1", "nobody keeps this\n");
    assert_eq!(inside.json("/api/health")["disk"], "low");
    inside.build_succeeds("zigcheck-1-1");
    inside.is(1, "finished", "success", None, 1);
    let row = inside.build(1);
    assert_eq!(
        (&row["log_truncated"], &row["log_bytes"]),
        (&json!(true), &json!(18))
    );
    assert_eq!(inside.names(), [""; 0]);
    inside.room(100 * GIB, 200 * GIB);
    assert_eq!(inside.names(), ["zigcheck-2-1"]);
}

#[test]
fn it_says_so_wherever_somebody_asks() {
    let mut inside = Inside::open("space-told", in_memory(), 1);
    inside.room(100 * GIB, 200 * GIB);
    inside.submit("a");
    assert_eq!(inside.json("/api/health")["disk"], "ok");
    inside.source_is_there("zigcheck-source-1-1");
    inside.room(5 * MIB, 200 * GIB);
    let health = inside.request("GET", "/api/health", &[], b"");
    let body: Value = serde_json::from_slice(&health.body).unwrap();
    let said = json!([body["status"], body["disk"], body["docker"]]);
    assert_eq!(said, json!(["healthy", "low", "ok"]));
    assert_eq!(health.status, 200);
    let queue = inside.json("/api/queue");
    let waiting = &queue["waiting"][0];
    assert_eq!(
        json!([waiting["id"], waiting["reason"], waiting["estimated_start"]]),
        json!([
            2,
            "the disk is nearly full: nothing starts before there is space",
            null
        ])
    );
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str())];
    let status = inside.request("GET", "/admin/status", &headers, b"");
    let status: Value = serde_json::from_slice(&status.body).unwrap();
    let said = json!([
        status["disk"],
        status["disk_free_bytes"],
        status["disk_floor_bytes"]
    ]);
    assert_eq!(said, json!(["low", 5 * MIB, GIB]));
}

/// The daily look and new toolchains make rows, too.
#[test]
fn what_nobody_asked_for_waits_as_well() {
    let mut inside = Inside::open("space-looks", in_memory(), 1);
    inside.submit("a");
    inside.source_is_there("zigcheck-source-1-1");
    inside.build_succeeds("zigcheck-1-1");
    inside.build_succeeds("zigcheck-2-1");
    inside.room(0, GIB);
    for _ in 0..60 {
        inside.pass_step_by_step(3_600_000);
        assert_eq!(inside.names(), [""; 0]);
    }
    inside.room(GIB, GIB);
    inside.pass_step_by_step(10_000);
    assert_eq!(inside.names(), ["zigcheck-remote-1-1"]);
}

/// A disk that only holds what nobody needs any more makes room by itself.
#[test]
fn caches_go_first_and_only_as_much_of_them_as_is_missing() {
    let mut inside = Inside::open("space-caches", in_memory(), 1);
    for (nth, name) in ["a", "b", "c"].iter().enumerate() {
        inside.submit(name);
        let check = nth + 1;
        let tree = [check as u8; 1_000];
        inside.source_is(&format!("zigcheck-source-{check}-1"), &tree, false);
        for build in [2 * check - 1, 2 * check] {
            if check < 3 {
                inside.build_succeeds(&format!("zigcheck-{build}-1"));
            }
        }
        inside.pass_step_by_step(1_000);
    }
    assert_eq!(inside.sources().len(), 3);
    let enough = GIB + GIB / 100 * 25;
    inside.room(GIB - 1, 200 * GIB);
    inside.pass_step_by_step(1_000);
    assert!(
        inside.sources().len() <= 2,
        "a quarter of the floor is missing"
    );
    // The builds of c still need theirs.
    assert_eq!(inside.names(), ["zigcheck-5-1"]);
    inside.room(enough - 1, 200 * GIB);
    inside.pass_step_by_step(120_000);
    assert_eq!(inside.sources().len(), 1);
    inside.build_succeeds("zigcheck-5-1");
    inside.room(enough, 200 * GIB);
    inside.build_succeeds("zigcheck-6-1");
    // With room again a cache is a cache.
    inside.pass_step_by_step(120_000);
    assert_eq!(inside.sources().len(), 1);
}

#[test]
fn what_is_missing_is_as_much_as_was_asked_for() {
    let mut inside = Inside::open("space-missing", in_memory(), 1);
    for check in 1..=4 {
        inside.submit(&format!("p{check}"));
        let tree = [check as u8; 1_000];
        inside.source_is(&format!("zigcheck-source-{check}-1"), &tree, false);
        for build in [2 * check - 1, 2 * check] {
            inside.build_succeeds(&format!("zigcheck-{build}-1"));
        }
        inside.pass_step_by_step(1_000);
    }
    inside.room(0, 200 * GIB);
    let enough = GIB + GIB / 100 * 25;
    inside.room(enough - 1_500, 200 * GIB);
    inside.pass_step_by_step(0);
    assert_eq!(inside.sources().len(), 2, "of 1,000 bytes each");
}

/// What a build left is made again by the next one, dependencies are fetched again, and a source may be gone.
#[test]
fn the_caches_together_give_up_what_is_missing_the_cheapest_first() {
    let memory = Memory::new("space-all-caches");
    let mut inside = Inside::open("space-all-caches", memory.open(), 1);
    inside.submit("p");
    inside.source_is("zigcheck-source-1-1", &[1; 1_000], false);
    inside.build_succeeds("zigcheck-1-1");
    inside.build_succeeds("zigcheck-2-1");
    inside.pass_step_by_step(1_000);
    memory
        .db
        .execute_batch(
            "INSERT INTO dependencies VALUES ('m', 'sha256:a', 'd', 1000, 1);
            INSERT INTO kept_caches VALUES (1, '0.16.0', 'sha256:a', 'c', 'k', 1000, 2);",
        )
        .expect("rows");
    let left = || {
        let sql = "SELECT kept_bytes || ' ' || dependency_bytes || ' ' || source_bytes FROM totals";
        let left: String = memory
            .db
            .query_row(sql, [], |row| row.get(0))
            .expect("totals");
        left
    };
    assert_eq!(left(), "1000 1000 1000");
    let enough = GIB + GIB / 100 * 25;
    inside.room(0, 200 * GIB);
    for (missing, expected) in [(1, "0 1000 1000"), (999, "0 0 1000"), (1_000, "0 0 0")] {
        inside.room(enough - missing, 200 * GIB);
        inside.pass_step_by_step(0);
        assert_eq!(left(), expected);
    }
}

#[test]
fn the_disk_is_looked_at_once_a_second_and_a_little_of_it_is_kept() {
    let data = crate::common::core::data("space-reserve");
    let mut disk = Disk::of(&data);
    let room = disk.measure(5).unwrap();
    let enough = 4 * DISK_RESERVE_BYTES;
    assert!(
        (enough..=room.total_bytes).contains(&room.free_bytes),
        "{room:?}: the test needs as much"
    );
    assert_eq!(disk.measure(4 + DISK_CHECK_MS), None);
    assert!(disk.measure(5 + DISK_CHECK_MS).is_some());
    let reserve = data.join("reserve");
    assert_eq!(
        std::fs::metadata(&reserve).unwrap().len(),
        DISK_RESERVE_BYTES
    );
    disk::give_up_reserve(&data);
    assert!(!reserve.exists());
    disk::give_up_reserve(&data);
    // There is no such disk: nothing is known of it.
    assert_eq!(Disk::of(&data.join("nowhere")).measure(0), None);
}

#[test]
fn a_database_that_has_grown_to_its_limit_takes_nobody_in() {
    let (mut inside, memory) = Inside::begin("space-database", 1);
    inside.submit("a");
    let used = totals::used_bytes(&memory.open()).unwrap();
    let mut inside =
        inside.restarted_with(&memory, |settings| settings.database_limit_bytes = used);
    let body = br#"{"url": "https://github.com/x/b"}"#;
    assert_insufficient(&inside.request("POST", "/api/packages", &[], body));
    assert_eq!(inside.json("/api/packages")["total"], 1);
    let mut inside = inside.restarted_with(&memory, |settings| {
        settings.database_limit_bytes = used + 65_536
    });
    inside.submit("b");
}

#[test]
fn uploads_that_hold_too_much_let_no_further_one_begin() {
    let mut inside = Inside::open("space-held", in_memory(), 1);
    let most = (UPLOADS_LIMIT_BYTES / SOURCE_LIMIT_BYTES) as usize;
    let piece = vec![7; SOURCE_LIMIT_BYTES as usize];
    let mut conns = Vec::new();
    for nth in 1..=most {
        assert!(
            matches!(inside.admit("POST", "/api/check"), Admission::Spool { .. }),
            "{nth}"
        );
        // What comes goes nowhere: it is counted all the same.
        let part = inside.path_of_source(&format!("upload-{nth}.part"));
        symlink("/dev/null", part).unwrap();
        conns.push(inside.upload_begins(&piece));
    }
    match inside.admit("POST", "/api/check") {
        Admission::Refuse(response) => assert_eq!(response.status, 503),
        other => panic!("{other:?}"),
    }
    inside.tell(Event::Aborted { conn: conns[3] });
    assert!(matches!(
        inside.admit("POST", "/api/check"),
        Admission::Spool { .. }
    ));
}

/// What an upgrade counts anew of the history that is there.
#[test]
fn a_history_that_waits_for_space_is_entered_once_there_is_some() {
    let memory = Memory::new("space-history");
    let store = memory.open();
    let upgrade = "UPDATE server SET compared_after = 0, counted_after = 0";
    memory.db.execute_batch(upgrade).unwrap();
    let sql = "SELECT (compared_after NOT NULL) + (counted_after NOT NULL) FROM server";
    let left = || count(&memory, sql);
    let mut inside = Inside::open("space-history", store, 1);
    inside.room(0, GIB);
    inside.pass_step_by_step(60_000);
    assert_eq!(left(), 2);
    inside.room(GIB, GIB);
    inside.pass_step_by_step(1_000);
    assert_eq!(left(), 0);
    assert_eq!(inside.sleeps_ms(), None);
}
