//! The newest commit of a package that is known to work under a toolchain, from the history.

use rusqlite::params;

use crate::app::domain::commit_search::{CompatState, SearchState};
use crate::app::domain::ids::PackageId;
use crate::app::domain::verdict::Reason;
use crate::app::store::columns::row;
use crate::app::store::commit_searches::{self, SearchRow};
use crate::app::store::results::ResultRow;
use crate::app::store::store::{Result, Store};

row! {
    /// A commit that works.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct WorkingCommit from "history h LEFT JOIN history_texts g ON g.id = h.tag" {
        pub commit: String = "lower(hex(h.\"commit\"))",
        /// In seconds since 1970.
        pub commit_time: Option<i64> = "h.commit_time",
        /// How many first parents it has.
        pub position: Option<i64> = "h.position",
        pub tag: Option<String> = "g.text",
    }
}

row! {
    /// A commit that does not work.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct FailingCommit from "history h LEFT JOIN history_texts k ON k.id = h.error_key" {
        pub commit: String = "lower(hex(h.\"commit\"))",
        pub position: Option<i64> = "h.position",
        pub reason: Option<Reason> = "h.reason",
        pub error_key: Option<String> = "k.text",
    }
}

/// What is known of the commits of a package under one toolchain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompatRow {
    pub zig_version: String,
    pub state: CompatState,
    pub works: Option<WorkingCommit>,
    /// The one that works is the latest.
    pub is_head: bool,
    /// How many commits the latest is ahead of it.
    pub behind: Option<i64>,
    /// The oldest tried commit behind it, which fails.
    pub next_failing: Option<FailingCommit>,
    /// Builds that the latest search asked for, and about how many there will be.
    pub tried: u32,
    pub expected: u32,
}

/// A row for each of these toolchains; `results` are the latest verdicts of the package.
pub fn of_package(
    store: &Store,
    package: PackageId,
    toolchains: &[String],
    results: &[ResultRow],
) -> Result<Vec<CompatRow>> {
    let searches = commit_searches::of_package(store, package)?;
    let row = |version: &String| {
        let search = searches.iter().find(|row| row.zig_version == *version);
        let latest = results.iter().find(|row| row.zig_version == *version);
        of_version(store, package, version, search, latest)
    };
    toolchains.iter().map(row).collect()
}

fn of_version(
    store: &Store,
    package: PackageId,
    version: &str,
    search: Option<&SearchRow>,
    latest: Option<&ResultRow>,
) -> Result<CompatRow> {
    let works = newest_working(store, package, version)?;
    let head = latest.and_then(|row| row.commit.as_deref());
    let is_head = works
        .as_ref()
        .is_some_and(|works| Some(&*works.commit) == head);
    let (mut behind, mut next) = (is_head.then_some(0), None);
    if let Some(works) = works.as_ref().filter(|_| !is_head) {
        next = next_failing(store, package, version, works)?;
        let ahead = match head {
            Some(head) => position(store, package, head)?,
            None => None,
        };
        behind = ahead.zip(works.position).map(|(ahead, at)| ahead - at);
    }
    let state = match search.map(|search| search.state) {
        _ if is_head => CompatState::Works,
        Some(state) if state.is_open() => CompatState::Searching,
        _ if works.is_some() => CompatState::Works,
        Some(SearchState::Finished) => CompatState::None,
        _ => CompatState::Unknown,
    };
    Ok(CompatRow {
        zig_version: version.to_string(),
        state,
        works,
        is_head,
        behind: behind.filter(|behind| *behind >= 0),
        next_failing: next,
        tried: search.map_or(0, |search| search.tried),
        expected: search.map_or(0, |search| search.expected),
    })
}

const OF_CELL: &str =
    "h.package_id = ?1 AND h.zig_version = (SELECT id FROM history_texts WHERE text = ?2)";

/// The condition of the index `history_that_works`.
const WORKS: &str = "h.build_status = 'success' AND h.test_status IS NOT 'failed' \
    AND h.import_status IS NOT 'failed'";

/// The newest commit that works, by a verdict that no later one on the same commit replaced.
pub fn newest_working(
    store: &Store,
    package: PackageId,
    zig_version: &str,
) -> Result<Option<WorkingCommit>> {
    let sql = format!(
        "{} WHERE {OF_CELL} AND {WORKS} AND NOT EXISTS (SELECT 1 FROM history n WHERE n.package_id = h.package_id \
             AND n.\"commit\" = h.\"commit\" AND n.zig_version = h.zig_version AND n.id > h.id) \
         ORDER BY h.commit_time DESC, h.position DESC LIMIT 1",
        WorkingCommit::SELECT
    );
    store.optional_row(&sql, params![package, zig_version], WorkingCommit::read)
}

/// The oldest commit behind that one that was tried.
pub fn next_failing(
    store: &Store,
    package: PackageId,
    zig_version: &str,
    works: &WorkingCommit,
) -> Result<Option<FailingCommit>> {
    let sql = format!(
        "{} WHERE {OF_CELL} AND (h.commit_time, ifnull(h.position, -1)) > (?3, ?4) AND NOT ({WORKS}) \
         ORDER BY h.commit_time, h.position LIMIT 1",
        FailingCommit::SELECT
    );
    let position = works.position.unwrap_or(-1);
    let values = params![package, zig_version, works.commit_time, position];
    store.optional_row(&sql, values, FailingCommit::read)
}

/// How many first parents a commit of a package has, if that is known.
pub fn position(store: &Store, package: PackageId, commit: &str) -> Result<Option<i64>> {
    let sql = "SELECT max(position) FROM history WHERE package_id = ?1 AND \"commit\" = unhex(?2)";
    store.value(sql, params![package, commit])
}
