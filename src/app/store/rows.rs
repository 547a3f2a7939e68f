//! Rows as structs, and how they are read.

use rusqlite::Row;

use crate::app::domain::task::Priority;
use crate::app::domain::verdict::{BuildStatus, Dependencies, Reason, State, TestStatus, Verdict};
use crate::app::store::Result;

#[derive(Debug, Clone, PartialEq)]
pub struct PackageRow {
    pub id: i64,
    pub name: String,
    pub url: String,
    pub reference: Option<String>,
    pub description: Option<String>,
    pub author: Option<String>,
    pub license: Option<String>,
    pub created_at: i64,
    pub last_updated: i64,
    pub popularity_score: i64,
}

/// What a submission gives of a package.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NewPackage {
    pub name: String,
    pub url: String,
    pub reference: Option<String>,
    pub description: Option<String>,
    pub author: Option<String>,
    pub license: Option<String>,
}

/// The latest verdict of a package under one toolchain, and whether a newer build is under way.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultRow {
    pub zig_version: String,
    pub build_status: BuildStatus,
    pub test_status: Option<TestStatus>,
    pub compiled: Option<u32>,
    pub last_checked: Option<i64>,
    pub commit: Option<String>,
    pub build_id: Option<i64>,
    pub state: State,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CheckRow {
    pub id: i64,
    pub package_id: Option<i64>,
    pub package: String,
    pub url: Option<String>,
    pub reference: Option<String>,
    pub source: Option<SourceRow>,
    pub commit: Option<String>,
    /// Of fetching its source, from 1.
    pub attempt: u32,
    /// How many of them ended in an error.
    pub errors: u32,
    pub priority: Priority,
    pub tenant: String,
    pub created_at: i64,
}

/// What makes a check.
#[derive(Debug, Clone, PartialEq)]
pub struct NewCheck<'a> {
    pub package_id: Option<i64>,
    pub package: &'a str,
    /// The repository and the reference in it; none of an uploaded tree.
    pub git: Option<(&'a str, Option<&'a str>)>,
    pub priority: Priority,
    pub tenant: &'a str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRow {
    pub hash: String,
    pub format: String,
    pub bytes: u64,
    pub dependencies: bool,
    /// The hash of what its manifests ask for, where that is known.
    pub manifest: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct BuildRow {
    pub id: i64,
    pub check: i64,
    pub package: String,
    pub zig_version: String,
    pub commit: Option<String>,
    pub source: Option<String>,
    pub toolchain: Option<String>,
    pub state: State,
    pub build_status: BuildStatus,
    pub test_status: Option<TestStatus>,
    pub reason: Option<Reason>,
    pub compiled: Option<u32>,
    pub tests_passed: Option<u32>,
    pub tests_total: Option<u32>,
    pub error_log: String,
    /// From 1.
    pub attempt: u32,
    /// How many of them ended in an error: not those that a restart of the server has cost.
    pub errors: u32,
    pub created_at: i64,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
    pub peak_memory_bytes: Option<u64>,
    pub log_bytes: u64,
    pub log_truncated: bool,
    pub priority: Priority,
    /// When the container of this attempt was asked for.
    pub run_at: Option<i64>,
    /// Where in the log it began to write.
    pub log_start: Option<u64>,
    /// Its container has a name that no other server would give.
    pub own_name: bool,
    pub fetched: Option<Dependencies>,
    pub cache_key: Option<String>,
    /// The build whose verdict this is.
    pub cached_from: Option<i64>,
    /// The running build whose verdict this will be.
    pub shares: Option<i64>,
}

impl BuildRow {
    /// The build whose output led to its verdict.
    pub fn log_of(&self) -> i64 {
        self.cached_from.unwrap_or(self.id)
    }
}

/// One event: a build has come to where it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildEvent {
    /// Rises from one event to the next.
    pub seq: u64,
    pub build: i64,
    pub check: i64,
    pub package: String,
    pub zig_version: String,
    pub state: State,
    pub build_status: BuildStatus,
    pub test_status: Option<TestStatus>,
    pub reason: Option<Reason>,
    pub at: i64,
}

impl BuildEvent {
    /// That row, as the event of that number.
    pub fn of(row: &BuildRow, seq: u64, at: i64) -> BuildEvent {
        BuildEvent {
            seq,
            build: row.id,
            check: row.check,
            package: row.package.clone(),
            zig_version: row.zig_version.clone(),
            state: row.state,
            build_status: row.build_status,
            test_status: row.test_status,
            reason: row.reason,
            at,
        }
    }
}

/// The end of a build.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished<'a> {
    pub build: i64,
    pub verdict: &'a Verdict,
    pub log_bytes: u64,
    pub log_truncated: bool,
}

/// One page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    /// From 1.
    pub page: u64,
    pub limit: u64,
}

/// A sort order out of a closed list: the column, and whether it goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    pub column: &'static str,
    pub down: bool,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct PackageFilter {
    /// A part of name, description or URL.
    pub search: Option<String>,
    pub zig_version: Option<String>,
    pub status: Option<BuildStatus>,
    pub license: Option<String>,
    pub author: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct BuildFilter {
    pub package: Option<String>,
    pub check: Option<i64>,
    pub zig_version: Option<String>,
    pub status: Option<BuildStatus>,
    pub state: Option<State>,
}

pub(crate) fn word<T>(row: &Row, column: usize, parse: fn(&str) -> Option<T>) -> Result<T> {
    maybe_word(row, column, parse)?.ok_or(rusqlite::Error::InvalidQuery)
}

pub(crate) fn maybe_word<T>(
    row: &Row,
    column: usize,
    parse: fn(&str) -> Option<T>,
) -> Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    match text {
        None => Ok(None),
        Some(text) => match parse(&text) {
            Some(value) => Ok(Some(value)),
            None => Err(rusqlite::Error::InvalidColumnName(text)),
        },
    }
}

pub(crate) fn priority(row: &Row, column: usize) -> Result<Priority> {
    Priority::of(row.get(column)?).ok_or(rusqlite::Error::InvalidQuery)
}

pub(crate) fn package_row(row: &Row) -> Result<PackageRow> {
    Ok(PackageRow {
        id: row.get(0)?,
        name: row.get(1)?,
        url: row.get(2)?,
        reference: row.get(3)?,
        description: row.get(4)?,
        author: row.get(5)?,
        license: row.get(6)?,
        created_at: row.get(7)?,
        last_updated: row.get(8)?,
        popularity_score: row.get(9)?,
    })
}

pub(crate) fn check_row(row: &Row) -> Result<CheckRow> {
    let source = match row.get::<_, Option<String>>(8)? {
        None => None,
        Some(hash) => Some(SourceRow {
            hash,
            format: row.get(9)?,
            bytes: row.get::<_, i64>(10)? as u64,
            dependencies: row.get(11)?,
            manifest: row.get(12)?,
        }),
    };
    Ok(CheckRow {
        id: row.get(0)?,
        package_id: row.get(1)?,
        package: row.get(2)?,
        url: row.get(3)?,
        reference: row.get(4)?,
        commit: row.get(5)?,
        attempt: row.get(6)?,
        created_at: row.get(7)?,
        priority: priority(row, 13)?,
        tenant: row.get(14)?,
        errors: row.get(15)?,
        source,
    })
}

pub(crate) fn build_row(row: &Row) -> Result<BuildRow> {
    Ok(BuildRow {
        id: row.get(0)?,
        check: row.get(1)?,
        package: row.get(2)?,
        zig_version: row.get(3)?,
        commit: row.get(4)?,
        source: row.get(5)?,
        toolchain: row.get(6)?,
        state: word(row, 7, State::parse)?,
        build_status: word(row, 8, BuildStatus::parse)?,
        test_status: maybe_word(row, 9, TestStatus::parse)?,
        reason: maybe_word(row, 10, Reason::parse)?,
        compiled: row.get(11)?,
        tests_passed: row.get(12)?,
        tests_total: row.get(13)?,
        error_log: row.get(14)?,
        attempt: row.get(15)?,
        created_at: row.get(16)?,
        started_at: row.get(17)?,
        finished_at: row.get(18)?,
        peak_memory_bytes: row.get::<_, Option<i64>>(19)?.map(|n| n as u64),
        log_bytes: row.get::<_, i64>(20)? as u64,
        log_truncated: row.get(21)?,
        priority: priority(row, 22)?,
        run_at: row.get(23)?,
        log_start: row.get::<_, Option<i64>>(24)?.map(|n| n as u64),
        own_name: row.get(25)?,
        fetched: maybe_word(row, 26, Dependencies::parse)?,
        cache_key: row.get(27)?,
        cached_from: row.get(28)?,
        shares: row.get(29)?,
        errors: row.get(30)?,
    })
}

pub(crate) fn event_row(row: &Row) -> Result<BuildEvent> {
    Ok(BuildEvent {
        seq: row.get::<_, i64>(0)? as u64,
        build: row.get(1)?,
        check: row.get(2)?,
        package: row.get(3)?,
        zig_version: row.get(4)?,
        state: word(row, 5, State::parse)?,
        build_status: word(row, 6, BuildStatus::parse)?,
        test_status: maybe_word(row, 7, TestStatus::parse)?,
        reason: maybe_word(row, 8, Reason::parse)?,
        at: row.get(9)?,
    })
}
