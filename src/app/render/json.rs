//! The JSON of the API, made from database rows.

use serde_json::{Value, json};

use crate::app::domain::declared::reference;
use crate::app::domain::ids::BuildId;
use crate::app::domain::targets::{TargetResult, from_text};
use crate::app::domain::verdict::{BuildStatus, ImportStatus, Reason, State, TestStatus};
use crate::app::store::builds::BuildRow;
use crate::app::store::checks::CheckRow;
use crate::app::store::declared::DeclaredRow;
use crate::app::store::history::HistoryRow;
use crate::app::store::issues::PackageIssue;
use crate::app::store::list::{Page, Paging, Position};
use crate::app::store::packages::PackageRow;
use crate::app::store::results::ResultRow;

/// RFC 3339, UTC, with milliseconds.
pub fn time(unix_ms: i64) -> String {
    let since = std::time::Duration::from_millis(unix_ms.max(0) as u64);
    humantime::format_rfc3339_millis(std::time::UNIX_EPOCH + since).to_string()
}

/// The `build` object of the API.
pub fn build(row: &BuildRow, queue_position: Option<usize>) -> Value {
    let duration = match (row.started_at, row.finished_at) {
        (Some(from), Some(to)) => Some((to - from).max(0)),
        _ => None,
    };
    json!({
        "id": row.id.get(),
        "check": row.check.get(),
        "package": row.package,
        "uploaded": row.uploaded,
        "zig_version": row.zig_version,
        "commit": row.commit,
        "source": row.source,
        "toolchain": row.toolchain_name,
        "state": row.state.as_str(),
        "build_status": row.build_status.as_str(),
        "test_status": row.test_status.map(TestStatus::as_str),
        "import_status": row.import_status.map(ImportStatus::as_str),
        "reason": row.reason.map(Reason::as_str),
        "detail": (!row.detail.is_empty()).then_some(&row.detail),
        "compiled": row.compiled,
        "tests_passed": row.tests_passed,
        "tests_skipped": row.tests_skipped,
        "tests_total": row.tests_total,
        "modules": modules(&row.modules),
        "targets": targets(&row.targets, |result| Some(result.status.as_str())),
        "target_errors": targets(&row.targets, |result| result.first_error.as_deref()),
        "error_log": row.error_log,
        "flaky": row.flaky,
        "cached": row.cached_from.is_some(),
        "cached_from": row.cached_from.map(BuildId::get),
        "reused_commit": row.reused_commit,
        "node": row.node,
        "attempt": row.attempt,
        "priority": row.priority.number(),
        "queue_position": queue_position,
        "created_at": time(row.created_at),
        "started_at": row.started_at.map(time),
        "finished_at": row.finished_at.map(time),
        "duration_ms": duration,
        "peak_memory_bytes": row.peak_memory_bytes,
        "log_bytes": row.log_bytes,
        "log_truncated": row.log_truncated,
        "log_url": format!("/api/builds/{}/log", row.log_of()),
    })
}

/// What the package exports; null if that was not tried.
fn modules(stored: &str) -> Value {
    serde_json::from_str(stored).unwrap_or(Value::Null)
}

/// What is said of each target; null while they are not known.
fn targets(stored: &str, say: impl Fn(&TargetResult) -> Option<&str>) -> Value {
    let Some(results) = from_text(stored) else {
        return Value::Null;
    };
    let said = |result: &TargetResult| Some((result.target.clone(), say(result)?.into()));
    Value::Object(results.iter().filter_map(said).collect())
}

/// The `package` object of the API. `toolchains` are newest first; each gets an entry, even if the package was
/// never built under it, and no other version does.
pub fn package(row: &PackageRow, results: &[ResultRow], toolchains: &[String]) -> Value {
    let known = toolchains.iter().map(|version| {
        let found = results.iter().find(|row| row.zig_version == *version);
        result(version, found)
    });
    let available = results
        .iter()
        .filter(|row| toolchains.contains(&row.zig_version));
    json!({
        "id": row.id.get(),
        "name": row.name,
        "url": row.url,
        "ref": row.reference,
        "dir": row.dir,
        "description": row.description,
        "author": row.author,
        "license": row.license,
        "created_at": time(row.created_at),
        "last_updated": time(row.last_updated),
        "popularity_score": row.popularity_score,
        "minimum_zig_version": row.minimum_zig_version,
        "paused_at": row.paused_at.map(time),
        "lowest_working_zig_version": lowest_working(available),
        "build_results": known.collect::<Vec<Value>>(),
    })
}

/// The lowest version whose latest verdict is green or amber.
pub fn lowest_working<'r>(results: impl Iterator<Item = &'r ResultRow>) -> Option<&'r str> {
    let works = |row: &&ResultRow| row.statuses().works() == Some(true);
    let versions = results.filter(works).map(|row| &*row.zig_version);
    // 0.9 comes before 0.14.
    let numbers = |version: &&str| -> Vec<u64> {
        let parts = version.split(|c: char| !c.is_ascii_digit());
        parts.map_while(|part| part.parse().ok()).collect()
    };
    versions.min_by_key(numbers)
}

/// An issue that was opened at a forge.
pub fn issue(row: &PackageIssue) -> Value {
    json!({
        "id": row.id,
        "package": row.name,
        "zig_version": row.zig_version,
        "issue_url": row.url,
        "issue_status": row.status,
        "auto_created": row.auto_created,
        "created_at": time(row.created_at),
        "resolved_at": row.resolved_at.map(time),
    })
}

/// One declared dependency, with its package if that is known.
pub fn dependency(row: &DeclaredRow, package: Option<Value>) -> Value {
    json!({
        "name": row.name,
        "url": row.url,
        "ref": reference(&row.url),
        "hash": row.hash,
        "lazy": row.lazy,
        "package": package,
    })
}

/// One row of a package's history.
pub fn history(row: &HistoryRow) -> Value {
    let steps = row.steps.as_deref().unwrap_or_default();
    json!({
        "commit": row.commit,
        "commit_time": row.commit_time.map(|seconds| time(seconds.saturating_mul(1_000))),
        "position": row.position,
        "tag": row.tag,
        "zig_version": row.zig_version,
        "toolchain": row.toolchain,
        "build_status": row.build_status.as_str(),
        "test_status": row.test_status.map(TestStatus::as_str),
        "import_status": row.import_status.map(ImportStatus::as_str),
        "reason": row.reason.map(Reason::as_str),
        "error_key": row.error_key,
        "where": row.error_place,
        "minimum_zig_version": row.minimum_zig_version,
        "compiled": row.compiled,
        "tests_passed": row.tests_passed,
        "tests_skipped": row.tests_skipped,
        "tests_total": row.tests_total,
        "zig_ms": row.zig_ms,
        "peak_memory_bytes": row.peak_memory_bytes,
        "steps": steps.lines().collect::<Vec<&str>>(),
        "checked_at": time(row.checked_at),
    })
}

/// The latest verdict under a toolchain; pending if the package was never built under it.
fn result(zig_version: &str, row: Option<&ResultRow>) -> Value {
    let build_status = row.map_or(BuildStatus::Pending, |row| row.build_status);
    json!({
        "zig_version": zig_version,
        "build_status": build_status.as_str(),
        "test_status": row.and_then(|row| row.test_status).map(TestStatus::as_str),
        "import_status": row.and_then(|row| row.import_status).map(ImportStatus::as_str),
        "reason": row.and_then(|row| row.reason).map(Reason::as_str),
        "compiled": row.and_then(|row| row.compiled),
        "last_checked": row.and_then(|row| row.last_checked).map(time),
        "commit": row.and_then(|row| row.commit.as_ref()),
        "build_id": row.and_then(|row| row.build_id).map(BuildId::get),
        "state": row.map(|row| row.state.as_str()),
    })
}

/// The `check` object of the API.
pub fn check(row: &CheckRow, builds: Vec<Value>) -> Value {
    let open = |build: &Value| {
        build["state"] != State::Finished.as_str() && build["state"] != State::Cancelled.as_str()
    };
    json!({
        "id": row.id.get(),
        "package": row.package,
        "url": row.url,
        "ref": row.reference,
        "dir": row.dir,
        "commit": row.commit,
        "source": row.source.as_ref().map(|source| &source.hash),
        "finished": !builds.iter().any(open),
        "created_at": time(row.created_at),
        "builds": builds,
    })
}

/// One page of a list. A page that begins behind a place has no number.
pub fn list<T>(name: &str, rows: Vec<Value>, found: &Page<T>, asked: &Paging) -> Value {
    let number = asked.after.is_none().then_some(asked.page);
    json!({
        name: rows,
        "total": found.total,
        "total_is_bounded": found.is_bounded,
        "page": number,
        "limit": asked.limit,
        "next": found.next.as_ref().map(Position::to_string),
    })
}
