//! The table `build_days`: how many builds ended on each day, and how long they waited.

use crate::app::domain::ids::BuildId;
use crate::app::store::columns::row;
use crate::app::store::shares::DAY_MS;
use crate::app::store::store::{Result, Store};

row! {
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct BuildDayRow from "build_days" {
        /// In days since 1970.
        pub day: i64,
        /// Those that came to a verdict or an error.
        pub builds: u64,
        /// Those of them that took a verdict from the cache.
        pub cached: u64,
        pub errors: u64,
        /// Those that got a slot, and how long they waited for it, together and at most.
        pub started: u64,
        pub waited_ms: u64,
        pub longest_wait_ms: u64,
    }
}

/// Counts a build that has ended.
pub(super) fn count(store: &mut Store, build: BuildId) -> Result<()> {
    let sql = format!(
        "INSERT INTO build_days (day, builds, cached, errors, started, waited_ms, longest_wait_ms) \
         SELECT finished_at / {DAY_MS}, 1, cached_from NOT NULL, build_status = 'error', started_at NOT NULL, \
            max(coalesce(started_at - created_at, 0), 0), max(coalesce(started_at - created_at, 0), 0) \
         FROM builds WHERE id = ?1 AND finished_at NOT NULL \
         ON CONFLICT DO UPDATE SET builds = builds + 1, cached = cached + excluded.cached, \
            errors = errors + excluded.errors, started = started + excluded.started, \
            waited_ms = waited_ms + excluded.waited_ms, \
            longest_wait_ms = max(longest_wait_ms, excluded.longest_wait_ms)"
    );
    store.execute(&sql, [build])?;
    Ok(())
}

/// The newest days on which builds ended, at most `limit`.
pub fn newest(store: &Store, limit: usize) -> Result<Vec<BuildDayRow>> {
    let sql = format!("{} ORDER BY day DESC LIMIT ?1", BuildDayRow::SELECT);
    store.rows(&sql, [limit], BuildDayRow::read)
}
