//! The table `history`: what each commit of a package came to under each toolchain, for ever.

use data_encoding::HEXLOWER_PERMISSIVE;
use rusqlite::{Connection, OptionalExtension, params};

use crate::app::domain::error_key::error_key;
use crate::app::domain::ids::{BuildId, PackageId};
use crate::app::domain::verdict::{BuildStatus, ImportStatus, Reason, TestStatus};
use crate::app::store::columns::{row, statuses};
use crate::app::store::limits::{EXAMINED_LIMIT_ROWS, SAME_ERRORS_LIMIT_ROWS};
use crate::app::store::list::{self, Page, Paging, Sql, Walk};
use crate::app::store::store::{Result, Store};

row! {
    #[derive(Debug, Clone, PartialEq)]
    pub struct HistoryRow from "history h JOIN history_texts v ON v.id = h.zig_version \
            JOIN history_texts t ON t.id = h.toolchain \
            LEFT JOIN history_texts k ON k.id = h.error_key \
            LEFT JOIN history_texts p ON p.id = h.error_place \
            LEFT JOIN history_texts m ON m.id = h.minimum_zig_version \
            LEFT JOIN history_texts s ON s.id = h.steps \
            LEFT JOIN history_texts g ON g.id = h.tag" {
        /// Rises with each verdict.
        pub id: i64 = "h.id",
        pub commit: String = "lower(hex(h.\"commit\"))",
        /// In seconds since 1970.
        pub commit_time: Option<i64> = "h.commit_time",
        /// How many first parents the commit has.
        pub position: Option<i64> = "h.position",
        pub tag: Option<String> = "g.text",
        pub zig_version: String = "v.text",
        pub toolchain: String = "coalesce((SELECT r.recipe FROM recipes r WHERE r.image = t.text), t.text)",
        pub build_status: BuildStatus = "h.build_status",
        pub test_status: Option<TestStatus> = "h.test_status",
        pub import_status: Option<ImportStatus> = "h.import_status",
        pub reason: Option<Reason> = "h.reason",
        pub error_key: Option<String> = "k.text",
        /// As `Place` of an error key is written.
        pub error_place: Option<String> = "p.text",
        pub minimum_zig_version: Option<String> = "m.text",
        /// The names apart by line ends.
        pub steps: Option<String> = "s.text",
        pub compiled: Option<u32> = "h.compiled",
        pub tests_passed: Option<u32> = "h.tests_passed",
        pub tests_skipped: Option<u32> = "h.tests_skipped",
        pub tests_total: Option<u32> = "h.tests_total",
        pub zig_ms: Option<u32> = "h.zig_ms",
        pub peak_memory_bytes: Option<u64> = "h.peak_memory_bytes",
        pub checked_at: i64 = "h.checked_at",
    }
}

statuses!(HistoryRow);

row! {
    /// What a commit came to, without what only people read.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct CommitVerdict from "history h" {
        pub commit: String = "lower(hex(h.\"commit\"))",
        pub build_status: BuildStatus = "h.build_status",
        pub test_status: Option<TestStatus> = "h.test_status",
        pub import_status: Option<ImportStatus> = "h.import_status",
        pub compiled: Option<u32> = "h.compiled",
    }
}

statuses!(CommitVerdict);

row! {
    /// What a build gives to the history, beside the columns that are copied.
    pub struct Ended from "builds b JOIN checks c ON c.id = b.check_id" {
        pub package: PackageId = "c.package_id",
        pub commit: String = "c.\"commit\"",
        pub zig_version: String = "b.zig_version",
        pub toolchain: Option<String> = "b.toolchain",
        pub minimum_zig_version: Option<String> = "b.minimum_zig_version",
        pub steps: String = "b.steps",
        pub tag: Option<String> = "c.tag",
        pub error_log: String = "b.error_log",
    }
}

/// The condition of builds that are history: they have a verdict on a commit of a package.
const IS_HISTORY: &str = "c.package_id NOT NULL AND c.\"commit\" NOT NULL \
    AND b.build_status IN ('success', 'failed')";

/// One page of the history of a package, the newest first. None: the page is too far from the beginning to be found by
/// its number.
pub fn page(
    store: &Store,
    package: PackageId,
    zig_version: Option<&str>,
    paging: &Paging,
) -> Result<Option<Page<HistoryRow>>> {
    let mut rows = Sql::new("h.package_id = ?").then("", [package.get().into()]);
    if let Some(version) = zig_version {
        let term = "h.zig_version = (SELECT id FROM history_texts WHERE text = ?)";
        rows = rows.and(term, [list::text(version)]);
    }
    let walk = Walk {
        tables: "history h",
        id: "h.id",
        key: "h.id",
        down: true,
        rows,
        matches: Sql::new("1"),
        examined: EXAMINED_LIMIT_ROWS,
        counted: EXAMINED_LIMIT_ROWS,
    };
    let Some(found) = walk.page(store, paging)? else {
        return Ok(None);
    };
    let sql = format!(
        "{} WHERE h.id IN (SELECT value FROM json_each(?1))",
        HistoryRow::SELECT
    );
    let with_ids = |ids: &[i64]| store.rows(&sql, [list::ids(ids)], HistoryRow::read);
    found.with_rows(with_ids, |row| row.id).map(Some)
}

/// The packages, apart from that one, in whose history the error occurs under that version, the newest first. Of the
/// rows with that error `SAME_ERRORS_LIMIT_ROWS` are examined.
pub fn with_error(
    store: &Store,
    error_key: &str,
    zig_version: &str,
    without: Option<PackageId>,
) -> Result<Vec<PackageId>> {
    let sql = "SELECT DISTINCT package_id FROM (SELECT package_id FROM history \
        WHERE error_key = (SELECT id FROM history_texts WHERE text = ?1) \
        AND zig_version = (SELECT id FROM history_texts WHERE text = ?2) ORDER BY package_id DESC LIMIT ?3) h \
        JOIN packages p ON p.id = h.package_id \
        WHERE package_id IS NOT ?4 AND p.removal IS NULL ORDER BY package_id DESC";
    let values = params![error_key, zig_version, SAME_ERRORS_LIMIT_ROWS, without];
    store.values(sql, values)
}

row! {
    /// An error that verdicts of the history have in common.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ErrorRow from "history_texts" {
        pub text: String,
        pub count: u64 = "ref_count",
    }
}

/// The errors that most verdicts have, at most `limit`.
pub fn common_errors(store: &Store, limit: usize) -> Result<Vec<ErrorRow>> {
    let sql = format!(
        "{} WHERE is_error = 1 ORDER BY ref_count DESC LIMIT ?1",
        ErrorRow::SELECT
    );
    store.rows(&sql, [limit], ErrorRow::read)
}

/// Notes where a commit of a package is in the list of its repository.
pub fn set_place(
    store: &mut Store,
    package: PackageId,
    commit: &str,
    position: Option<i64>,
    tag: Option<&str>,
) -> Result<()> {
    let Ok(commit) = HEXLOWER_PERMISSIVE.decode(commit.as_bytes()) else {
        return Ok(());
    };
    let tag = text_id(store.write()?, tag)?;
    let sql = "UPDATE history SET position = ?3, tag = ?4 WHERE package_id = ?1 AND \"commit\" = ?2 \
        AND (position IS NOT ?3 OR tag IS NOT ?4)";
    store.execute(sql, params![package, commit, position, tag])?;
    Ok(())
}

/// Adds the verdict of a build, if it is one on a commit of a package. It replaces the one that the commit had under
/// the same toolchain. Gives its row.
pub(super) fn record(store: &mut Store, build: BuildId) -> Result<Option<i64>> {
    record_in(store.write()?, build)
}

/// Adds the verdicts of all builds that are there, in the order in which they came.
pub(super) fn take_over(db: &Connection) -> Result<()> {
    let sql = format!(
        "SELECT b.id FROM builds b JOIN checks c ON c.id = b.check_id WHERE {IS_HISTORY} \
         ORDER BY b.finished_at, b.id"
    );
    let mut statement = db.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        record_in(db, row.get(0)?)?;
    }
    Ok(())
}

fn record_in(db: &Connection, build: BuildId) -> Result<Option<i64>> {
    let sql = format!("{} WHERE b.id = ?1 AND {IS_HISTORY}", Ended::SELECT);
    let ended = db.prepare_cached(&sql)?.query_row([build], Ended::read);
    let Some(ended) = ended.optional()? else {
        return Ok(None);
    };
    let Ok(commit) = HEXLOWER_PERMISSIVE.decode(ended.commit.as_bytes()) else {
        return Ok(None);
    };
    let toolchain = ended.toolchain.as_deref().unwrap_or_default();
    // Before its texts are looked up: it may be the last one that refers to some of them.
    let sql = "DELETE FROM history WHERE package_id = ?1 AND \"commit\" = ?2 \
        AND toolchain = (SELECT id FROM history_texts WHERE text = ?3)";
    let key = params![ended.package, commit, toolchain];
    db.prepare_cached(sql)?.execute(key)?;
    let error = error_key(&ended.error_log);
    let place = error.as_ref().map(|error| error.place.to_string());
    let steps = Some(&*ended.steps).filter(|steps| !steps.is_empty());
    let sql = "INSERT INTO history (package_id, \"commit\", zig_version, toolchain, error_key, error_place, \
            minimum_zig_version, steps, tag, is_try, position, commit_time, build_status, test_status, \
            import_status, reason, compiled, tests_passed, tests_skipped, tests_total, zig_ms, \
            peak_memory_bytes, checked_at) \
        SELECT ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, c.is_try, c.position, c.commit_time, b.build_status, \
            b.test_status, b.import_status, b.reason, b.compiled, b.tests_passed, b.tests_skipped, b.tests_total, \
            b.zig_ms, b.peak_memory_bytes, \
            b.finished_at FROM builds b JOIN checks c ON c.id = b.check_id WHERE b.id = ?1";
    let values = params![
        build,
        ended.package,
        commit,
        text_id(db, Some(&ended.zig_version))?,
        text_id(db, Some(toolchain))?,
        text_id(db, error.as_ref().map(|error| &*error.key))?,
        text_id(db, place.as_deref())?,
        text_id(db, ended.minimum_zig_version.as_deref())?,
        text_id(db, steps)?,
        text_id(db, ended.tag.as_deref())?,
    ];
    db.prepare_cached(sql)?.insert(values).map(Some)
}

/// The id of a text in `history_texts`, where it is added if it is new.
fn text_id(db: &Connection, text: Option<&str>) -> Result<Option<i64>> {
    let Some(text) = text else { return Ok(None) };
    let sql = "INSERT INTO history_texts (text) VALUES (?1) ON CONFLICT (text) DO NOTHING";
    db.prepare_cached(sql)?.execute([text])?;
    let sql = "SELECT id FROM history_texts WHERE text = ?1";
    db.prepare_cached(sql)?
        .query_row([text], |row| row.get(0))
        .map(Some)
}

/// Removes up to `limit` rows of a package; gives how many.
pub(super) fn delete_some(store: &mut Store, package: PackageId, limit: usize) -> Result<usize> {
    let sql = "DELETE FROM history \
        WHERE id IN (SELECT id FROM history WHERE package_id = ?1 LIMIT ?2)";
    store.execute(sql, params![package, limit])
}
