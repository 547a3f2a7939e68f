//! How long builds took lately: a guide to when what waits will start.

use rusqlite::params;

use crate::app::store::limits::DURATIONS_AVERAGED;
use crate::app::store::{Result, Store};

/// The number of the next note.
const NEXT: &str = "(SELECT coalesce(max(noted), 0) + 1 FROM durations)";

/// What joins a duration to the average kept of its like; `given` are its package, version and
/// milliseconds, a 1, and the number of the note.
fn averaged(given: &str) -> String {
    format!(
        "INSERT INTO durations (package, zig_version, duration_ms, builds, noted) {given} \
         ON CONFLICT (package, zig_version) DO UPDATE SET builds = builds + 1, \
         noted = excluded.noted, duration_ms = \
         duration_ms + (excluded.duration_ms - duration_ms) / min(builds + 1, {DURATIONS_AVERAGED})"
    )
}

impl Store {
    /// Notes how long a build took that came to a verdict on its package: an error of ours says
    /// nothing about the next build, nor does one that never ran.
    pub(crate) fn note_duration(&mut self, build: i64) -> Result<()> {
        for package in ["c.package", "''"] {
            let sql = averaged(&format!(
                "SELECT {package}, b.zig_version, max(b.finished_at - b.started_at, 0), 1, {NEXT} \
                 FROM builds b JOIN checks c ON c.id = b.check_id WHERE b.id = ?1 \
                 AND b.started_at NOT NULL AND b.build_status IN ('success', 'failed')"
            ));
            self.write()?.prepare_cached(&sql)?.execute([build])?;
        }
        Ok(())
    }

    /// Notes how long it took to fetch the source of a check.
    pub fn note_fetch(&mut self, check: i64, duration_ms: i64) -> Result<()> {
        for package in ["package", "''"] {
            let given =
                format!("SELECT {package}, '', max(?2, 0), 1, {NEXT} FROM checks WHERE id = ?1");
            let sql = averaged(&given);
            let db = self.write()?;
            db.prepare_cached(&sql)?
                .execute(params![check, duration_ms])?;
        }
        Ok(())
    }

    /// What is known of a package, each version with its milliseconds; the empty package stands
    /// for all, the empty version for fetching the source.
    pub fn durations(&self, package: &str) -> Result<Vec<(String, u64)>> {
        let sql = "SELECT zig_version, duration_ms FROM durations WHERE package = ?1";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([package], |row| {
            let ms: i64 = row.get(1)?;
            Ok((row.get(0)?, ms.max(0) as u64))
        })?;
        rows.collect()
    }
}
