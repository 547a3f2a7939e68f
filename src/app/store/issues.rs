//! The table `issues`: what the system before this one reported to packages. Nothing is added to it but by an import.

use std::collections::HashSet;

use rusqlite::params;

use crate::app::domain::ids::PackageId;
use crate::app::store::columns::row;
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
