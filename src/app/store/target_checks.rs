//! The table `target_checks`: builds whose sources are to be analysed for other targets, and how far the examination
//! of packages for such builds is.

use rusqlite::params;

use crate::app::domain::ids::{BuildId, PackageId};
use crate::app::store::columns::row;
use crate::app::store::limits::TARGETS_SHARED_LIMIT_BUILDS;
use crate::app::store::packages::{self, MOST_USED_FIRST, RecheckRow};
use crate::app::store::store::{Result, Store};

row! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct TargetCheck from "target_checks" {
        pub build: BuildId = "build_id",
        /// From 1.
        pub attempt: u32,
        /// How many attempts ended in an error; those that a restart of the server interrupted do not count.
        pub errors: u32,
    }
}

const TARGET_CHECK: &str = TargetCheck::SELECT;

pub fn by_build(store: &Store, build: BuildId) -> Result<Option<TargetCheck>> {
    let sql = format!("{TARGET_CHECK} WHERE build_id = ?1");
    store.optional_row(&sql, [build], TargetCheck::read)
}

/// True of one that does not wait in the queue.
pub(super) const RUNNING: &str =
    "NOT EXISTS (SELECT 1 FROM queue WHERE kind = 4 AND id = build_id)";

/// Those that an earlier run of the server was at.
pub fn interrupted(store: &Store) -> Result<Vec<TargetCheck>> {
    let sql = format!("{TARGET_CHECK} WHERE {RUNNING}");
    store.rows(&sql, [], TargetCheck::read)
}

/// Adds a build; false if its answer is known, if it or the original of its verdict is there already, or if the file of
/// its source is gone.
pub fn insert(store: &mut Store, build: BuildId) -> Result<bool> {
    let sql = "INSERT INTO target_checks (build_id) SELECT b.id FROM builds b WHERE b.id = ?1 AND b.targets = '' \
        AND NOT EXISTS (SELECT 1 FROM target_checks WHERE build_id IN (b.id, b.cached_from)) \
        AND EXISTS (SELECT 1 FROM checks c JOIN sources s ON s.hash = c.source WHERE c.id = b.check_id AND s.kept = 1)";
    Ok(store.execute(sql, [build])? > 0)
}

pub fn set_attempt(store: &mut Store, build: BuildId, attempt: u32, errors: u32) -> Result<()> {
    let sql = "UPDATE target_checks SET attempt = ?2, errors = ?3 WHERE build_id = ?1";
    store.execute(sql, params![build, attempt, errors])?;
    Ok(())
}

pub fn delete(store: &mut Store, build: BuildId) -> Result<()> {
    store.execute("DELETE FROM target_checks WHERE build_id = ?1", [build])?;
    Ok(())
}

/// Stores the answer about a build, also for the newest builds that have its verdict.
pub fn set_targets(store: &mut Store, build: BuildId, targets: &str) -> Result<()> {
    let sql = "UPDATE builds SET targets = ?2 WHERE id = ?1 OR id IN \
        (SELECT id FROM builds WHERE cached_from = ?1 ORDER BY id DESC LIMIT ?3)";
    store.execute(sql, params![build, targets, TARGETS_SHARED_LIMIT_BUILDS])?;
    Ok(())
}

// -- packages whose verdicts came without an analysis --

/// Whether packages are still to be examined.
pub fn is_examining(store: &Store) -> Result<bool> {
    store.value("SELECT analysed_after NOT NULL FROM server", [])
}

/// All packages are to be examined, from the first.
pub fn examine_all(store: &mut Store) -> Result<()> {
    let sql = "UPDATE server SET analysed_after = ?1 WHERE analysed_after IS NOT ?1";
    store.execute(sql, [MOST_USED_FIRST])?;
    Ok(())
}

/// The next `limit` packages to examine, and true if these are the last ones.
pub fn next_to_examine(store: &mut Store, limit: usize) -> Result<(Vec<RecheckRow>, bool)> {
    let sql = "SELECT analysed_after FROM server";
    let Some(after) = store.value::<Option<PackageId>>(sql, [])? else {
        return Ok((Vec::new(), true));
    };
    let (next, after) = packages::next_of_walk(store, after, limit)?;
    store.execute("UPDATE server SET analysed_after = ?1", [after])?;
    Ok((next, after.is_none()))
}
