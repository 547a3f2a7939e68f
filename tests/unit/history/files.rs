//! Files and rows that go, and a server that starts.

use std::fs;

use super::place::*;
use crate::common::core::{Inside, START};
use crate::common::rows::{finish, in_memory};
use zigcheck::app::domain::ids::{BuildId, CheckId};
use zigcheck::app::retention::RetentionLimits;
use zigcheck::app::retention::{DELETE_LIMIT_COUNT, SCAN_PAUSE_MS};
use zigcheck::app::store::builds;
use zigcheck::app::store::checks;
use zigcheck::app::store::durations;
use zigcheck::app::store::sources;
use zigcheck::app::store::totals;

#[test]
fn a_crash_between_rows_and_files_leaves_nothing_behind() {
    let keep = RetentionLimits { builds: 1, ..ALL };
    let mut place = Place::new("crash", keep);
    let running = place.check(None, &["0.16.0"])[0];
    for _ in 0..3 {
        place.finished(None, "0.16.0");
    }
    place
        .history
        .delete_expired(&mut place.store, place.now)
        .unwrap();
    place.store.commit().unwrap();
    for name in [
        "1.log.part",
        "77.log",
        "78.log.part",
        "+9.log",
        "9.logs",
        "x.log",
        ".log",
    ] {
        place.write("logs", name);
    }
    fs::create_dir(place.data.join("logs/99")).unwrap();
    assert!(place.files("logs").contains("2.log"));
    place.history = history(&place.data, keep);
    place.come_to_rest();
    assert_eq!(place.ids(), [running, 4]);
    let wanted = names(["1.log", "4.log", "+9.log", "9.logs", "x.log", ".log", "99"]);
    assert_eq!(place.files("logs"), wanted);
}

#[test]
fn thousands_of_names_are_looked_at_piece_by_piece() {
    let mut place = Place::new("names", ALL);
    for id in 100..1_500 {
        place.write("logs", &format!("{id}.log"));
    }
    place.history = history(&place.data, ALL);
    place.delete_expired();
    assert!(place.files("logs").len() > 1_000);
    assert_eq!(place.history.due_ms, Some(0));
    place.come_to_rest();
    assert_eq!(place.files("logs").len(), 0);
}

#[test]
fn a_file_stays_until_its_row_s_end_is_on_the_disk() {
    let keep = RetentionLimits { builds: 0, ..ALL };
    let mut place = Place::new("order", keep);
    place.finished(None, "0.16.0");
    place
        .history
        .delete_expired(&mut place.store, place.now)
        .unwrap();
    assert!(place.files("logs").contains("1.log"));
    place.commit();
    assert!(place.files("logs").is_empty());
}

#[test]
fn a_source_that_comes_in_again_in_the_turn_it_goes_keeps_its_file() {
    let keep = RetentionLimits {
        source_bytes: 5,
        ..ALL
    };
    let mut place = Place::new("again", keep);
    let build = place.finished(None, "0.16.0");
    place.source(build, "h", 9);
    place
        .history
        .delete_expired(&mut place.store, place.now)
        .unwrap();
    assert!(!sources::keeps_file(&place.store, "h.tar.zst").unwrap());
    let next = place.check(None, &["0.16.0"])[0];
    place.source(next, "h", 9);
    place.commit();
    assert_eq!(place.files("sources"), names(["h.tar.zst"]));
    assert_eq!(totals::read(&place.store).unwrap().source_bytes, 9);
    // A build waits for it: it stays, however much that is.
    place.come_to_rest();
    assert_eq!(place.files("sources"), names(["h.tar.zst"]));
    finish(&mut place.store, BuildId(next), &failed(), 0);
    place.now.mono_ms += SCAN_PAUSE_MS;
    place.come_to_rest();
    assert_eq!(place.files("sources"), names([]));
    // Its checks still say what it was.
    let check = checks::by_id(&place.store, CheckId(1)).unwrap().unwrap();
    assert_eq!(check.source.unwrap().hash, "h");
    assert!(!sources::keeps_file(&place.store, "h.tar.zst").unwrap());
}

#[test]
fn the_row_of_a_source_goes_with_its_file_and_its_last_check() {
    let keep = RetentionLimits {
        builds: 1,
        source_bytes: 5,
        ..ALL
    };
    let mut place = Place::new("last-check", keep);
    for _ in 0..3 {
        let build = place.finished(None, "0.16.0");
        place.source(build, "h", 9);
    }
    place.come_to_rest();
    let rows = |place: &mut Place| place.texts("SELECT hash || kept FROM sources");
    assert_eq!(
        (place.ids(), rows(&mut place)),
        (vec![3], vec!["h0".to_string()])
    );
    place.finished(None, "0.16.0");
    place.come_to_rest();
    assert_eq!((place.ids(), rows(&mut place)), (vec![4], vec![]));
}

#[test]
fn dependencies_used_least_lately_go_first() {
    let keep = RetentionLimits {
        dependency_bytes: 100,
        ..ALL
    };
    let mut place = Place::new("dependencies", keep);
    for (manifest, hash, used_at) in [("a", "x", 3), ("b", "y", 1), ("c", "x", 2), ("d", "z", 4)] {
        place.dependencies(manifest, hash, 40, used_at);
    }
    // b and then c have to go; the file of c is that of a as well.
    place.come_to_rest();
    let left = place.texts("SELECT manifest FROM dependencies ORDER BY manifest");
    assert_eq!(left, ["a", "d"]);
    assert_eq!(place.files("sources"), names(["x.tar.gz", "z.tar.gz"]));
    // A row that is replaced is counted once.
    place.dependencies("a", "w", 50, 9);
    assert_eq!(totals::read(&place.store).unwrap().dependency_bytes, 90);
    for id in 0..100 {
        place.dependencies(&format!("m{id}"), &format!("f{id}"), 10, 100 + id);
    }
    assert!(place.come_to_rest() > 90 / DELETE_LIMIT_COUNT);
    assert_eq!(place.number("SELECT min(used_at) FROM dependencies"), 190);
    assert_eq!(totals::read(&place.store).unwrap().dependency_bytes, 100);
}

#[test]
fn durations_not_noted_for_long_are_forgotten() {
    let keep = RetentionLimits {
        durations: 10,
        ..ALL
    };
    let mut place = Place::new("durations", keep);
    for name in 0..50 {
        let name = format!("p{name}");
        let store = &mut place.store;
        let check =
            checks::insert(store, &crate::common::rows::check((None, &name), None), 0).unwrap();
        durations::add_fetch(store, check, 5).unwrap();
        // This one is seen again and again.
        let first = 1;
        durations::add_fetch(store, CheckId(first), 5).unwrap();
    }
    assert!(place.come_to_rest() > 40 / DELETE_LIMIT_COUNT);
    let left = place.texts("SELECT package FROM durations ORDER BY update_seq");
    let mut wanted: Vec<String> = (42..50).map(|name| format!("upload:p{name}")).collect();
    wanted.extend(["".to_string(), "upload:p0".to_string()]);
    let sorted = |mut all: Vec<String>| {
        all.sort();
        all
    };
    assert_eq!(sorted(left), sorted(wanted));
}

#[test]
fn a_server_that_starts_lets_go_of_what_is_past() {
    let mut store = in_memory();
    let year = 366 * 86_400_000;
    for age in [2 * year, year, 0] {
        for _ in 0..DELETE_LIMIT_COUNT {
            let at = START - age;
            let check = checks::insert(
                &mut store,
                &crate::common::rows::check((None, "p"), None),
                at,
            )
            .unwrap();
            let build = builds::insert(&mut store, check, "0.16.0", at).unwrap();
            finish(&mut store, build, &failed(), at);
        }
    }
    store.commit().unwrap();
    let mut inside = Inside::open("past", store, 1);
    for left in [2, 1, 1] {
        inside.pass(0);
        let total = inside.json("/api/builds")["total"].as_u64();
        assert_eq!(total, Some((left * DELETE_LIMIT_COUNT) as u64));
    }
    let gone = inside.request("GET", "/api/builds/1", &[], b"");
    assert_eq!(gone.status, 404);
}
