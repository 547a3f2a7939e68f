//! A database of the system before this one, as a file that is read and never written.
//!
//! Its columns hold what its program put there: a time is seconds, milliseconds or a text, a number may be a text.

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

use crate::app::domain::limits::ERROR_LOG_LIMIT_BYTES;
use crate::app::store::backup;
use crate::app::store::limits::IMPORTED_AT_ONCE_ROWS;
use crate::app::store::store::Result;

/// The tables, and the columns that are read.
const TABLES: [(&str, &[&str]); 3] = [
    (
        "packages",
        &[
            "id",
            "name",
            "url",
            "description",
            "author",
            "license",
            "created_at",
            "last_updated",
            "popularity_score",
        ],
    ),
    (
        "build_results",
        &[
            "id",
            "package_id",
            "zig_version",
            "build_status",
            "test_status",
            "error_log",
            "last_checked",
        ],
    ),
    (
        "issues",
        &[
            "id",
            "package_id",
            "zig_version",
            "issue_url",
            "issue_status",
            "auto_created",
            "resolved_at",
            "created_at",
        ],
    ),
];

/// From this number on a time is milliseconds: in seconds it would be the year 5138.
const LEAST_MILLISECONDS: f64 = 1e11;
/// The end of the year 9999: no time behind it can be written.
const LAST_TIME_MS: i64 = 253_402_300_799_999;

#[derive(Debug)]
pub struct OldSystem {
    db: Connection,
}

#[derive(Debug)]
pub struct OldPackage {
    pub id: i64,
    pub name: String,
    pub url: String,
    pub description: String,
    pub author: String,
    pub license: String,
    /// Times are milliseconds since 1970; none: it cannot be read.
    pub created_at: Option<i64>,
    pub last_updated: Option<i64>,
    pub popularity_score: i64,
}

#[derive(Debug)]
pub struct OldResult {
    pub id: i64,
    pub package: i64,
    pub zig_version: String,
    pub build_status: String,
    pub test_status: String,
    pub error_log: String,
    pub last_checked: Option<i64>,
}

#[derive(Debug)]
pub struct OldIssue {
    pub id: i64,
    pub package: i64,
    pub zig_version: String,
    pub url: String,
    pub status: String,
    pub auto_created: bool,
    pub resolved_at: Option<i64>,
    pub created_at: Option<i64>,
}

impl OldSystem {
    /// Opens the file if it is a whole database with these tables and columns. What another program writes meanwhile is
    /// not seen.
    pub fn open(path: &Path) -> std::result::Result<OldSystem, String> {
        let text = |error: rusqlite::Error| error.to_string();
        let db = backup::open_to_read(path)?;
        db.execute_batch("BEGIN").map_err(text)?;
        backup::quick_check(&db)?;
        for (table, columns) in TABLES {
            let sql = "SELECT name FROM pragma_table_info(?1)";
            let mut statement = db.prepare(sql).map_err(text)?;
            let names = statement.query_map([table], |row| row.get::<_, String>(0));
            let names: Result<Vec<String>> = names.map_err(text)?.collect();
            let names = names.map_err(text)?;
            if names.is_empty() {
                return Err(format!("there is no table {table}"));
            }
            let is_missing = |column: &&&str| !names.iter().any(|name| name == **column);
            if let Some(column) = columns.iter().find(is_missing) {
                return Err(format!("the table {table} has no column {column}"));
            }
        }
        Ok(OldSystem { db })
    }

    /// The next packages after that id, at most `IMPORTED_AT_ONCE_ROWS`; likewise the others.
    pub fn packages(&self, after: Option<i64>) -> Result<Vec<OldPackage>> {
        self.next("packages", after, |row| {
            Ok(OldPackage {
                id: row.get("id")?,
                name: text(row, "name")?,
                url: text(row, "url")?,
                description: text(row, "description")?,
                author: text(row, "author")?,
                license: text(row, "license")?,
                created_at: self.time(row, "created_at")?,
                last_updated: self.time(row, "last_updated")?,
                popularity_score: number(row, "popularity_score")? as i64,
            })
        })
    }

    pub fn results(&self, after: Option<i64>) -> Result<Vec<OldResult>> {
        self.next("build_results", after, |row| {
            Ok(OldResult {
                id: row.get("id")?,
                package: number(row, "package_id")? as i64,
                zig_version: text(row, "zig_version")?,
                build_status: text(row, "build_status")?,
                test_status: text(row, "test_status")?,
                error_log: text(row, "error_log")?,
                last_checked: self.time(row, "last_checked")?,
            })
        })
    }

    pub fn issues(&self, after: Option<i64>) -> Result<Vec<OldIssue>> {
        self.next("issues", after, |row| {
            let auto_created = text(row, "auto_created")?;
            Ok(OldIssue {
                id: row.get("id")?,
                package: number(row, "package_id")? as i64,
                zig_version: text(row, "zig_version")?,
                url: text(row, "issue_url")?,
                status: text(row, "issue_status")?,
                auto_created: matches!(auto_created.as_str(), "1" | "true" | "TRUE"),
                resolved_at: self.time(row, "resolved_at")?,
                created_at: self.time(row, "created_at")?,
            })
        })
    }

    fn next<T>(
        &self,
        table: &str,
        after: Option<i64>,
        read: impl Fn(&Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        let columns = TABLES.iter().find(|(name, _)| *name == table);
        let columns = columns.map_or(&[][..], |(_, columns)| &columns[1..]);
        // No text is longer in a package.
        let cut =
            |column: &&str| format!(", substr({column}, 1, {ERROR_LOG_LIMIT_BYTES}) AS {column}");
        let columns: String = columns.iter().map(cut).collect();
        let sql = format!(
            "SELECT id{columns} FROM {table} WHERE ?1 IS NULL OR id > ?1 \
             ORDER BY id LIMIT {IMPORTED_AT_ONCE_ROWS}"
        );
        let mut statement = self.db.prepare_cached(&sql)?;
        let rows = statement.query_map(params![after], |row| read(row))?;
        rows.collect()
    }

    /// The time in a column: a number, or a text that SQLite takes for a date.
    fn time(&self, row: &Row, column: &str) -> Result<Option<i64>> {
        let text = text(row, column)?;
        let ms = match text.trim().parse::<f64>() {
            Ok(number) if number.abs() >= LEAST_MILLISECONDS => Some(number as i64),
            Ok(number) => Some((number * 1_000.0) as i64),
            Err(_) => {
                let sql = "SELECT CAST(round(unixepoch(?1, 'subsec') * 1000) AS INTEGER)";
                let mut statement = self.db.prepare_cached(sql)?;
                statement.query_row([text.trim()], |row| row.get(0))?
            }
        };
        Ok(ms.filter(|ms| (0..=LAST_TIME_MS).contains(ms)))
    }
}

/// The text in a column of any type; empty: there is none.
fn text(row: &Row, column: &str) -> Result<String> {
    Ok(match row.get_ref(column)? {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            // A text ends at a NUL for most programs.
            let end = bytes.iter().position(|byte| *byte == 0);
            String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
        }
    })
}

/// The number in a column of any type; 0: there is none.
fn number(row: &Row, column: &str) -> Result<f64> {
    Ok(text(row, column)?.trim().parse().unwrap_or(0.0))
}
