//! All packages whose newest builds ended in errors are checked again.

use serde_json::{Value, json};
use zigcheck::app::builds::limits::RETRY_LIMIT;
use zigcheck::app::store::packages;

use crate::common::core::{Inside, Memory, START};
use crate::common::rows;

/// Packages with one build each, all of which have ended: a third each in an error, in a success, and cancelled after
/// an error.
fn ended(name: &str, count: usize) -> (Inside, Memory) {
    let (inside, memory) = Inside::begin(name, 1);
    let killed = inside.killed();
    let mut store = memory.open();
    for nth in 0..count {
        packages::insert(&mut store, &rows::new(&format!("p{nth}")), START).unwrap();
    }
    store.commit().unwrap();
    drop(store);
    let sql = "INSERT INTO checks (id, package_id, package, created_at) SELECT id, id, name, created_at FROM packages;
        INSERT INTO builds (id, check_id, zig_version, toolchain, state, build_status, created_at) \
            SELECT id, id, '0.16.0', 'sha256:1', iif(id % 3 = 1, 'cancelled', 'finished'), \
                iif(id % 3 = 2, 'success', 'error'), created_at FROM packages;
        INSERT INTO build_results (package_id, zig_version, build_status, newest_build) \
            SELECT id, '0.16.0', 'success', id FROM packages;";
    memory.db.execute_batch(sql).unwrap();
    (killed.starts(&memory), memory)
}

fn retry(inside: &mut Inside) -> (u16, Value) {
    let response = inside.as_admin("POST", "/admin/retry-errors", b"");
    let value = serde_json::from_slice(&response.body).unwrap();
    (response.status, value)
}

/// The packages whose remote is to be asked.
fn asked(memory: &Memory, at: i64) -> Vec<i64> {
    let sql =
        "SELECT id FROM packages WHERE next_check <= ?1 UNION SELECT id FROM queue WHERE kind = 2";
    let mut statement = memory.db.prepare(sql).unwrap();
    let ids = statement.query_map([at], |row| row.get(0)).unwrap();
    ids.map(Result::unwrap).collect()
}

#[test]
fn the_remotes_of_packages_with_errors_are_asked_and_no_others() {
    let count = 2 * RETRY_LIMIT + 5;
    let (mut inside, memory) = ended("retry-errors", count);
    inside.pass(0);
    assert_eq!(asked(&memory, START), Vec::<i64>::new());
    let (status, answer) = retry(&mut inside);
    assert_eq!((status, &answer["packages"]), (202, &json!(count)));
    assert_eq!(
        (&answer["found"], &answer["running"]),
        (&json!(0), &json!(true))
    );
    inside.pass(0);
    let (status, answer) = retry(&mut inside);
    assert_eq!((status, &answer["examined"]), (200, &json!(RETRY_LIMIT)));
    for _ in 0..4 {
        inside.pass(0);
    }
    let status = inside.as_admin("GET", "/admin/status", b"");
    let status: Value = serde_json::from_slice(&status.body).unwrap();
    let done = &status["retry_errors"];
    let with_errors: Vec<i64> = (1..=count as i64).filter(|id| id % 3 == 0).collect();
    assert_eq!(
        (&done["running"], &done["examined"], &done["found"]),
        (&json!(false), &json!(count), &json!(with_errors.len()))
    );
    let asked = asked(&memory, START + inside.ms as i64);
    // The one slot has one of them.
    assert_eq!(asked.len() + inside.names().len(), with_errors.len());
    assert!(asked.iter().all(|id| with_errors.contains(id)), "{asked:?}");
    assert_eq!(retry(&mut inside).0, 202);
}
