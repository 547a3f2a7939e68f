//! The table `toolchains`, and the search for packages that lack a build under a new one.

use rusqlite::params;

use crate::app::domain::ids::{BuildId, PackageId};
use crate::app::domain::recheck::Toolchain;
use crate::app::store::columns::row;
use crate::app::store::packages::{self, RecheckRow};
use crate::app::store::results;
use crate::app::store::store::{Result, Store};

row! {
    /// What is behind a toolchain whose name is no version, such as master.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct DatedVersion from "toolchains t JOIN dated_versions d ON d.toolchain = t.image" {
        pub zig_version: String = "d.zig_version",
        pub dated_version: String = "d.dated_version",
        /// What was behind it before.
        pub previous: Option<String> = "(SELECT p.dated_version FROM dated_versions p \
            WHERE p.zig_version = d.zig_version AND p.seen_at < d.seen_at AND p.dated_version <> d.dated_version \
            ORDER BY p.seen_at DESC LIMIT 1)",
    }
}

/// Some of the packages that lack a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebuildPage {
    /// Each with the versions under which it lacks one.
    pub packages: Vec<(RecheckRow, Vec<String>)>,
    /// All packages have been examined.
    pub done: bool,
}

/// Stores the image of a version; true if that is new. Then all packages are examined again, from the first.
pub fn insert(store: &mut Store, toolchain: &Toolchain, at: i64) -> Result<bool> {
    let Toolchain { zig_version, image } = toolchain;
    if is_known(store, zig_version, image)? {
        return Ok(false);
    }
    let sql = "INSERT INTO toolchains (zig_version, image, seen_at) VALUES (?1, ?2, ?3) \
        ON CONFLICT (zig_version) DO UPDATE SET image = ?2, seen_at = ?3";
    store.execute(sql, params![zig_version, image, at])?;
    let sql = "UPDATE server SET rebuild_after = 0 WHERE EXISTS (SELECT 1 FROM packages)";
    store.execute(sql, [])?;
    Ok(true)
}

fn is_known(store: &Store, zig_version: &str, image: &str) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM toolchains WHERE zig_version = ?1 AND image = ?2)";
    store.value(sql, [zig_version, image])
}

/// Notes that the image with that id has a recipe, if rows have the id: it was there before images had recipes. From
/// then on the id in a row means the recipe; no row is changed. True if that is so.
pub fn name_recipe(store: &mut Store, zig_version: &str, id: &str, recipe: &str) -> Result<bool> {
    // A version that was retired has its history.
    let sql = "SELECT EXISTS (SELECT 1 FROM history_texts WHERE text = ?1)";
    let is_known = is_known(store, zig_version, id)? || store.value(sql, [id])?;
    if is_known {
        let sql = "INSERT OR REPLACE INTO recipes (image, recipe) VALUES (?1, ?2)";
        store.execute(sql, [id, recipe])?;
    }
    Ok(is_known)
}

/// Each recipe with the id that rows have in its place.
pub fn first_ids(store: &Store) -> Result<Vec<(String, String)>> {
    let sql = "SELECT recipe, image FROM recipes ORDER BY rowid";
    store.rows(sql, [], |row| Ok((row.get("recipe")?, row.get("image")?)))
}

/// Takes toolchain and cache key of an earlier attempt from a build that ends without its source.
pub fn clear(store: &mut Store, build: BuildId) -> Result<()> {
    let sql = "UPDATE builds SET toolchain = NULL, cache_key = NULL WHERE id = ?1";
    store.execute(sql, [build])?;
    Ok(())
}

/// Notes what `zig version` prints in the image of that build, if that is not what the toolchain is named after.
pub(super) fn note_dated_version(
    store: &mut Store,
    build: BuildId,
    dated_version: &str,
) -> Result<()> {
    let sql = "INSERT OR IGNORE INTO dated_versions (toolchain, zig_version, dated_version, seen_at) \
        SELECT toolchain, zig_version, ?2, finished_at FROM builds \
        WHERE id = ?1 AND toolchain NOT NULL AND zig_version <> ?2";
    store.execute(sql, params![build, dated_version])?;
    Ok(())
}

/// What is behind each toolchain whose name is no version.
pub fn dated_versions(store: &Store) -> Result<Vec<DatedVersion>> {
    store.rows(DatedVersion::SELECT, [], DatedVersion::read)
}

/// Notes the versions that the server has: builds can wait for one before it has an image.
pub fn insert_versions(store: &mut Store, zig_versions: &[String]) -> Result<()> {
    let sql = "INSERT INTO toolchains (zig_version, image, seen_at) VALUES (?1, '', 0) ON CONFLICT DO NOTHING";
    for version in zig_versions {
        store.execute(sql, [version])?;
    }
    Ok(())
}

/// The versions that the server has or had, and that are not forgotten.
pub fn versions(store: &Store) -> Result<Vec<String>> {
    store.values("SELECT zig_version FROM toolchains", [])
}

/// Forgets a version.
pub fn delete(store: &mut Store, zig_version: &str) -> Result<()> {
    store.execute(
        "DELETE FROM toolchains WHERE zig_version = ?1",
        [zig_version],
    )?;
    Ok(())
}

/// Whether packages are still to be examined.
pub fn is_rebuilding(store: &Store) -> Result<bool> {
    Ok(rebuild_after(store)?.is_some())
}

fn rebuild_after(store: &Store) -> Result<Option<PackageId>> {
    store.value("SELECT rebuild_after FROM server", [])
}

/// Examines the next `limit` packages and gives those that have no build of their latest commit, finished or under way,
/// under one of these images. Without any it stays where it is.
pub fn next_to_rebuild(
    store: &mut Store,
    limit: usize,
    toolchains: &[Toolchain],
) -> Result<RebuildPage> {
    let mut found = RebuildPage {
        packages: Vec::new(),
        done: true,
    };
    let Some(after) = rebuild_after(store)?.filter(|_| !toolchains.is_empty()) else {
        return Ok(found);
    };
    let next = packages::after(store, after, limit)?;
    found.done = next.len() < limit;
    let last = next.last().map(|package| package.id);
    for package in next {
        let cells = results::cells(store, package.id, toolchains)?;
        let commit = package.commit.as_deref();
        let lacking = cells.into_iter();
        let lacking = lacking.filter(|cell| cell.is_stale() || cell.is_behind(commit));
        let versions: Vec<String> = lacking.map(|cell| cell.toolchain.zig_version).collect();
        if !versions.is_empty() {
            found.packages.push((package, versions));
        }
    }
    let after = last.filter(|_| !found.done);
    store.execute("UPDATE server SET rebuild_after = ?1", [after])?;
    Ok(found)
}
