//! The history, as changes of verdicts: each row beside the one before it of the same package and Zig version. What
//! searches tried is no change.

use rusqlite::{named_params, params};

use crate::app::domain::ids::{BuildId, PackageId};
use crate::app::domain::verdict::{BuildStatus, ImportStatus, Reason, Statuses, TestStatus};
use crate::app::store::columns::{row, statuses};
use crate::app::store::limits::EXAMINED_LIMIT_ROWS;
use crate::app::store::store::{Result, Store};

row! {
    /// A verdict that differs from the one before it.
    #[derive(Debug, Clone, PartialEq)]
    pub struct ChangeRow from "s JOIN history h ON h.id = s.id \
            JOIN packages p ON p.id = h.package_id AND p.removal IS NULL \
            JOIN history_texts v ON v.id = h.zig_version \
            LEFT JOIN history_texts k ON k.id = h.error_key \
            LEFT JOIN history q ON q.id = (SELECT max(id) FROM history \
                WHERE package_id = h.package_id AND zig_version = h.zig_version AND is_try = 0 AND id < h.id)" {
        /// Rises with each verdict.
        pub id: i64 = "h.id",
        pub package: PackageId = "h.package_id",
        pub name: String = "p.name",
        pub url: String = "p.url",
        pub commit: String = "lower(hex(h.\"commit\"))",
        pub zig_version: String = "v.text",
        pub build_status: BuildStatus = "h.build_status",
        pub test_status: Option<TestStatus> = "h.test_status",
        pub import_status: Option<ImportStatus> = "h.import_status",
        pub compiled: Option<u32> = "h.compiled",
        pub reason: Option<Reason> = "h.reason",
        pub error_key: Option<String> = "k.text",
        /// The verdict before it; none where it is the first.
        pub old_build_status: Option<BuildStatus> = "q.build_status",
        pub old_test_status: Option<TestStatus> = "q.test_status",
        pub old_import_status: Option<ImportStatus> = "q.import_status",
        pub old_compiled: Option<u32> = "q.compiled",
        pub checked_at: i64 = "h.checked_at",
    }
}

statuses!(ChangeRow);

impl ChangeRow {
    /// The verdict before it; none where it is the first.
    pub fn old_statuses(&self) -> Option<Statuses> {
        Some(Statuses {
            build: self.old_build_status?,
            test: self.old_test_status,
            import: self.old_import_status,
            compiled: self.old_compiled,
        })
    }

    fn is_change(&self) -> bool {
        let old = self.old_statuses().map(Statuses::describe);
        old != Some(self.statuses().describe())
    }
}

/// Which changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ChangeFilter {
    pub package: Option<PackageId>,
    pub zig_version: Option<String>,
}

/// The newest changes, at most `limit` of them, among the newest `EXAMINED_LIMIT_ROWS` verdicts.
pub fn newest(store: &Store, filter: &ChangeFilter, limit: usize) -> Result<Vec<ChangeRow>> {
    let rows = match filter.package {
        Some(_) => "SELECT id FROM history WHERE package_id = :package",
        None => "SELECT id FROM history WHERE :package IS NULL",
    };
    let (columns, tables) = ChangeRow::SELECT
        .split_once(" FROM ")
        .expect("a statement has tables");
    let sql = format!(
        "{columns} FROM ({rows} ORDER BY id DESC LIMIT {EXAMINED_LIMIT_ROWS}) {tables} \
         WHERE h.is_try = 0 AND (:version IS NULL OR v.text = :version) ORDER BY s.id DESC"
    );
    let values = named_params! { ":package": filter.package, ":version": filter.zig_version };
    let mut changes = store.rows(&sql, values, ChangeRow::read)?;
    changes.retain(ChangeRow::is_change);
    changes.truncate(limit);
    Ok(changes)
}

/// The build that came to this verdict; none once it is deleted.
pub fn build(store: &Store, change: &ChangeRow) -> Result<Option<BuildId>> {
    let sql = "SELECT b.id FROM builds b INDEXED BY builds_by_end JOIN checks c ON c.id = b.check_id \
        WHERE ifnull(b.finished_at, 0) = ?1 AND b.zig_version = ?2 AND c.package_id = ?3 LIMIT 1";
    let values = params![change.checked_at, change.zig_version, change.package];
    store.optional_row(sql, values, |row| row.get(0))
}
