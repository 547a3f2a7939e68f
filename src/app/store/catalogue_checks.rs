//! The tables `catalogue_checks` and `catalogue_builds`: checks of all packages under one toolchain, and how far they
//! are.

use rusqlite::params;

use crate::app::domain::ids::{BuildId, PackageId};
use crate::app::domain::recheck::{Cell, Toolchain};
use crate::app::store::columns::row;
use crate::app::store::packages::{self, MOST_USED_FIRST, RecheckRow};
use crate::app::store::results;
use crate::app::store::store::{Result, Store};
use crate::app::store::totals;

row! {
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct CatalogueCheckRow from "catalogue_checks" {
        pub zig_version: String,
        pub requested_at: i64,
        /// The package examined last; none once all have been. `MOST_USED_FIRST` before the first.
        pub after: Option<PackageId> = "examined_after",
        /// How many were examined, and how many of them need nothing more.
        pub examined: i64,
        pub checked: i64,
    }
}

/// Packages that an examination has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CataloguePage {
    /// Those that need a check.
    pub packages: Vec<RecheckRow>,
    /// They count as examined: `note_build` each of them once it has its check.
    pub is_counted: bool,
    /// All packages have been examined.
    pub done: bool,
}

impl CatalogueCheckRow {
    /// True until all packages have been examined and their builds have ended.
    pub fn is_running(&self) -> bool {
        self.after.is_some() || self.checked < self.examined
    }

    /// How many packages it is about: those that there are now, until all have been examined.
    pub fn packages(&self, store: &Store) -> Result<i64> {
        match self.after {
            Some(_) => Ok((totals::packages(store)? as i64).max(self.examined)),
            None => Ok(self.examined),
        }
    }
}

/// The latest one of each version, the newest first.
pub fn all(store: &Store) -> Result<Vec<CatalogueCheckRow>> {
    let sql = format!(
        "{} ORDER BY requested_at DESC, zig_version",
        CatalogueCheckRow::SELECT
    );
    store.rows(&sql, [], CatalogueCheckRow::read)
}

pub fn by_version(store: &Store, zig_version: &str) -> Result<Option<CatalogueCheckRow>> {
    let sql = format!("{} WHERE zig_version = ?1", CatalogueCheckRow::SELECT);
    store.optional_row(&sql, [zig_version], CatalogueCheckRow::read)
}

/// Begins the check of all packages under that version, from the first.
pub fn request(store: &mut Store, zig_version: &str, at: i64) -> Result<()> {
    let sql = "INSERT INTO catalogue_checks (zig_version, requested_at, examined_after) VALUES (?1, ?2, ?3) \
        ON CONFLICT (zig_version) DO UPDATE SET requested_at = ?2, examined_after = ?3, examined = 0, checked = 0";
    store.execute(sql, params![zig_version, at, MOST_USED_FIRST])?;
    Ok(())
}

/// Examines the next `limit` packages; gives those that have neither a verdict under that image nor a build that
/// brings one.
pub fn examine(store: &mut Store, toolchain: &Toolchain, limit: usize) -> Result<CataloguePage> {
    let row = by_version(store, &toolchain.zig_version)?;
    let Some(after) = row.and_then(|row| row.after) else {
        return Ok(CataloguePage {
            packages: Vec::new(),
            is_counted: false,
            done: true,
        });
    };
    let is_counted = after != MOST_USED_FIRST;
    let (examined, after) = packages::next_of_walk(store, after, limit)?;
    let (count, mut known) = (examined.len(), 0);
    let mut lacking = Vec::new();
    for package in examined {
        let cells = results::cells(store, package.id, std::slice::from_ref(toolchain))?;
        let lacks = |cell: &Cell| cell.lacks_latest(package.commit.as_deref());
        if cells.iter().any(lacks) {
            lacking.push(package);
        } else if !is_counted || !note_build(store, package.id, &toolchain.zig_version)? {
            known += 1;
        }
    }
    let (count, known) = if is_counted { (count, known) } else { (0, 0) };
    let sql = "UPDATE catalogue_checks SET examined_after = ?2, examined = examined + ?3, checked = checked + ?4 \
        WHERE zig_version = ?1";
    store.execute(sql, params![toolchain.zig_version, after, count, known])?;
    Ok(CataloguePage {
        packages: lacking,
        is_counted,
        done: after.is_none(),
    })
}

/// Notes that the check of all packages waits for the newest build of a package; false where that has ended.
pub fn note_build(store: &mut Store, package: PackageId, zig_version: &str) -> Result<bool> {
    let sql = "INSERT INTO catalogue_builds (build_id) SELECT b.id \
        FROM build_results r JOIN builds b ON b.id = r.newest_build \
        WHERE r.package_id = ?1 AND r.zig_version = ?2 AND b.state NOT IN ('finished', 'cancelled') \
        ON CONFLICT DO NOTHING";
    Ok(store.execute(sql, params![package, zig_version])? > 0)
}

/// Notes that a build has ended, with a verdict or without.
pub fn end_build(store: &mut Store, build: BuildId, zig_version: &str) -> Result<()> {
    if store.execute("DELETE FROM catalogue_builds WHERE build_id = ?1", [build])? > 0 {
        let sql = "UPDATE catalogue_checks SET checked = checked + 1 WHERE zig_version = ?1";
        store.execute(sql, [zig_version])?;
    }
    Ok(())
}
