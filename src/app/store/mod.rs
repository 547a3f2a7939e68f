//! Every SQL statement.
//!
//! Writes of a turn gather in one transaction, opened by the first of them; `commit` ends it.
//! Reads see what the turn has written.

pub mod limits;
pub mod rows;

mod cache;
mod durations;
mod events;
mod identity;
mod latest;
mod migrations;
mod overview;
mod popularity;
mod queue;
mod recheck;
mod retention;
mod runs;

use std::cell::Cell;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use crate::app::domain::verdict::{BuildStatus, Reason, State, TestStatus};
pub use crate::app::store::rows::{
    BuildEvent, BuildFilter, BuildRow, CheckRow, Finished, NewCheck, NewPackage, PackageFilter,
    PackageRow, Paging, ResultRow, Sort, SourceRow,
};
use crate::app::store::rows::{build_row, check_row, maybe_word, package_row, word};
pub use cache::KeptDependencies;
use identity::Identity;
pub use latest::{CheckLine, NewestBuild};
pub use overview::Overview;
pub use popularity::popularity_statements;
pub use queue::{Lane, Waiting};
pub use recheck::{RebuildPage, RecheckRow, recheck_reads};
pub use retention::{ScanLimits, ScanResult, Totals};
pub use runs::Run;

/// What went wrong with the database, in words.
pub type Result<T> = std::result::Result<T, rusqlite::Error>;

#[derive(Debug)]
pub struct Store {
    db: Connection,
    /// Path and inode of the database file: a file that was removed goes on working unseen.
    file: Option<(PathBuf, u64)>,
    identity: Identity,
    writing: bool,
    /// A build has ended since somebody asked.
    ended: bool,
    /// When the first look at a remote is due, if any is; unknown after each write to it. Every
    /// event of every turn asks for it.
    next_look: Cell<Option<Option<i64>>>,
}

/// As many as there are, and the lists that are asked for most.
const STATEMENTS_KEPT: usize = 128;

/// A part of a statement that is put together from what was asked.
#[derive(Default)]
struct Where {
    terms: Vec<String>,
    values: Vec<Value>,
}

impl Where {
    /// `term` holds `?` once.
    fn and(&mut self, term: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.terms.push(term.to_string());
            self.values.push(value.into());
        }
    }

    fn sql(&self) -> String {
        match self.terms.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", self.terms.join(" AND ")),
        }
    }
}

const BUILD: &str = "SELECT b.id, b.check_id, c.package, b.zig_version, c.\"commit\", c.source, \
    b.toolchain, b.state, b.build_status, b.test_status, b.reason, b.compiled, b.tests_passed, \
    b.tests_total, b.error_log, b.attempt, b.created_at, b.started_at, b.finished_at, \
    b.peak_memory_bytes, b.log_bytes, b.log_truncated, c.class, b.run_at, b.log_start, b.own_name, \
    b.fetched, b.cache_key, b.cached_from, b.shares, b.errors \
    FROM builds b JOIN checks c ON c.id = b.check_id";

const PACKAGE: &str = "SELECT id, name, url, ref, description, author, license, created_at, \
    last_updated, popularity_score FROM packages";

const CHECK: &str = "SELECT c.id, c.package_id, c.package, c.url, c.ref, c.\"commit\", c.attempt, \
    c.created_at, s.hash, s.format, s.bytes, s.dependencies, s.manifest, c.class, c.party, c.errors \
    FROM checks c LEFT JOIN sources s ON s.hash = c.source";

impl Store {
    /// Opens or makes the database of a data directory.
    pub fn open(path: &Path) -> Result<Store> {
        let db = Connection::open(path)?;
        let mut store = Store::on(db)?;
        let inode = std::fs::metadata(path).map(|m| m.ino()).unwrap_or(0);
        store.file = Some((path.to_path_buf(), inode));
        Ok(store)
    }

    /// Makes a database of what a connection is open on.
    pub fn on(db: Connection) -> Result<Store> {
        // FULL: a committed turn is on the disk before anybody hears of it.
        db.execute_batch(
            // Recursive: a row that is replaced counts as one that went.
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
             PRAGMA temp_store = MEMORY; \
             PRAGMA recursive_triggers = ON;",
        )?;
        // Each statement is prepared once: there are more than the 16 that are kept by default.
        db.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        // All of the schema or none: whoever opens the file meanwhile sees no half of it.
        let making = db.unchecked_transaction()?;
        migrations::add_columns(&db)?;
        db.execute_batch(include_str!("../../../schema.sql"))?;
        migrations::count(&db)?;
        let identity = identity::identity(&db)?;
        making.commit()?;
        Ok(Store {
            db,
            file: None,
            identity,
            writing: false,
            ended: false,
            next_look: Cell::new(None),
        })
    }

    /// The database answers and its file is still where it was opened.
    pub fn is_connected(&self) -> bool {
        let there = match &self.file {
            None => true,
            Some((path, inode)) => std::fs::metadata(path).is_ok_and(|m| m.ino() == *inode),
        };
        let answers = self
            .db
            .query_row("SELECT 1", [], |row| row.get::<_, i64>(0));
        there && answers.is_ok()
    }

    /// The turn has written something.
    pub fn is_writing(&self) -> bool {
        self.writing
    }

    /// Writes the turn to the disk. Nothing to do where nothing was written.
    pub fn commit(&mut self) -> Result<()> {
        if self.writing {
            self.db.execute_batch("COMMIT")?;
            self.writing = false;
        }
        Ok(())
    }

    fn write(&mut self) -> Result<&Connection> {
        if !self.writing {
            self.db.execute_batch("BEGIN IMMEDIATE")?;
            self.writing = true;
        }
        Ok(&self.db)
    }

    // -- packages --

    /// The id of the package that has this name or else this URL, and which of the two it is.
    pub fn known_package(&self, name: &str, url: &str) -> Result<Option<(i64, &'static str)>> {
        let sql = "SELECT id, name = ?1 FROM packages WHERE name = ?1 OR url = ?2 \
            ORDER BY name = ?1 DESC";
        let mut statement = self.db.prepare_cached(sql)?;
        let known = statement.query_row([name, url], |row| {
            let field = if row.get(1)? { "name" } else { "url" };
            Ok((row.get(0)?, field))
        });
        known.optional()
    }

    pub fn insert_package(&mut self, new: &NewPackage, at: i64) -> Result<i64> {
        let db = self.write()?;
        let sql = "INSERT INTO packages (name, url, ref, description, author, license, \
            created_at, last_updated) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)";
        let id = db.prepare_cached(sql)?.insert(params![
            new.name,
            new.url,
            new.reference,
            new.description,
            new.author,
            new.license,
            at
        ])?;
        self.begin_package(id, &new.url, at)?;
        Ok(id)
    }

    pub fn package(&self, name: &str) -> Result<Option<PackageRow>> {
        let sql = format!("{PACKAGE} WHERE name = ?1");
        let mut statement = self.db.prepare_cached(&sql)?;
        statement.query_row([name], package_row).optional()
    }

    pub fn packages(
        &self,
        filter: &PackageFilter,
        sort: Sort,
        page: Paging,
    ) -> Result<(Vec<PackageRow>, u64)> {
        let mut terms = Where::default();
        let like = filter.search.as_deref().map(contains);
        terms.and(
            "name || char(10) || coalesce(description, '') || char(10) || url LIKE ? ESCAPE '\\'",
            like,
        );
        terms.and("license = ?", filter.license.clone());
        terms.and("author = ?", filter.author.clone());
        let mut of_result = Where::default();
        of_result.and("zig_version = ?", filter.zig_version.clone());
        of_result.and(
            "build_status = ?",
            filter.status.map(|s| s.as_str().to_string()),
        );
        if !of_result.terms.is_empty() {
            let inner = of_result.sql();
            let term = format!("id IN (SELECT package_id FROM build_results{inner})");
            terms.terms.push(term);
            terms.values.append(&mut of_result.values);
        }
        let total = self.count(
            &format!("SELECT count(*) FROM packages{}", terms.sql()),
            &terms,
        )?;
        let sql = format!("{PACKAGE}{}{}", terms.sql(), ordered(sort, "id", page));
        let rows = self.rows(&sql, &terms, package_row)?;
        Ok((rows, total))
    }

    /// One row for each toolchain the package was ever built under.
    pub fn results(&self, package: i64) -> Result<Vec<ResultRow>> {
        let sql = "SELECT r.zig_version, r.build_status, r.test_status, v.compiled, \
            r.last_checked, c.\"commit\", r.build_id, coalesce( \
                (SELECT b.state FROM builds b JOIN checks bc ON bc.id = b.check_id \
                 WHERE bc.package_id = r.package_id AND b.zig_version = r.zig_version \
                 ORDER BY b.id DESC LIMIT 1), 'finished') \
            FROM build_results r LEFT JOIN builds v ON v.id = r.build_id \
            LEFT JOIN checks c ON c.id = v.check_id WHERE r.package_id = ?1";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([package], |row| {
            Ok(ResultRow {
                zig_version: row.get(0)?,
                build_status: word(row, 1, BuildStatus::parse)?,
                test_status: maybe_word(row, 2, TestStatus::parse)?,
                compiled: row.get(3)?,
                last_checked: row.get(4)?,
                commit: row.get(5)?,
                build_id: row.get(6)?,
                state: word(row, 7, State::parse)?,
            })
        })?;
        rows.collect()
    }

    // -- checks and sources --

    /// A check and its builds, one under each of those versions.
    pub fn begin_check(&mut self, new: &NewCheck, zig_versions: &[String], at: i64) -> Result<i64> {
        let check = self.insert_check(new, at)?;
        for version in zig_versions {
            self.insert_build(check, version, at)?;
        }
        Ok(check)
    }

    pub fn insert_check(&mut self, new: &NewCheck, at: i64) -> Result<i64> {
        let db = self.write()?;
        let sql = "INSERT INTO checks (package_id, package, url, ref, class, party, created_at) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let (url, reference) = (new.git.map(|g| g.0), new.git.and_then(|g| g.1));
        db.prepare_cached(sql)?.insert(params![
            new.package_id,
            new.package,
            url,
            reference,
            new.priority.number(),
            new.tenant,
            at
        ])
    }

    /// Gives a check its source, and remembers the source.
    pub fn set_source(
        &mut self,
        check: i64,
        source: &SourceRow,
        commit: Option<&str>,
        at: i64,
    ) -> Result<()> {
        let db = self.write()?;
        let sql = "INSERT INTO sources (hash, format, bytes, dependencies, manifest, created_at, \
            used_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) \
            ON CONFLICT (hash) DO UPDATE SET kept = 1, used_at = excluded.used_at";
        let SourceRow {
            hash,
            format,
            bytes,
            dependencies,
            manifest,
        } = source;
        db.prepare_cached(sql)?.execute(params![
            hash,
            format,
            *bytes as i64,
            dependencies,
            manifest,
            at
        ])?;
        let sql = "UPDATE checks SET source = ?2, \"commit\" = ?3 WHERE id = ?1";
        db.prepare_cached(sql)?
            .execute(params![check, hash, commit])?;
        Ok(())
    }

    /// The next attempt to fetch the source of a check, and how many ended in an error.
    pub fn set_check_attempt(&mut self, check: i64, attempt: u32, errors: u32) -> Result<()> {
        let sql = "UPDATE checks SET attempt = ?2, errors = ?3 WHERE id = ?1";
        self.write()?
            .prepare_cached(sql)?
            .execute(params![check, attempt, errors])?;
        Ok(())
    }

    pub fn check(&self, id: i64) -> Result<Option<CheckRow>> {
        let sql = format!("{CHECK} WHERE c.id = ?1");
        let mut statement = self.db.prepare_cached(&sql)?;
        statement.query_row([id], check_row).optional()
    }

    // -- builds --

    pub fn insert_build(&mut self, check: i64, zig_version: &str, at: i64) -> Result<i64> {
        let sql = "INSERT INTO builds (check_id, zig_version, created_at) VALUES (?1, ?2, ?3)";
        let db = self.write()?;
        let id = db
            .prepare_cached(sql)?
            .insert(params![check, zig_version, at])?;
        // A package's first build under a toolchain shows as pending until there is a verdict.
        let sql = "INSERT INTO build_results (package_id, zig_version, build_status) \
            SELECT package_id, ?2, 'pending' FROM checks WHERE id = ?1 AND package_id NOT NULL \
            ON CONFLICT (package_id, zig_version) DO NOTHING";
        db.prepare_cached(sql)?
            .execute(params![check, zig_version])?;
        Ok(id)
    }

    /// Ends a build with its verdict, which becomes the latest of its package and toolchain. An
    /// error of ours replaces no verdict on the package, only the want of one; and a build that was
    /// overtaken replaces none of a later build.
    pub fn finish_build(&mut self, end: &Finished, at: i64) -> Result<()> {
        let verdict = end.verdict;
        let status = verdict.build_status.as_str();
        let test_status = verdict.test_status.map(TestStatus::as_str);
        let sql = "UPDATE builds SET state = 'finished', build_status = ?2, test_status = ?3, \
            reason = ?4, compiled = ?5, tests_passed = ?6, tests_total = ?7, error_log = ?8, \
            peak_memory_bytes = ?9, log_bytes = ?10, log_truncated = ?11, finished_at = ?12 \
            WHERE id = ?1";
        let db = self.write()?;
        db.prepare_cached(sql)?.execute(params![
            end.build,
            status,
            test_status,
            verdict.reason.map(Reason::as_str),
            verdict.compiled,
            verdict.tests_passed,
            verdict.tests_total,
            verdict.error_log,
            verdict.peak_memory_bytes.map(|n| n as i64),
            end.log_bytes as i64,
            end.log_truncated,
            at
        ])?;
        self.publish_verdict(end.build, at)?;
        self.note_duration(end.build)
    }

    /// The verdict of a build becomes the latest, unless it is overtaken.
    fn publish_verdict(&mut self, build: i64, at: i64) -> Result<()> {
        let db = self.write()?;
        let sql = "UPDATE build_results SET build_status = b.build_status, \
            test_status = b.test_status, error_log = b.error_log, last_checked = ?2, build_id = ?1 \
            FROM builds b JOIN checks c ON c.id = b.check_id WHERE b.id = ?1 \
            AND build_results.package_id = c.package_id \
            AND build_results.zig_version = b.zig_version \
            AND (b.build_status <> 'error' OR build_results.build_status IN ('pending', 'error')) \
            AND (coalesce(build_results.build_id, 0) <= ?1 OR build_results.build_status = 'error')";
        db.prepare_cached(sql)?.execute(params![build, at])?;
        let sql = "UPDATE packages SET last_updated = ?2 WHERE id = (SELECT c.package_id \
            FROM builds b JOIN checks c ON c.id = b.check_id WHERE b.id = ?1)";
        db.prepare_cached(sql)?.execute(params![build, at])?;
        Ok(())
    }

    pub fn build(&self, id: i64) -> Result<Option<BuildRow>> {
        let sql = format!("{BUILD} WHERE b.id = ?1");
        let mut statement = self.db.prepare_cached(&sql)?;
        statement.query_row([id], build_row).optional()
    }

    /// The builds of a check, in the order they were made.
    pub fn builds_of(&self, check: i64) -> Result<Vec<BuildRow>> {
        let sql = format!("{BUILD} WHERE b.check_id = ?1 ORDER BY b.id");
        let mut statement = self.db.prepare_cached(&sql)?;
        let rows = statement.query_map([check], build_row)?;
        rows.collect()
    }

    pub fn builds(
        &self,
        filter: &BuildFilter,
        sort: Sort,
        page: Paging,
    ) -> Result<(Vec<BuildRow>, u64)> {
        let mut terms = Where::default();
        terms.and("c.package = ?", filter.package.clone());
        terms.and("b.check_id = ?", filter.check);
        terms.and("b.zig_version = ?", filter.zig_version.clone());
        terms.and(
            "b.build_status = ?",
            filter.status.map(|s| s.as_str().to_string()),
        );
        terms.and("b.state = ?", filter.state.map(|s| s.as_str().to_string()));
        // Only the package stands elsewhere: without it each build is counted where it stands.
        let from = match filter.package {
            Some(_) => "SELECT count(*) FROM builds b JOIN checks c ON c.id = b.check_id",
            None => "SELECT count(*) FROM builds b",
        };
        let total = self.count(&format!("{from}{}", terms.sql()), &terms)?;
        let sql = format!("{BUILD}{}{}", terms.sql(), ordered(sort, "b.id", page));
        let rows = self.rows(&sql, &terms, build_row)?;
        Ok((rows, total))
    }

    // -- what lists share --

    fn count(&self, sql: &str, terms: &Where) -> Result<u64> {
        let mut statement = self.db.prepare_cached(sql)?;
        let count: i64 = statement.query_row(params_from_iter(&terms.values), |row| row.get(0))?;
        Ok(count as u64)
    }

    fn rows<T>(&self, sql: &str, terms: &Where, read: fn(&Row) -> Result<T>) -> Result<Vec<T>> {
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map(params_from_iter(&terms.values), read)?;
        rows.collect()
    }
}

/// A LIKE pattern for texts that hold `part`, whatever is in it.
fn contains(part: &str) -> String {
    let mut pattern = String::from("%");
    for c in part.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern + "%"
}

/// `row` is the column of the row number: it makes the order total, so that no page repeats or
/// skips a row.
fn ordered(sort: Sort, row: &str, page: Paging) -> String {
    let down = if sort.down { "DESC" } else { "ASC" };
    let skip = (page.page - 1)
        .saturating_mul(page.limit)
        .min(i64::MAX as u64);
    let (column, limit) = (sort.column, page.limit);
    format!(" ORDER BY {column} {down}, {row} {down} LIMIT {limit} OFFSET {skip}")
}
