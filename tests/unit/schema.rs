//! The columns of the database that others rely on, and the words they hold.

use crate::common::rows;
use crate::common::rows::{Place, finish, in_memory};
use std::collections::BTreeSet;
use zigcheck::app::domain::ids::BuildId;
use zigcheck::app::domain::verdict::{Reason, State, Verdict};
use zigcheck::app::live::limits::LOG_LIMIT_BYTES;
use zigcheck::app::store::builds;
use zigcheck::app::store::checks;
use zigcheck::app::store::packages;
use zigcheck::app::store::store::Store;
use zigcheck::app::store::totals::{self, Totals};

#[test]
fn the_tables_keep_the_columns_that_others_rely_on() {
    let place = Place::on_disk("columns");
    drop((place.open(), place.open()));
    let db = rusqlite::Connection::open(place.path()).unwrap();
    let columns = |table: &str| -> BTreeSet<String> {
        let mut statement = db.prepare(&format!("PRAGMA table_info({table})")).unwrap();
        let names = statement.query_map([], |row| row.get(1)).unwrap();
        names.map(Result::unwrap).collect()
    };
    for (table, wanted) in [
        (
            "packages",
            "id name url description author license source_type created_at last_updated \
             popularity_score",
        ),
        (
            "build_results",
            "id package_id zig_version build_status test_status error_log last_checked",
        ),
        (
            "issues",
            "id package_id zig_version issue_url issue_status auto_created resolved_at created_at",
        ),
        ("durations", "package zig_version duration_ms builds"),
    ] {
        let columns = columns(table);
        for name in wanted.split_whitespace() {
            assert!(columns.contains(name), "{table}.{name} is missing");
        }
    }
    let unique = |insert: &str| {
        db.execute(insert, []).unwrap();
        assert!(db.execute(insert, []).is_err(), "twice: {insert}");
    };
    unique("INSERT INTO packages (name, url, created_at, last_updated) VALUES ('n', 'u', 0, 0)");
    unique(
        "INSERT INTO build_results (package_id, zig_version, build_status) VALUES (1, '1', 'x')",
    );
    unique(
        "INSERT INTO durations (package, zig_version, duration_ms, builds) VALUES ('p', '1', 0, 1)",
    );
    let servers: i64 = db
        .query_row("SELECT count(*) FROM server", [], |row| row.get(0))
        .unwrap();
    assert_eq!(servers, 1, "it was opened twice");
    let journal: String = db
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .unwrap();
    assert_eq!(journal, "wal");
}

#[test]
fn every_word_of_the_closed_lists_can_be_kept() {
    let mut store = in_memory();
    let check = checks::insert(&mut store, &rows::check((None, "p"), None), 0).unwrap();
    let build = builds::insert(&mut store, check, "1", 0).unwrap();
    for state in State::ALL {
        builds::set_state(&mut store, build, *state, 1).unwrap();
        assert_eq!(builds::by_id(&store, build).unwrap().unwrap().state, *state);
    }
    for reason in Reason::ALL {
        let verdict = &Verdict::failed(*reason, "");
        finish(&mut store, build, verdict, 0);
        assert_eq!(
            builds::by_id(&store, build).unwrap().unwrap().reason,
            Some(*reason)
        );
    }
}

#[test]
fn triggers_keep_totals_and_references() {
    let place = Place::on_disk("counted");
    let mut store = place.open();
    let package = packages::insert(&mut store, &rows::new("p"), 0).unwrap();
    let check = checks::insert(&mut store, &rows::check((Some(package), "p"), None), 0).unwrap();
    for version in ["1", "2", "3"] {
        builds::insert(&mut store, check, version, 0).unwrap();
    }
    let verdict = Verdict::failed(Reason::CompileError, "");
    finish(&mut store, BuildId(1), &verdict, 0);
    finish(&mut store, BuildId(2), &verdict, 0);
    store.commit().unwrap();
    let totals = totals::read(&store).unwrap();
    drop(store);
    let db = rusqlite::Connection::open(place.path()).unwrap();
    db.execute_batch(
        "UPDATE builds SET log_bytes = 5000000;
         UPDATE builds SET cached_from = 1 WHERE id = 2;
         INSERT INTO sources (hash, format, bytes, dependencies, created_at) VALUES
            ('a', 'tar.gz', 5, 0, 7), ('b', 'tar.gz', 6, 0, 8);
         UPDATE sources SET kept = 0 WHERE hash = 'b';
         INSERT INTO dependencies VALUES ('m', 't', 'h', 9, 0);",
    )
    .unwrap();
    let wanted = Totals {
        builds: 2,
        source_bytes: 5,
        dependency_bytes: 9,
        // Only the first: the second has its log, and the third has not ended.
        log_bytes: LOG_LIMIT_BYTES,
        ..totals
    };
    assert!(wanted.durations == 0 && totals.builds == 2, "{totals:?}");
    let look = || {
        let mut statement = db
            .prepare("SELECT ref_count FROM builds ORDER BY id")
            .unwrap();
        let ref_count = statement.query_map([], |row| row.get(0)).unwrap();
        let ref_count: Vec<i64> = ref_count.map(Result::unwrap).collect();
        let sql = "SELECT min(used_at) FROM sources";
        let used: Option<i64> = db.query_row(sql, [], |row| row.get(0)).unwrap();
        (totals::read(&place.open()).unwrap(), ref_count, used)
    };
    assert_eq!(look(), (wanted, vec![2, 1, 0], Some(7)), "by the triggers");
}

#[test]
fn a_data_directory_keeps_its_name_and_its_secret() {
    let place = Place::on_disk("identity");
    let of = |store: &Store| {
        (
            store.identity.data_id.clone(),
            store.identity.secret.clone(),
        )
    };
    let (name, secret) = of(&place.open());
    assert_eq!((name.len(), secret.len()), (16, 64));
    assert_eq!(of(&place.open()), (name.clone(), secret.clone()));
    let other = of(&in_memory());
    assert!(other.0 != name && other.1 != secret);
}
