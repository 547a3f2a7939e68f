//! An upgrade of the schema is tried on a copy of the database before the database itself is changed.
//!
//! The upgrade is one transaction, which a failed statement leaves undone. The trial finds what no statement reports: a
//! file that is damaged, a row that refers to nothing afterwards. It finds a full disk before the server writes to it.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::app::store::backup;
use crate::app::store::limits::UPGRADE_SPACE_FACTOR;
use crate::app::store::migrations::{self, OpenError};

/// An upgrade of the schema, from a version to the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upgrade {
    pub from: usize,
    pub to: usize,
}

/// The upgrade that the database at that path needs, if there is one and it needs one. A newer one is refused.
pub fn needed(path: &Path) -> Result<Option<Upgrade>, OpenError> {
    if !path.exists() {
        return Ok(None);
    }
    // To write as well: a server that was killed while it made the database leaves a journal, which SQLite has to undo.
    // Where it cannot be opened, whoever opens it next says why.
    let Ok(db) = backup::open_existing(path, OpenFlags::SQLITE_OPEN_READ_WRITE) else {
        return Ok(None);
    };
    let from = migrations::version(&db)?;
    let to = migrations::newest();
    let is_old = from < to && !migrations::is_empty(&db)?;
    Ok(is_old.then_some(Upgrade { from, to }))
}

/// Tries the upgrade on a copy of the database at that path, which stays as it is. An error says in one line why it
/// cannot be upgraded. `free_bytes` are those of its disk; none: unknown.
pub fn run(path: &Path, upgrade: Upgrade, free_bytes: Option<u64>) -> Result<(), OpenError> {
    let tried = try_upgrade(path, upgrade, free_bytes);
    tried.map_err(OpenError::Trial)
}

fn try_upgrade(path: &Path, upgrade: Upgrade, free_bytes: Option<u64>) -> Result<(), String> {
    let name = format!("its upgrade from schema {} to {}", upgrade.from, upgrade.to);
    check_space(path, free_bytes).map_err(|why| format!("{name} {why}"))?;
    let copy = PathBuf::from(format!("{}.upgrade", path.display()));
    // That of a trial that was cut off.
    remove(&copy);
    let tried = try_on(path, &copy, upgrade.from);
    remove(&copy);
    tried.map_err(|why| format!("{name} was tried on a copy and failed; it stays as it was: {why}"))
}

/// Refuses an upgrade that might fill the disk.
fn check_space(path: &Path, free_bytes: Option<u64>) -> Result<(), String> {
    let bytes = |path: PathBuf| fs::metadata(path).map_or(0, |file| file.len());
    let log = PathBuf::from(format!("{}-wal", path.display()));
    let size = bytes(path.to_path_buf()).saturating_add(bytes(log));
    let needed = size.saturating_mul(UPGRADE_SPACE_FACTOR);
    match free_bytes {
        Some(free) if free < needed => Err(format!(
            "needs {} MiB of free disk space for a copy and for what it writes; {} MiB are free",
            needed.div_ceil(1 << 20),
            free >> 20
        )),
        _ => Ok(()),
    }
}

fn try_on(path: &Path, copy: &Path, from: usize) -> Result<(), String> {
    backup::copy(path, copy)?;
    let mut db = Connection::open(copy).map_err(text)?;
    // The copy goes, whatever comes of it: nothing is rolled back, and nothing needs to be on the disk.
    let fast = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA foreign_keys = ON; \
        PRAGMA temp_store = MEMORY; PRAGMA recursive_triggers = ON;";
    db.execute_batch(fast).map_err(text)?;
    let transaction = db.transaction().map_err(text)?;
    migrations::upgrade(&transaction, from).map_err(text)?;
    transaction.commit().map_err(text)?;
    backup::quick_check(&db)?;
    let sql = "SELECT coalesce(min(\"table\" || ' refers to no row of ' || parent), '') \
        FROM pragma_foreign_key_check";
    let orphan: String = db.query_row(sql, [], |row| row.get(0)).map_err(text)?;
    match orphan.is_empty() {
        true => Ok(()),
        false => Err(format!("a row of {orphan}")),
    }
}

/// Removes the copy and what SQLite keeps beside it. Each of these may be there or not.
fn remove(copy: &Path) {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", copy.display()));
    }
}

fn text(error: rusqlite::Error) -> String {
    error.to_string()
}
