//! The table `builds`: one source under one toolchain.

use std::collections::HashMap;

use rusqlite::params;

use crate::app::domain::ids::{BuildId, CheckId, PackageId};
use crate::app::domain::task::Priority;
use crate::app::domain::transition::Transition;
use crate::app::domain::verdict::{
    BuildStatus, DepsOutcome, ImportStatus, Reason, State, TestStatus, Verdict,
};
use crate::app::store::checks::{self, NewCheck};
use crate::app::store::columns::{Columns, row, statuses};
use crate::app::store::limits::NEIGHBOURS_LIMIT_CHECKS;
use crate::app::store::list;
use crate::app::store::scan::{ScanLimits, ScanResult};
use crate::app::store::store::{Result, Store};
use crate::app::store::transitions::ShownRow;
use crate::app::store::{
    build_days, comparisons, durations, history, results, shares, toolchains, totals, transitions,
};

row! {
    /// A build with what its check says of it.
    #[derive(Debug, Clone, PartialEq)]
    pub struct BuildRow from "builds b JOIN checks c ON c.id = b.check_id \
            LEFT JOIN packages p ON p.id = c.package_id AND p.removal IS NULL" {
        pub id: BuildId = "b.id",
        pub check: CheckId = "b.check_id",
        /// Its package; none if that was removed, or if it is an upload.
        pub package_id: Option<PackageId> = "p.id",
        /// The name of its package now or, if it has none, the name it was checked under.
        pub package: String = "coalesce(p.name, c.package)",
        pub zig_version: String = "b.zig_version",
        pub commit: Option<String> = "c.\"commit\"",
        pub source: Option<String> = "c.source",
        pub toolchain: Option<String> = "b.toolchain",
        /// The same by its recipe, also where rows have the id of an image instead.
        pub toolchain_name: Option<String> = "coalesce((SELECT r.recipe FROM recipes r WHERE r.image = b.toolchain), \
            b.toolchain)",
        pub state: State = "b.state",
        pub build_status: BuildStatus = "b.build_status",
        pub test_status: Option<TestStatus> = "b.test_status",
        pub import_status: Option<ImportStatus> = "b.import_status",
        pub reason: Option<Reason> = "b.reason",
        pub detail: String = "b.detail",
        pub compiled: Option<u32> = "b.compiled",
        pub tests_passed: Option<u32> = "b.tests_passed",
        pub tests_skipped: Option<u32> = "b.tests_skipped",
        pub tests_total: Option<u32> = "b.tests_total",
        /// As `Verdict::modules`.
        pub modules: String = "b.modules",
        /// The same source under the same toolchain has come to different verdicts.
        pub flaky: bool = "b.flaky",
        /// How it compiles for other targets, as `targets::to_text` has it; empty while that is not known.
        pub targets: String = "b.targets",
        /// The check asked for no verdict from the cache.
        pub fresh: bool = "c.fresh",
        /// A search tries an older commit.
        pub is_try: bool = "c.is_try",
        /// It is a check of an upload: of no package.
        pub uploaded: bool = "c.package_id IS NULL AND c.url IS NULL",
        pub error_log: String = "b.error_log",
        pub attempt: u32 = "b.attempt",
        /// How many attempts ended in an error; those that a restart of the server interrupted do not count.
        pub errors: u32 = "b.errors",
        pub created_at: i64 = "b.created_at",
        pub started_at: Option<i64> = "b.started_at",
        pub finished_at: Option<i64> = "b.finished_at",
        pub peak_memory_bytes: Option<u64> = "b.peak_memory_bytes",
        pub log_bytes: u64 = "b.log_bytes",
        pub log_truncated: bool = "b.log_truncated",
        pub priority: Priority = "c.priority",
        /// When the container of this attempt was started, and where in the log it began.
        pub run_at: Option<i64> = "b.run_at",
        pub log_offset: Option<u64> = "b.log_offset",
        /// The node that it ran on, if that was not this machine.
        pub node: Option<String> = "b.node",
        pub deps_outcome: Option<DepsOutcome> = "b.deps_outcome",
        pub reused_commit: Option<String> = "b.reused_commit",
        pub no_reuse: bool = "b.no_reuse",
        pub cache_key: Option<String> = "b.cache_key",
        /// The build whose verdict this is.
        pub cached_from: Option<BuildId> = "b.cached_from",
        /// The running build whose verdict this will be.
        pub waits_for: Option<BuildId> = "b.waits_for",
    }
}

statuses!(BuildRow);

impl BuildRow {
    /// The key of its averages in `durations`.
    pub fn durations_key(&self) -> String {
        durations::key(&self.package, self.uploaded)
    }

    /// The build whose log this one shows.
    pub fn log_of(&self) -> BuildId {
        self.cached_from.unwrap_or(self.id)
    }
}

const BUILD: &str = BuildRow::SELECT;

/// What is known of the container of a build when it is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run<'a> {
    /// The offset in the log of its first byte.
    pub log_offset: u64,
    pub deps_outcome: Option<DepsOutcome>,
    /// None: this machine.
    pub node: Option<&'a str>,
}

/// The size of a finished log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogSize {
    /// Number of bytes that the build wrote.
    pub written: u64,
    /// Some of them are not kept.
    pub is_truncated: bool,
}

// -- reads --

pub fn by_id(store: &Store, id: BuildId) -> Result<Option<BuildRow>> {
    store.optional_row(&format!("{BUILD} WHERE b.id = ?1"), [id], BuildRow::read)
}

pub fn exists(store: &Store, id: BuildId) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM builds WHERE id = ?1)";
    store.value(sql, [id])
}

/// The number given last; 0 if there is none.
pub fn last_id(store: &Store) -> Result<i64> {
    store.value("SELECT coalesce(max(id), 0) FROM builds", [])
}

/// The builds of a check, oldest first.
pub fn of_check(store: &Store, check: CheckId) -> Result<Vec<BuildRow>> {
    let sql = format!("{BUILD} WHERE b.check_id = ?1 ORDER BY b.id");
    store.rows(&sql, [check], BuildRow::read)
}

/// The builds of this package and version in the checks before and after that one. Of those, `NEIGHBOURS_LIMIT_CHECKS`
/// are examined on either side.
pub fn neighbours(store: &Store, of: &BuildRow) -> Result<[Option<BuildRow>; 2]> {
    let Some(package) = of.package_id else {
        return Ok([None, None]);
    };
    let neighbour = |side: &str, order: &str| {
        let sql = format!(
            "{BUILD} WHERE b.id = (SELECT n.id FROM (SELECT id FROM checks \
             WHERE package_id = ?1 AND id {side} ?2 ORDER BY id {order} LIMIT ?4) s \
             CROSS JOIN builds n INDEXED BY builds_by_check ON n.check_id = s.id \
             WHERE n.zig_version = ?3 ORDER BY s.id {order}, n.id {order} LIMIT 1)"
        );
        let values = params![package, of.check, of.zig_version, NEIGHBOURS_LIMIT_CHECKS];
        store.optional_row(&sql, values, BuildRow::read)
    };
    Ok([neighbour("<", "DESC")?, neighbour(">", "ASC")?])
}

/// The unfinished builds of a check, oldest first.
pub fn open_of_check(store: &Store, check: CheckId) -> Result<Vec<BuildRow>> {
    let sql = format!(
        "{BUILD} WHERE b.check_id = ?1 AND b.state NOT IN ('finished', 'cancelled') \
         ORDER BY b.id"
    );
    store.rows(&sql, [check], BuildRow::read)
}

/// The builds of these ids, in no order.
pub(super) fn with_ids(store: &Store, ids: &[i64]) -> Result<Vec<BuildRow>> {
    let sql = format!("{BUILD} WHERE b.id IN (SELECT value FROM json_each(?1))");
    store.rows(&sql, [list::ids(ids)], BuildRow::read)
}

/// The newest builds of a package, at most `limit`.
pub(super) fn newest(store: &Store, package: PackageId, limit: usize) -> Result<Vec<BuildRow>> {
    let sql = format!("{BUILD} WHERE c.package_id = ?1 ORDER BY c.id DESC, b.id DESC LIMIT ?2");
    store.rows(&sql, params![package, limit], BuildRow::read)
}

/// The builds that an earlier run of the server was working on, oldest first.
pub fn interrupted(store: &Store) -> Result<Vec<BuildRow>> {
    let sql = format!("{BUILD} WHERE b.state IN ('fetching', 'building', 'testing') ORDER BY b.id");
    store.rows(&sql, [], BuildRow::read)
}

/// The builds that wait for a slot or for their source, oldest first.
pub fn queued(store: &Store) -> Result<Vec<BuildRow>> {
    let sql = format!("{BUILD} WHERE b.state = 'queued' AND b.waits_for IS NULL ORDER BY b.id");
    store.rows(&sql, [], BuildRow::read)
}

/// The next builds in that state after that id, whatever they wait for, at most `limit`.
pub fn queued_after(store: &Store, after: BuildId, limit: usize) -> Result<Vec<BuildRow>> {
    let sql = format!("{BUILD} WHERE b.state = 'queued' AND b.id > ?1 ORDER BY b.id LIMIT ?2");
    store.rows(&sql, params![after, limit], BuildRow::read)
}

/// The number of unfinished builds.
pub fn count_open(store: &Store) -> Result<u64> {
    Ok(totals::builds(store)?.saturating_sub(totals::read(store)?.builds))
}

// -- a build on its way --

/// Adds a check with a build under each of these versions; gives the id of the check.
pub fn insert_with_check(
    store: &mut Store,
    new: &NewCheck,
    zig_versions: &[String],
    at: i64,
) -> Result<CheckId> {
    let check = checks::insert(store, new, at)?;
    for version in zig_versions {
        insert(store, check, version, at)?;
    }
    Ok(check)
}

pub fn insert(store: &mut Store, check: CheckId, zig_version: &str, at: i64) -> Result<BuildId> {
    let sql = "INSERT INTO builds (check_id, zig_version, created_at) VALUES (?1, ?2, ?3)";
    let id = store.insert(sql, params![check, zig_version, at])?;
    results::insert(store, check, zig_version, BuildId(id))?;
    Ok(BuildId(id))
}

/// Sets state and attempt; false if they were set already.
pub fn set_state(store: &mut Store, build: BuildId, state: State, attempt: u32) -> Result<bool> {
    let sql = "UPDATE builds SET state = ?2, attempt = ?3 WHERE id = ?1 AND (state <> ?2 OR attempt <> ?3)";
    Ok(store.execute(sql, params![build, state, attempt])? > 0)
}

/// Notes that a build has its slot: its image, its cache key, and since when.
pub fn set_started(
    store: &mut Store,
    build: BuildId,
    toolchain: &str,
    key: Option<&str>,
    at: i64,
) -> Result<()> {
    let sql = "UPDATE builds SET toolchain = ?2, cache_key = ?3, started_at = ?4, waits_for = NULL, \
        run_at = NULL, node = NULL, reused_commit = NULL WHERE id = ?1";
    store.execute(sql, params![build, toolchain, key, at])?;
    Ok(())
}

/// Notes that the container of a build is started.
pub fn set_run(store: &mut Store, build: BuildId, run: &Run, at: i64) -> Result<()> {
    let sql = "UPDATE builds SET run_at = ?2, log_offset = ?3, deps_outcome = ?4, node = ?5 WHERE id = ?1";
    store.execute(
        sql,
        params![build, at, run.log_offset, run.deps_outcome, run.node],
    )?;
    Ok(())
}

/// Notes how many attempts ended in an error.
pub fn set_errors(store: &mut Store, build: BuildId, errors: u32) -> Result<()> {
    let sql = "UPDATE builds SET errors = ?2 WHERE id = ?1";
    store.execute(sql, params![build, errors])?;
    Ok(())
}

/// Notes that the output of a build is written again, from that offset of its log.
pub fn set_log_offset(store: &mut Store, build: BuildId, log_offset: u64) -> Result<()> {
    let sql = "UPDATE builds SET log_offset = ?2 WHERE id = ?1";
    store.execute(sql, params![build, log_offset])?;
    Ok(())
}

/// Ends a build with its verdict, which is published as the latest; says whether that breaks or fixes the package.
pub fn finish(
    store: &mut Store,
    build: BuildId,
    verdict: &Verdict,
    log: LogSize,
    at: i64,
) -> Result<Option<Transition>> {
    let sql = "UPDATE builds SET state = 'finished', build_status = ?2, test_status = ?3, \
        reason = ?4, compiled = ?5, tests_passed = ?6, tests_total = ?7, error_log = ?8, \
        peak_memory_bytes = ?9, log_bytes = ?10, log_truncated = ?11, finished_at = ?12, \
        import_status = ?13, detail = ?14, tests_skipped = ?15, modules = ?16, steps = ?17, \
        minimum_zig_version = ?18, zig_ms = ?19, waits_for = NULL WHERE id = ?1";
    let values = params![
        build,
        verdict.build_status,
        verdict.test_status,
        verdict.reason,
        verdict.compiled,
        verdict.tests_passed,
        verdict.tests_total,
        verdict.error_log,
        verdict.peak_memory_bytes,
        log.written,
        log.is_truncated,
        at,
        verdict.import_status,
        verdict.detail,
        verdict.tests_skipped,
        verdict.modules,
        verdict.steps,
        verdict.minimum_zig_version,
        verdict.zig_ms,
    ];
    store.execute(sql, values)?;
    mark_flaky(store, build)?;
    if let Some(dated_version) = &verdict.dated_version {
        toolchains::note_dated_version(store, build, dated_version)?;
    }
    let transition = publish(store, build, at)?;
    durations::add_build(store, build)?;
    Ok(transition)
}

/// Enters the verdict of an ended build into all that is kept of verdicts.
fn publish(store: &mut Store, build: BuildId, at: i64) -> Result<Option<Transition>> {
    let before = transitions::shown(store, build)?;
    results::publish(store, build, at)?;
    let row = history::record(store, build)?;
    comparisons::record(store, build)?;
    build_days::count(store, build)?;
    let is_own = |row: &ShownRow| row.build == Some(build);
    let Some(new) = transitions::shown(store, build)?.filter(is_own) else {
        return Ok(None);
    };
    shares::count_verdict(store, &new, at)?;
    transitions::record(store, before, &new, (build, row), at)
}

/// Marks all builds of one source under one toolchain if they have come to different verdicts.
fn mark_flaky(store: &mut Store, build: BuildId) -> Result<()> {
    let same = "cache_key = (SELECT cache_key FROM builds WHERE id = ?1) AND cached_from IS NULL \
        AND build_status IN ('success', 'failed')";
    let differ = format!(
        "SELECT count(DISTINCT build_status || ' ' || coalesce(test_status, '') || ' ' \
         || coalesce(import_status, '')) > 1 FROM builds WHERE {same}"
    );
    if store.value(&differ, [build])? {
        let sql = format!("UPDATE builds SET flaky = 1 WHERE {same} AND flaky = 0");
        store.execute(&sql, [build])?;
    }
    Ok(())
}

/// Notes in one sentence what happens to a build.
pub fn set_detail(store: &mut Store, build: BuildId, detail: &str) -> Result<()> {
    let sql = "UPDATE builds SET detail = ?2 WHERE id = ?1";
    store.execute(sql, params![build, detail])?;
    Ok(())
}

/// Ends a build without a verdict.
pub fn cancel(store: &mut Store, build: BuildId, log: LogSize, at: i64) -> Result<()> {
    let sql = "UPDATE builds SET state = 'cancelled', reason = 'cancelled', finished_at = ?2, \
        log_bytes = ?3, log_truncated = ?4, waits_for = NULL WHERE id = ?1";
    store.execute(sql, params![build, at, log.written, log.is_truncated])?;
    Ok(())
}

// -- cached verdicts, and builds that wait for the verdict of a running one --

/// The latest build of that key with a verdict on the package that is still valid: a failure to fetch, or to keep
/// within time or memory, may not happen again.
pub fn cached(store: &Store, key: &str) -> Result<Option<BuildId>> {
    let sql = "SELECT id FROM builds WHERE cache_key = ?1 AND cached_from IS NULL \
        AND build_status IN ('success', 'failed') \
        AND coalesce(reason, '') NOT IN \
            ('dependency_unavailable', 'timeout', 'silent', 'out_of_memory') \
        AND (build_status = 'success' AND test_status IS NOT 'failed' \
                AND import_status IS NOT 'failed' \
            OR deps_outcome IS NULL OR deps_outcome IN ('fetched', 'manifest')) ORDER BY id DESC LIMIT 1";
    store.optional_row(sql, [key], |row| row.get("id"))
}

/// Ends a build with the verdict of another one of the same key, as `finish` does.
pub fn finish_cached(
    store: &mut Store,
    build: BuildId,
    from: BuildId,
    at: i64,
) -> Result<Option<Transition>> {
    let sql = "UPDATE builds SET state = 'finished', waits_for = NULL, cached_from = o.id, \
        finished_at = ?3, toolchain = o.toolchain, cache_key = o.cache_key, \
        build_status = o.build_status, test_status = o.test_status, reason = o.reason, \
        import_status = o.import_status, detail = o.detail, modules = o.modules, flaky = o.flaky, targets = o.targets, \
        steps = o.steps, minimum_zig_version = o.minimum_zig_version, zig_ms = o.zig_ms, \
        compiled = o.compiled, tests_passed = o.tests_passed, tests_total = o.tests_total, \
        tests_skipped = o.tests_skipped, error_log = o.error_log, peak_memory_bytes = o.peak_memory_bytes, \
        log_bytes = o.log_bytes, log_truncated = o.log_truncated \
        FROM (SELECT * FROM builds WHERE id = ?2) o WHERE builds.id = ?1";
    store.execute(sql, params![build, from, at])?;
    publish(store, build, at)
}

/// Lets a build wait for the verdict of a running one, its leader.
pub fn wait_for(store: &mut Store, build: BuildId, leader: BuildId) -> Result<()> {
    let sql = "UPDATE builds SET waits_for = ?2 WHERE id = ?1";
    store.execute(sql, params![build, leader])?;
    Ok(())
}

pub fn stop_waiting(store: &mut Store, build: BuildId) -> Result<()> {
    let sql = "UPDATE builds SET waits_for = NULL WHERE id = ?1";
    store.execute(sql, [build])?;
    Ok(())
}

/// The builds that wait for the verdict of that one, oldest first.
pub fn waiters(store: &Store, leader: BuildId, limit: usize) -> Result<Vec<BuildRow>> {
    let sql = format!("{BUILD} WHERE b.waits_for = ?1 ORDER BY b.id LIMIT ?2");
    store.rows(&sql, params![leader, limit], BuildRow::read)
}

/// Finished builds that others still wait for.
pub fn finished_leaders(store: &Store) -> Result<Vec<BuildId>> {
    // Each leader behind the one before it: many builds may wait for one.
    let sql = "WITH RECURSIVE leaders (id) AS (SELECT min(waits_for) FROM builds WHERE waits_for NOT NULL \
            UNION ALL SELECT (SELECT min(waits_for) FROM builds WHERE waits_for > leaders.id) \
            FROM leaders WHERE id NOT NULL) \
        SELECT b.id FROM leaders CROSS JOIN builds b ON b.id = leaders.id \
        WHERE b.state IN ('finished', 'cancelled')";
    store.values(sql, [])
}

// -- retention --

/// The oldest builds after id `after` that should be deleted: `over` of them, and all that were made before
/// `before`. Blocked is a build that is the latest verdict of a package or the original of a cached one, that
/// another one waits for, that an event names, or whose check is unfinished.
pub fn expired(
    store: &Store,
    after: BuildId,
    over: u64,
    before: i64,
    limits: ScanLimits,
) -> Result<ScanResult<BuildId, BuildId>> {
    let sql = "SELECT b.id, b.created_at, \
            NOT EXISTS (SELECT 1 FROM build_results WHERE build_id = b.id) \
            AND NOT EXISTS (SELECT 1 FROM builds WHERE cached_from = b.id) \
            AND NOT EXISTS (SELECT 1 FROM builds WHERE waits_for = b.id) \
            AND NOT EXISTS (SELECT 1 FROM events WHERE build_id = b.id) \
            AND NOT EXISTS (SELECT 1 FROM builds WHERE check_id = b.check_id \
                AND state NOT IN ('finished', 'cancelled')) AS is_free, \
            o.id AS original, o.ref_count \
        FROM builds b INDEXED BY builds_unreferenced LEFT JOIN builds o ON o.id = b.cached_from \
        WHERE b.ref_count = 0 AND b.state IN ('finished', 'cancelled') AND b.id > ?1 ORDER BY b.id";
    let mut statement = store.db.prepare_cached(sql)?;
    let mut rows = statement.query([after])?;
    let mut found = ScanResult::new();
    let mut examined = 0;
    // For each original: how many of the references to it go.
    let mut released: HashMap<BuildId, i64> = HashMap::new();
    while let Some(row) = rows.next()? {
        let columns = Columns::of(row);
        let id = columns.get("id")?;
        let created_at: i64 = columns.get("created_at")?;
        if found.free.len() as u64 >= over && created_at >= before {
            break;
        }
        examined += 1;
        let is_free = columns.get("is_free")?;
        let is_done = found.add(id, id, is_free, examined, limits);
        let original: Option<BuildId> = columns.get("original")?;
        if let (true, Some(original)) = (is_free, original) {
            let count = released.entry(original).or_default();
            *count += 1;
            // Nothing refers to the original any more. It is older, so the next scan begins with it.
            if *count >= columns.get("ref_count")? {
                found.after = Some(BuildId(original.get() - 1));
                break;
            }
        }
        if is_done {
            break;
        }
    }
    Ok(found)
}

/// Removes a build, with its check if that has no other one.
pub fn delete(store: &mut Store, build: BuildId) -> Result<()> {
    let sql = "SELECT check_id FROM builds WHERE id = ?1";
    let Some(check) = store.optional_row(sql, [build], |row| row.get("check_id"))? else {
        return Ok(());
    };
    results::forget_newest(store, build)?;
    store.execute("DELETE FROM builds WHERE id = ?1", [build])?;
    checks::delete_empty(store, check)
}
