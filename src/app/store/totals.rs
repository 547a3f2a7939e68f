//! The table `totals`: how much there is of what retention limits. Triggers keep the count.

use crate::app::store::columns::row;
use crate::app::store::store::{Result, Store};

row! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Totals from "totals" {
        /// Builds that are finished or cancelled.
        pub builds: u64 = "max(builds, 0)",
        /// The logs of these builds.
        pub log_bytes: u64 = "max(log_bytes, 0)",
        pub source_bytes: u64 = "max(source_bytes, 0)",
        pub dependency_bytes: u64 = "max(dependency_bytes, 0)",
        pub kept_bytes: u64 = "max(kept_bytes, 0)",
        pub durations: u64 = "max(durations, 0)",
    }
}

impl Totals {
    /// The size of files that can be fetched or made again.
    pub fn cached_bytes(&self) -> u64 {
        self.source_bytes + self.dependency_bytes + self.kept_bytes
    }
}

/// The number of packages.
pub fn packages(store: &Store) -> Result<u64> {
    rest(store, "packages", "packages_gone")
}

/// The number of builds, whatever their state.
pub(super) fn builds(store: &Store) -> Result<u64> {
    rest(store, "builds", "builds_gone")
}

/// How many rows of a table were ever made and are not gone.
fn rest(store: &Store, table: &str, gone: &str) -> Result<u64> {
    let sql = format!(
        "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = '{table}'), 0) - {gone}, 0) FROM totals"
    );
    store.value(&sql, [])
}

pub fn read(store: &Store) -> Result<Totals> {
    store.row(Totals::SELECT, [], Totals::read)
}

/// The size of the database without its free pages.
pub fn used_bytes(store: &Store) -> Result<u64> {
    let sql = "SELECT ((SELECT page_count FROM pragma_page_count) \
        - (SELECT freelist_count FROM pragma_freelist_count)) * page_size FROM pragma_page_size";
    Ok(store.value::<i64>(sql, [])?.max(0) as u64)
}

/// The size of the database file, without what the write-ahead log holds.
pub fn file_bytes(store: &Store) -> Result<i64> {
    let sql = "SELECT (SELECT page_count FROM pragma_page_count) \
        * (SELECT page_size FROM pragma_page_size)";
    store.value(sql, [])
}
