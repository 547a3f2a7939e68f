//! The table `declared_dependencies`: what the manifests of each package's latest source declare.

use rusqlite::params;

use crate::app::domain::declared::Declared;
use crate::app::domain::ids::PackageId;
use crate::app::domain::repository::repository;
use crate::app::store::columns::row;
use crate::app::store::limits::EXAMINED_LIMIT_ROWS;
use crate::app::store::list::{Page, Paging, Sql, Walk};
use crate::app::store::packages::{self, PackageRow};
use crate::app::store::store::{Result, Store};

row! {
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct DeclaredRow from "declared_dependencies d \
            LEFT JOIN packages p ON p.repository = d.repository" {
        pub name: String = "d.name",
        pub url: String = "d.url",
        pub hash: Option<String> = "d.hash",
        pub lazy: bool = "d.lazy",
        /// The known package of its repository.
        pub package: Option<PackageId> = "p.id",
    }
}

/// Replaces what a package declares.
pub fn set(store: &mut Store, package: PackageId, declared: &[Declared]) -> Result<()> {
    delete(store, package)?;
    let sql = "INSERT OR IGNORE INTO declared_dependencies (package_id, name, url, hash, lazy, repository) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    for Declared {
        name,
        url,
        hash,
        lazy,
    } in declared
    {
        store.execute(
            sql,
            params![package, name, url, hash, lazy, repository(url)],
        )?;
    }
    Ok(())
}

/// Removes all that a package declares: the head of a fetch holds at most `FRAME_DECLARED_LIMIT`.
pub(super) fn delete(store: &mut Store, package: PackageId) -> Result<()> {
    let sql = "DELETE FROM declared_dependencies WHERE package_id = ?1";
    store.execute(sql, [package])?;
    Ok(())
}

/// What a package declares, in the order of names.
pub fn of_package(store: &Store, package: PackageId) -> Result<Vec<DeclaredRow>> {
    let sql = format!(
        "{} WHERE d.package_id = ?1 ORDER BY d.name, d.url",
        DeclaredRow::SELECT
    );
    store.rows(&sql, [package], DeclaredRow::read)
}

/// One page of the packages that depend on that one, the newest first. None: the page is too far from the beginning to
/// be found by its number.
pub fn dependents(
    store: &Store,
    package: PackageId,
    paging: &Paging,
) -> Result<Option<Page<PackageRow>>> {
    let used =
        "u.repository = (SELECT repository FROM packages WHERE id = ?) AND u.package_id <> ?";
    let walk = Walk {
        tables: "uses u",
        id: "u.package_id",
        key: "u.package_id",
        down: true,
        rows: Sql::new(used).then("", [package.get().into(), package.get().into()]),
        matches: Sql::new("1"),
        examined: EXAMINED_LIMIT_ROWS,
        counted: EXAMINED_LIMIT_ROWS,
    };
    let Some(found) = walk.page(store, paging)? else {
        return Ok(None);
    };
    let page = found.with_rows(|ids| packages::with_ids(store, ids), |row| row.id.get());
    page.map(Some)
}
