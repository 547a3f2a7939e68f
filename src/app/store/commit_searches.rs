//! The tables `commit_searches` and `commit_lists`: which packages are searched for a commit that works, and how far.

use std::collections::HashMap;

use rusqlite::params;

use crate::app::domain::commit_search::{SearchState, TryResult};
use crate::app::domain::ids::{BuildId, PackageId};
use crate::app::domain::limits::COMMITS_LIMIT;
use crate::app::domain::task::Priority;
use crate::app::store::columns::row;
use crate::app::store::history::CommitVerdict;
use crate::app::store::store::{Result, Store};

row! {
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct SearchRow from "commit_searches" {
        pub package: PackageId = "package_id",
        pub zig_version: String,
        pub state: SearchState,
        pub priority: Priority,
        pub tenant: String,
        /// What it began with.
        pub toolchain: String,
        /// The commit that did not work.
        pub head: String,
        /// How many builds it asked for.
        pub tried: u32,
        /// About how many there will be.
        pub expected: u32,
        /// Its build under way.
        pub build_id: Option<BuildId>,
        /// How often its commits could not be listed.
        pub errors: u32,
        /// The commits whose builds said nothing of the package, apart by blanks.
        pub unclear: String,
    }
}

const SEARCH: &str = SearchRow::SELECT;

/// A search that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSearch<'a> {
    pub package: PackageId,
    pub zig_version: &'a str,
    pub priority: Priority,
    pub tenant: &'a str,
    pub toolchain: &'a str,
    pub head: &'a str,
}

// -- reads --

pub fn by_cell(store: &Store, package: PackageId, zig_version: &str) -> Result<Option<SearchRow>> {
    let sql = format!("{SEARCH} WHERE package_id = ?1 AND zig_version = ?2");
    store.optional_row(&sql, params![package, zig_version], SearchRow::read)
}

/// The searches of a package, ended ones as well.
pub fn of_package(store: &Store, package: PackageId) -> Result<Vec<SearchRow>> {
    let sql = format!("{SEARCH} WHERE package_id = ?1");
    store.rows(&sql, [package], SearchRow::read)
}

/// All searches that list commits or try one.
pub fn running(store: &Store) -> Result<Vec<SearchRow>> {
    let sql = format!("{SEARCH} WHERE state IN ('listing', 'trying')");
    store.rows(&sql, [], SearchRow::read)
}

/// The next package of that priority that waits to be searched, if fewer than `limit` of it are.
pub fn next_waiting(store: &Store, priority: Priority, limit: u64) -> Result<Option<PackageId>> {
    let sql = "SELECT count(DISTINCT package_id) FROM commit_searches \
        WHERE state IN ('listing', 'trying') AND priority = ?1";
    let open: i64 = store.value(sql, [priority])?;
    if open as u64 >= limit {
        return Ok(None);
    }
    let sql = "SELECT package_id FROM commit_searches WHERE state = 'waiting' AND priority = ?1 \
        ORDER BY changed_at LIMIT 1";
    store.optional_row(sql, [priority], |row| row.get(0))
}

/// What the commits of a package came to under the version of a search, as far as that is known.
pub fn results(store: &Store, search: &SearchRow) -> Result<HashMap<String, TryResult>> {
    let sql = format!(
        "{} WHERE h.package_id = ?1 AND h.zig_version = (SELECT id FROM history_texts WHERE text = ?2) \
         ORDER BY h.id DESC",
        CommitVerdict::SELECT
    );
    let values = params![search.package, search.zig_version];
    let verdicts = store.first_rows(&sql, values, COMMITS_LIMIT, CommitVerdict::read)?;
    let unclear = search.unclear.split_whitespace();
    let mut results: HashMap<_, _> = unclear
        .map(|commit| (commit.to_string(), TryResult::Unclear))
        .collect();
    // The newest verdict on a commit comes first, and counts.
    let mut known: HashMap<String, TryResult> = HashMap::new();
    for verdict in verdicts {
        let result = TryResult::new(verdict.statuses());
        known.entry(verdict.commit).or_insert(result);
    }
    results.extend(known);
    Ok(results)
}

// -- the progress of a search --

/// Begins a search anew. One that is under way goes on, for whoever asked first in the order of priorities.
pub fn request(store: &mut Store, new: &NewSearch, at: i64) -> Result<()> {
    let NewSearch {
        package,
        zig_version,
        priority,
        tenant,
        toolchain,
        head,
    } = new;
    let sql = "UPDATE commit_searches SET priority = ?3, tenant = ?4 \
        WHERE package_id = ?1 AND zig_version = ?2 AND priority > ?3 \
        AND state IN ('waiting', 'listing', 'trying')";
    store.execute(sql, params![package, zig_version, priority, tenant])?;
    let sql = "INSERT INTO commit_searches (package_id, zig_version, state, priority, tenant, toolchain, head, \
            changed_at) VALUES (?1, ?2, 'waiting', ?3, ?4, ?5, ?6, ?7) \
        ON CONFLICT (package_id, zig_version) DO UPDATE SET state = 'waiting', priority = ?3, tenant = ?4, \
            toolchain = ?5, head = ?6, changed_at = ?7, tried = 0, expected = 0, build_id = NULL, errors = 0, \
            unclear = '' \
        WHERE state NOT IN ('waiting', 'listing', 'trying')";
    let values = params![package, zig_version, priority, tenant, toolchain, head, at];
    store.execute(sql, values)?;
    Ok(())
}

/// Lets the searches of a package that wait begin.
pub fn begin(store: &mut Store, package: PackageId, at: i64) -> Result<()> {
    let sql = "UPDATE commit_searches SET state = 'listing', changed_at = ?2 \
        WHERE package_id = ?1 AND state = 'waiting'";
    store.execute(sql, params![package, at])?;
    Ok(())
}

/// How often the commits of a package could not be listed for the searches that wait for that.
pub fn errors(store: &Store, package: PackageId) -> Result<u32> {
    let sql = "SELECT ifnull(max(errors), 0) FROM commit_searches \
        WHERE package_id = ?1 AND state = 'listing'";
    store.value(sql, [package])
}

/// Notes how often the commits of a package could not be listed.
pub fn set_errors(store: &mut Store, package: PackageId, errors: u32) -> Result<()> {
    let sql = "UPDATE commit_searches SET errors = ?2 WHERE package_id = ?1 AND state = 'listing'";
    store.execute(sql, params![package, errors])?;
    Ok(())
}

/// Notes the build that a search asked for, and about how many there will be.
pub fn set_try(store: &mut Store, of: &SearchRow, build: BuildId, expected: u32) -> Result<()> {
    let sql = "UPDATE commit_searches SET state = 'trying', tried = tried + 1, build_id = ?3, expected = ?4 \
        WHERE package_id = ?1 AND zig_version = ?2";
    store.execute(sql, params![of.package, of.zig_version, build, expected])?;
    Ok(())
}

/// Notes that the build of a search has ended, and its commit if it said nothing of the package.
pub fn end_try(store: &mut Store, of: &SearchRow, unclear: Option<&str>) -> Result<()> {
    let sql = "UPDATE commit_searches SET build_id = NULL, unclear = trim(unclear || ' ' || ifnull(?3, '')) \
        WHERE package_id = ?1 AND zig_version = ?2";
    store.execute(sql, params![of.package, of.zig_version, unclear])?;
    Ok(())
}

/// Ends a search. The list of commits goes with the last one of its package.
pub fn end(store: &mut Store, of: &SearchRow, state: SearchState, at: i64) -> Result<()> {
    let sql = "UPDATE commit_searches SET state = ?3, build_id = NULL, changed_at = ?4 \
        WHERE package_id = ?1 AND zig_version = ?2";
    store.execute(sql, params![of.package, of.zig_version, state, at])?;
    let sql = "DELETE FROM commit_lists WHERE package_id = ?1 AND NOT EXISTS (SELECT 1 FROM commit_searches \
        WHERE package_id = ?1 AND state IN ('listing', 'trying'))";
    store.execute(sql, [of.package])?;
    Ok(())
}

/// Ends all searches of a package without an answer.
pub fn cancel(store: &mut Store, package: PackageId, at: i64) -> Result<()> {
    let sql = "UPDATE commit_searches SET state = 'cancelled', build_id = NULL, changed_at = ?2 \
        WHERE package_id = ?1 AND state IN ('waiting', 'listing', 'trying')";
    store.execute(sql, params![package, at])?;
    let sql = "DELETE FROM commit_lists WHERE package_id = ?1";
    store.execute(sql, [package])?;
    Ok(())
}

/// Ends all searches under a version without an answer.
pub fn cancel_version(store: &mut Store, zig_version: &str, at: i64) -> Result<()> {
    let sql = "UPDATE commit_searches SET state = 'cancelled', build_id = NULL, changed_at = ?2 \
        WHERE zig_version = ?1 AND state IN ('waiting', 'listing', 'trying')";
    store.execute(sql, params![zig_version, at])?;
    let sql = "DELETE FROM commit_lists WHERE NOT EXISTS (SELECT 1 FROM commit_searches s \
        WHERE s.package_id = commit_lists.package_id AND s.state IN ('listing', 'trying'))";
    store.execute(sql, [])?;
    Ok(())
}

// -- lists of commits --

/// True while a search waits for the list of a package.
pub fn is_listing(store: &Store, package: PackageId) -> Result<bool> {
    let sql =
        "SELECT EXISTS (SELECT 1 FROM commit_searches WHERE package_id = ?1 AND state = 'listing')";
    store.value(sql, [package])
}

pub fn set_list(store: &mut Store, package: PackageId, commits: &str) -> Result<()> {
    let sql = "INSERT INTO commit_lists (package_id, commits) VALUES (?1, ?2) \
        ON CONFLICT (package_id) DO UPDATE SET commits = ?2";
    store.execute(sql, params![package, commits])?;
    Ok(())
}

/// True if the list of a package has that commit.
pub fn lists(store: &Store, package: PackageId, commit: &str) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM commit_lists WHERE package_id = ?1 \
        AND instr(commits, char(10) || ?2 || ' ') > 0)";
    store.value(sql, params![package, commit])
}

pub fn list(store: &Store, package: PackageId) -> Result<Option<String>> {
    let sql = "SELECT commits FROM commit_lists WHERE package_id = ?1";
    store.optional_row(sql, [package], |row| row.get(0))
}
