//! Packages that are gone: their name and repository are free at once, their other rows follow in pieces.

use rusqlite::params;

use crate::app::domain::ids::{BuildId, PackageId};
use crate::app::store::builds::{self, BuildRow};
use crate::app::store::comparisons;
use crate::app::store::declared;
use crate::app::store::durations;
use crate::app::store::history;
use crate::app::store::packages::Holder;
use crate::app::store::shares;
use crate::app::store::sources;
use crate::app::store::store::{NextCheckDue, Result, Store};
use crate::app::store::transitions;
use crate::app::store::uses;

/// Builds of a package that is gone, cancelled or deleted in one turn: a millisecond of writes, and as many files.
pub const REMOVED_BUILDS_LIMIT: usize = 16;

/// What becomes of the checks and builds of a package that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// They are deleted.
    Delete,
    /// They stay as they are, and belong to no package.
    Detach,
}

impl Removal {
    fn as_str(self) -> &'static str {
        match self {
            Removal::Delete => "delete",
            Removal::Detach => "detach",
        }
    }
}

/// A build whose row was deleted, and what is left of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Deleted {
    pub build: BuildId,
    /// The file of its source, if nothing else uses that.
    pub source: Option<String>,
}

/// Removes a package: it has no name, no repository, no verdict and no recheck from now on.
pub fn begin(store: &mut Store, package: &Holder, removal: Removal) -> Result<()> {
    let id = package.id;
    store.next_check_due.set(NextCheckDue::Unknown);
    durations::delete(store, &package.name)?;
    comparisons::delete(store, id)?;
    transitions::delete(store, id)?;
    shares::forget(store, id)?;
    for table in ["build_results", "issues", "commit_searches", "commit_lists"] {
        let sql = format!("DELETE FROM {table} WHERE package_id = ?1");
        store.execute(&sql, [id])?;
    }
    // No name and no URL looks like this.
    let sql = "UPDATE packages SET name = '~' || id, url = '~' || id, repository = NULL, \
        next_check = NULL, removal = ?2 WHERE id = ?1";
    store.execute(sql, params![id, removal.as_str()])?;
    Ok(())
}

/// The next package that is gone and has rows left.
pub fn next(store: &Store) -> Result<Option<(PackageId, Removal)>> {
    let sql =
        "SELECT id, removal = 'delete' AS deletes FROM packages WHERE removal NOT NULL LIMIT 1";
    store.optional_row(sql, [], |row| {
        let removal = match row.get("deletes")? {
            true => Removal::Delete,
            false => Removal::Detach,
        };
        Ok((row.get("id")?, removal))
    })
}

/// The newest builds of a package, at most `limit`.
pub fn newest_builds(store: &Store, package: PackageId, limit: usize) -> Result<Vec<BuildRow>> {
    builds::newest(store, package, limit)
}

/// Takes the package from up to `limit` of its checks; gives how many there were.
pub fn detach_checks(store: &mut Store, package: PackageId, limit: usize) -> Result<usize> {
    let sql = "UPDATE checks SET package_id = NULL \
        WHERE id IN (SELECT id FROM checks WHERE package_id = ?1 LIMIT ?2)";
    store.execute(sql, params![package, limit])
}

/// The oldest build that took its verdict from that one: it shows the log of that one as its own.
pub fn heir(store: &Store, build: BuildId) -> Result<Option<BuildId>> {
    let sql = "SELECT id FROM builds WHERE cached_from = ?1 ORDER BY id LIMIT 1";
    store.optional_row(sql, [build], |row| row.get("id"))
}

/// Makes the heir of a build the origin of up to `limit` verdicts that came from it, its own first.
pub fn inherit(store: &mut Store, build: BuildId, heir: BuildId, limit: usize) -> Result<()> {
    let sql = "UPDATE builds SET cached_from = NULL WHERE id = ?1";
    store.execute(sql, [heir])?;
    let sql = "UPDATE builds SET cached_from = ?2 \
        WHERE id IN (SELECT id FROM builds WHERE cached_from = ?1 LIMIT ?3)";
    store.execute(sql, params![build, heir, limit])?;
    Ok(())
}

/// Deletes an ended build with its events and, where it was the last one, with its check and its source. None while
/// other builds wait for its verdict or have it.
pub fn delete_build(store: &mut Store, row: &BuildRow) -> Result<Option<Deleted>> {
    let sql = "SELECT EXISTS (SELECT 1 FROM builds WHERE waits_for = ?1) \
        OR EXISTS (SELECT 1 FROM builds WHERE cached_from = ?1)";
    if store.value(sql, [row.id])? {
        return Ok(None);
    }
    store.execute("DELETE FROM events WHERE build_id = ?1", [row.id])?;
    builds::delete(store, row.id)?;
    let source = match &row.source {
        Some(hash) if sources::is_unnamed(store, hash)? => Some(sources::delete_file(store, hash)?),
        _ => None,
    };
    Ok(Some(Deleted {
        build: row.id,
        source,
    }))
}

/// Deletes up to `limit` other rows of a package without builds; the last one is that of the package. False if there
/// are more.
pub fn finish(store: &mut Store, package: PackageId, limit: usize) -> Result<bool> {
    if uses::delete_some(store, package, limit)? > 0
        || history::delete_some(store, package, limit)? > 0
    {
        return Ok(false);
    }
    declared::delete(store, package)?;
    store.execute("DELETE FROM packages WHERE id = ?1", [package])?;
    Ok(true)
}
