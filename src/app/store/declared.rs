//! The table `declared_dependencies`: what the manifests of each package's latest source declare.

use rusqlite::params;

use crate::app::domain::declared::Declared;
use crate::app::domain::ids::PackageId;
use crate::app::domain::repository::repository;
use crate::app::store::columns::row;
use crate::app::store::list::{self, Condition, Paging, Sort};
use crate::app::store::packages::PackageRow;
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

impl DeclaredRow {
    pub fn declared(&self) -> Declared {
        Declared {
            name: self.name.clone(),
            url: self.url.clone(),
            hash: self.hash.clone(),
            lazy: self.lazy,
        }
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

/// One page of the packages that depend on that one, the newest first, and how many there are.
pub fn dependents(
    store: &Store,
    package: PackageId,
    page: Paging,
) -> Result<(Vec<PackageRow>, u64)> {
    let mut condition = Condition::default();
    let used = "u.repository = (SELECT repository FROM packages WHERE id = ?)";
    condition.and(used, Some(package.get()));
    condition.and("u.package_id <> ?", Some(package.get()));
    let total = list::count(store, "SELECT count(*) FROM uses u", &condition)?;
    let sort = Sort {
        column: "u.package_id",
        down: true,
    };
    let query = format!(
        "{} JOIN uses u ON u.package_id = packages.id",
        PackageRow::SELECT
    );
    let query = (&*query, "u.package_id");
    let rows = list::page(store, query, &condition, sort, page, PackageRow::read)?;
    Ok((rows, total))
}
