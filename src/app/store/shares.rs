//! The tables `share_sets` and `share_days`: how many packages of a set that stays the same work under each version,
//! day by day. A verdict that changes what is known of a package changes one row of each set.

use rusqlite::params;

use crate::app::domain::ids::PackageId;
use crate::app::domain::verdict::{BuildStatus, ImportStatus, TestStatus};
use crate::app::store::columns::{row, statuses};
use crate::app::store::limits::{COUNTED_LIMIT_VERDICTS, SHARE_SETS_KEPT};
use crate::app::store::store::{Result, Store};
use crate::app::store::totals;
use crate::app::store::transitions::{self, ShownRow};

pub const DAY_MS: i64 = 86_400_000;
/// The set that has all packages.
pub const ALL_PACKAGES: i64 = 0;

row! {
    /// Packages whose verdicts are counted from a day on.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct SetRow from "share_sets" {
        pub id: i64,
        /// In days since 1970.
        pub day: i64,
        /// Its newest package; none as long as its day is not over, and each new package is in it.
        pub last_package: Option<PackageId>,
        pub packages: u64,
    }
}

row! {
    /// How many packages of a set work and fail under a version at the end of a day.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct DayRow from "share_days" {
        pub zig_version: String,
        pub day: i64,
        pub works: u64,
        pub fails: u64,
    }
}

row! {
    /// A verdict of the history.
    pub struct PastRow from "history h JOIN history_texts v ON v.id = h.zig_version" {
        pub id: i64 = "h.id",
        pub package: PackageId = "h.package_id",
        pub zig_version: String = "v.text",
        pub build_status: BuildStatus = "h.build_status",
        pub test_status: Option<TestStatus> = "h.test_status",
        pub import_status: Option<ImportStatus> = "h.import_status",
        pub compiled: Option<u32> = "h.compiled",
        pub is_try: bool = "h.is_try",
        pub checked_at: i64 = "h.checked_at",
    }
}

statuses!(PastRow);

/// A package under a version.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell<'a> {
    pub package: PackageId,
    pub zig_version: &'a str,
    /// What is counted of it so far.
    pub counted: Option<bool>,
}

/// The sets that are kept, the newest first.
pub fn sets(store: &Store) -> Result<Vec<SetRow>> {
    let sql = format!("{} WHERE id > 0 ORDER BY id DESC", SetRow::SELECT);
    store.rows(&sql, [], SetRow::read)
}

/// The days of a set under a version on which a number changed, from that day on; before them the last one before it.
pub fn days(store: &Store, set: i64, zig_version: &str, from: i64) -> Result<Vec<DayRow>> {
    let sql = format!(
        "{} WHERE set_id = ?1 AND zig_version = ?2 AND day >= coalesce((SELECT max(day) FROM share_days \
         WHERE set_id = ?1 AND zig_version = ?2 AND day <= ?3), ?3) ORDER BY day",
        DayRow::SELECT
    );
    store.rows(&sql, params![set, zig_version, from], DayRow::read)
}

/// Counts the verdict that is shown for a package now. While an older history is being entered, that comes to it.
pub(super) fn count_verdict(store: &mut Store, shown: &ShownRow, at: i64) -> Result<()> {
    if is_filling(store)? {
        return Ok(());
    }
    let cell = Cell {
        package: shown.package,
        zig_version: &shown.zig_version,
        counted: shown.counted,
    };
    count(store, cell, shown.statuses().works(), at / DAY_MS)
}

/// Counts a package no longer: nothing is known of it from now on. Call this before its verdicts are deleted.
pub(super) fn forget(store: &mut Store, package: PackageId) -> Result<()> {
    let sql = "SELECT zig_version, counted FROM build_results WHERE package_id = ?1";
    let cells = store.rows(sql, [package], |row| {
        let zig_version: String = row.get("zig_version")?;
        Ok((zig_version, row.get("counted")?))
    })?;
    for (zig_version, counted) in &cells {
        let cell = Cell {
            package,
            zig_version,
            counted: *counted,
        };
        // The newest day that is counted.
        count(store, cell, None, 0)?;
    }
    Ok(())
}

/// Counts what is known of a package from that day on: it works, it fails, or nothing.
pub(super) fn count(store: &mut Store, cell: Cell, works: Option<bool>, day: i64) -> Result<()> {
    if cell.counted == works {
        return Ok(());
    }
    fix_sets(store, day)?;
    let change = |is: bool| i64::from(works == Some(is)) - i64::from(cell.counted == Some(is));
    let sql = "INSERT INTO share_days (set_id, zig_version, day, works, fails) \
        SELECT s.id, ?2, max(?3, coalesce(d.day, 0)), coalesce(d.works, 0) + ?4, coalesce(d.fails, 0) + ?5 \
        FROM share_sets s LEFT JOIN share_days d ON d.set_id = s.id AND d.zig_version = ?2 AND d.day = \
            (SELECT max(day) FROM share_days WHERE set_id = s.id AND zig_version = ?2) \
        WHERE s.last_package IS NULL OR s.last_package >= ?1 \
        ON CONFLICT DO UPDATE SET works = excluded.works, fails = excluded.fails";
    let values = params![
        cell.package,
        cell.zig_version,
        day,
        change(true),
        change(false)
    ];
    store.execute(sql, values)?;
    let sql = "UPDATE build_results SET counted = ?3 WHERE package_id = ?1 AND zig_version = ?2";
    store.execute(sql, params![cell.package, cell.zig_version, works])?;
    Ok(())
}

/// Ends the newest set if its day is over, and begins another one once there are twice as many packages.
fn fix_sets(store: &mut Store, day: i64) -> Result<()> {
    let sql = format!("{} WHERE id > 0 ORDER BY id DESC LIMIT 1", SetRow::SELECT);
    let newest = store.optional_row(&sql, [], SetRow::read)?;
    let packages = totals::packages(store)?;
    match newest {
        Some(newest) if newest.day >= day => return Ok(()),
        Some(SetRow {
            id,
            last_package: None,
            ..
        }) => {
            let sql = "UPDATE share_sets SET packages = ?2, \
                last_package = (SELECT seq FROM sqlite_sequence WHERE name = 'packages') WHERE id = ?1";
            store.execute(sql, params![id, packages])?;
            return Ok(());
        }
        Some(newest) if packages < 2 * newest.packages => return Ok(()),
        Some(_) | None => {}
    }
    let sql = "INSERT INTO share_sets (day, packages) VALUES (?1, ?2)";
    let id = store.insert(sql, params![day, packages])?;
    let sql = "INSERT INTO share_days (set_id, zig_version, day, works, fails) \
        SELECT ?1, v.zig_version, ?2, d.works, d.fails \
        FROM (SELECT zig_version, max(day) AS day FROM share_days WHERE set_id = 0 GROUP BY zig_version) v \
        JOIN share_days d ON d.set_id = 0 AND d.zig_version = v.zig_version AND d.day = v.day";
    store.execute(sql, params![id, day])?;
    for sql in [
        "DELETE FROM share_days WHERE set_id BETWEEN 1 AND ?1",
        "DELETE FROM share_sets WHERE id BETWEEN 1 AND ?1",
    ] {
        store.execute(sql, [id - SHARE_SETS_KEPT])?;
    }
    Ok(())
}

/// True while the history from before there were such counts is being entered, a few rows in each turn.
pub fn is_filling(store: &Store) -> Result<bool> {
    store.value("SELECT counted_after NOT NULL FROM server", [])
}

/// Enters some of the history from before there were such counts; false once all of it is entered. Until then no
/// verdict is counted otherwise: it is history as well, and its turn comes.
pub fn enter_some(store: &mut Store) -> Result<bool> {
    let sql = "SELECT counted_after FROM server";
    let Some(after) = store.value::<Option<i64>>(sql, [])? else {
        return Ok(false);
    };
    let sql = format!("{} WHERE h.id > ?1 ORDER BY h.id LIMIT ?2", PastRow::SELECT);
    let rows = store.rows(&sql, params![after, COUNTED_LIMIT_VERDICTS], PastRow::read)?;
    for row in rows.iter().filter(|row| !row.is_try) {
        let sql = "SELECT counted FROM build_results WHERE package_id = ?1 AND zig_version = ?2";
        let key = params![row.package, row.zig_version];
        // None where the package is gone.
        let counted = store.optional_row(sql, key, |row| row.get("counted"))?;
        let Some(counted) = counted else { continue };
        let cell = Cell {
            package: row.package,
            zig_version: &row.zig_version,
            counted,
        };
        count(store, cell, row.statuses().works(), row.checked_at / DAY_MS)?;
        if counted.is_some() && counted != row.statuses().works() {
            transitions::enter_past(store, row.id)?;
        }
    }
    let has_more = rows.len() == COUNTED_LIMIT_VERDICTS;
    let after = rows.last().map(|row| row.id).filter(|_| has_more);
    store.execute("UPDATE server SET counted_after = ?1", [after])?;
    Ok(has_more)
}
