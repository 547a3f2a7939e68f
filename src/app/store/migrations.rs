//! A database of an earlier version gets what it lacks.

use rusqlite::Connection;

use crate::app::store::store::Result;

/// Columns that came later, with their definitions as in `schema.sql`.
const COLUMNS: [(&str, &str, &str); 21] = [
    ("server", "secret", "TEXT"),
    ("server", "sweep_after", "INTEGER"),
    ("packages", "next_check", "INTEGER"),
    ("packages", "repository", "TEXT"),
    ("sources", "manifest", "TEXT"),
    ("sources", "used_at", "INTEGER"),
    ("checks", "class", "INTEGER NOT NULL DEFAULT 0"),
    ("checks", "party", "TEXT NOT NULL DEFAULT ''"),
    ("checks", "errors", "INTEGER NOT NULL DEFAULT 0"),
    ("builds", "run_at", "INTEGER"),
    ("builds", "log_start", "INTEGER"),
    ("builds", "own_name", "INTEGER NOT NULL DEFAULT 0"),
    ("builds", "fetched", "TEXT"),
    ("builds", "cache_key", "TEXT"),
    ("builds", "cached_from", "INTEGER REFERENCES builds (id)"),
    ("builds", "shares", "INTEGER REFERENCES builds (id)"),
    ("builds", "needed", "INTEGER NOT NULL DEFAULT 0"),
    ("builds", "errors", "INTEGER NOT NULL DEFAULT 0"),
    ("sources", "kept", "INTEGER NOT NULL DEFAULT 1"),
    ("durations", "noted", "INTEGER NOT NULL DEFAULT 0"),
    ("tallies", "log_bytes", "INTEGER NOT NULL DEFAULT -1"),
];

/// Adds missing columns to the tables there are, before the schema is made of what is missing else.
pub fn add_columns(db: &Connection) -> Result<()> {
    for (table, column, definition) in COLUMNS {
        let sql = "SELECT count(*), coalesce(sum(name = ?2), 0) FROM pragma_table_info(?1)";
        let (columns, there): (i64, i64) =
            db.query_row(sql, [table, column], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if columns > 0 && there == 0 {
            let sql = format!("ALTER TABLE {table} ADD COLUMN {column} {definition}");
            db.execute_batch(&sql)?;
        }
    }
    Ok(())
}

/// Counts what is there, once in the life of a database: from then on its triggers do.
const COUNTS: &str = "
    UPDATE sources SET used_at = created_at WHERE used_at IS NULL;
    UPDATE builds SET needed = (SELECT count(*) FROM build_results WHERE build_id = builds.id) \
            + (SELECT count(*) FROM builds c WHERE c.cached_from = builds.id)
        WHERE id IN (SELECT build_id FROM build_results \
            UNION SELECT cached_from FROM builds WHERE cached_from NOT NULL);
    INSERT INTO tallies (builds, source_bytes, dependency_bytes, durations) VALUES (
        (SELECT count(*) FROM builds WHERE state IN ('finished', 'cancelled')),
        (SELECT coalesce(sum(bytes), 0) FROM sources WHERE kept = 1),
        (SELECT coalesce(sum(bytes), 0) FROM dependencies),
        (SELECT count(*) FROM durations));";

/// Counts the logs, which came later than the rest.
const LOGS: &str = "UPDATE tallies SET log_bytes = (SELECT coalesce(sum(min(log_bytes, 4194304)), 0) FROM builds \
    WHERE state IN ('finished', 'cancelled') AND cached_from IS NULL)";

/// Fills the row of `totals` where there is none, after the schema was made.
pub fn count(db: &Connection) -> Result<()> {
    let sql = "SELECT EXISTS (SELECT 1 FROM tallies)";
    match db.query_row(sql, [], |row| row.get(0))? {
        true => {}
        false => db.execute_batch(COUNTS)?,
    }
    let sql = "SELECT EXISTS (SELECT 1 FROM tallies WHERE log_bytes < 0)";
    match db.query_row(sql, [], |row| row.get(0))? {
        true => db.execute_batch(LOGS),
        false => Ok(()),
    }
}
