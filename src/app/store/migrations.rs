//! The version of the schema, and the steps from older versions to it.

use std::collections::HashSet;
use std::fmt;

use rusqlite::{Connection, params};

use crate::app::domain::popularity::USE_SCORE;
use crate::app::domain::repository::{identity, repository};
use crate::app::store::history;
use crate::app::store::limits::UPGRADE_CACHE_KIB;
use crate::app::store::search;
use crate::app::store::store::Result;
use crate::app::store::uses::COUNT_USERS;

/// The schema as it is now. What is there already stays.
const SCHEMA: &str = include_str!("../../../schema.sql");

/// The steps to the schema: `STEPS[n]` leads from `PRAGMA user_version` n to n + 1. A step changes tables and rows
/// only; new tables, indexes and triggers are made from `SCHEMA` afterwards. A step that was released never changes.
const STEPS: [&str; 29] = [
    WORDS,
    IMPORTS,
    HOSTS,
    REPOSITORIES,
    NEWEST,
    HISTORY,
    SEARCHES,
    SLICES,
    INSERTS,
    COMPARISONS,
    TRIES,
    CATALOGUE,
    DATED_VERSIONS,
    TRANSITIONS,
    SHARES,
    TARGETS,
    KEPT_CACHES,
    EARLIER_TARGETS,
    // `CACHES_OF_FAILURES`, where there is the table.
    "",
    COUNTS,
    AUDIT,
    TOKENS,
    ISSUES,
    QUOTAS,
    ALLOWED_HOSTS,
    NODES,
    PAUSES,
    BEGUN,
    RECIPES,
];

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

/// A package is known by its repository, gives its name away as long as its source was never fetched, and can be
/// removed. A package without a check has been fetched once: old checks are deleted.
const REPOSITORIES: &str = "
    ALTER TABLE packages ADD COLUMN fetched INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE packages ADD COLUMN removal TEXT;
    UPDATE packages SET fetched = 1 WHERE NOT EXISTS (SELECT 1 FROM checks WHERE package_id = packages.id)
        OR EXISTS (SELECT 1 FROM checks WHERE package_id = packages.id
            AND (source NOT NULL OR \"commit\" NOT NULL));";

/// The newest build under each verdict.
const NEWEST: &str = "
    ALTER TABLE build_results ADD COLUMN newest_build INTEGER;
    UPDATE build_results SET newest_build = n.id FROM
        (SELECT c.package_id, b.zig_version, max(b.id) AS id FROM builds b JOIN checks c ON c.id = b.check_id
            WHERE c.package_id NOT NULL GROUP BY c.package_id, b.zig_version) n
        WHERE build_results.package_id = n.package_id AND build_results.zig_version = n.zig_version;";

/// What a history has of builds and sources. The history itself is taken over from the builds that are there.
const HISTORY: &str = "
    ALTER TABLE packages ADD COLUMN minimum_zig_version TEXT;
    ALTER TABLE checks ADD COLUMN commit_time INTEGER;
    ALTER TABLE builds ADD COLUMN minimum_zig_version TEXT;
    ALTER TABLE builds ADD COLUMN steps TEXT NOT NULL DEFAULT '';
    ALTER TABLE builds ADD COLUMN zig_ms INTEGER;";
/// The version that made `history`.
const HISTORY_VERSION: usize = 6;

/// How much was deleted so far. The indexes of searches are filled afterwards.
const SEARCHES: &str = "
    ALTER TABLE totals ADD COLUMN packages_gone INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE totals ADD COLUMN builds_gone INTEGER NOT NULL DEFAULT 0;
    UPDATE totals SET
        packages_gone = (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'packages')
            - (SELECT count(*) FROM packages WHERE removal IS NULL),
        builds_gone = (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'builds')
            - (SELECT count(*) FROM builds);";
/// The version that made these indexes.
const SEARCHES_VERSION: usize = 7;

/// How far an admin's request for all rechecks has come, and how many tasks wait. Verdicts by their status have those
/// that are pending.
const SLICES: &str = "
    ALTER TABLE server ADD COLUMN recheck_before INTEGER;
    DROP TABLE IF EXISTS waiting;
    CREATE TABLE waiting (priority INTEGER PRIMARY KEY, ready INTEGER NOT NULL, paused INTEGER NOT NULL) STRICT;
    INSERT INTO waiting SELECT priority, sum(not_before = 0), sum(not_before > 0) FROM queue GROUP BY priority;";

/// The version that made them. One without them had this number for some hours.
const SLICES_VERSION: usize = 8;

/// No trigger on the inserts of builds and their verdicts: an upgrade makes all triggers anew.
const INSERTS: &str = "";

/// What changed between two versions. The history is entered a few rows in each turn once the server runs.
const COMPARISONS: &str = "
    ALTER TABLE server ADD COLUMN compared_after INTEGER;
    UPDATE server SET compared_after = 0;";
/// What searches through commits know of a commit.
const TRIES: &str = "
    ALTER TABLE checks ADD COLUMN is_try INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE checks ADD COLUMN position INTEGER;
    ALTER TABLE checks ADD COLUMN tag TEXT;";
/// The same of a history, if there was one.
const HISTORY_TRIES: &str = "
    ALTER TABLE history ADD COLUMN tag INTEGER REFERENCES history_texts (id);
    ALTER TABLE history ADD COLUMN is_try INTEGER NOT NULL DEFAULT 0;";
/// The version that added these columns.
const TRIES_VERSION: usize = 11;

/// New tables alone, `catalogue_checks` and `catalogue_builds`.
const CATALOGUE: &str = "";
/// A new table alone, `dated_versions`.
const DATED_VERSIONS: &str = "";

/// What the verdict of a build changes, beside a new table, `transitions`. Databases that were made before the step
/// above came in between have the column under its number.
const TRANSITIONS: &str = "ALTER TABLE events ADD COLUMN transition TEXT;";
/// How packages compile for other targets, and the new table `target_checks`.
const TARGETS: &str = "
    ALTER TABLE builds ADD COLUMN targets TEXT NOT NULL DEFAULT '';";

/// How many packages work. The history is entered a few rows in each turn once the server runs.
const SHARES: &str = "
    ALTER TABLE server ADD COLUMN counted_after INTEGER;
    UPDATE server SET counted_after = 0;
    ALTER TABLE build_results ADD COLUMN counted INTEGER;";
/// Which texts are errors, if there was a history.
const HISTORY_ERRORS: &str =
    "ALTER TABLE history_texts ADD COLUMN is_error INTEGER NOT NULL DEFAULT 0;";
/// The same once there are indexes; the packages that are there are the first set; and the builds by days.
const FIRST_SET: &str = "
    WITH RECURSIVE errors (id) AS (SELECT min(error_key) FROM history UNION ALL
            SELECT (SELECT min(error_key) FROM history WHERE error_key > errors.id) FROM errors WHERE id NOT NULL)
        UPDATE history_texts SET is_error = 1 WHERE id IN (SELECT id FROM errors);
    INSERT INTO share_sets (day, last_package, packages)
        SELECT checked_at / 86400000, (SELECT max(id) FROM packages),
            (SELECT count(*) FROM packages WHERE removal IS NULL)
        FROM history ORDER BY id DESC LIMIT 1;
    INSERT INTO build_days (day, builds, cached, errors, started, waited_ms, longest_wait_ms)
        SELECT finished_at / 86400000, count(*), sum(cached_from NOT NULL), sum(build_status = 'error'),
            sum(started_at NOT NULL), sum(max(coalesce(started_at - created_at, 0), 0)),
            max(max(coalesce(started_at - created_at, 0), 0))
        FROM builds WHERE state = 'finished' AND finished_at NOT NULL GROUP BY 1;";
/// The version that made these tables.
const SHARES_VERSION: usize = 15;

/// What builds leave for later ones.
const KEPT_CACHES: &str = "
    ALTER TABLE totals ADD COLUMN kept_bytes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE checks ADD COLUMN ancestors TEXT NOT NULL DEFAULT '';
    ALTER TABLE builds ADD COLUMN reused_commit TEXT;
    ALTER TABLE builds ADD COLUMN no_reuse INTEGER NOT NULL DEFAULT 0;";

/// The packages that are there are examined for other targets, a few in each turn once the server runs.
const EARLIER_TARGETS: &str = "
    ALTER TABLE server ADD COLUMN analysed_after INTEGER;
    UPDATE server SET analysed_after = -1;";

/// What builds that failed left is not kept any more.
const CACHES_OF_FAILURES: &str = "
    DELETE FROM kept_caches WHERE succeeded = 0;
    ALTER TABLE kept_caches DROP COLUMN succeeded;
    UPDATE totals SET kept_bytes = (SELECT coalesce(sum(bytes), 0) FROM kept_caches);";
/// Where builds ran: until then all of them here.
const NODES: &str = "ALTER TABLE builds ADD COLUMN node TEXT;";
const PAUSES: &str = "ALTER TABLE packages ADD COLUMN paused_at INTEGER;";
/// A new index alone, `builds_begun`.
const BEGUN: &str = "";
/// A new table alone, `recipes`.
const RECIPES: &str = "";
/// The versions that made `kept_caches`, and that take these out of it.
const KEPT_CACHES_VERSION: usize = 17;
const CACHES_OF_FAILURES_VERSION: usize = 19;
/// A new table alone, `build_counts`.
const COUNTS: &str = "";
/// The builds that are there are its first ones.
const FIRST_COUNTS: &str = "
    INSERT INTO build_counts (zig_version, build_status, reason, builds, cached, last_at)
        SELECT zig_version, build_status, coalesce(reason, ''), count(*), sum(cached_from NOT NULL),
            coalesce(max(finished_at), 0)
        FROM builds WHERE state IN ('finished', 'cancelled') GROUP BY 1, 2, 3;";
/// The version that made it.
const COUNTS_VERSION: usize = 20;

/// A new table alone, `audit`.
const AUDIT: &str = "";
/// A new table alone, `tokens`.
const TOKENS: &str = "";
/// New indexes alone, of `issues`.
const ISSUES: &str = "";
/// A new table alone, `quotas`.
const QUOTAS: &str = "";
/// A new table alone, `allowed_hosts`.
const ALLOWED_HOSTS: &str = "";

/// Why a database cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    Database(rusqlite::Error),
    /// It has a schema of a newer program.
    UnknownVersion(i64),
    /// Its upgrade was tried and is not possible.
    Trial(String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            OpenError::Database(error) => error.fmt(f),
            OpenError::Trial(why) => f.write_str(why),
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

/// The version of this program.
pub fn newest() -> usize {
    STEPS.len()
}

/// True of a database without a single table.
pub fn is_empty(db: &Connection) -> Result<bool> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)";
    db.query_row(sql, [], |row| row.get(0))
}

/// Gives a database of that version the schema of today. The caller runs it in a transaction.
pub fn upgrade(db: &Connection, version: usize) -> Result<()> {
    if version == STEPS.len() {
        return Ok(());
    }
    // Tables are copied and indexes made anew: with the small cache of a server, each page is read many times.
    let usual: i64 = db.query_row("PRAGMA cache_size", [], |row| row.get(0))?;
    db.pragma_update(None, "cache_size", -UPGRADE_CACHE_KIB)?;
    run_steps(db, version)?;
    db.pragma_update(None, "cache_size", usual)
}

fn run_steps(db: &Connection, version: usize) -> Result<()> {
    let is_empty = is_empty(db)?;
    if !is_empty {
        drop_indexes_and_triggers(db)?;
        for step in &STEPS[version..] {
            let is_done = *step == TRANSITIONS && has_column(db, "events", "transition")?;
            if !is_done {
                db.execute_batch(step)?;
            }
        }
        if version >= SLICES_VERSION && !has_column(db, "server", "recheck_before")? {
            db.execute_batch(SLICES)?;
        }
        if (HISTORY_VERSION..TRIES_VERSION).contains(&version) {
            db.execute_batch(HISTORY_TRIES)?;
        }
        if (HISTORY_VERSION..SHARES_VERSION).contains(&version) {
            db.execute_batch(HISTORY_ERRORS)?;
        }
        if (KEPT_CACHES_VERSION..CACHES_OF_FAILURES_VERSION).contains(&version) {
            db.execute_batch(CACHES_OF_FAILURES)?;
        }
        name_repositories(db)?;
    }
    db.execute_batch(SCHEMA)?;
    if version < HISTORY_VERSION {
        history::take_over(db)?;
    }
    if !is_empty && version < SEARCHES_VERSION {
        search::index_all(db)?;
    }
    if !is_empty && version < SHARES_VERSION {
        db.execute_batch(FIRST_SET)?;
    }
    if !is_empty && version < COUNTS_VERSION {
        db.execute_batch(FIRST_COUNTS)?;
    }
    db.pragma_update(None, "user_version", STEPS.len() as i64)
}

/// Gives every repository the form that `repository` gives it today. Of two packages of one repository the older one
/// keeps it; the other one is found by its name alone.
fn name_repositories(db: &Connection) -> Result<()> {
    let texts = |sql: &str| -> Result<Vec<(i64, String)>> {
        let mut statement = db.prepare(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    };
    let mut known = HashSet::new();
    for (id, url) in texts("SELECT id, url FROM packages WHERE removal IS NULL ORDER BY id")? {
        let name = identity(&url);
        let name = Some(&name).filter(|name| known.insert(name.to_string()));
        let sql = "UPDATE packages SET repository = ?2 WHERE id = ?1";
        db.prepare_cached(sql)?.execute(params![id, name])?;
    }
    for (_, old) in texts("SELECT DISTINCT 0, repository FROM uses")? {
        if let Some(new) = repository(&old).filter(|new| *new != old) {
            let sql = "UPDATE OR REPLACE uses SET repository = ?2 WHERE repository = ?1";
            db.prepare_cached(sql)?.execute([&old, &new])?;
            db.prepare_cached(COUNT_USERS)?
                .execute(params![new, USE_SCORE])?;
        }
    }
    Ok(())
}

fn has_column(db: &Connection, table: &str, column: &str) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2)";
    db.query_row(sql, [table, column], |row| row.get(0))
}

/// A step neither fires triggers nor meets a name that changed.
fn drop_indexes_and_triggers(db: &Connection) -> Result<()> {
    // Indexes of PRIMARY KEY and UNIQUE have no sql.
    let sql = "SELECT coalesce(group_concat('DROP ' || type || ' ' || name, ';'), '') \
        FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql NOT NULL";
    let drops: String = db.query_row(sql, [], |row| row.get(0))?;
    db.execute_batch(&drops)
}
