//! Databases with every schema that was ever in main are upgraded: each gets the schema of today and keeps its rows.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::Value;
use zigcheck::app::domain::ids::PackageId;
use zigcheck::app::store::kept_caches;
use zigcheck::app::store::totals;
use zigcheck::app::store::trial::{self, Upgrade};

use crate::common::landed::{Landed, SCHEMAS, landed, name};
use crate::common::rows::Place;
use crate::migrations::{NEWEST, schema};

const FILE: &str = "tests/unit/fixtures/schemas.sql";

/// The upgrade that was tried, if one is needed.
fn tried(path: &Path, free_bytes: Option<u64>) -> Result<Option<Upgrade>, String> {
    let upgrade = trial::needed(path).map_err(|error| error.to_string())?;
    if let Some(upgrade) = upgrade {
        trial::run(path, upgrade, free_bytes).map_err(|error| error.to_string())?;
    }
    Ok(upgrade)
}

fn make(landed: &Landed, name: &str) -> Place {
    let place = Place::on_disk(name);
    landed.make(place.path());
    place
}

type Row = BTreeMap<String, Value>;

/// All rows of all tables; the indexes of searches hold nothing but what others do.
fn rows(path: &Path) -> BTreeMap<String, Vec<Row>> {
    let db = Connection::open(path).unwrap();
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'package_texts*' \
        AND name NOT GLOB 'error_texts*' AND name <> 'sqlite_sequence'";
    let mut statement = db.prepare(sql).unwrap();
    let tables = statement.query_map([], |row| row.get(0)).unwrap();
    let tables: Vec<String> = tables.map(Result::unwrap).collect();
    let of = |table: String| {
        let mut statement = db.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let names: Vec<String> = statement
            .column_names()
            .into_iter()
            .map(String::from)
            .collect();
        let row = |row: &rusqlite::Row| {
            names
                .iter()
                .map(|name| Ok((name.clone(), row.get(name.as_str())?)))
                .collect()
        };
        let rows = statement
            .query_map([], row)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        (table, rows)
    };
    tables.into_iter().map(of).collect()
}

/// Each row that was there is there, in every column that there still is.
fn assert_kept(
    what: &str,
    before: &BTreeMap<String, Vec<Row>>,
    after: &BTreeMap<String, Vec<Row>>,
) {
    for (table, rows) in before {
        assert!(!rows.is_empty(), "{what}: {table} is tried");
        for old in rows {
            // What builds that failed left goes, and is not counted any more.
            if old.get("succeeded") == Some(&Value::Integer(0)) {
                continue;
            }
            let same = |new: &Row, column: &str, value: &Value| {
                column == "kept_bytes" || new.get(column).is_none_or(|now| now == value)
            };
            let is_kept = |new: &Row| old.iter().all(|(column, value)| same(new, column, value));
            assert!(
                after[table].iter().any(is_kept),
                "{what}: {table} had {old:?}: {:?}",
                after[table]
            );
        }
    }
}

#[test]
fn a_database_of_each_schema_becomes_one_of_today() {
    let new = Place::on_disk("landed new");
    drop(new.open());
    let wanted = schema(new.path());
    let all = landed();
    assert_eq!(
        all.first().unwrap().version,
        1,
        "version 0 has tests of its own"
    );
    for (nth, landed) in all.iter().enumerate() {
        let what = format!("schema {} (section {nth})", landed.version);
        let place = make(landed, &format!("landed {nth}"));
        let before = rows(place.path());
        let found = tried(place.path(), None).unwrap_or_else(|why| panic!("{what}: {why}"));
        let upgrade = Upgrade {
            from: landed.version as usize,
            to: NEWEST as usize,
        };
        assert_eq!(
            found,
            Some(upgrade).filter(|_| landed.version < NEWEST),
            "{what}"
        );
        assert_eq!(
            rows(place.path()),
            before,
            "{what}: the trial changes nothing"
        );
        drop(place.open());
        assert_kept(&what, &before, &rows(place.path()));
        if landed.version < NEWEST {
            assert_eq!(schema(place.path()), wanted, "{what}");
        }
        let db = Connection::open(place.path()).unwrap();
        for (sql, is) in [
            ("PRAGMA user_version", NEWEST),
            ("SELECT count(*) FROM pragma_foreign_key_check", 0),
            (
                "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
                0,
            ),
            ("SELECT count(*) FROM waiting", 6),
            (
                "SELECT count(*) FROM waiting w WHERE ready <> (SELECT count(*) FROM queue q \
                 WHERE q.priority = w.priority AND not_before = 0) OR paused <> (SELECT count(*) FROM queue q \
                 WHERE q.priority = w.priority AND not_before > 0)",
                0,
            ),
            (
                "SELECT kept_bytes - (SELECT coalesce(sum(bytes), 0) FROM kept_caches) FROM totals",
                0,
            ),
            ("SELECT count(*) FROM totals", 1),
            ("SELECT count(*) FROM server", 1),
        ] {
            let found: i64 = db.query_row(sql, [], |row| row.get(0)).unwrap();
            assert_eq!(found, is, "{what}: {sql}");
        }
    }
}

#[test]
fn what_builds_that_failed_left_goes_with_the_upgrade() {
    let place = make(&Landed::of(18), "upgrade from 18");
    let db = Connection::open(place.path()).unwrap();
    let caches = "DELETE FROM kept_caches; \
        INSERT INTO kept_caches (package_id, zig_version, toolchain, \"commit\", hash, bytes, used_at, succeeded) \
            VALUES (1, '0.16.0', 'sha256:a', 'c0ffee', 'aa', 5, 1, 1), \
                (1, '0.15.2', 'sha256:b', 'c0ffee', 'bb', 7, 1, 0);";
    db.execute_batch(caches).unwrap();
    drop(db);
    let store = place.open();
    let kept = |version| kept_caches::find(&store, PackageId(1), version).unwrap();
    assert_eq!(kept("0.16.0").map(|kept| kept.bytes), Some(5));
    assert_eq!(kept("0.15.2"), None);
    assert_eq!(totals::read(&store).unwrap().kept_bytes, 5);
}

/// The text of a statement as the fixtures have it.
fn on_one_line(sql: &str) -> String {
    let lines = sql
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("--"));
    let words = lines.flat_map(|line| line.split(' ').filter(|word| !word.is_empty()));
    words.collect::<Vec<_>>().join(" ") + ";"
}

#[test]
fn the_newest_schema_is_among_them() {
    let new = Place::on_disk("landed newest");
    drop(new.open());
    let db = Connection::open(new.path()).unwrap();
    let sql = "SELECT sql FROM sqlite_schema WHERE sql NOT NULL AND name NOT GLOB '*_texts_*' \
        AND name <> 'sqlite_sequence' OR name = 'history_texts_common'";
    let mut statement = db.prepare(sql).unwrap();
    let texts = statement
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap();
    let now: BTreeMap<String, String> = texts
        .map(|sql| on_one_line(&sql.unwrap()))
        .map(|sql| (name(&sql), sql))
        .collect();
    let last = landed().pop().unwrap();
    if (last.version, &last.objects) == (NEWEST, &now) {
        return;
    }
    let mut section = format!("\n-- schema {NEWEST}\n");
    for gone in last.objects.keys().filter(|name| !now.contains_key(*name)) {
        section += &format!("-- gone: {gone}\n");
    }
    for (name, sql) in &now {
        if last.objects.get(name) != Some(sql) {
            section += &format!("{sql}\n");
        }
    }
    if std::env::var_os("WRITE_SCHEMAS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
        fs::write(path, format!("{SCHEMAS}{section}")).unwrap();
    }
    panic!("{FILE} lacks (WRITE_SCHEMAS=1 adds it, add rows to it):\n{section}");
}

#[test]
fn an_upgrade_that_would_fail_or_fill_the_disk_is_not_begun() {
    let first = &landed()[0];
    // Nothing that a statement reports: the row refers to no package once the upgrade is done.
    let place = make(first, "landed orphan");
    let change = |sql: &str| {
        let db = Connection::open(place.path()).unwrap();
        db.execute_batch(&format!("PRAGMA foreign_keys = OFF; {sql}"))
            .unwrap();
    };
    change("UPDATE issues SET package_id = 77");
    let before = fs::read(place.path()).unwrap();
    let orphan = "its upgrade from schema 1 to 20 was tried on a copy and failed; it stays as it was: \
        a row of issues refers to no row of packages";
    let orphan = orphan.replace("20", &NEWEST.to_string());
    assert_eq!(tried(place.path(), None).unwrap_err(), orphan);
    change("DROP TABLE durations");
    let why = tried(place.path(), None).unwrap_err();
    assert!(
        why.contains("stays as it was: ") && why.lines().count() == 1,
        "{why}"
    );
    let size = before.len() as u64;
    let why = tried(place.path(), Some(size)).unwrap_err();
    assert!(
        why.contains(" needs 1 MiB of free disk space") && why.ends_with("; 0 MiB are free"),
        "{why}"
    );
    let beside: Vec<_> = fs::read_dir(place.path().parent().unwrap())
        .unwrap()
        .collect();
    let names = beside.into_iter().map(|entry| entry.unwrap().file_name());
    assert!(
        names
            .into_iter()
            .all(|name| !name.to_string_lossy().contains(".upgrade"))
    );
    let version: i64 = Connection::open(place.path())
        .unwrap()
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    assert_eq!(version, 1);
}

#[test]
fn what_needs_no_upgrade_is_not_copied_and_what_is_newer_is_refused() {
    let place = Place::on_disk("landed none");
    assert_eq!(tried(place.path(), Some(0)), Ok(None), "there is no file");
    drop(place.open());
    assert_eq!(tried(place.path(), Some(0)), Ok(None));
    let db = Connection::open(place.path()).unwrap();
    db.execute_batch("PRAGMA user_version = 1000").unwrap();
    drop(db);
    let why = tried(place.path(), None).unwrap_err();
    assert!(why.starts_with("unknown schema version 1000;"), "{why}");
}

/// What a server leaves that is killed while it makes its database: a page of it, and the journal that undoes that.
#[test]
fn a_database_whose_making_was_interrupted_is_made_at_the_next_start() {
    let place = Place::on_disk("landed-interrupted");
    let other = place.path().with_extension("begun");
    let db = Connection::open(&other).unwrap();
    db.execute_batch(
        "PRAGMA cache_size = 1; BEGIN; CREATE TABLE packages (id INTEGER PRIMARY KEY, name TEXT); \
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) \
         INSERT INTO packages SELECT i, hex(randomblob(500)) FROM n;",
    )
    .unwrap();
    let journal = |path: &Path| PathBuf::from(format!("{}-journal", path.display()));
    assert!(
        fs::metadata(journal(&other)).unwrap().len() > 0,
        "it is hot"
    );
    fs::copy(&other, place.path()).unwrap();
    fs::copy(journal(&other), journal(place.path())).unwrap();
    drop(db);
    assert_eq!(trial::needed(place.path()).unwrap(), None);
    drop(place.open());
}
