//! The table `transitions`: each verdict by which a package stopped to work under a version, or began to.

use rusqlite::{ToSql, params};

use crate::app::domain::ids::{BuildId, CheckId, PackageId};
use crate::app::domain::transition::Transition;
use crate::app::domain::verdict::{BuildStatus, ImportStatus, Reason, TestStatus};
use crate::app::domain::zig_version;
use crate::app::store::columns::{row, statuses};
use crate::app::store::history::CommitVerdict;
use crate::app::store::store::{Result, Store};

row! {
    #[derive(Debug, Clone, PartialEq)]
    pub struct TransitionRow from "transitions t JOIN packages p ON p.id = t.package_id \
            LEFT JOIN builds b ON b.id = t.build_id LEFT JOIN history h ON h.id = t.history_row \
            LEFT JOIN history_texts k ON k.id = h.error_key" {
        pub transition: Transition = "t.transition",
        pub name: String = "p.name",
        pub url: String = "p.url",
        pub zig_version: String = "t.zig_version",
        /// The verdict in the words that people see, and the one before it.
        pub word: String = "t.word",
        pub old_word: String = "t.old_word",
        /// The version of the verdict before it: the same, or an older one if this was the first.
        pub old_version: String = "t.old_version",
        /// None where there was no source.
        pub commit: Option<String> = "t.\"commit\"",
        pub old_commit: Option<String> = "t.old_commit",
        pub at: i64 = "t.at",
        /// The build of the verdict; none once it is deleted.
        pub build: Option<BuildId> = "b.id",
        pub build_id: Option<BuildId> = "t.build_id",
        /// Its row in the history, which a later verdict on the same commit replaces.
        pub history_row: Option<i64> = "t.history_row",
        pub reason: Option<Reason> = "h.reason",
        pub error_key: Option<String> = "k.text",
    }
}

row! {
    /// The verdict that is shown for a package under a version.
    pub struct ShownRow from "build_results r LEFT JOIN builds v ON v.id = r.build_id \
            LEFT JOIN checks s ON s.id = v.check_id" {
        pub package: PackageId = "r.package_id",
        pub zig_version: String = "r.zig_version",
        pub build_status: BuildStatus = "r.build_status",
        pub test_status: Option<TestStatus> = "r.test_status",
        pub import_status: Option<ImportStatus> = "v.import_status",
        pub compiled: Option<u32> = "v.compiled",
        /// What is counted of it in the shares of packages that work.
        pub counted: Option<bool> = "r.counted",
        pub build: Option<BuildId> = "r.build_id",
        pub check: Option<CheckId> = "s.id",
        pub commit: Option<String> = "s.\"commit\"",
    }
}

statuses!(ShownRow);

/// The verdict that is shown where that of a build will be; none for a build of no package, and for a try.
pub(super) fn shown(store: &Store, build: BuildId) -> Result<Option<ShownRow>> {
    let sql = format!(
        "{} WHERE (r.package_id, r.zig_version) = (SELECT c.package_id, b.zig_version \
         FROM builds b JOIN checks c ON c.id = b.check_id WHERE b.id = ?1 AND c.is_try = 0)",
        ShownRow::SELECT
    );
    store.optional_row(&sql, [build], ShownRow::read)
}

/// Notes that the published verdict of a build makes a package newly broken or newly fixed, if it does. `before` is
/// the verdict that was shown until now. The first one under a version follows that under the next older version,
/// unless both are of one check: nothing is known of a new package that could have changed. A verdict that was imported
/// is none of these: it was found by other rules, at a commit that is not known.
pub(super) fn record(
    store: &mut Store,
    before: Option<ShownRow>,
    new: &ShownRow,
    (build, history_row): (BuildId, Option<i64>),
    at: i64,
) -> Result<Option<Transition>> {
    let old = match before.filter(says_something) {
        Some(row) => Some(row),
        None => under_older_version(store, new)?,
    };
    let Some(old) = old else { return Ok(None) };
    let Some(transition) = Transition::between(old.statuses(), new.statuses()) else {
        return Ok(None);
    };
    let sql = "INSERT OR REPLACE INTO transitions (transition, package_id, zig_version, word, old_word, old_version, \
            \"commit\", old_commit, at, build_id, history_row) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    let values = params![
        transition,
        new.package,
        new.zig_version,
        new.statuses().describe(),
        old.statuses().describe(),
        old.zig_version,
        new.commit,
        old.commit,
        at,
        build,
        history_row,
    ];
    store.execute(sql, values)?;
    Ok(Some(transition))
}

/// True of a verdict on the package that a build of this server came to.
fn says_something(row: &ShownRow) -> bool {
    row.build.is_some() && row.statuses().works().is_some()
}

/// The verdict under the next older version that there is one of, by another check.
fn under_older_version(store: &Store, new: &ShownRow) -> Result<Option<ShownRow>> {
    let sql = format!("{} WHERE r.package_id = ?1", ShownRow::SELECT);
    let rows = store.rows(&sql, [new.package], ShownRow::read)?;
    let is_older = |row: &ShownRow| {
        zig_version::compare(&row.zig_version, &new.zig_version).is_lt() && says_something(row)
    };
    let older = rows.into_iter().filter(is_older);
    let next = older.max_by(|a, b| zig_version::compare(&a.zig_version, &b.zig_version));
    Ok(next.filter(|row| row.check != new.check))
}

/// Enters what a row of the history changed for its package, beside the one before it under its version.
pub(super) fn enter_past(store: &mut Store, row: i64) -> Result<()> {
    let one = |store: &Store, sql: &str| store.optional_row(sql, [row], CommitVerdict::read);
    let sql = format!("{} WHERE h.id = ?1", CommitVerdict::SELECT);
    let new = one(store, &sql)?;
    let sql = format!(
        "{} WHERE h.id = (SELECT max(o.id) FROM history n JOIN history o ON o.package_id = n.package_id \
         AND o.zig_version = n.zig_version AND o.is_try = 0 AND o.id < n.id WHERE n.id = ?1)",
        CommitVerdict::SELECT
    );
    let (Some(old), Some(new)) = (one(store, &sql)?, new) else {
        return Ok(());
    };
    let Some(transition) = Transition::between(old.statuses(), new.statuses()) else {
        return Ok(());
    };
    let sql = "INSERT OR IGNORE INTO transitions (transition, package_id, zig_version, word, old_word, old_version, \
            \"commit\", old_commit, at, build_id, history_row) \
        SELECT ?2, h.package_id, v.text, ?3, ?4, v.text, ?5, ?6, h.checked_at, \
            (SELECT b.id FROM builds b INDEXED BY builds_by_end JOIN checks c ON c.id = b.check_id \
             WHERE ifnull(b.finished_at, 0) = h.checked_at AND b.zig_version = v.text \
             AND c.package_id = h.package_id LIMIT 1), h.id \
        FROM history h JOIN history_texts v ON v.id = h.zig_version WHERE h.id = ?1";
    let (word, old_word) = (new.statuses().describe(), old.statuses().describe());
    let values = params![row, transition, word, old_word, new.commit, old.commit];
    store.execute(sql, values)?;
    Ok(())
}

/// Which transitions.
#[derive(Debug, Clone, Copy, Default)]
pub struct TransitionFilter<'a> {
    pub package: Option<PackageId>,
    pub zig_version: Option<&'a str>,
}

/// The newest of one kind, at most `limit` of them.
pub fn newest(
    store: &Store,
    transition: Transition,
    filter: TransitionFilter,
    limit: usize,
) -> Result<Vec<TransitionRow>> {
    let mut sql = format!("{} WHERE t.transition = ?", TransitionRow::SELECT);
    let mut values: Vec<&dyn ToSql> = vec![&transition];
    if let Some(package) = &filter.package {
        sql += " AND t.package_id = ?";
        values.push(package);
    }
    if let Some(version) = &filter.zig_version {
        sql += " AND t.zig_version = ?";
        values.push(version);
    }
    sql += " ORDER BY t.at DESC LIMIT ?";
    values.push(&limit);
    store.rows(&sql, &values[..], TransitionRow::read)
}

/// Removes those of a package.
pub(super) fn delete(store: &mut Store, package: PackageId) -> Result<()> {
    let sql = "DELETE FROM transitions WHERE package_id = ?1";
    store.execute(sql, [package])?;
    Ok(())
}
