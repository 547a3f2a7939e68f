//! Databases of older versions are upgraded, those of newer ones are refused.

use std::path::Path;

use rusqlite::Connection;
use zigcheck::app::domain::ids::{BuildId, CheckId, PackageId};
use zigcheck::app::domain::popularity::USE_SCORE;
use zigcheck::app::domain::repository::identity;
use zigcheck::app::domain::task::{Priority, Task};
use zigcheck::app::domain::verdict::{BuildStatus, DepsOutcome, Reason, State, TestStatus};
use zigcheck::app::store::builds;
use zigcheck::app::store::checks;
use zigcheck::app::store::history::{self, HistoryRow};
use zigcheck::app::store::lanes;
use zigcheck::app::store::packages;
use zigcheck::app::store::queue;
use zigcheck::app::store::store::Store;
use zigcheck::app::store::toolchains;
use zigcheck::app::store::totals;
use zigcheck::app::store::uses;

use crate::common::rows::{Place, page};
use crate::migrated_rows::{Rows, all_rows, extended, renamed};

const SCHEMA_0: &str = include_str!("fixtures/schema_0.sql");
const DATABASE_1: &str = include_str!("fixtures/database_1.sql");
const ROWS_0: &str = include_str!("fixtures/rows_0.sql");

/// The newest version.
pub const NEWEST: i64 = 29;

/// A database of version 0 with a row of each kind.
fn version_0(name: &str) -> Place {
    let place = Place::on_disk(name);
    let db = Connection::open(place.path()).unwrap();
    db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA recursive_triggers = ON;")
        .unwrap();
    db.execute_batch(SCHEMA_0).unwrap();
    db.execute_batch(ROWS_0).unwrap();
    place
}

fn user_version(path: &Path) -> i64 {
    let db = Connection::open(path).unwrap();
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap()
}

/// The schema and rows of version 1: what its program made of a database of version 0.
fn version_1(name: &str) -> Place {
    let place = Place::on_disk(name);
    let db = Connection::open(place.path()).unwrap();
    // Tables stand in the order of their names there.
    db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA foreign_keys = OFF;")
        .unwrap();
    db.execute_batch(DATABASE_1).unwrap();
    place
}

/// Columns, indexes and triggers, but not the order of the columns.
pub fn schema(path: &Path) -> Vec<String> {
    let db = Connection::open(path).unwrap();
    let texts = |sql: &str| -> Vec<String> {
        let mut statement = db.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let mut schema = texts(
        "SELECT format('%s.%s %s %s %s %s', t.name, c.name, c.type, c.\"notnull\", c.dflt_value, c.pk)
         FROM sqlite_schema t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' ORDER BY 1",
    );
    schema.extend(texts(
        "SELECT format('%s.%s -> %s.%s', t.name, f.\"from\", f.\"table\", f.\"to\")
         FROM sqlite_schema t JOIN pragma_foreign_key_list(t.name) f WHERE t.type = 'table' ORDER BY 1",
    ));
    schema.extend(texts(
        "SELECT sql FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql NOT NULL ORDER BY 1",
    ));
    schema
}

#[test]
fn a_database_of_version_0_has_every_row_after_its_upgrade() {
    let place = version_0("upgrade");
    let before = all_rows(place.path());
    let filled = |rows: &Rows| !rows.is_empty();
    assert!(before.values().all(filled), "each table is tried");
    drop(place.open());
    assert_eq!(all_rows(place.path()), extended(renamed(before)));
    assert_eq!(user_version(place.path()), NEWEST);
}

#[test]
fn the_verdicts_that_are_there_become_history() {
    let place = version_0("upgrade with history");
    let store = place.open();
    let all = page(1, 100);
    let listed = |package| history::page(&store, package, None, &all).unwrap().unwrap();
    let rows = listed(PackageId(1)).rows;
    let said = |row: &HistoryRow| {
        let version = (row.zig_version.clone(), row.toolchain.clone());
        (
            row.commit.clone(),
            version,
            row.build_status,
            row.error_key.clone(),
            row.checked_at,
        )
    };
    let of = |version: &str, image: &str| (version.to_string(), image.to_string());
    let (success, failed) = (BuildStatus::Success, BuildStatus::Failed);
    let expected = [
        (
            "beef".to_string(),
            of("0.16.0", "sha256:a"),
            success,
            None,
            1599,
        ),
        (
            "c0ffee".to_string(),
            of("0.16.0", "sha256:a"),
            success,
            None,
            1590,
        ),
        (
            "c0ffee".to_string(),
            of("0.17.1", "sha256:b"),
            failed,
            Some("no".to_string()),
            1580,
        ),
    ];
    assert_eq!(rows.iter().map(said).collect::<Vec<_>>(), expected);
    assert_eq!(listed(PackageId(2)).rows, []);
}

#[test]
fn a_database_of_version_1_has_every_row_after_its_upgrade() {
    let place = version_1("upgrade from 1");
    assert_eq!(user_version(place.path()), 1);
    let before = all_rows(place.path());
    // The rows are those of version 0 under their names of version 1.
    let oldest = all_rows(version_0("upgrade compared").path());
    assert_eq!(before, renamed(oldest));
    drop(place.open());
    assert_eq!(all_rows(place.path()), extended(before));
    assert_eq!(user_version(place.path()), NEWEST);
}

#[test]
fn an_upgraded_database_has_the_schema_of_a_new_one() {
    let old = version_0("upgraded schema");
    let less_old = version_1("upgraded schema of 1");
    let new = Place::on_disk("new schema");
    drop((old.open(), less_old.open(), new.open()));
    assert_eq!(schema(old.path()), schema(new.path()));
    assert_eq!(schema(less_old.path()), schema(new.path()));
    assert_eq!(user_version(new.path()), NEWEST);
    let db = Connection::open(old.path()).unwrap();
    let broken = "SELECT (SELECT count(*) FROM pragma_foreign_key_check) + (SELECT count(*) FROM \
        pragma_integrity_check WHERE integrity_check <> 'ok')";
    let broken: i64 = db.query_row(broken, [], |row| row.get(0)).unwrap();
    assert_eq!(broken, 0);
}

#[test]
fn an_upgraded_database_is_read_as_it_was_meant() {
    let place = version_0("meaning");
    let mut store = place.open();
    assert_eq!(store.identity.data_id, "0123456789abcdef");
    assert!(store.identity.secret.starts_with("feedface"));
    let check = checks::by_id(&store, CheckId(1)).unwrap().unwrap();
    assert_eq!(
        (check.priority, check.tenant.as_str()),
        (Priority::Recheck, "github.com/zigzap")
    );
    let source = check.source.unwrap();
    assert_eq!(
        (source.bytes, source.manifest.as_deref()),
        (500, Some("m1"))
    );
    let build = builds::by_id(&store, BuildId(1)).unwrap().unwrap();
    assert_eq!(
        (build.state, build.build_status),
        (State::Finished, BuildStatus::Success)
    );
    assert_eq!(build.test_status, Some(TestStatus::Success));
    assert_eq!(build.deps_outcome, Some(DepsOutcome::Fetched));
    assert_eq!(build.log_offset, Some(12));
    let failed = builds::by_id(&store, BuildId(2)).unwrap().unwrap();
    assert_eq!(failed.reason, Some(Reason::CompileError));
    let waiters = builds::waiters(&store, BuildId(3), 9).unwrap();
    assert_eq!(
        waiters.iter().map(|row| row.id).collect::<Vec<_>>(),
        [BuildId(4)]
    );
    assert_eq!(builds::cached(&store, "key1").unwrap(), Some(BuildId(1)));
    assert_eq!(uses::of_package(&store, PackageId(2)).unwrap().len(), 2);
    let waiting = queue::by_task(&store, Task::FetchSource(CheckId(3)))
        .unwrap()
        .unwrap();
    assert_eq!(
        (waiting.entry.priority, waiting.ticket),
        (Priority::Admin, 1)
    );
    let lane = lanes::first(&store, Priority::Recheck, |_| true)
        .unwrap()
        .unwrap();
    assert_eq!(
        (lane.tenant.as_str(), lane.round, lane.ticket),
        ("codeberg.org/x", 4, 2)
    );
    let totals = totals::read(&store).unwrap();
    assert_eq!((totals.builds, totals.log_bytes), (4, (4 << 20) + 345));
    assert_eq!(
        (
            totals.source_bytes,
            totals.dependency_bytes,
            totals.durations
        ),
        (570, 40, 3)
    );
    assert!(toolchains::is_rebuilding(&store).unwrap());
    // The triggers are those of today: the cached build goes, and nothing but the check refers to the original.
    let count = |store: &Store| totals::read(store).unwrap().builds;
    builds::delete(&mut store, BuildId(8)).unwrap();
    assert_eq!(count(&store), 3);
}

/// Earlier versions compared URLs: they may have several packages of one repository, and repositories in another form.
#[test]
fn of_two_packages_of_one_repository_the_older_one_is_found_by_it() {
    let place = version_0("two of one");
    let db = Connection::open(place.path()).unwrap();
    db.execute_batch(
        "INSERT INTO packages (id, name, url, created_at, last_updated, repository) VALUES
            (7, 'zap-2', 'http://www.github.com/ZigZap/zap/', 1, 1, 'https://www.github.com/ZigZap/zap'),
            (8, 'user', 'https://codeberg.org/A/User', 1, 1, 'https://codeberg.org/A/User'),
            (9, 'old', 'https://example.org/old', 1, 1, NULL);
        INSERT INTO uses (package_id, url) VALUES (8, 'https://codeberg.org/X/Late'),
            (2, 'https://codeberg.org/X/Late'), (2, 'https://codeberg.org/x/late');",
    )
    .unwrap();
    drop(db);
    let store = place.open();
    let of = |url: &str| {
        let holder = packages::with_repository(&store, &identity(url), url).unwrap();
        holder.map(|holder| holder.name)
    };
    for (url, name) in [
        ("https://github.com/zigzap/zap", Some("zap")),
        ("http://www.github.com/ZigZap/zap/", Some("zap")),
        ("https://codeberg.org/a/user.git", Some("user")),
        ("https://example.org/old", Some("old")),
        ("https://example.org/older", None),
    ] {
        assert_eq!(of(url).as_deref(), name, "{url}");
    }
    let both = ["zap", "zap-2"].map(|name| packages::by_name(&store, name).unwrap());
    assert!(both.iter().all(Option::is_some), "{both:?}");
    let late = "https://codeberg.org/x/late".to_string();
    assert_eq!(
        uses::of_package(&store, PackageId(8)).unwrap(),
        std::slice::from_ref(&late)
    );
    let uses = uses::of_package(&store, PackageId(2)).unwrap();
    assert_eq!(
        uses.iter().filter(|url| **url == late).count(),
        1,
        "{uses:?}"
    );
    let late = packages::by_name(&store, "late").unwrap().unwrap();
    assert_eq!(late.popularity_score, 2 * USE_SCORE);
}

#[test]
fn an_upgrade_happens_once() {
    let place = version_0("twice");
    drop(place.open());
    let (rows, schema_of_first) = (all_rows(place.path()), schema(place.path()));
    drop(place.open());
    assert_eq!(
        (all_rows(place.path()), schema(place.path())),
        (rows, schema_of_first)
    );
}

/// The server was killed in the middle of an upgrade: the transaction was written and not committed.
#[test]
fn an_interrupted_upgrade_begins_again() {
    let place = version_0("interrupted");
    let before = all_rows(place.path());
    let db = Connection::open(place.path()).unwrap();
    // A small cache writes pages to the log before the end of the transaction.
    let half = "PRAGMA cache_size = 1; PRAGMA wal_autocheckpoint = 0; BEGIN IMMEDIATE; \
        DROP TRIGGER build_goes; ALTER TABLE turns RENAME TO lanes; \
        ALTER TABLE checks RENAME COLUMN party TO tenant; UPDATE checks SET tenant = 'lost'; \
        PRAGMA user_version = 1;";
    db.execute_batch(half).unwrap();
    let copy = Place::on_disk("interrupted copy");
    let log = |path: &Path| path.with_extension("db-wal");
    std::fs::copy(place.path(), copy.path()).unwrap();
    std::fs::copy(log(place.path()), log(copy.path())).unwrap();
    drop(copy.open());
    assert_eq!(all_rows(copy.path()), extended(renamed(before)));
}

#[test]
fn an_upgrade_that_fails_leaves_the_database_as_it_was() {
    let place = version_0("fails");
    let db = Connection::open(place.path()).unwrap();
    // The last statement of the step fails.
    db.execute_batch("DROP TABLE tallies; CREATE TABLE tallies (foreign_to_us TEXT);")
        .unwrap();
    let before = (all_rows(place.path()), schema(place.path()));
    let error = Store::open(place.path()).unwrap_err().to_string();
    assert!(error.contains("no such column"), "{error}");
    assert_eq!((all_rows(place.path()), schema(place.path())), before);
    assert_eq!(user_version(place.path()), 0);
}

#[test]
fn a_database_of_a_newer_version_is_refused_untouched() {
    let place = Place::on_disk("newer");
    let db = Connection::open(place.path()).unwrap();
    db.execute_batch(&format!(
        "CREATE TABLE later (x); PRAGMA user_version = {};",
        NEWEST + 1
    ))
    .unwrap();
    drop(db);
    let before = std::fs::read(place.path()).unwrap();
    let error = Store::open(place.path()).unwrap_err().to_string();
    let wanted = format!(
        "unknown schema version {}; this program knows versions up to {NEWEST}",
        NEWEST + 1
    );
    assert_eq!(error, wanted);
    assert_eq!(std::fs::read(place.path()).unwrap(), before);
    let db = Connection::open(place.path()).unwrap();
    db.execute_batch("PRAGMA user_version = -1;").unwrap();
    let error = Store::open(place.path()).unwrap_err().to_string();
    assert!(error.starts_with("unknown schema version -1;"), "{error}");
}

#[test]
fn half_a_file_is_no_database() {
    let place = version_0("half");
    let db = Connection::open(place.path()).unwrap();
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE;")
        .unwrap();
    drop(db);
    let whole = std::fs::read(place.path()).unwrap();
    std::fs::write(place.path(), &whole[..whole.len() / 2]).unwrap();
    assert!(Store::open(place.path()).is_err());
}
