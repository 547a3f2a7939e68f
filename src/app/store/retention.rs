//! What is past: which builds, files and durations may go, and how they do.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, params};

use crate::app::store::{Result, Store, Where};

/// How much there is of what is kept within limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Finished or cancelled.
    pub builds: u64,
    /// Of their logs.
    pub log_bytes: u64,
    pub source_bytes: u64,
    pub dependency_bytes: u64,
    pub durations: u64,
}

/// What was found that may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanResult<Id, Place> {
    pub free: Vec<Id>,
    /// Something should go and is needed.
    pub blocked: bool,
    /// Where to look next; none at the end.
    pub after: Option<Place>,
}

/// How far one look goes.
#[derive(Debug, Clone, Copy)]
pub struct ScanLimits {
    /// So many are found at most.
    pub found: usize,
    /// So many are looked at.
    pub looks: usize,
}

impl Totals {
    /// Of files that nobody would miss but those who wait for the same again.
    pub fn cached_bytes(&self) -> u64 {
        self.source_bytes + self.dependency_bytes
    }
}

impl<Id, Place> ScanResult<Id, Place> {
    fn new() -> ScanResult<Id, Place> {
        ScanResult {
            free: Vec::new(),
            blocked: false,
            after: None,
        }
    }

    /// Takes what was looked at; true where that was all of this look.
    fn take(&mut self, id: Id, place: Place, free: bool, looked: usize, reach: ScanLimits) -> bool {
        match free {
            true => self.free.push(id),
            false => self.blocked = true,
        }
        let done = self.free.len() >= reach.found || looked >= reach.looks;
        self.after = done.then_some(place);
        done
    }
}

impl Store {
    pub fn totals(&self) -> Result<Totals> {
        let sql =
            "SELECT builds, source_bytes, dependency_bytes, durations, log_bytes FROM tallies";
        let mut statement = self.db.prepare_cached(sql)?;
        statement.query_row([], |row| {
            let number = |column| row.get(column).map(|n: i64| n.max(0) as u64);
            Ok(Totals {
                builds: number(0)?,
                source_bytes: number(1)?,
                dependency_bytes: number(2)?,
                durations: number(3)?,
                log_bytes: number(4)?,
            })
        })
    }

    /// Whether a build has ended since the last time this was asked.
    pub fn take_ended(&mut self) -> bool {
        std::mem::take(&mut self.ended)
    }

    // -- builds --

    /// The oldest builds, from number `after` on, that should go and may: `over` of them, and all
    /// those made before `before`. No build may that is the latest verdict of a package or the
    /// original of a cached one, that another waits for, that an event names, or whose check is
    /// not finished.
    pub fn past_builds(
        &self,
        after: i64,
        over: u64,
        before: i64,
        reach: ScanLimits,
    ) -> Result<ScanResult<i64, i64>> {
        let sql = "SELECT b.id, b.created_at, \
                NOT EXISTS (SELECT 1 FROM build_results WHERE build_id = b.id) \
                AND NOT EXISTS (SELECT 1 FROM builds WHERE cached_from = b.id) \
                AND NOT EXISTS (SELECT 1 FROM builds WHERE shares = b.id) \
                AND NOT EXISTS (SELECT 1 FROM events WHERE build_id = b.id) \
                AND NOT EXISTS (SELECT 1 FROM builds WHERE check_id = b.check_id \
                    AND state NOT IN ('finished', 'cancelled')), \
                o.id, o.needed \
            FROM builds b INDEXED BY builds_unneeded LEFT JOIN builds o ON o.id = b.cached_from \
            WHERE b.needed = 0 AND b.state IN ('finished', 'cancelled') AND b.id > ?1 ORDER BY b.id";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query([after])?;
        let mut past = ScanResult::new();
        let mut looked = 0;
        // Of originals: how much that rests on them goes.
        let mut freed: HashMap<i64, i64> = HashMap::new();
        while let Some(row) = rows.next()? {
            let (id, created_at): (i64, i64) = (row.get(0)?, row.get(1)?);
            if past.free.len() as u64 >= over && created_at >= before {
                break;
            }
            looked += 1;
            let free = row.get(2)?;
            let done = past.take(id, id, free, looked, reach);
            let original: Option<i64> = row.get(3)?;
            if let (true, Some(original)) = (free, original) {
                let gone = freed.entry(original).or_default();
                *gone += 1;
                // Nothing rests on it any more: it is the older one, and comes next.
                if *gone >= row.get(4)? {
                    past.after = Some(original - 1);
                    break;
                }
            }
            if done {
                break;
            }
        }
        Ok(past)
    }

    /// Removes a build, with its check where that has no other, and what was left of the source
    /// where that has no other check.
    pub fn forget_build(&mut self, build: i64) -> Result<()> {
        let sql = "SELECT c.id, c.source FROM builds b JOIN checks c ON c.id = b.check_id \
            WHERE b.id = ?1";
        let db = self.write()?;
        let found = db
            .prepare_cached(sql)?
            .query_row([build], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((check, source)): Option<(i64, Option<String>)> = found else {
            return Ok(());
        };
        db.prepare_cached("DELETE FROM builds WHERE id = ?1")?
            .execute([build])?;
        let sql = "DELETE FROM checks WHERE id = ?1 \
            AND NOT EXISTS (SELECT 1 FROM builds WHERE check_id = ?1)";
        db.prepare_cached(sql)?.execute([check])?;
        if let Some(source) = source {
            let sql = "DELETE FROM sources WHERE hash = ?1 AND kept = 0 \
                AND NOT EXISTS (SELECT 1 FROM checks WHERE source = ?1)";
            db.prepare_cached(sql)?.execute([source])?;
        }
        Ok(())
    }

    pub fn is_build(&self, id: i64) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM builds WHERE id = ?1)";
        let mut statement = self.db.prepare_cached(sql)?;
        statement.query_row([id], |row| row.get(0))
    }

    // -- files in sources/ --

    /// The names of all files that are kept there.
    pub fn source_names(&self) -> Result<Vec<String>> {
        let sql = "SELECT hash || '.' || format FROM sources WHERE kept = 1 \
            UNION SELECT hash || '.tar.gz' FROM dependencies";
        self.rows(sql, &Where::default(), |row| row.get(0))
    }

    /// Whether a file of that name is to be there.
    pub fn keeps_file(&self, name: &str) -> Result<bool> {
        let (hash, format) = name.split_once('.').unwrap_or((name, ""));
        let sql = "SELECT EXISTS ( \
                SELECT 1 FROM sources WHERE hash = ?1 AND format = ?2 AND kept = 1) \
            OR (?2 = 'tar.gz' AND EXISTS (SELECT 1 FROM dependencies WHERE hash = ?1))";
        let mut statement = self.db.prepare_cached(sql)?;
        statement.query_row([hash, format], |row| row.get(0))
    }

    /// A build needs that source.
    pub fn note_source_used(&mut self, hash: &str, at: i64) -> Result<()> {
        let sql = "UPDATE sources SET used_at = ?2 WHERE hash = ?1";
        let db = self.write()?;
        db.prepare_cached(sql)?.execute(params![hash, at])?;
        Ok(())
    }

    /// Sources whose files should go and may, those used least lately first, until `over` bytes
    /// are found. None may that an unfinished build needs.
    pub fn idle_sources(
        &self,
        after: &(i64, String),
        over: u64,
        reach: ScanLimits,
    ) -> Result<ScanResult<String, (i64, String)>> {
        let sql = "SELECT s.used_at, s.hash, s.bytes, NOT EXISTS ( \
                SELECT 1 FROM checks c JOIN builds b ON b.check_id = c.id \
                WHERE c.source = s.hash AND b.state NOT IN ('finished', 'cancelled')) \
            FROM sources s INDEXED BY sources_kept \
            WHERE s.kept = 1 AND (s.used_at, s.hash) > (?1, ?2) ORDER BY s.used_at, s.hash";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query(params![after.0, after.1])?;
        let mut past = ScanResult::new();
        let (mut looked, mut bytes) = (0, 0);
        while bytes < over
            && let Some(row) = rows.next()?
        {
            let (used_at, hash): (i64, String) = (row.get(0)?, row.get(1)?);
            let free: bool = row.get(3)?;
            if free {
                bytes += row.get::<_, i64>(2)? as u64;
            }
            looked += 1;
            if past.take(hash.clone(), (used_at, hash), free, looked, reach) {
                break;
            }
        }
        Ok(past)
    }

    /// The file of that source is kept no more, nor its row where no check names it; gives the
    /// name of the file.
    pub fn drop_source(&mut self, hash: &str) -> Result<String> {
        let sql = "SELECT hash || '.' || format FROM sources WHERE hash = ?1";
        let db = self.write()?;
        let name = db
            .prepare_cached(sql)?
            .query_row([hash], |row| row.get(0))?;
        let sql = "UPDATE sources SET kept = 0 WHERE hash = ?1";
        db.prepare_cached(sql)?.execute([hash])?;
        let sql = "DELETE FROM sources WHERE hash = ?1 \
            AND NOT EXISTS (SELECT 1 FROM checks WHERE source = ?1)";
        db.prepare_cached(sql)?.execute([hash])?;
        Ok(name)
    }

    /// Dependencies used least lately are kept no more, until `over` bytes are gone, at most so
    /// many of them; gives the names of their files, of which another row may still be.
    pub fn drop_dependencies(&mut self, over: u64, limit: usize) -> Result<Vec<String>> {
        let sql = "SELECT manifest, toolchain, hash, bytes FROM dependencies \
            ORDER BY used_at LIMIT ?1";
        let db = self.write()?;
        let mut statement = db.prepare_cached(sql)?;
        let oldest = statement.query_map([limit as i64], |row| {
            let key: (String, String) = (row.get(0)?, row.get(1)?);
            let file: (String, i64) = (row.get(2)?, row.get(3)?);
            Ok((key, file))
        })?;
        let oldest: Vec<((String, String), (String, i64))> = oldest.collect::<Result<_>>()?;
        let (mut names, mut gone) = (Vec::new(), 0);
        for ((manifest, toolchain), (hash, bytes)) in oldest {
            if gone >= over {
                break;
            }
            let sql = "DELETE FROM dependencies WHERE manifest = ?1 AND toolchain = ?2";
            db.prepare_cached(sql)?.execute([manifest, toolchain])?;
            names.push(format!("{hash}.tar.gz"));
            gone += bytes.max(0) as u64;
        }
        Ok(names)
    }

    // -- durations --

    /// Removes the durations that were noted least lately; those of all packages together stay.
    /// How many it were.
    pub fn forget_durations(&mut self, count: u64) -> Result<usize> {
        let sql = "DELETE FROM durations WHERE (package, zig_version) IN ( \
            SELECT package, zig_version FROM durations WHERE package <> '' ORDER BY noted LIMIT ?1)";
        let db = self.write()?;
        db.prepare_cached(sql)?.execute([count as i64])
    }
}
