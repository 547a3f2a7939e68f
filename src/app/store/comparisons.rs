//! The tables `comparisons` and `tried`: what changed for each package between each two Zig versions, kept up with
//! every verdict. A verdict on a commit changes the pairs of versions that this commit was tried under, and no other.
//!
//! What is behind a name such as `master` is a version too: it is compared with what was behind that name before.

use std::cmp::Ordering;

use data_encoding::HEXLOWER_PERMISSIVE;
use rusqlite::params;

use crate::app::domain::comparison::{Rank, Step, Tried, compare, got_past};
use crate::app::domain::ids::{BuildId, PackageId};
use crate::app::domain::verdict::{BuildStatus, ImportStatus, Reason, Statuses, TestStatus};
use crate::app::domain::zig_version;
use crate::app::store::columns::{row, statuses};
use crate::app::store::limits::{
    COMPARED_LIMIT_ROWS, DATED_LIMIT_VERSIONS, GOT_PAST_LIMIT_ROWS, TRIES_LIMIT_ROWS,
};
use crate::app::store::store::{Result, Store};

row! {
    /// A commit of a package under a version.
    pub struct Event from "builds b JOIN checks c ON c.id = b.check_id \
            JOIN packages p ON p.id = c.package_id AND p.removal IS NULL" {
        pub package: PackageId = "p.id",
        pub commit: String = "c.\"commit\"",
        pub zig_version: String = "b.zig_version",
    }
}

row! {
    /// What a commit of a package came to under a version, as `history` has it.
    #[derive(Debug, Clone)]
    pub struct Verdict from "history h JOIN history_texts v ON v.id = h.zig_version" {
        pub row: i64 = "h.id",
        pub commit: Vec<u8> = "h.\"commit\"",
        /// In seconds since 1970; less than any time if that is unknown.
        pub commit_time: i64 = "coalesce(h.commit_time, -1)",
        pub zig_version: String = "v.text",
        pub dated_version: Option<String> = "(SELECT d.dated_version FROM history_texts t \
            JOIN dated_versions d ON d.toolchain = t.text WHERE t.id = h.toolchain)",
        pub build_status: BuildStatus = "h.build_status",
        pub test_status: Option<TestStatus> = "h.test_status",
        pub import_status: Option<ImportStatus> = "h.import_status",
        pub compiled: Option<u32> = "h.compiled",
        pub reason: Option<Reason> = "h.reason",
        pub error_key: Option<i64> = "h.error_key",
        pub error_place: Option<i64> = "h.error_place",
    }
}

statuses!(Verdict);

impl Verdict {
    fn tried(&self) -> Tried<i64> {
        Tried {
            statuses: self.statuses(),
            reason: self.reason,
            error_key: self.error_key,
            error_place: self.error_place,
        }
    }
}

row! {
    /// The commit that a package is compared at.
    pub struct Compared from "comparisons" {
        pub commit: Vec<u8>,
        pub commit_time: i64,
        pub older_row: Option<i64>,
        pub newer_row: Option<i64>,
    }
}

impl Compared {
    fn rank(&self) -> Rank {
        rank(self.commit_time, self.older_row, self.newer_row)
    }
}

fn rank(commit_time: i64, older_row: Option<i64>, newer_row: Option<i64>) -> Rank {
    Rank {
        is_verdict: older_row.is_some() && newer_row.is_some(),
        commit_time,
        row: older_row.max(newer_row).unwrap_or(0),
    }
}

/// A version that a commit was tried under.
#[derive(Debug, Clone)]
struct Side {
    version: i64,
    zig_version: String,
    /// What was behind the name of the version, if that is none.
    dated_version: Option<String>,
    /// None for an error.
    row: Option<i64>,
    commit_time: i64,
    tried: Tried<i64>,
}

/// A package, and the bytes of a commit of it.
type Commit<'a> = (PackageId, &'a [u8]);

/// Enters the verdict of a build on a commit of a package, or that there is none since the build ended in an error. The
/// tables of verdicts have it already.
pub(super) fn record(store: &mut Store, build: BuildId) -> Result<()> {
    let sql = format!(
        "{} WHERE b.id = ?1 AND c.\"commit\" NOT NULL AND b.build_status <> 'pending'",
        Event::SELECT
    );
    let Some(event) = store.optional_row(&sql, [build], Event::read)? else {
        return Ok(());
    };
    match HEXLOWER_PERMISSIVE.decode(event.commit.as_bytes()) {
        Ok(commit) => enter(store, (event.package, &commit), &event.zig_version),
        Err(_) => Ok(()),
    }
}

/// Enters what that commit came to under that version.
fn enter(store: &mut Store, commit: Commit, zig_version: &str) -> Result<()> {
    let sides = sides(store, commit)?;
    let Some(own) = sides.iter().find(|side| side.zig_version == zig_version) else {
        return Ok(());
    };
    for other in &sides {
        match zig_version::compare(&other.zig_version, zig_version) {
            Ordering::Less => enter_pair(store, commit, other, own)?,
            Ordering::Equal => {}
            Ordering::Greater => enter_pair(store, commit, own, other)?,
        }
    }
    enter_got_past(store, commit.0, own.version)?;
    match &own.dated_version {
        Some(dated_version) => enter_dated(store, commit, own, dated_version),
        None => Ok(()),
    }
}

/// Compares what is behind the name of a version with what was behind it before, if the commit was tried under both.
fn enter_dated(store: &mut Store, commit: Commit, own: &Side, dated_version: &str) -> Result<()> {
    let version = tried_under(store, commit.0, dated_version)?;
    let sql = format!(
        "{} WHERE h.package_id = ?1 AND h.\"commit\" = ?2 AND v.text = ?3 AND h.id < ?4 \
         ORDER BY h.id DESC LIMIT {TRIES_LIMIT_ROWS}",
        Verdict::SELECT
    );
    let values = params![commit.0, commit.1, own.zig_version, own.row];
    let mut earlier = store.rows(&sql, values, Verdict::read)?.into_iter();
    let is_older = |verdict: &Verdict| {
        let dated = verdict.dated_version.as_deref();
        dated.is_some_and(|dated| zig_version::compare(dated, dated_version).is_lt())
    };
    if let Some(verdict) = earlier.find(is_older) {
        let dated = verdict.dated_version.clone().unwrap_or_default();
        let older = Side::of(tried_under(store, commit.0, &dated)?, verdict);
        let newer = Side {
            version,
            ..own.clone()
        };
        enter_pair(store, commit, &older, &newer)?;
    }
    forget_dated(store, commit.0, &own.zig_version)
}

/// Forgets the comparisons of a package with what was behind a name before its newest `DATED_LIMIT_VERSIONS`.
fn forget_dated(store: &mut Store, package: PackageId, zig_version: &str) -> Result<()> {
    let sql = "SELECT t.version FROM tried t JOIN tried_versions n ON n.id = t.version WHERE t.package_id = ?1 \
        AND EXISTS (SELECT 1 FROM dated_versions d WHERE d.zig_version = ?2 AND d.dated_version = n.zig_version) \
        AND n.zig_version NOT IN (SELECT zig_version FROM toolchains) ORDER BY t.version DESC LIMIT -1 OFFSET ?3";
    let values = params![package, zig_version, DATED_LIMIT_VERSIONS];
    for version in store.values::<i64>(sql, values)? {
        let sql = "DELETE FROM comparisons WHERE package_id = ?1 AND (older = ?2 OR newer = ?2)";
        store.execute(sql, params![package, version])?;
        let sql = "DELETE FROM tried WHERE package_id = ?1 AND version = ?2";
        store.execute(sql, params![package, version])?;
    }
    Ok(())
}

/// The versions that a commit was tried under: its newest verdict under each, or the error that is shown there.
fn sides(store: &mut Store, commit: Commit) -> Result<Vec<Side>> {
    let sql = format!(
        "{} WHERE h.id IN (SELECT max(id) FROM history WHERE package_id = ?1 AND \"commit\" = ?2 GROUP BY zig_version)",
        Verdict::SELECT
    );
    let verdicts = store.rows(&sql, params![commit.0, commit.1], Verdict::read)?;
    let mut sides: Vec<Side> = Vec::new();
    for verdict in verdicts {
        let version = tried_under(store, commit.0, &verdict.zig_version)?;
        sides.push(Side::of(version, verdict));
    }
    // The index of all errors would be the wrong one.
    let sql = "SELECT r.zig_version, coalesce(c.commit_time, -1) AS commit_time FROM build_results r \
        CROSS JOIN builds b ON b.id = r.build_id CROSS JOIN checks c ON c.id = b.check_id \
        WHERE r.package_id = ?1 AND +r.build_status = 'error' AND c.\"commit\" = lower(hex(?2))";
    let errors: Vec<(String, i64)> = store.rows(sql, params![commit.0, commit.1], |row| {
        Ok((row.get("zig_version")?, row.get("commit_time")?))
    })?;
    for (zig_version, commit_time) in errors {
        if sides.iter().all(|side| side.zig_version != zig_version) {
            let version = tried_under(store, commit.0, &zig_version)?;
            sides.push(Side::error(version, zig_version, commit_time));
        }
    }
    Ok(sides)
}

impl Side {
    fn of(version: i64, verdict: Verdict) -> Side {
        Side {
            version,
            tried: verdict.tried(),
            zig_version: verdict.zig_version,
            dated_version: verdict.dated_version,
            row: Some(verdict.row),
            commit_time: verdict.commit_time,
        }
    }

    fn error(version: i64, zig_version: String, commit_time: i64) -> Side {
        let statuses = Statuses {
            build: BuildStatus::Error,
            test: None,
            import: None,
            compiled: None,
        };
        Side {
            version,
            zig_version,
            dated_version: None,
            row: None,
            commit_time,
            tried: Tried {
                statuses,
                reason: None,
                error_key: None,
                error_place: None,
            },
        }
    }
}

/// Notes that a package was tried under a version; gives the id of the version.
fn tried_under(store: &mut Store, package: PackageId, zig_version: &str) -> Result<i64> {
    let select = "SELECT id FROM tried_versions WHERE zig_version = ?1";
    let version = match store.optional_row(select, [zig_version], |row| row.get("id"))? {
        Some(version) => version,
        None => {
            let sql = "INSERT INTO tried_versions (zig_version) VALUES (?1)";
            store.insert(sql, [zig_version])?
        }
    };
    let sql = "INSERT INTO tried (package_id, version) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    store.execute(sql, params![package, version])?;
    Ok(version)
}

/// Compares a package at that commit from now on, unless it is compared at a newer one.
fn enter_pair(store: &mut Store, commit: Commit, older: &Side, newer: &Side) -> Result<()> {
    let key = params![commit.0, older.version, newer.version];
    let sql = format!(
        "{} WHERE package_id = ?1 AND older = ?2 AND newer = ?3",
        Compared::SELECT
    );
    let known = store.optional_row(&sql, key, Compared::read)?;
    let commit_time = older.commit_time.max(newer.commit_time);
    let rank = rank(commit_time, older.row, newer.row);
    if known.is_some_and(|known| known.commit != commit.1 && known.rank() > rank) {
        return Ok(());
    }
    let (outcome, cause) = compare(&older.tried, &newer.tried);
    let sql = "INSERT OR REPLACE INTO comparisons (package_id, older, newer, outcome, \"commit\", commit_time, \
            older_row, newer_row, error_key, error_place, reason) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, coalesce(?9, 0), coalesce(?10, 0), coalesce(?11, ''))";
    let values = params![
        commit.0,
        older.version,
        newer.version,
        outcome.as_str(),
        commit.1,
        commit_time,
        older.row,
        newer.row,
        cause.and_then(|cause| cause.error_key),
        cause.and_then(|cause| cause.error_place),
        cause.and_then(|cause| cause.reason),
    ];
    store.execute(sql, values)?;
    Ok(())
}

/// Notes how a package got past its last failure under a version. Of its verdicts there the newest
/// `GOT_PAST_LIMIT_ROWS` count.
fn enter_got_past(store: &mut Store, package: PackageId, version: i64) -> Result<()> {
    let sql = format!(
        "{} WHERE h.package_id = ?1 AND h.zig_version = (SELECT t.id FROM tried_versions n \
             JOIN history_texts t ON t.text = n.zig_version WHERE n.id = ?2) \
         ORDER BY h.id DESC LIMIT {GOT_PAST_LIMIT_ROWS}",
        Verdict::SELECT
    );
    let verdicts = store.rows(&sql, params![package, version], Verdict::read)?;
    let step = |verdict: Verdict| Step {
        tried: verdict.tried(),
        commit: verdict.commit,
        commit_time: verdict.commit_time,
        row: verdict.row,
    };
    let past = got_past(verdicts.into_iter().map(step).collect());
    let past = past.filter(|past| past.cause.error_key.is_some());
    let cause = past.as_ref().map(|past| past.cause);
    let sql = "UPDATE tried SET error_key = ?3, error_place = coalesce(?4, 0), failing = ?5, working = ?6 \
        WHERE package_id = ?1 AND version = ?2 AND (failing IS NOT ?5 OR working IS NOT ?6 OR error_key IS NOT ?3)";
    let values = params![
        package,
        version,
        cause.and_then(|cause| cause.error_key),
        cause.and_then(|cause| cause.error_place),
        past.as_ref().map(|past| &past.failing),
        past.as_ref().map(|past| &past.working),
    ];
    store.execute(sql, values)?;
    Ok(())
}

/// Removes a package from all comparisons.
pub(super) fn delete(store: &mut Store, package: PackageId) -> Result<()> {
    for table in ["comparisons", "tried"] {
        let sql = format!("DELETE FROM {table} WHERE package_id = ?1");
        store.execute(&sql, [package])?;
    }
    Ok(())
}

/// True while the history from before there were comparisons is being entered: they have too few packages.
pub fn is_filling(store: &Store) -> Result<bool> {
    store.value("SELECT compared_after NOT NULL FROM server", [])
}

/// Enters some of the history from before there were comparisons; false once all of it is entered.
pub fn enter_some(store: &mut Store) -> Result<bool> {
    let sql = "SELECT compared_after FROM server";
    let Some(after) = store.value::<Option<i64>>(sql, [])? else {
        return Ok(false);
    };
    let sql = "SELECT h.id, h.package_id, h.\"commit\", v.text, p.removal IS NULL AS is_there FROM history h \
        JOIN history_texts v ON v.id = h.zig_version JOIN packages p ON p.id = h.package_id \
        WHERE h.id > ?1 ORDER BY h.id LIMIT ?2";
    let rows = store.rows(sql, params![after, COMPARED_LIMIT_ROWS], |row| {
        let commit: Vec<u8> = row.get("commit")?;
        let package: PackageId = row.get("package_id")?;
        let is_there: bool = row.get("is_there")?;
        Ok((row.get("id")?, package, commit, row.get("text")?, is_there))
    })?;
    let last: Option<i64> = rows.last().map(|row| row.0);
    for (_, package, commit, zig_version, is_there) in &rows {
        let zig_version: &String = zig_version;
        if *is_there {
            enter(store, (*package, commit), zig_version)?;
        }
    }
    let has_more = rows.len() == COMPARED_LIMIT_ROWS;
    let after = last.filter(|_| has_more);
    store.execute("UPDATE server SET compared_after = ?1", [after])?;
    Ok(has_more)
}
