//! The table `checks`: requests to try one source.

use rusqlite::{Row, params};

use crate::app::domain::ids::{CheckId, PackageId};
use crate::app::domain::task::Priority;
use crate::app::store::columns::{Columns, row};
use crate::app::store::durations;
use crate::app::store::sources::{self, SourceRow};
use crate::app::store::store::{Result, Store};

#[derive(Debug, Clone, PartialEq)]
pub struct CheckRow {
    pub id: CheckId,
    pub package_id: Option<PackageId>,
    /// The name of its package now or, if it has none, the name it was asked for.
    pub package: String,
    pub url: Option<String>,
    pub reference: Option<String>,
    /// Where its build.zig is; none: at the root.
    pub dir: Option<String>,
    /// No verdict is taken from the cache.
    pub fresh: bool,
    /// A search tries an older commit.
    pub is_try: bool,
    /// The commits in its history that had left a cache when its source was fetched, apart by blanks.
    pub ancestors: String,
    pub source: Option<SourceRow>,
    pub commit: Option<String>,
    /// The attempt to fetch its source, from 1.
    pub attempt: u32,
    /// How many attempts ended in an error.
    pub errors: u32,
    pub priority: Priority,
    pub tenant: String,
    pub created_at: i64,
}

impl CheckRow {
    /// The key of the averages of its builds in `durations`.
    pub fn durations_key(&self) -> String {
        durations::key(
            &self.package,
            self.package_id.is_none() && self.url.is_none(),
        )
    }
}

const CHECK: &str = "SELECT c.id, c.package_id, \
    coalesce(p.name, c.package) AS package, c.url, c.ref, c.dir, c.fresh, c.is_try, c.ancestors, c.\"commit\", \
    c.attempt, c.errors, c.priority, c.tenant, c.created_at, \
    s.hash, s.format, s.bytes, s.dependencies, s.manifest \
    FROM checks c LEFT JOIN sources s ON s.hash = c.source \
    LEFT JOIN packages p ON p.id = c.package_id AND p.removal IS NULL";

fn check_row(row: &Row) -> Result<CheckRow> {
    let columns = Columns::of(row);
    Ok(CheckRow {
        id: columns.get("id")?,
        package_id: columns.get("package_id")?,
        package: columns.get("package")?,
        url: columns.get("url")?,
        reference: columns.get("ref")?,
        dir: columns.get("dir")?,
        fresh: columns.get("fresh")?,
        is_try: columns.get("is_try")?,
        ancestors: columns.get("ancestors")?,
        commit: columns.get("commit")?,
        attempt: columns.get("attempt")?,
        errors: columns.get("errors")?,
        priority: columns.get("priority")?,
        tenant: columns.get("tenant")?,
        created_at: columns.get("created_at")?,
        source: source(&columns)?,
    })
}

fn source(columns: &Columns) -> Result<Option<SourceRow>> {
    let Some(hash) = columns.get("hash")? else {
        return Ok(None);
    };
    Ok(Some(SourceRow {
        hash,
        format: columns.get("format")?,
        bytes: columns.get("bytes")?,
        dependencies: columns.get("dependencies")?,
        manifest: columns.get("manifest")?,
    }))
}

/// A check as it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct NewCheck<'a> {
    pub package_id: Option<PackageId>,
    pub package: &'a str,
    /// The repository and the reference in it; none for an upload.
    pub git: Option<(&'a str, Option<&'a str>)>,
    /// Where its build.zig is; none: at the root.
    pub dir: Option<&'a str>,
    /// No verdict is taken from the cache.
    pub fresh: bool,
    pub priority: Priority,
    pub tenant: &'a str,
}

row! {
    /// A check in one line.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct CheckLine from "(SELECT id, package, package_id, created_at FROM checks ORDER BY id DESC LIMIT ?1) c \
            JOIN builds b ON b.check_id = c.id \
            LEFT JOIN packages p ON p.id = c.package_id AND p.removal IS NULL" {
        pub id: CheckId = "c.id",
        pub package: String = "coalesce(p.name, c.package)",
        /// It is a check of a package that is there.
        pub is_known: bool = "p.id NOT NULL",
        pub created_at: i64 = "c.created_at",
        /// The number of its builds, of those that are green or amber, and of those that are unfinished.
        pub builds: u32 = "count(*)",
        pub good: u32 = "sum(b.build_status = 'success' AND b.test_status IS NOT 'failed' \
                AND b.import_status IS NOT 'failed')",
        pub open: u32 = "sum(b.state NOT IN ('finished', 'cancelled'))",
    }
}

/// Adds a check; gives its id.
pub fn insert(store: &mut Store, new: &NewCheck, at: i64) -> Result<CheckId> {
    let sql = "INSERT INTO checks (package_id, package, url, ref, priority, tenant, created_at, \
        dir, fresh) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let NewCheck {
        package_id,
        package,
        git,
        dir,
        fresh,
        priority,
        tenant,
    } = new;
    let (url, reference) = (git.map(|git| git.0), git.and_then(|git| git.1));
    let values = params![
        package_id, package, url, reference, priority, tenant, at, dir, fresh
    ];
    store.insert(sql, values).map(CheckId)
}

/// A commit that a search tries, as its repository listed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriedCommit<'a> {
    /// In seconds since 1970.
    pub time: i64,
    /// How many first parents it has.
    pub position: Option<i64>,
    pub tag: Option<&'a str>,
}

/// Notes that a check is a try of a search, and of which commit. Call this before its builds are inserted.
pub fn set_tried(store: &mut Store, check: CheckId, commit: &TriedCommit) -> Result<()> {
    let sql =
        "UPDATE checks SET is_try = 1, commit_time = ?2, position = ?3, tag = ?4 WHERE id = ?1";
    let TriedCommit {
        time,
        position,
        tag,
    } = commit;
    store.execute(sql, params![check, time, position, tag])?;
    Ok(())
}

/// The newest source of that commit of a package, if its file is kept.
pub fn source_of(store: &Store, package: PackageId, commit: &str) -> Result<Option<SourceRow>> {
    let sql = format!(
        "{CHECK} WHERE c.package_id = ?1 AND c.\"commit\" = ?2 AND s.kept = 1 ORDER BY c.id DESC LIMIT 1"
    );
    let check = store.optional_row(&sql, params![package, commit], check_row)?;
    Ok(check.and_then(|check| check.source))
}

pub fn by_id(store: &Store, id: CheckId) -> Result<Option<CheckRow>> {
    store.optional_row(&format!("{CHECK} WHERE c.id = ?1"), [id], check_row)
}

/// The latest checks, the newest first.
pub fn latest(store: &Store, limit: u64) -> Result<Vec<CheckLine>> {
    let sql = format!("{} GROUP BY c.id ORDER BY c.id DESC", CheckLine::SELECT);
    store.rows(&sql, [limit], CheckLine::read)
}

/// Gives a check its source.
pub fn set_source(
    store: &mut Store,
    check: CheckId,
    source: &SourceRow,
    commit: Option<&str>,
    at: i64,
) -> Result<()> {
    sources::insert(store, source, at)?;
    let sql = "UPDATE checks SET source = ?2, \"commit\" = ?3 WHERE id = ?1";
    store.execute(sql, params![check, source.hash, commit])?;
    Ok(())
}

/// Notes when the commit of a check was made, in seconds since 1970.
pub fn set_commit_time(store: &mut Store, check: CheckId, seconds: Option<i64>) -> Result<()> {
    let sql = "UPDATE checks SET commit_time = ?2 WHERE id = ?1";
    store.execute(sql, params![check, seconds])?;
    Ok(())
}

/// Notes which commits that left a cache are in the history of a check's commit.
pub fn set_ancestors(store: &mut Store, check: CheckId, commits: &[String]) -> Result<()> {
    let sql = "UPDATE checks SET ancestors = ?2 WHERE id = ?1";
    store.execute(sql, params![check, commits.join(" ")])?;
    Ok(())
}

/// Takes the source from a check: it cannot be used and will be fetched again.
pub fn clear_source(store: &mut Store, check: CheckId) -> Result<()> {
    let sql = "UPDATE checks SET source = NULL WHERE id = ?1";
    store.execute(sql, [check])?;
    Ok(())
}

/// Notes the attempt to fetch the source, and how many attempts ended in an error.
pub fn set_attempt(store: &mut Store, check: CheckId, attempt: u32, errors: u32) -> Result<()> {
    let sql = "UPDATE checks SET attempt = ?2, errors = ?3 WHERE id = ?1";
    store.execute(sql, params![check, attempt, errors])?;
    Ok(())
}

/// Removes a check without builds, with what is left of its source if no other check names it.
pub(super) fn delete_empty(store: &mut Store, check: CheckId) -> Result<()> {
    let sql = "SELECT source FROM checks WHERE id = ?1";
    let source: Option<String> = store.value(sql, [check])?;
    let sql = "DELETE FROM checks WHERE id = ?1 \
        AND NOT EXISTS (SELECT 1 FROM builds WHERE check_id = ?1)";
    store.execute(sql, [check])?;
    match source {
        Some(hash) => sources::delete_unnamed(store, &hash),
        None => Ok(()),
    }
}
