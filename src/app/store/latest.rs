//! What is new: the latest checks, the newest builds of a package.

use crate::app::domain::verdict::State;
use crate::app::store::rows::word;
use crate::app::store::{Result, Store};

/// A check in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckLine {
    pub id: i64,
    pub package: String,
    pub created_at: i64,
    /// Of its builds: all, those that succeeded, those still to finish.
    pub builds: u32,
    pub good: u32,
    pub open: u32,
}

/// The newest build of a package under a toolchain, finished or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewestBuild {
    pub zig_version: String,
    pub id: i64,
    pub state: State,
}

impl Store {
    /// The latest checks, the newest first.
    pub fn latest_checks(&self, limit: u64) -> Result<Vec<CheckLine>> {
        let sql = "SELECT c.id, c.package, c.created_at, count(*), \
                sum(b.build_status = 'success'), sum(b.state NOT IN ('finished', 'cancelled')) \
            FROM (SELECT id, package, created_at FROM checks ORDER BY id DESC LIMIT ?1) c \
            JOIN builds b ON b.check_id = c.id GROUP BY c.id ORDER BY c.id DESC";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([limit as i64], |row| {
            Ok(CheckLine {
                id: row.get(0)?,
                package: row.get(1)?,
                created_at: row.get(2)?,
                builds: row.get(3)?,
                good: row.get(4)?,
                open: row.get(5)?,
            })
        })?;
        rows.collect()
    }

    /// The newest builds of a package, one for each toolchain.
    pub fn newest_builds(&self, package: i64) -> Result<Vec<NewestBuild>> {
        // The row's other columns are those of the largest id.
        let sql = "SELECT b.zig_version, max(b.id), b.state \
            FROM checks c JOIN builds b ON b.check_id = c.id WHERE c.package_id = ?1 \
            GROUP BY b.zig_version ORDER BY b.zig_version";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([package], |row| {
            Ok(NewestBuild {
                zig_version: row.get(0)?,
                id: row.get(1)?,
                state: word(row, 2, State::parse)?,
            })
        })?;
        rows.collect()
    }
}
