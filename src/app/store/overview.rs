//! What an admin asks for, and how much there is of everything.

use rusqlite::OptionalExtension;

use crate::app::store::rows::{PackageRow, package_row};
use crate::app::store::{PACKAGE, Result, Store};

/// How much there is; nothing of it takes longer the more there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overview {
    /// The numbers given last.
    pub last_package: i64,
    pub last_build: i64,
    /// The database's file, without what it has not written back yet.
    pub database_bytes: i64,
}

impl Store {
    pub fn package_of_id(&self, id: i64) -> Result<Option<PackageRow>> {
        let sql = format!("{PACKAGE} WHERE id = ?1");
        let mut statement = self.db.prepare_cached(&sql)?;
        statement.query_row([id], package_row).optional()
    }

    /// The remotes of all packages are to be looked at now; how many that are.
    pub fn check_all_now(&mut self, at: i64) -> Result<u64> {
        self.next_look.set(None);
        let db = self.write()?;
        let mut statement = db.prepare_cached("UPDATE packages SET next_check = ?1")?;
        Ok(statement.execute([at])? as u64)
    }

    /// What the database takes, without what it would fill first.
    pub fn used_bytes(&self) -> Result<u64> {
        let sql = "SELECT (SELECT page_count FROM pragma_page_count) \
            - (SELECT freelist_count FROM pragma_freelist_count), page_size FROM pragma_page_size";
        let mut statement = self.db.prepare_cached(sql)?;
        statement.query_row([], |row| {
            let (pages, size): (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok(pages.saturating_mul(size).max(0) as u64)
        })
    }

    pub fn overview(&self) -> Result<Overview> {
        let sql = "SELECT coalesce((SELECT max(id) FROM packages), 0), \
            coalesce((SELECT max(id) FROM builds), 0), \
            (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size)";
        let mut statement = self.db.prepare_cached(sql)?;
        statement.query_row([], |row| {
            Ok(Overview {
                last_package: row.get(0)?,
                last_build: row.get(1)?,
                database_bytes: row.get(2)?,
            })
        })
    }
}
