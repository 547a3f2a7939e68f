//! The table `issues`: what was reported to the repositories of packages, by the notifier and by the system before
//! this one.

use std::collections::HashSet;

use rusqlite::params;

use crate::app::domain::ids::PackageId;
use crate::app::store::columns::row;
use crate::app::store::limits::ISSUES_SHOWN_LIMIT;
use crate::app::store::store::{Result, Store};

row! {
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct IssueRow from "issues" {
        pub package: PackageId = "package_id",
        pub zig_version: String,
        pub url: Option<String> = "issue_url",
        pub status: Option<String> = "issue_status",
        pub auto_created: bool,
        pub resolved_at: Option<i64>,
        pub created_at: i64,
    }
}

row! {
    /// An issue with its package.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct PackageIssue from "issues i JOIN packages p ON p.id = i.package_id" {
        pub id: i64 = "i.id",
        pub name: String = "p.name",
        pub zig_version: String = "i.zig_version",
        pub url: Option<String> = "i.issue_url",
        pub status: Option<String> = "i.issue_status",
        /// The notifier, or the system before this one, opened it: so may it be closed.
        pub auto_created: bool = "i.auto_created",
        pub resolved_at: Option<i64> = "i.resolved_at",
        pub created_at: i64 = "i.created_at",
    }
}

/// The condition of an open issue, as the index has it.
const IS_OPEN: &str = "i.resolved_at IS NULL AND ifnull(i.issue_status, 'open') = 'open'";

/// What an issue is known by.
pub type IssueKey = (PackageId, String, Option<String>);

impl IssueRow {
    pub fn key(&self) -> IssueKey {
        (self.package, self.zig_version.clone(), self.url.clone())
    }
}

/// All that are known.
pub fn all(store: &Store) -> Result<Vec<IssueRow>> {
    store.rows(IssueRow::SELECT, [], IssueRow::read)
}

/// The keys of all of them.
pub fn keys(store: &Store) -> Result<HashSet<IssueKey>> {
    Ok(all(store)?.iter().map(IssueRow::key).collect())
}

/// Those of a package, the newest first, at most `ISSUES_SHOWN_LIMIT`.
pub fn of_package(store: &Store, package: PackageId) -> Result<Vec<PackageIssue>> {
    newest_of(store, package, "")
}

/// Those of a package that are open, likewise.
pub fn open_of(store: &Store, package: PackageId) -> Result<Vec<PackageIssue>> {
    newest_of(store, package, &format!("AND {IS_OPEN}"))
}

fn newest_of(store: &Store, package: PackageId, condition: &str) -> Result<Vec<PackageIssue>> {
    let sql = format!(
        "{} WHERE i.package_id = ?1 {condition} ORDER BY i.id DESC LIMIT ?2",
        PackageIssue::SELECT
    );
    let values = params![package, ISSUES_SHOWN_LIMIT as i64];
    store.rows(&sql, values, PackageIssue::read)
}

/// Those of all packages that are open, likewise.
pub fn open(store: &Store) -> Result<Vec<PackageIssue>> {
    let sql = format!(
        "{} WHERE {IS_OPEN} ORDER BY i.id DESC LIMIT ?1",
        PackageIssue::SELECT.replace("issues i", "issues i INDEXED BY issues_open")
    );
    store.rows(&sql, [ISSUES_SHOWN_LIMIT as i64], PackageIssue::read)
}

pub fn insert(store: &mut Store, new: &IssueRow) -> Result<()> {
    let sql = "INSERT INTO issues (package_id, zig_version, issue_url, issue_status, auto_created, \
        resolved_at, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let values = params![
        new.package,
        new.zig_version,
        new.url,
        new.status,
        new.auto_created,
        new.resolved_at,
        new.created_at,
    ];
    store.execute(sql, values)?;
    Ok(())
}

/// Enters an issue, or the state of one that is known by package, version and URL: who opened it and when stays.
pub fn put(store: &mut Store, issue: &IssueRow) -> Result<()> {
    let sql = "UPDATE issues SET issue_status = ?4, \
            resolved_at = CASE WHEN ?5 IS NULL THEN NULL ELSE coalesce(resolved_at, ?5) END \
        WHERE package_id = ?1 AND zig_version = ?2 AND issue_url = ?3";
    let IssueRow {
        package,
        zig_version,
        url,
        status,
        resolved_at,
        ..
    } = issue;
    let known = store.execute(sql, params![package, zig_version, url, status, resolved_at])?;
    match known {
        0 => insert(store, issue),
        _ => Ok(()),
    }
}
