//! The database of a data directory as a file that its server does not use: made, examined, and what it refers to.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, MAIN_DB, OpenFlags};

use crate::app::store::{migrations, sources};

/// Steps of SQLite between two questions whether it is late: some ten milliseconds.
const LATE_CHECK_STEPS: i32 = 100_000;

/// Copies the database as it is at one moment. A reader keeps no writer waiting, so the server notices nothing; its
/// write-ahead log grows by what it writes meanwhile. The schema stays that of the server, which may be an older
/// program.
pub fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let db = open_to_read(from)?;
    // All pages in one step: between steps each write of the server would make the copy begin anew.
    db.backup(MAIN_DB, to, None).map_err(text)?;
    // A file of its own, which no reader changes.
    let copy = Connection::open(to).map_err(text)?;
    let mode = "PRAGMA journal_mode = DELETE";
    let mode = copy.query_row(mode, [], |row| row.get::<_, String>(0));
    mode.map(|_| ()).map_err(text)
}

/// Refuses a damaged database, and one of a newer program.
pub fn examine(path: &Path) -> Result<(), String> {
    examine_open(&open_to_read(path)?)
}

fn examine_open(db: &Connection) -> Result<(), String> {
    migrations::version(db).map_err(|error| error.to_string())?;
    quick_check(db)
}

/// Refuses a database that is damaged.
pub(super) fn quick_check(db: &Connection) -> Result<(), String> {
    let check = "PRAGMA quick_check(1)";
    let found: String = db.query_row(check, [], |row| row.get(0)).map_err(text)?;
    match found.as_str() {
        "ok" => Ok(()),
        damage => Err(format!("the database is damaged: {damage}")),
    }
}

/// What a database of which others may be at work comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Examined {
    /// With the time when its newest build was asked for; none: it has none.
    Whole(Option<i64>),
    Damaged(String),
    /// `is_late` said so before the end.
    Unfinished,
}

/// Examines a database and changes nothing beside it, whoever runs this.
pub fn examine_until(
    path: &Path,
    mut is_late: impl FnMut() -> bool + Send + std::panic::RefUnwindSafe + 'static,
) -> Examined {
    let examine = || -> Result<Examined, String> {
        let db = open_untouched(path)?;
        let is_over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let ended = is_over.clone();
        let check = move || {
            let late = is_late();
            ended.fetch_or(late, std::sync::atomic::Ordering::Relaxed);
            late
        };
        db.progress_handler(LATE_CHECK_STEPS, Some(check));
        let found = examine_open(&db);
        if is_over.load(std::sync::atomic::Ordering::Relaxed) {
            return Ok(Examined::Unfinished);
        }
        found?;
        let newest = "SELECT max(created_at) FROM builds WHERE id = (SELECT max(id) FROM builds)";
        let newest = db.query_row(newest, [], |row| row.get(0)).map_err(text)?;
        Ok(Examined::Whole(newest))
    };
    examine().unwrap_or_else(Examined::Damaged)
}

/// Opens a database. Where its server does not run, no file is made beside it, which root would own.
fn open_untouched(path: &Path) -> Result<Connection, String> {
    let log = path.with_extension("db-wal");
    if log.exists() {
        return open_to_read(path);
    }
    let name = percent_encoding::utf8_percent_encode(
        path.to_str().ok_or("its path is not UTF-8")?,
        percent_encoding::NON_ALPHANUMERIC,
    );
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{name}?immutable=1"), flags).map_err(text)
}

/// The names of the files in `logs/` that never change again: those of the builds that have ended.
pub fn ended_logs(path: &Path) -> Result<Vec<String>, String> {
    let sql =
        "SELECT id || '.log' FROM builds WHERE state IN ('finished', 'cancelled') ORDER BY id";
    names(path, sql)
}

/// The names of the files in `sources/` that the database refers to.
pub fn kept_files(path: &Path) -> Result<Vec<String>, String> {
    names(path, sources::KEPT_FILES)
}

fn names(path: &Path, sql: &str) -> Result<Vec<String>, String> {
    let db = open_to_read(path)?;
    let mut statement = db.prepare(sql).map_err(text)?;
    let rows = statement.query_map([], |row| row.get(0)).map_err(text)?;
    rows.collect::<Result<_, _>>().map_err(text)
}

/// Opens a database that stays as it is.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, String> {
    open_existing(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

pub(super) fn open_existing(path: &Path, flags: OpenFlags) -> Result<Connection, String> {
    let db = Connection::open_with_flags(path, flags).map_err(text)?;
    // Held for a moment while a server starts or ends.
    db.busy_timeout(Duration::from_secs(10)).map_err(text)?;
    Ok(db)
}

fn text(error: rusqlite::Error) -> String {
    error.to_string()
}
