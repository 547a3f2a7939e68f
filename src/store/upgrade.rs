//! A database of an earlier version gets what it lacks.

use rusqlite::Connection;

use super::Result;

/// Columns that came later, with their definitions as in `schema.sql`.
const COLUMNS: [(&str, &str, &str); 12] = [
    ("server", "sweep_after", "INTEGER"),
    ("packages", "next_check", "INTEGER"),
    ("packages", "repository", "TEXT"),
    ("sources", "manifest", "TEXT"),
    ("sources", "used_at", "INTEGER"),
    ("checks", "class", "INTEGER NOT NULL DEFAULT 0"),
    ("checks", "party", "TEXT NOT NULL DEFAULT ''"),
    ("builds", "run_at", "INTEGER"),
    ("builds", "log_start", "INTEGER"),
    ("builds", "cache_key", "TEXT"),
    ("builds", "cached_from", "INTEGER REFERENCES builds (id)"),
    ("builds", "shares", "INTEGER REFERENCES builds (id)"),
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
