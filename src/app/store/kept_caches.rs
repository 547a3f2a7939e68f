//! The table `kept_caches`: what a build of a package left for the next one under the same toolchain, each with its
//! file in `sources/`.

use rusqlite::params;

use crate::app::domain::ids::{BuildId, PackageId};
use crate::app::store::columns::row;
use crate::app::store::limits::KEPT_COMMITS_LIMIT;
use crate::app::store::store::{Result, Store};

row! {
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct KeptCache from "kept_caches" {
        /// What it was made with.
        pub toolchain: String,
        /// The commit that left it.
        pub commit: String = "\"commit\"",
        pub hash: String,
        pub bytes: u64,
    }
}

pub fn find(store: &Store, package: PackageId, zig_version: &str) -> Result<Option<KeptCache>> {
    let sql = format!(
        "{} WHERE package_id = ?1 AND zig_version = ?2",
        KeptCache::SELECT
    );
    store.optional_row(&sql, params![package, zig_version], KeptCache::read)
}

/// The commits of a package that left something.
pub fn commits(store: &Store, package: PackageId) -> Result<Vec<String>> {
    let sql = "SELECT DISTINCT \"commit\" FROM kept_caches WHERE package_id = ?1 LIMIT ?2";
    store.values(sql, params![package, KEPT_COMMITS_LIMIT])
}

/// Keeps one, unless the package is gone.
pub fn insert(
    store: &mut Store,
    package: PackageId,
    zig_version: &str,
    kept: &KeptCache,
    at: i64,
) -> Result<()> {
    let sql = "INSERT INTO kept_caches (package_id, zig_version, toolchain, \"commit\", hash, bytes, used_at) \
        SELECT id, ?2, ?3, ?4, ?5, ?6, ?7 FROM packages WHERE id = ?1 AND removal IS NULL";
    let KeptCache {
        toolchain,
        commit,
        hash,
        bytes,
    } = kept;
    let values = params![package, zig_version, toolchain, commit, hash, bytes, at];
    store.execute(sql, values)?;
    Ok(())
}

/// Notes that a build uses it.
pub fn set_used(store: &mut Store, package: PackageId, zig_version: &str, at: i64) -> Result<()> {
    let sql = "UPDATE kept_caches SET used_at = ?3 WHERE package_id = ?1 AND zig_version = ?2";
    store.execute(sql, params![package, zig_version, at])?;
    Ok(())
}

/// Removes it; gives the name of its file, which other rows may still name.
pub fn delete(store: &mut Store, package: PackageId, zig_version: &str) -> Result<Option<String>> {
    let Some(kept) = find(store, package, zig_version)? else {
        return Ok(None);
    };
    let sql = "DELETE FROM kept_caches WHERE package_id = ?1 AND zig_version = ?2";
    store.execute(sql, params![package, zig_version])?;
    Ok(Some(file_name(&kept.hash)))
}

/// Removes all of a package, at most one for each version there ever was; gives the names of their files.
pub fn delete_all(store: &mut Store, package: PackageId) -> Result<Vec<String>> {
    let sql = "SELECT zig_version FROM kept_caches WHERE package_id = ?1";
    let versions: Vec<String> = store.values(sql, [package])?;
    let mut names = Vec::new();
    for version in versions {
        names.extend(delete(store, package, &version)?);
    }
    Ok(names)
}

/// Removes the least recently used until `over` bytes are gone, at most `limit` of them; gives the names of their
/// files.
pub fn delete_idle(store: &mut Store, over: u64, limit: usize) -> Result<Vec<String>> {
    let sql = "SELECT package_id, zig_version, bytes FROM kept_caches ORDER BY used_at LIMIT ?1";
    let oldest: Vec<(PackageId, String, u64)> = store.rows(sql, [limit], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    let (mut names, mut gone) = (Vec::new(), 0);
    for (package, version, bytes) in oldest {
        if gone >= over {
            break;
        }
        names.extend(delete(store, package, &version)?);
        gone += bytes;
    }
    Ok(names)
}

/// Notes the commit whose cache the container of a build is given, or that it used nothing of it.
pub fn set_reused(store: &mut Store, build: BuildId, commit: Option<&str>) -> Result<()> {
    let sql = "UPDATE builds SET reused_commit = ?2 WHERE id = ?1";
    store.execute(sql, params![build, commit])?;
    Ok(())
}

/// Notes that the next attempts of a build are given no cache.
pub fn set_no_reuse(store: &mut Store, build: BuildId) -> Result<()> {
    let sql = "UPDATE builds SET no_reuse = 1, reused_commit = NULL WHERE id = ?1";
    store.execute(sql, [build])?;
    Ok(())
}

/// The name of the file with that hash.
pub fn file_name(hash: &str) -> String {
    format!("{hash}.tar.zst")
}
