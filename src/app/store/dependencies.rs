//! The table `dependencies`: fetched dependencies by the manifest that declares them, each with its file in `sources/`.

use rusqlite::params;

use crate::app::store::columns::row;
use crate::app::store::store::{Result, Store};

row! {
    /// The dependencies of a manifest under a toolchain: a tar.gz.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct KeptDependencies from "dependencies" {
        pub hash: String,
        pub bytes: u64,
    }
}

pub fn find(store: &Store, manifest: &str, toolchain: &str) -> Result<Option<KeptDependencies>> {
    let sql = format!(
        "{} WHERE manifest = ?1 AND toolchain = ?2",
        KeptDependencies::SELECT
    );
    store.optional_row(&sql, [manifest, toolchain], KeptDependencies::read)
}

pub fn insert(
    store: &mut Store,
    manifest: &str,
    toolchain: &str,
    kept: &KeptDependencies,
    at: i64,
) -> Result<()> {
    let sql = "INSERT INTO dependencies (manifest, toolchain, hash, bytes, used_at) \
        VALUES (?1, ?2, ?3, ?4, ?5)";
    store.execute(sql, params![manifest, toolchain, kept.hash, kept.bytes, at])?;
    Ok(())
}

/// Notes that a build uses them.
pub fn set_used(store: &mut Store, manifest: &str, toolchain: &str, at: i64) -> Result<()> {
    let sql = "UPDATE dependencies SET used_at = ?3 WHERE manifest = ?1 AND toolchain = ?2";
    store.execute(sql, params![manifest, toolchain, at])?;
    Ok(())
}

/// Removes them; gives the hash of their file if no other row names it.
pub fn delete(store: &mut Store, manifest: &str, toolchain: &str) -> Result<Option<String>> {
    let Some(kept) = find(store, manifest, toolchain)? else {
        return Ok(None);
    };
    delete_row(store, manifest, toolchain)?;
    let sql = "SELECT EXISTS (SELECT 1 FROM dependencies WHERE hash = ?1)";
    let is_named: bool = store.value(sql, [&kept.hash])?;
    Ok((!is_named).then_some(kept.hash))
}

/// Removes the least recently used until `over` bytes are gone, at most `limit` of them; gives the names of their
/// files, which other rows may still name.
pub fn delete_idle(store: &mut Store, over: u64, limit: usize) -> Result<Vec<String>> {
    let sql = "SELECT manifest, toolchain, hash, bytes FROM dependencies \
        ORDER BY used_at LIMIT ?1";
    let oldest = store.rows(sql, [limit], |row| {
        let key: (String, String) = (row.get("manifest")?, row.get("toolchain")?);
        Ok((key, KeptDependencies::read(row)?))
    })?;
    let (mut names, mut gone) = (Vec::new(), 0);
    for ((manifest, toolchain), kept) in oldest {
        if gone >= over {
            break;
        }
        delete_row(store, &manifest, &toolchain)?;
        names.push(format!("{}.tar.gz", kept.hash));
        gone += kept.bytes;
    }
    Ok(names)
}

fn delete_row(store: &mut Store, manifest: &str, toolchain: &str) -> Result<()> {
    let sql = "DELETE FROM dependencies WHERE manifest = ?1 AND toolchain = ?2";
    store.execute(sql, [manifest, toolchain])?;
    Ok(())
}
