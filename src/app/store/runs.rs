//! Builds on their way: started, put off, cancelled, found again after a crash.

use rusqlite::params;

use crate::app::domain::verdict::Dependencies;
use crate::app::store::rows::{BuildRow, build_row};
use crate::app::store::{BUILD, Result, Store, Where};

/// What is known of the container of a build when it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Where in the log it begins to write.
    pub log_start: u64,
    pub own_name: bool,
    pub fetched: Option<Dependencies>,
}

impl Store {
    /// A build has its slot: under which image, by what it is known, and since when.
    pub fn set_started(
        &mut self,
        build: i64,
        toolchain: &str,
        key: Option<&str>,
        at: i64,
    ) -> Result<()> {
        let sql = "UPDATE builds SET toolchain = ?2, cache_key = ?3, started_at = ?4, shares = NULL, \
            run_at = NULL WHERE id = ?1";
        let db = self.write()?;
        db.prepare_cached(sql)?
            .execute(params![build, toolchain, key, at])?;
        Ok(())
    }

    /// The container of a build is asked for.
    pub fn set_run(&mut self, build: i64, run: &Run, at: i64) -> Result<()> {
        let sql = "UPDATE builds SET run_at = ?2, log_start = ?3, own_name = ?4, fetched = ?5 \
            WHERE id = ?1";
        let db = self.write()?;
        db.prepare_cached(sql)?.execute(params![
            build,
            at,
            run.log_start as i64,
            run.own_name,
            run.fetched.map(Dependencies::as_str)
        ])?;
        Ok(())
    }

    /// An attempt ended in an error: how many did, and whether the container of the next one has a
    /// name that no other server would give.
    pub fn count_error(&mut self, build: i64, errors: u32, own_name: bool) -> Result<()> {
        let sql = "UPDATE builds SET errors = ?2, own_name = ?3 WHERE id = ?1";
        let db = self.write()?;
        db.prepare_cached(sql)?
            .execute(params![build, errors, own_name])?;
        Ok(())
    }

    /// The output of a build is written again, from that offset of its log on.
    pub fn set_log_start(&mut self, build: i64, log_start: u64) -> Result<()> {
        let sql = "UPDATE builds SET log_start = ?2 WHERE id = ?1";
        let db = self.write()?;
        db.prepare_cached(sql)?
            .execute(params![build, log_start as i64])?;
        Ok(())
    }

    /// Ends a build without a verdict, since somebody wanted it so.
    pub fn cancel_build(&mut self, build: i64, log: (u64, bool), at: i64) -> Result<()> {
        let sql = "UPDATE builds SET state = 'cancelled', reason = 'cancelled', finished_at = ?2, \
            log_bytes = ?3, log_truncated = ?4, shares = NULL WHERE id = ?1";
        let db = self.write()?;
        db.prepare_cached(sql)?
            .execute(params![build, at, log.0 as i64, log.1])?;
        Ok(())
    }

    /// The source of a check is of no use: it is to be fetched again.
    pub fn forget_source(&mut self, check: i64) -> Result<()> {
        let db = self.write()?;
        let sql = "UPDATE checks SET source = NULL WHERE id = ?1";
        db.prepare_cached(sql)?.execute([check])?;
        Ok(())
    }

    /// A build ends without its source: that says nothing of the image that an earlier attempt of it
    /// ran under, nor of what it was known by.
    pub fn forget_toolchain(&mut self, build: i64) -> Result<()> {
        let sql = "UPDATE builds SET toolchain = NULL, cache_key = NULL WHERE id = ?1";
        self.write()?.prepare_cached(sql)?.execute([build])?;
        Ok(())
    }

    /// Builds that an earlier run of the server was working on, oldest first.
    pub fn interrupted_builds(&self) -> Result<Vec<BuildRow>> {
        let sql =
            format!("{BUILD} WHERE b.state IN ('fetching', 'building', 'testing') ORDER BY b.id");
        self.rows(&sql, &Where::default(), build_row)
    }

    /// Builds that wait for a slot or for their source, oldest first.
    pub fn queued(&self) -> Result<Vec<BuildRow>> {
        let sql = format!("{BUILD} WHERE b.state = 'queued' AND b.shares IS NULL ORDER BY b.id");
        self.rows(&sql, &Where::default(), build_row)
    }

    /// The builds of a check that are still to finish, oldest first.
    pub fn open_builds(&self, check: i64) -> Result<Vec<BuildRow>> {
        let sql = format!(
            "{BUILD} WHERE b.check_id = ?1 AND b.state NOT IN ('finished', 'cancelled') \
             ORDER BY b.id"
        );
        let mut statement = self.db.prepare_cached(&sql)?;
        let rows = statement.query_map([check], build_row)?;
        rows.collect()
    }

    /// How many builds are still to finish: counts them, which takes a while where there are many.
    pub fn count_open_builds(&self) -> Result<u64> {
        let sql = "SELECT count(*) FROM builds WHERE state IN ('queued', 'fetching', 'building', 'testing')";
        self.count(sql, &Where::default())
    }

    /// How much is known of a package's popularity; 0 of what is no package.
    pub fn popularity(&self, package: Option<i64>) -> Result<i64> {
        let Some(package) = package else {
            return Ok(0);
        };
        let sql = "SELECT coalesce(sum(popularity_score), 0) FROM packages WHERE id = ?1";
        let mut statement = self.db.prepare_cached(sql)?;
        statement.query_row([package], |row| row.get(0))
    }
}
