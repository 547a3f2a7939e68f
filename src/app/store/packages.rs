//! The table `packages`.

use rusqlite::params;

use crate::app::domain::ids::PackageId;
use crate::app::domain::popularity::USE_SCORE;
use crate::app::domain::recheck::next_check;
use crate::app::domain::repository::identity;
use crate::app::domain::task::Priority;
use crate::app::domain::verdict::{BuildStatus, State};
use crate::app::store::columns::row;
use crate::app::store::durations;
use crate::app::store::list;
use crate::app::store::search;
use crate::app::store::store::{NextCheckDue, Result, Store};
use crate::app::store::totals;
use crate::app::store::uses;

row! {
    #[derive(Debug, Clone, PartialEq)]
    pub struct PackageRow from "packages" {
        pub id: PackageId,
        pub name: String,
        pub url: String,
        pub reference: Option<String> = "ref",
        /// Where its build.zig is; none: at the root.
        pub dir: Option<String>,
        pub description: Option<String>,
        pub author: Option<String>,
        pub license: Option<String>,
        pub created_at: i64,
        pub last_updated: i64,
        pub popularity_score: i64,
        /// What the manifest of its latest source declares.
        pub minimum_zig_version: Option<String>,
        /// Since when nothing of it is checked or built.
        pub paused_at: Option<i64>,
    }
}

const PACKAGE: &str = PackageRow::SELECT;

/// A package as it was submitted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NewPackage {
    pub name: String,
    pub url: String,
    pub reference: Option<String>,
    /// Where its build.zig is; none: at the root.
    pub dir: Option<String>,
    pub description: Option<String>,
    pub author: Option<String>,
    pub license: Option<String>,
}

row! {
    /// What a recheck needs to know of a package.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct RecheckRow from "packages p" {
        pub id: PackageId = "p.id",
        pub name: String = "p.name",
        pub url: String = "p.url",
        pub reference: Option<String> = "p.ref",
        pub dir: Option<String> = "p.dir",
        pub popularity_score: i64 = "p.popularity_score",
        /// The commit of its newest check that has one.
        pub commit: Option<String> = "(SELECT c.\"commit\" FROM checks c WHERE c.package_id = p.id \
                AND c.\"commit\" NOT NULL AND c.is_try = 0 ORDER BY c.id DESC LIMIT 1)",
    }
}

impl RecheckRow {
    /// What is asked of a remote depends on this.
    fn remote(&self) -> (&str, Option<&str>, Option<&str>) {
        (&self.url, self.reference.as_deref(), self.dir.as_deref())
    }
}

/// The search for the commit begins at the newest check, which has one in most cases.
const RECHECK: &str = RecheckRow::SELECT;

/// The conditions of `RECHECK`: one package, those that are due, those after an id. A paused package is none of them.
const ONE: &str = "WHERE p.id = ?1 AND p.removal IS NULL AND p.paused_at IS NULL";
const DUE: &str = "WHERE p.next_check <= ?1 ORDER BY p.next_check, p.id LIMIT ?2";
const AFTER: &str = "WHERE p.id > ?1 AND p.source_type = 'git' AND p.removal IS NULL \
    AND p.paused_at IS NULL ORDER BY p.id LIMIT ?2";

/// The most used packages: the first rows of an index.
const MOST_USED: &str = "WHERE p.source_type = 'git' AND p.removal IS NULL \
    AND p.paused_at IS NULL ORDER BY p.popularity_score DESC LIMIT ?1";

const NEXT_DUE: &str = "SELECT min(next_check) FROM packages WHERE next_check NOT NULL";

const ADD_VIEWS: &str = "UPDATE packages SET popularity_score = popularity_score \
    - popularity_score % ?3 + min(popularity_score % ?3 + ?2, ?3 - 1) WHERE id = ?1";

/// The statements that run without a request: none may cost more with the number of packages.
pub fn recheck_statements() -> Vec<String> {
    let reads = [ONE, DUE, AFTER].map(|condition| format!("{RECHECK} {condition}"));
    let others = [NEXT_DUE, ADD_VIEWS].map(str::to_string);
    reads.into_iter().chain(others).collect()
}

row! {
    /// The package that has a name or a repository.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Holder from "packages" {
        pub id: PackageId,
        pub name: String,
        pub url: String,
        /// Its source was fetched once.
        pub fetched: bool,
        pub paused_at: Option<i64>,
    }
}

pub fn with_name(store: &Store, name: &str) -> Result<Option<Holder>> {
    let sql = format!("{} WHERE name = ?1", Holder::SELECT);
    store.optional_row(&sql, [name], Holder::read)
}

/// The package of that repository or, where databases of earlier versions have several of one, with that URL.
pub fn with_repository(store: &Store, repository: &str, url: &str) -> Result<Option<Holder>> {
    for (column, value) in [("repository", repository), ("url", url)] {
        let sql = format!("{} WHERE {column} = ?1", Holder::SELECT);
        let found = store.optional_row(&sql, [value], Holder::read)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// True if the package keeps its name and its repository: its source was fetched, it is paused, or the newest check
/// that somebody asked for may still fetch it.
pub fn keeps_name(store: &Store, holder: &Holder) -> Result<bool> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM checks WHERE package_id = ?1) \
        OR EXISTS (SELECT 1 FROM builds \
            WHERE check_id = (SELECT id FROM checks WHERE package_id = ?1 AND priority <= ?2 \
                ORDER BY id DESC LIMIT 1) \
            AND state NOT IN ('finished', 'cancelled'))";
    let stays = holder.fetched || holder.paused_at.is_some();
    Ok(stays || store.value(sql, params![holder.id, Priority::Admin])?)
}

/// Adds a package; gives its id. Its first recheck is scheduled, and its users are counted.
pub fn insert(store: &mut Store, new: &NewPackage, at: i64) -> Result<PackageId> {
    let sql = "INSERT INTO packages (name, url, ref, description, author, license, \
        created_at, last_updated, repository, dir) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9)";
    let NewPackage {
        name,
        url,
        reference,
        dir,
        description,
        author,
        license,
    } = new;
    let repository = identity(url);
    let values = params![
        name,
        url,
        reference,
        description,
        author,
        license,
        at,
        repository,
        dir
    ];
    let id = PackageId(store.insert(sql, values)?);
    set_next_check(store, id, next_check(id, at))?;
    search::note_new(store, id)?;
    if uses::has_users(store, &repository)? {
        uses::count_users(store, &repository)?;
    }
    Ok(id)
}

/// What another system has known of a package, beside what is submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    pub created_at: i64,
    pub last_updated: i64,
    pub views: i64,
}

/// Adds a package with its past; gives its id. Its first recheck is due at once.
pub fn import(store: &mut Store, new: &NewPackage, past: Past, at: i64) -> Result<PackageId> {
    let id = insert(store, new, at)?;
    let sql = "UPDATE packages SET created_at = ?2, last_updated = ?3 WHERE id = ?1";
    store.execute(sql, params![id, past.created_at, past.last_updated])?;
    add_views(store, &[(id, past.views)])?;
    set_next_check(store, id, at)?;
    Ok(id)
}

/// Notes that the source of a package was fetched; false if the package is gone.
pub fn set_fetched(store: &mut Store, package: PackageId) -> Result<bool> {
    let sql = "UPDATE packages SET fetched = 1 WHERE id = ?1 AND removal IS NULL";
    Ok(store.execute(sql, [package])? > 0)
}

/// What an admin changes of a package; an outer none changes nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PackageChange {
    pub name: Option<String>,
    pub url: Option<String>,
    pub reference: Option<Option<String>>,
    pub dir: Option<Option<String>>,
    pub description: Option<Option<String>>,
    pub author: Option<Option<String>>,
    pub license: Option<Option<String>>,
    pub paused: Option<bool>,
}

/// Changes a package, which keeps its checks and builds. Its remote is checked at once if it is another one.
pub fn update(store: &mut Store, old: &PackageRow, new: &PackageChange, at: i64) -> Result<()> {
    let set = |store: &mut Store, column: &str, value: &Option<String>| {
        let sql = format!("UPDATE packages SET {column} = ?2 WHERE id = ?1");
        store.execute(&sql, params![old.id, value]).map(|_| ())
    };
    let columns = [
        ("ref", &new.reference),
        ("dir", &new.dir),
        ("description", &new.description),
        ("author", &new.author),
        ("license", &new.license),
    ];
    for (column, value) in columns {
        if let Some(value) = value {
            set(store, column, value)?;
        }
    }
    if let Some(name) = &new.name {
        durations::rename(store, &old.name, name)?;
        set(store, "name", &Some(name.clone()))?;
    }
    if let Some(url) = &new.url {
        let (before, after) = (identity(&old.url), identity(url));
        set(store, "url", &Some(url.clone()))?;
        set(store, "repository", &Some(after.clone()))?;
        for repository in [before, after] {
            uses::count_users(store, &repository)?;
        }
    }
    if let Some(paused) = new.paused {
        set_paused(store, old.id, paused, at)?;
    }
    if new.url.is_some() || new.reference.is_some() || new.dir.is_some() {
        set_next_check(store, old.id, at)?;
    }
    Ok(())
}

/// The package of that name or, if it has a slash, of the repository with that path.
pub fn find(store: &Store, name: &str) -> Result<Option<PackageRow>> {
    match name.contains('/') {
        true => by_path(store, name),
        false => by_name(store, name),
    }
}

pub fn by_name(store: &Store, name: &str) -> Result<Option<PackageRow>> {
    let sql = format!("{PACKAGE} WHERE name = ?1");
    store.optional_row(&sql, [name], PackageRow::read)
}

pub fn by_id(store: &Store, id: PackageId) -> Result<Option<PackageRow>> {
    let sql = format!("{PACKAGE} WHERE id = ?1 AND removal IS NULL");
    store.optional_row(&sql, [id], PackageRow::read)
}

/// The packages with these ids, in no order.
pub fn by_ids(store: &Store, ids: &[PackageId]) -> Result<Vec<PackageRow>> {
    let sql = format!("{PACKAGE} WHERE id IN (SELECT value FROM json_each(?1))");
    store.rows(&sql, [list::ids(ids)], PackageRow::read)
}

/// The package whose repository has that path, `OWNER/REPO`, or that host and path. Of several hosts it is the oldest
/// package; one whose path has the same case comes first.
fn by_path(store: &Store, path: &str) -> Result<Option<PackageRow>> {
    let of_path = "lower(substr(repository, 9 + instr(substr(repository, 9), '/'))) = lower(?1)";
    let sql = format!(
        "{PACKAGE} WHERE {of_path} \
         ORDER BY substr(repository, 9 + instr(substr(repository, 9), '/')) <> ?1, id LIMIT 1"
    );
    let found = store.optional_row(&sql, [path], PackageRow::read)?;
    if found.is_some() {
        return Ok(found);
    }
    let sql = format!("{PACKAGE} WHERE repository = ?1");
    let repository = identity(&format!("https://{path}"));
    store.optional_row(&sql, [repository], PackageRow::read)
}

/// The packages of a repository.
pub fn of_repository(store: &Store, repository: &str) -> Result<Vec<PackageRow>> {
    let sql = format!("{PACKAGE} WHERE repository = ?1");
    store.rows(&sql, [repository], PackageRow::read)
}

/// The number given last; 0 if there is none.
pub fn last_id(store: &Store) -> Result<i64> {
    store.value("SELECT coalesce(max(id), 0) FROM packages", [])
}

/// The packages of these ids, in no order.
pub(super) fn with_ids(store: &Store, ids: &[i64]) -> Result<Vec<PackageRow>> {
    let sql = format!("{PACKAGE} WHERE id IN (SELECT value FROM json_each(?1))");
    store.rows(&sql, [list::ids(ids)], PackageRow::read)
}

// -- popularity --

/// The score of a package; 0 for an upload.
pub fn popularity(store: &Store, package: Option<PackageId>) -> Result<i64> {
    let sql = "SELECT coalesce(sum(popularity_score), 0) FROM packages WHERE id = ?1";
    package.map_or(Ok(0), |package| store.value(sql, [package]))
}

/// Adds to the scores of packages how often each was viewed.
pub fn add_views(store: &mut Store, views: &[(PackageId, i64)]) -> Result<()> {
    for (package, count) in views {
        store.execute(ADD_VIEWS, params![package, count, USE_SCORE])?;
    }
    Ok(())
}

// -- rechecks --

/// The next packages after that id, in the order of their ids, and whether the newest build of each under one of these
/// versions ended in an error.
pub fn with_errors(
    store: &Store,
    after: PackageId,
    zig_versions: &[String],
    limit: usize,
) -> Result<Vec<(PackageId, bool)>> {
    let sql = "SELECT p.id, EXISTS (SELECT 1 FROM build_results r JOIN builds b ON b.id = r.newest_build \
            WHERE r.package_id = p.id AND b.state = ?3 AND b.build_status = ?4 \
            AND r.zig_version IN (SELECT value FROM json_each(?5))) \
        FROM packages p WHERE p.id > ?1 AND p.source_type = 'git' AND p.removal IS NULL AND p.paused_at IS NULL \
        ORDER BY p.id LIMIT ?2";
    let (finished, error) = (State::Finished, BuildStatus::Error);
    let versions = serde_json::json!(zig_versions).to_string();
    let values = params![after, limit, finished, error, versions];
    store.rows(sql, values, |row| Ok((row.get(0)?, row.get(1)?)))
}

pub fn recheck(store: &Store, package: PackageId) -> Result<Option<RecheckRow>> {
    store.optional_row(&format!("{RECHECK} {ONE}"), [package], RecheckRow::read)
}

/// True if a package has another repository, ref or directory than when its remote was asked.
pub fn has_moved(store: &Store, asked: &RecheckRow) -> Result<bool> {
    let row = recheck(store, asked.id)?;
    Ok(row.is_some_and(|row| row.remote() != asked.remote()))
}

/// The packages whose recheck is due, the longest due first.
pub fn due(store: &Store, now_unix_ms: i64, limit: usize) -> Result<Vec<RecheckRow>> {
    let sql = format!("{RECHECK} {DUE}");
    store.rows(&sql, params![now_unix_ms, limit], RecheckRow::read)
}

/// The next packages with a remote after that id, in the order of their ids.
pub(super) fn after(store: &Store, id: PackageId, limit: usize) -> Result<Vec<RecheckRow>> {
    store.rows(
        &format!("{RECHECK} {AFTER}"),
        params![id, limit],
        RecheckRow::read,
    )
}

/// Where a walk through all packages begins: the most used ones come ahead of the walk by id, so that the first slots
/// are theirs. The queue then orders the others by their use.
pub(super) const MOST_USED_FIRST: PackageId = PackageId(-1);

/// The next packages of a walk, and where it goes on; nowhere once it has come to all of them.
pub(super) fn next_of_walk(
    store: &Store,
    after: PackageId,
    limit: usize,
) -> Result<(Vec<RecheckRow>, Option<PackageId>)> {
    if after == MOST_USED_FIRST {
        return Ok((most_used(store, limit)?, Some(PackageId(0))));
    }
    let next = self::after(store, after, limit)?;
    let last = next.last().map(|package| package.id);
    let last = last.filter(|_| next.len() == limit);
    Ok((next, last))
}

/// The most used packages with a remote, at most `limit`.
fn most_used(store: &Store, limit: usize) -> Result<Vec<RecheckRow>> {
    let sql = format!("{RECHECK} {MOST_USED}");
    store.rows(&sql, [limit], RecheckRow::read)
}

/// When the first recheck of all is due, in unix milliseconds.
pub fn next_check_due(store: &Store) -> Result<Option<i64>> {
    if let NextCheckDue::Known(known) = store.next_check_due.get() {
        return Ok(known);
    }
    let next = store.value(NEXT_DUE, [])?;
    store.next_check_due.set(NextCheckDue::Known(next));
    Ok(next)
}

/// Pauses a package, or resumes it: then its remote is checked at once. One that is so already stays as it is.
fn set_paused(store: &mut Store, package: PackageId, paused: bool, at: i64) -> Result<()> {
    let sql = match paused {
        true => {
            "UPDATE packages SET paused_at = ?2, next_check = NULL WHERE id = ?1 AND paused_at IS NULL"
        }
        false => {
            "UPDATE packages SET paused_at = NULL, next_check = ?2 WHERE id = ?1 AND paused_at NOT NULL"
        }
    };
    store.next_check_due.set(NextCheckDue::Unknown);
    store.execute(sql, params![package, at])?;
    Ok(())
}

/// The name of a package that is paused; none for an upload.
pub fn paused(store: &Store, package: Option<PackageId>) -> Result<Option<String>> {
    let sql = "SELECT name FROM packages WHERE id = ?1 AND paused_at NOT NULL";
    store.optional_row(sql, [package], |row| row.get(0))
}

/// When the remote of a package is checked next; never while it is paused.
pub fn set_next_check(store: &mut Store, package: PackageId, at: i64) -> Result<()> {
    let sql = "UPDATE packages SET next_check = ?2 WHERE id = ?1 AND paused_at IS NULL";
    store.next_check_due.set(NextCheckDue::Unknown);
    store.execute(sql, params![package, at])?;
    Ok(())
}

/// Asks for the rechecks of all packages that there are; gives their number. `make_some_due` makes them due.
pub fn request_rechecks(store: &mut Store) -> Result<u64> {
    let before = last_id(store)? + 1;
    store.execute("UPDATE server SET recheck_before = ?1", [before])?;
    totals::packages(store)
}

/// True while some of these rechecks are not due yet.
pub fn has_requested_rechecks(store: &Store) -> Result<bool> {
    store.value("SELECT recheck_before NOT NULL FROM server", [])
}

/// Makes the next requested rechecks due, at most `limit`, of the newest packages first; false after the last ones.
pub fn make_some_due(store: &mut Store, at: i64, limit: usize) -> Result<bool> {
    let sql = format!(
        "SELECT p.id FROM packages p CROSS JOIN server WHERE p.id < recheck_before AND p.removal IS NULL \
         ORDER BY p.id DESC LIMIT {limit}"
    );
    let some: Vec<PackageId> = store.values(&sql, [])?;
    for package in &some {
        set_next_check(store, *package, at)?;
    }
    let last = some.last().filter(|_| some.len() == limit);
    store.execute("UPDATE server SET recheck_before = ?1", [last])?;
    Ok(last.is_some())
}
