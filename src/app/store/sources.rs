//! The table `sources`: fetched snapshots, each with its file in `sources/`.

use rusqlite::params;

use crate::app::store::columns::Columns;
use crate::app::store::scan::{ScanLimits, ScanResult};
use crate::app::store::store::{Result, Store};
use crate::app::store::target_checks;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRow {
    pub hash: String,
    pub format: String,
    pub bytes: u64,
    pub dependencies: bool,
    /// The hash of the dependencies that its manifests declare, if that is known.
    pub manifest: Option<String>,
}

/// Adds a source, or notes that its file is there again.
pub(super) fn insert(store: &mut Store, source: &SourceRow, at: i64) -> Result<()> {
    let sql = "INSERT INTO sources (hash, format, bytes, dependencies, manifest, created_at, \
        used_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) \
        ON CONFLICT (hash) DO UPDATE SET kept = 1, used_at = excluded.used_at";
    let SourceRow {
        hash,
        format,
        bytes,
        dependencies,
        manifest,
    } = source;
    store.execute(
        sql,
        params![hash, format, bytes, dependencies, manifest, at],
    )?;
    Ok(())
}

/// Notes that a build uses that source.
pub fn set_used(store: &mut Store, hash: &str, at: i64) -> Result<()> {
    let sql = "UPDATE sources SET used_at = ?2 WHERE hash = ?1";
    store.execute(sql, params![hash, at])?;
    Ok(())
}

/// The names of all files that `keeps_file` is true of: a table that refers to files is named in both.
pub(super) const KEPT_FILES: &str = "SELECT hash || '.' || format FROM sources WHERE kept = 1 \
    UNION SELECT hash || '.tar.gz' FROM dependencies \
    UNION SELECT hash || '.tar.zst' FROM kept_caches";

/// Whether `sources/` should hold a file of that name.
pub fn keeps_file(store: &Store, name: &str) -> Result<bool> {
    let (hash, format) = name.split_once('.').unwrap_or((name, ""));
    let sql = "SELECT EXISTS ( \
            SELECT 1 FROM sources WHERE hash = ?1 AND format = ?2 AND kept = 1) \
        OR (?2 = 'tar.gz' AND EXISTS (SELECT 1 FROM dependencies WHERE hash = ?1)) \
        OR (?2 = 'tar.zst' AND EXISTS (SELECT 1 FROM kept_caches WHERE hash = ?1))";
    store.value(sql, [hash, format])
}

/// Sources whose files should be deleted, the least recently used first, until `over` bytes are found. Those that
/// an unfinished build or a running analysis for other targets needs are blocked.
pub fn idle(
    store: &Store,
    after: &(i64, String),
    over: u64,
    limits: ScanLimits,
) -> Result<ScanResult<String, (i64, String)>> {
    let analysed = target_checks::RUNNING;
    let sql = format!(
        "SELECT s.used_at, s.hash, s.bytes, NOT EXISTS ( \
            SELECT 1 FROM checks c JOIN builds b ON b.check_id = c.id \
            WHERE c.source = s.hash AND (b.state NOT IN ('finished', 'cancelled') \
                OR EXISTS (SELECT 1 FROM target_checks t WHERE t.build_id = b.id AND {analysed}))) \
            AS is_free \
        FROM sources s INDEXED BY sources_kept \
        WHERE s.kept = 1 AND (s.used_at, s.hash) > (?1, ?2) ORDER BY s.used_at, s.hash"
    );
    let mut statement = store.db.prepare_cached(&sql)?;
    let mut rows = statement.query(params![after.0, after.1])?;
    let mut found = ScanResult::new();
    let (mut examined, mut bytes) = (0, 0);
    while bytes < over
        && let Some(row) = rows.next()?
    {
        let columns = Columns::of(row);
        let used_at = columns.get("used_at")?;
        let hash: String = columns.get("hash")?;
        let size: u64 = columns.get("bytes")?;
        let is_free = columns.get("is_free")?;
        if is_free {
            bytes += size;
        }
        examined += 1;
        if found.add(hash.clone(), (used_at, hash), is_free, examined, limits) {
            break;
        }
    }
    Ok(found)
}

/// Notes that the file of that source is deleted, and removes its row if no check names it; gives the file's name.
pub fn delete_file(store: &mut Store, hash: &str) -> Result<String> {
    let sql = "SELECT hash || '.' || format FROM sources WHERE hash = ?1";
    let name = store.value(sql, [hash])?;
    store.execute("UPDATE sources SET kept = 0 WHERE hash = ?1", [hash])?;
    delete_unnamed(store, hash)?;
    Ok(name)
}

/// True if the file of that source is there.
pub fn is_kept(store: &Store, hash: &str) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sources WHERE hash = ?1 AND kept = 1)";
    store.value(sql, [hash])
}

/// True if there is a source of that hash, with a file, that no check names.
pub(super) fn is_unnamed(store: &Store, hash: &str) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sources WHERE hash = ?1 AND kept = 1) \
        AND NOT EXISTS (SELECT 1 FROM checks WHERE source = ?1)";
    store.value(sql, [hash])
}

/// Removes the row of a source without a file that no check names any more.
pub(super) fn delete_unnamed(store: &mut Store, hash: &str) -> Result<()> {
    let sql = "DELETE FROM sources WHERE hash = ?1 AND kept = 0 \
        AND NOT EXISTS (SELECT 1 FROM checks WHERE source = ?1)";
    store.execute(sql, [hash])?;
    Ok(())
}
