//! The table `build_results`: the latest verdict of a package under each toolchain.

use std::collections::HashMap;

use rusqlite::{Row, params};

use crate::app::domain::ids::{BuildId, CheckId, PackageId};
use crate::app::domain::recheck::{Cell, Newest, Toolchain};
use crate::app::domain::verdict::{BuildStatus, ImportStatus, Reason, State, TestStatus};
use crate::app::store::columns::{Columns, row, statuses};
use crate::app::store::list;
use crate::app::store::search;
use crate::app::store::store::{Result, Store};

row! {
    /// The latest verdict under one toolchain, and the state of the newest build there.
    #[derive(Debug, Clone, PartialEq)]
    pub struct ResultRow from "build_results r LEFT JOIN builds v ON v.id = r.build_id \
            LEFT JOIN checks c ON c.id = v.check_id LEFT JOIN builds n ON n.id = r.newest_build" {
        pub package: PackageId = "r.package_id",
        pub zig_version: String = "r.zig_version",
        pub build_status: BuildStatus = "r.build_status",
        pub test_status: Option<TestStatus> = "r.test_status",
        pub import_status: Option<ImportStatus> = "v.import_status",
        pub reason: Option<Reason> = "v.reason",
        pub compiled: Option<u32> = "v.compiled",
        pub last_checked: Option<i64> = "r.last_checked",
        pub commit: Option<String> = "c.\"commit\"",
        pub build_id: Option<BuildId> = "r.build_id",
        /// As `BuildRow::targets`.
        pub targets: String = "coalesce(v.targets, '')",
        /// The newest build there, finished or not; none if no build is kept.
        pub newest_build: Option<BuildId> = "n.id",
        pub state: State = "coalesce(n.state, 'finished')",
    }
}

const RESULT: &str = ResultRow::SELECT;

statuses!(ResultRow);

/// The toolchain under which the shown verdict was found, and its commit. There is a row as soon as there is a build.
const SHOWN: &str = "SELECT v.toolchain, c.\"commit\" FROM build_results r \
    LEFT JOIN builds v ON v.id = r.build_id LEFT JOIN checks c ON c.id = v.check_id \
    WHERE r.package_id = ?1 AND r.zig_version = ?2";

const NEWEST: &str = "SELECT b.state, b.build_status, b.toolchain, \
    c.source IS NULL AND c.url IS p.url AND c.ref IS p.ref AND c.dir IS p.dir AS fetches_remote \
    FROM build_results r JOIN packages p ON p.id = r.package_id \
    JOIN builds b ON b.id = r.newest_build JOIN checks c ON c.id = b.check_id \
    WHERE r.package_id = ?1 AND r.zig_version = ?2";

/// The reads of `cells`: none may cost more with the number of packages or builds.
pub const CELL_STATEMENTS: [&str; 2] = [SHOWN, NEWEST];

fn newest_row(row: &Row) -> Result<Newest> {
    let columns = Columns::of(row);
    Ok(Newest {
        state: columns.get("state")?,
        build_status: columns.get("build_status")?,
        toolchain: columns.get("toolchain")?,
        fetches_remote: columns.get("fetches_remote")?,
    })
}

/// One row for each toolchain the package was ever built under.
pub fn of_package(store: &Store, package: PackageId) -> Result<Vec<ResultRow>> {
    let sql = format!("{RESULT} WHERE r.package_id = ?1");
    store.rows(&sql, [package], ResultRow::read)
}

/// The rows of each of these packages, in one read.
pub fn of_packages(store: &Store, packages: &[PackageId]) -> Result<Vec<Vec<ResultRow>>> {
    let sql = format!("{RESULT} WHERE r.package_id IN (SELECT value FROM json_each(?1))");
    let mut of_each: HashMap<PackageId, Vec<ResultRow>> = HashMap::new();
    for row in store.rows(&sql, [list::ids(packages)], ResultRow::read)? {
        of_each.entry(row.package).or_default().push(row);
    }
    let rows = packages.iter().map(|id| of_each.remove(id));
    Ok(rows.map(Option::unwrap_or_default).collect())
}

/// The rows of these packages under that version.
pub fn under_version(
    store: &Store,
    packages: &[PackageId],
    zig_version: &str,
) -> Result<Vec<ResultRow>> {
    let sql = format!(
        "{RESULT} WHERE r.zig_version = ?2 AND r.package_id IN (SELECT value FROM json_each(?1))"
    );
    let values = params![list::ids(packages), zig_version];
    store.rows(&sql, values, ResultRow::read)
}

/// Notes the newest build of a package under a toolchain. The first one shows as pending until there is a verdict.
pub(super) fn insert(
    store: &mut Store,
    check: CheckId,
    zig_version: &str,
    build: BuildId,
) -> Result<()> {
    let sql = "INSERT INTO build_results (package_id, zig_version, build_status, newest_build) \
        SELECT package_id, ?2, 'pending', ?3 FROM checks \
        WHERE id = ?1 AND package_id NOT NULL AND is_try = 0 \
        ON CONFLICT (package_id, zig_version) DO UPDATE SET newest_build = excluded.newest_build";
    store.execute(sql, params![check, zig_version, build])?;
    Ok(())
}

/// A verdict that another system came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastVerdict {
    pub zig_version: String,
    pub build_status: BuildStatus,
    pub test_status: Option<TestStatus>,
    pub error_log: String,
    pub last_checked: Option<i64>,
}

/// Shows a verdict of another system until the first one of a build; false if there is a verdict or a build already. It
/// refers to no build, so that neither history nor statistics nor transitions know of it.
pub fn import(store: &mut Store, package: PackageId, past: &PastVerdict) -> Result<bool> {
    let sql = "INSERT INTO build_results (package_id, zig_version, build_status, test_status, error_log, \
        last_checked) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (package_id, zig_version) DO NOTHING";
    let values = params![
        package,
        past.zig_version,
        past.build_status,
        past.test_status,
        past.error_log,
        past.last_checked,
    ];
    if store.execute(sql, values)? == 0 {
        return Ok(false);
    }
    search::note_new_error(store, package, &past.zig_version)?;
    Ok(true)
}

/// Notes that a build is about to be deleted: the newest one that is left is that of the shown verdict, if any.
pub(super) fn forget_newest(store: &mut Store, build: BuildId) -> Result<()> {
    replace_newest(store, build, "build_id")
}

/// Takes a build for none: the next recheck of its package builds under its version, whatever the verdict shown.
pub fn forget_attempt(store: &mut Store, build: BuildId) -> Result<()> {
    replace_newest(store, build, "NULL")
}

/// Replaces a build as the newest one of its package and version, if it is that.
fn replace_newest(store: &mut Store, build: BuildId, by: &str) -> Result<()> {
    let sql = format!(
        "UPDATE build_results SET newest_build = {by} \
        FROM builds b JOIN checks c ON c.id = b.check_id WHERE b.id = ?1 \
        AND build_results.package_id = c.package_id \
        AND build_results.zig_version = b.zig_version AND build_results.newest_build = ?1"
    );
    store.execute(&sql, [build])?;
    Ok(())
}

/// Makes the verdict of a build the latest of its package and toolchain, unless it is a try. An error replaces only an
/// error or a pending verdict, and a build never replaces the verdict of a later one unless that is an error.
pub(super) fn publish(store: &mut Store, build: BuildId, at: i64) -> Result<()> {
    let sql = "UPDATE build_results SET build_status = b.build_status, \
        test_status = b.test_status, error_log = b.error_log, last_checked = ?2, build_id = ?1 \
        FROM builds b JOIN checks c ON c.id = b.check_id WHERE b.id = ?1 AND c.is_try = 0 \
        AND build_results.package_id = c.package_id \
        AND build_results.zig_version = b.zig_version \
        AND (b.build_status <> 'error' OR build_results.build_status IN ('pending', 'error')) \
        AND (coalesce(build_results.build_id, 0) <= ?1 OR build_results.build_status = 'error')";
    store.execute(sql, params![build, at])?;
    let sql = "UPDATE packages SET last_updated = ?2, minimum_zig_version = \
        iif(b.build_status = 'error', packages.minimum_zig_version, b.minimum_zig_version) \
        FROM builds b JOIN checks c ON c.id = b.check_id \
        WHERE b.id = ?1 AND c.is_try = 0 AND packages.id = c.package_id";
    store.execute(sql, params![build, at])?;
    Ok(())
}

/// The state of a package under each of these toolchains.
pub fn cells(store: &Store, package: PackageId, toolchains: &[Toolchain]) -> Result<Vec<Cell>> {
    let cell = |toolchain: &Toolchain| -> Result<Cell> {
        let key = params![package, toolchain.zig_version];
        let columns = |row: &Row| Ok((row.get("toolchain")?, row.get("commit")?));
        let shown: Option<(Option<String>, Option<String>)> =
            store.optional_row(SHOWN, key, columns)?;
        let newest = match shown {
            None => None,
            Some(_) => store.optional_row(NEWEST, key, newest_row)?,
        };
        let (shown, shown_commit) = shown.unwrap_or_default();
        Ok(Cell {
            toolchain: toolchain.clone(),
            newest,
            shown,
            shown_commit,
        })
    };
    toolchains.iter().map(cell).collect()
}
