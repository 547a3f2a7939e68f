//! The table `build_counts`: how many builds ended under each version, by status and reason. Its rows are as many as
//! versions there ever were, times some twenty.

use rusqlite::params;

use crate::app::domain::verdict::{BuildStatus, Reason};
use crate::app::store::builds::BuildRow;
use crate::app::store::columns::row;
use crate::app::store::store::{Result, Store};

row! {
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct CountRow from "build_counts" {
        pub zig_version: String,
        /// Pending: they were cancelled.
        pub build_status: BuildStatus,
        pub reason: Option<Reason> = "nullif(reason, '')",
        pub builds: u64,
        /// Those of them that took a verdict from the cache.
        pub cached: u64,
        /// When the last of them ended.
        pub last_at: i64,
    }
}

/// Counts a build that has ended.
pub fn count(store: &mut Store, build: &BuildRow) -> Result<()> {
    let sql = "INSERT INTO build_counts (zig_version, build_status, reason, builds, cached, last_at) \
        VALUES (?1, ?2, ?3, 1, ?4, ?5) ON CONFLICT DO UPDATE SET builds = builds + 1, \
        cached = cached + excluded.cached, last_at = max(last_at, excluded.last_at)";
    let reason = build.reason.map_or("", Reason::as_str);
    let is_cached = build.cached_from.is_some();
    let at = build.finished_at.unwrap_or(0);
    let values = params![build.zig_version, build.build_status, reason, is_cached, at];
    store.execute(sql, values)?;
    Ok(())
}

pub fn all(store: &Store) -> Result<Vec<CountRow>> {
    store.rows(CountRow::SELECT, [], CountRow::read)
}
