//! The version of the schema, and the steps from older versions to it.

use std::fmt;

use rusqlite::Connection;

use crate::app::store::store::Result;

/// The schema as it is now. What is there already stays.
const SCHEMA: &str = include_str!("../../../schema.sql");

/// The steps to the schema: `STEPS[n]` leads from `PRAGMA user_version` n to n + 1. A step changes tables and rows
/// only; new tables, indexes and triggers are made from `SCHEMA` afterwards. A step that was released never changes.
const STEPS: [&str; 3] = [WORDS, IMPORTS, HOSTS];

/// The words for priority, tenant, lane and total, for what a build waits for and for what refers to it. The name of
/// every container has the id of its data directory, which `own_name` said of some.
const WORDS: &str = "
    ALTER TABLE server RENAME TO old_server;
    CREATE TABLE server (id TEXT NOT NULL, secret TEXT NOT NULL, rebuild_after INTEGER) STRICT;
    INSERT INTO server SELECT id, secret, sweep_after FROM old_server;
    DROP TABLE old_server;
    ALTER TABLE uses RENAME COLUMN url TO repository;
    ALTER TABLE checks RENAME COLUMN class TO priority;
    ALTER TABLE checks RENAME COLUMN party TO tenant;
    ALTER TABLE builds DROP COLUMN own_name;
    ALTER TABLE builds RENAME COLUMN log_start TO log_offset;
    ALTER TABLE builds RENAME COLUMN fetched TO deps_outcome;
    ALTER TABLE builds RENAME COLUMN shares TO waits_for;
    ALTER TABLE builds RENAME COLUMN needed TO ref_count;
    ALTER TABLE queue RENAME COLUMN class TO priority;
    ALTER TABLE queue RENAME COLUMN party TO tenant;
    ALTER TABLE turns RENAME TO lanes;
    ALTER TABLE lanes RENAME COLUMN class TO priority;
    ALTER TABLE lanes RENAME COLUMN party TO tenant;
    ALTER TABLE lanes RENAME COLUMN turn TO round;
    ALTER TABLE durations RENAME COLUMN noted TO update_seq;
    CREATE TABLE totals (builds INTEGER NOT NULL, log_bytes INTEGER NOT NULL,
        source_bytes INTEGER NOT NULL, dependency_bytes INTEGER NOT NULL,
        durations INTEGER NOT NULL) STRICT;
    INSERT INTO totals SELECT builds, log_bytes, source_bytes, dependency_bytes, durations
        FROM tallies;
    DROP TABLE tallies;";

/// What a build is as a dependency, what happened in one sentence, and the parameters of a check.
const IMPORTS: &str = "
    ALTER TABLE packages ADD COLUMN dir TEXT;
    ALTER TABLE checks ADD COLUMN dir TEXT;
    ALTER TABLE checks ADD COLUMN fresh INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE builds ADD COLUMN import_status TEXT;
    ALTER TABLE builds ADD COLUMN detail TEXT NOT NULL DEFAULT '';
    ALTER TABLE builds ADD COLUMN tests_skipped INTEGER;
    ALTER TABLE builds ADD COLUMN modules TEXT NOT NULL DEFAULT '';
    ALTER TABLE builds ADD COLUMN flaky INTEGER NOT NULL DEFAULT 0;";

/// A new table alone, `refused_hosts`.
const HOSTS: &str = "";

/// Why a database cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    Database(rusqlite::Error),
    /// It has a schema of a newer program.
    UnknownVersion(i64),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            OpenError::Database(error) => error.fmt(f),
            OpenError::UnknownVersion(version) => {
                let known = STEPS.len();
                write!(
                    f,
                    "unknown schema version {version}; this program knows versions up to {known}"
                )
            }
        }
    }
}

impl std::error::Error for OpenError {}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> OpenError {
        OpenError::Database(error)
    }
}

/// The schema version of a database, 0 if it is empty; refuses one that this program does not know. Writes nothing.
pub fn version(db: &Connection) -> std::result::Result<usize, OpenError> {
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = usize::try_from(version).ok();
    let known = known.filter(|version| *version <= STEPS.len());
    known.ok_or(OpenError::UnknownVersion(version))
}

/// Gives a database of that version the schema of today. The caller runs it in a transaction.
pub fn upgrade(db: &Connection, version: usize) -> Result<()> {
    if version == STEPS.len() {
        return Ok(());
    }
    let is_empty = "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)";
    if !db.query_row(is_empty, [], |row| row.get(0))? {
        drop_indexes_and_triggers(db)?;
        for step in &STEPS[version..] {
            db.execute_batch(step)?;
        }
    }
    db.execute_batch(SCHEMA)?;
    db.pragma_update(None, "user_version", STEPS.len() as i64)
}

/// A step neither fires triggers nor meets a name that changed.
fn drop_indexes_and_triggers(db: &Connection) -> Result<()> {
    // Indexes of PRIMARY KEY and UNIQUE have no sql.
    let sql = "SELECT coalesce(group_concat('DROP ' || type || ' ' || name, ';'), '') \
        FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql NOT NULL";
    let drops: String = db.query_row(sql, [], |row| row.get(0))?;
    db.execute_batch(&drops)
}
