//! What is known already: verdicts by their key, fetched dependencies by their manifest, and who
//! waits for whose verdict.

use rusqlite::{OptionalExtension, params};

use crate::app::store::rows::{BuildRow, build_row};
use crate::app::store::{BUILD, Result, Store};

/// Dependencies that were fetched for an earlier build: a tar.gz among the sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptDependencies {
    pub hash: String,
    pub bytes: u64,
}

impl Store {
    /// The latest build of that key whose verdict is the package's own. What was not there to be
    /// fetched may be there today.
    pub fn cached(&self, key: &str) -> Result<Option<i64>> {
        let sql = "SELECT id FROM builds WHERE cache_key = ?1 AND cached_from IS NULL \
            AND build_status IN ('success', 'failed') \
            AND reason IS NOT 'dependency_unavailable' \
            AND (build_status = 'success' AND test_status IS NOT 'failed' \
                OR fetched IS NULL OR fetched IN ('fetched', 'manifest')) ORDER BY id DESC LIMIT 1";
        let mut statement = self.db.prepare_cached(sql)?;
        statement.query_row([key], |row| row.get(0)).optional()
    }

    /// Ends a build with the verdict of another of the same key.
    pub fn finish_cached(&mut self, build: i64, from: i64, at: i64) -> Result<()> {
        let sql = "UPDATE builds SET state = 'finished', shares = NULL, cached_from = o.id, \
            finished_at = ?3, toolchain = o.toolchain, cache_key = o.cache_key, \
            build_status = o.build_status, test_status = o.test_status, reason = o.reason, \
            compiled = o.compiled, tests_passed = o.tests_passed, tests_total = o.tests_total, \
            error_log = o.error_log, peak_memory_bytes = o.peak_memory_bytes, \
            log_bytes = o.log_bytes, log_truncated = o.log_truncated \
            FROM (SELECT * FROM builds WHERE id = ?2) o WHERE builds.id = ?1";
        let db = self.write()?;
        db.prepare_cached(sql)?.execute(params![build, from, at])?;
        self.publish_verdict(build, at)
    }

    /// A build waits for the verdict of another, which runs.
    pub fn wait_for(&mut self, build: i64, runs: i64) -> Result<()> {
        let sql = "UPDATE builds SET shares = ?2 WHERE id = ?1";
        let db = self.write()?;
        db.prepare_cached(sql)?.execute([build, runs])?;
        Ok(())
    }

    /// A build waits for no other any more.
    pub fn stop_waiting(&mut self, build: i64) -> Result<()> {
        let sql = "UPDATE builds SET shares = NULL WHERE id = ?1";
        self.write()?.prepare_cached(sql)?.execute([build])?;
        Ok(())
    }

    /// Builds that wait for the verdict of that one, oldest first.
    pub fn waiters(&self, of: i64, limit: usize) -> Result<Vec<BuildRow>> {
        let sql = format!("{BUILD} WHERE b.shares = ?1 ORDER BY b.id LIMIT ?2");
        let mut statement = self.db.prepare_cached(&sql)?;
        let rows = statement.query_map([of, limit as i64], build_row)?;
        rows.collect()
    }

    /// Builds that others wait for although nothing is to be expected of them any more.
    pub fn finished_leaders(&self) -> Result<Vec<i64>> {
        let sql = "SELECT DISTINCT s.shares FROM builds s JOIN builds b ON b.id = s.shares \
            WHERE s.shares NOT NULL AND b.state IN ('finished', 'cancelled')";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        rows.collect()
    }

    /// What was fetched for that manifest under that image.
    pub fn kept_dependencies(
        &self,
        manifest: &str,
        toolchain: &str,
    ) -> Result<Option<KeptDependencies>> {
        let sql = "SELECT hash, bytes FROM dependencies WHERE manifest = ?1 AND toolchain = ?2";
        let mut statement = self.db.prepare_cached(sql)?;
        let kept = statement.query_row([manifest, toolchain], |row| {
            Ok(KeptDependencies {
                hash: row.get(0)?,
                bytes: row.get::<_, i64>(1)? as u64,
            })
        });
        kept.optional()
    }

    pub fn keep_dependencies(
        &mut self,
        (manifest, toolchain): (&str, &str),
        kept: &KeptDependencies,
        at: i64,
    ) -> Result<()> {
        let sql = "INSERT INTO dependencies (manifest, toolchain, hash, bytes, used_at) \
            VALUES (?1, ?2, ?3, ?4, ?5)";
        let db = self.write()?;
        db.prepare_cached(sql)?.execute(params![
            manifest,
            toolchain,
            kept.hash,
            kept.bytes as i64,
            at
        ])?;
        Ok(())
    }

    /// A build uses what was kept.
    pub fn note_dependencies_used(
        &mut self,
        (manifest, toolchain): (&str, &str),
        at: i64,
    ) -> Result<()> {
        let sql = "UPDATE dependencies SET used_at = ?3 WHERE manifest = ?1 AND toolchain = ?2";
        let db = self.write()?;
        db.prepare_cached(sql)?
            .execute(params![manifest, toolchain, at])?;
        Ok(())
    }

    /// What was kept is of no use; gives the hash of the file that nobody names any more, if so.
    pub fn forget_dependencies(
        &mut self,
        manifest: &str,
        toolchain: &str,
    ) -> Result<Option<String>> {
        let Some(kept) = self.kept_dependencies(manifest, toolchain)? else {
            return Ok(None);
        };
        let sql = "DELETE FROM dependencies WHERE manifest = ?1 AND toolchain = ?2";
        let db = self.write()?;
        db.prepare_cached(sql)?.execute([manifest, toolchain])?;
        let sql = "SELECT 1 FROM dependencies WHERE hash = ?1";
        let named = db.prepare_cached(sql)?.exists([&kept.hash])?;
        Ok((!named).then_some(kept.hash))
    }
}
